"""Who may import whom, and what must never be imported."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer.main

from architecture.sources import ROOT, package_sources
from tcellflow.cli.app import app

NEVER = ("torch", "transformers", "scanpy", "scirpy", "mudata", "click", "matplotlib", "sklearn")
HEAVY = (
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "anndata",
    "h5py",
    "onnxruntime",
    "tidytcells",
    "jinja2",
    *NEVER,
)

_IMPORT_ALL_WITHOUT = """
import importlib, sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {never!r}:
            raise ModuleNotFoundError("blocked: " + name, name=name)

sys.meta_path.insert(0, Wall())
for module in {modules!r}:
    importlib.import_module(module)
print(len({modules!r}))
"""

_HELP_THEN_LIST = """
import sys
from tcellflow.cli.app import app
try:
    app({arguments!r})
except SystemExit as done:
    assert not done.code, done.code
print(" ".join(sorted(name for name in {heavy!r} if name in sys.modules)), file=sys.stderr)
"""


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_layers_hold():
    """Every import contract of pyproject.toml is kept."""
    done = _python("from importlinter.cli import lint_imports_command as c; c(['--no-cache'])")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_every_module_imports_without_the_training_and_analysis_libraries():
    """With torch, transformers, scanpy and their like blocked, every module of the run time imports."""
    modules = [
        source.module
        for source in package_sources()
        if not source.module.startswith(("tcellflow.models.", "tcellflow.training."))
    ]
    done = _python(_IMPORT_ALL_WITHOUT.format(never=set(NEVER), modules=modules))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(modules) > 30


def _command_paths() -> list[tuple[str, ...]]:
    paths: list[tuple[str, ...]] = [()]
    for name, command in typer.main.get_command(app).commands.items():
        paths.append((name,))
        paths += [(name, inner) for inner in getattr(command, "commands", {})]
    return paths


@pytest.mark.parametrize("path", _command_paths(), ids=" ".join)
def test_help_imports_nothing_heavy(path):
    """The help of each command appears without loading any numerical library."""
    done = _python(_HELP_THEN_LIST.format(arguments=[*path, "--help"], heavy=HEAVY))
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""


def test_version_imports_nothing_heavy():
    """``tcellflow --version`` answers on stdout without loading any numerical library."""
    done = _python(_HELP_THEN_LIST.format(arguments=["--version"], heavy=HEAVY))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tcellflow ")
    assert done.stderr.strip() == ""
