"""Interrupted and killed commands: exit codes, and what they leave in the output folder."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# The real entry point with one more command, which writes half of its outputs and then waits.
_COMMAND = """
import signal, sys, time
from pathlib import Path
from tcellflow.cli import app

@app.app.command("write-slowly")
def write_slowly(folder: Path, wait: bool = True) -> None:
    from tcellflow.io.outputs.staging import stage_outputs
    with stage_outputs(folder, "s", force=False) as outputs:
        outputs.path("cells.h5ad").write_text("half")
        outputs.path("qc.json").write_text("half")
        if wait:
            print("waiting", flush=True)
            time.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored in the background
app.main()
"""


def names(folder: Path) -> list[str]:
    """Give the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def start(folder: Path) -> subprocess.Popen[str]:
    """Start the command and wait until it is in the middle of writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "write-slowly", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "waiting\n", process.communicate()
    return process


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_interrupted_commands_leave_nothing(tmp_path, number, code, word):
    """SIGINT gives 130 and SIGTERM 143, in words, and the half-written outputs are gone."""
    folder = tmp_path / "out"
    process = start(folder)
    assert names(folder) == ["s.cells.h5ad.part", "s.qc.json.part"]
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == code
    assert not folder.exists()
    assert stdout == ""
    assert word in stderr
    assert "Traceback" not in stderr


def test_a_killed_command_leaves_only_part_files_and_the_next_run_succeeds(tmp_path):
    """After SIGKILL no finished name exists, and the same command runs through over the left-overs."""
    process = start(tmp_path)
    process.kill()
    process.communicate(timeout=30)
    assert names(tmp_path) == ["s.cells.h5ad.part", "s.qc.json.part"]
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, "write-slowly", str(tmp_path), "--no-wait"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert names(tmp_path) == ["s.cells.h5ad", "s.qc.json"]
