"""Start-up: help and version come at once."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

_MAIN = "import sys; sys.argv[0] = 'tcellflow'; from tcellflow.cli.app import main; main()"


def quickest_seconds(arguments: list[str], *, repeats: int = 5) -> float:
    """Run a Python command several times and give the shortest wall time (the machine may be busy)."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", *arguments], capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]], ids=" ".join)
def test_help_comes_at_once(arguments):
    """Help and version need under half a second, or 2.5 times what Python and typer alone take."""
    floor = quickest_seconds(["import typer, rich.console"])
    assert quickest_seconds([_MAIN, *arguments]) < max(0.5, 2.5 * floor)


def test_help_lists_the_commands_on_stdout():
    """The overview names the program and goes to stdout, with nothing on stderr."""
    done = subprocess.run([sys.executable, "-c", _MAIN, "--help"], capture_output=True, text=True, check=True)
    assert "Usage: tcellflow" in done.stdout
    assert done.stderr == ""
