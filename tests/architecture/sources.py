"""What the architecture tests look at: the package's files, read once."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tcellflow"


@dataclass(frozen=True)
class Source:
    """One Python file of the package."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def module(self) -> str:
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        return [n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


@lru_cache(maxsize=1)
def package_sources() -> tuple[Source, ...]:
    """All Python files of the package, in name order."""
    return tuple(Source(path) for path in sorted(PACKAGE.rglob("*.py")))


@lru_cache(maxsize=1)
def tracked_files() -> tuple[Path, ...]:
    """The files git tracks; empty where this is no repository (an unpacked archive)."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    return tuple(ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file())
