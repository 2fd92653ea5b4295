"""Start-up: help and version come at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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
