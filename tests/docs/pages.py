"""The documentation as data: pages, their fenced blocks and their links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)|src=\"(?P<source>[^\"]+)\"")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    text: str


def all_pages() -> list[Path]:
    """Every page a reader may open, in name order."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return top + sorted((ROOT / "docs").rglob("*.md"))


def blocks_of(page: Path) -> list[Block]:
    return [Block(m["language"], m["text"]) for m in _FENCE.finditer(page.read_text(encoding="utf-8"))]


def links_of(page: Path) -> list[str]:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return [m["target"] or m["source"] for m in _LINK.finditer(text)]


def anchors_of(page: Path) -> set[str]:
    """Anchors as code hosts make them from headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def script_of(page: Path) -> str:
    """The page's ``bash`` and ``python`` blocks as one shell script, in order."""
    parts = ["set -euo pipefail"]
    for block in blocks_of(page):
        if block.language == "bash":
            parts.append(block.text)
        elif block.language == "python":
            parts.append(f"python - <<'END_OF_PYTHON'\n{block.text}END_OF_PYTHON")
    return "\n".join(parts)
