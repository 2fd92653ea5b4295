"""``docs/inputs.md``: the table of input situations.

cd tests && python -m situations.page
"""

from __future__ import annotations

from pathlib import Path

from situations.table import SECTIONS

PAGE = Path(__file__).parents[2] / "docs" / "inputs.md"
_HEAD = """\
# What is read, and what is refused

Each row is a test (`tests/workflow/test_input_situations.py`) that writes such files from a packaged sample
and runs `tcellflow preprocess` on them; this page is made from the same rows. *read, told* means that a
warning says what was decided; *refused* gives the exit code, one sentence and a way out, and leaves no file
behind. What a file is, its content decides, never its name, except for Matrix Market folders, whose programs
differ in names alone. How the decisions are made is in [preprocess](steps/preprocess.md).
"""


def write_page() -> str:
    """Give the text of the page."""
    parts = [_HEAD]
    for title, rows in SECTIONS.items():
        lines = [f"| {row.source} | {row.given} | {row.outcome.word} | {row.does} |" for row in rows]
        parts.append(f"\n## {title}\n\n| From | Given | Outcome | What happens |\n|---|---|---|---|\n")
        parts.append("\n".join(lines) + "\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
