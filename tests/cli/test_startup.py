"""Start-up: help, version and a missing input come at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tcellflow.errors import ExitCode

_MAIN = "import sys; sys.argv[0] = 'tcellflow'; from tcellflow.cli.app import main; main()"


def least_cpu_seconds(*arguments: str, repeats: int = 7) -> float:
    """Run Python several times and give the least processor time: wall time follows the machine's load."""
    seconds = []
    for _ in range(repeats):
        before = os.times()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        after = os.times()
        seconds.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )
    return min(seconds)


@pytest.fixture(scope="module")
def floor() -> float:
    """Give the processor time of Python with typer and rich, and nothing else."""
    return least_cpu_seconds("-c", "import typer, rich.console")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]], ids=" ".join)
def test_help_comes_at_once(arguments, floor):
    """Help and version take at most 2.5 times what Python, typer and rich alone take."""
    assert least_cpu_seconds("-c", _MAIN, *arguments) <= 2.5 * floor


def test_help_lists_the_commands_on_stdout():
    """The overview names the program and goes to stdout, with nothing on stderr."""
    done = subprocess.run([sys.executable, "-c", _MAIN, "--help"], capture_output=True, text=True, check=True)
    assert "Usage: tcellflow" in done.stdout
    assert done.stderr == ""


_THEN_LIST = """
import sys
from tcellflow.cli.app import main
try:
    main()
except SystemExit as done:
    heavy = "numpy", "scipy", "pandas", "pyarrow", "h5py", "anndata", "onnxruntime", "tidytcells", "jinja2"
    print(*[name for name in heavy if name in sys.modules])
    raise
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["preprocess", "--gex", "absent.h5"],
        ["preprocess", "--tcr", "absent.csv"],
        ["embed-tcr", "absent.parquet"],
        ["predict", "absent.h5ad"],
        ["report", "absent.json"],
        ["report", "--prefix", "absent"],
        ["run", "--gex", "absent.h5"],
    ],
    ids=" ".join,
)
def test_a_missing_input_is_told_before_any_library_is_loaded(arguments, tmp_path):
    """The error names the path and ends with the code of inputs, and no heavy module was imported."""
    done = subprocess.run(
        [sys.executable, "-c", _THEN_LIST, *arguments, "-o", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == ExitCode.INPUT, done.stderr
    assert done.stderr.startswith("error: ")
    assert "absent" in done.stderr
    assert done.stdout == "\n"
    assert list(tmp_path.iterdir()) == []
