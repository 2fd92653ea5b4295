"""Recipes and benchmarks: packages beside the product, whose scripts start from the repository's root."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from architecture.sources import ROOT, Source

SCRIPTS = tuple(
    Source(path) for folder in ("recipes", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))
)
STARTED = tuple(source for source in SCRIPTS if "def main()" in source.text)


def _imported(source):
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("source", SCRIPTS, ids=lambda source: source.name)
def test_imports_of_scripts_go_one_way(source):
    """Benchmarks may import recipes, recipes no benchmarks, neither the tests; none edits the search path."""
    roots = {name.partition(".")[0] for name in _imported(source)}
    forbidden = {"tests", "benchmarks"} if source.module.startswith("recipes.") else {"tests"}
    assert roots & forbidden == set()
    assert "sys.path" not in source.text


@pytest.mark.slow
@pytest.mark.parametrize("source", STARTED, ids=lambda source: source.name)
def test_every_script_starts_from_the_root(source):
    """``python -m`` with the script's name and ``--help`` works without an installed copy."""
    done = subprocess.run(
        [sys.executable, "-m", source.module, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage:")
