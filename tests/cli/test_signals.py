"""Interrupted and killed commands: exit codes, and what they leave in the output folder."""

from __future__ import annotations

import re
import signal
import socket
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


def staged(folder: Path) -> list[str]:
    """Give what is staged in a folder: names without what makes them unique."""
    return [re.sub(r"\.[0-9a-f]{8}\.part$", ".part", name) for name in names(folder) if name != ".s.lock"]


_HEARS_HANGUPS = (
    "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # the tests may run under nohup
)


def start(folder: Path) -> subprocess.Popen[str]:
    """Start the command and wait until it is in the middle of writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HEARS_HANGUPS + _COMMAND, "write-slowly", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "waiting\n", process.communicate()
    return process


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 143, "terminated"),
        (signal.SIGXCPU, 143, "terminated"),
    ],
)
def test_interrupted_commands_leave_nothing(tmp_path, number, code, word):
    """SIGINT gives 130, what schedulers send 143, in words, and the half-written outputs are gone."""
    folder = tmp_path / "out"
    process = start(folder)
    assert staged(folder) == ["s.cells.h5ad.part", "s.qc.json.part"]
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
    assert staged(tmp_path) == ["s.cells.h5ad.part", "s.qc.json.part"]
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, "write-slowly", str(tmp_path), "--no-wait"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert names(tmp_path) == ["s.cells.h5ad", "s.qc.json"]


def test_a_hangup_that_is_ignored_stays_ignored(tmp_path):
    """Under nohup a closed terminal ends nothing."""
    folder = tmp_path / "out"
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", ignoring + _COMMAND, "write-slowly", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143


def test_a_second_writer_is_told_who_the_first_is(tmp_path):
    """While one command writes, another for the same sample ends with 73 and names process and host."""
    process = start(tmp_path)
    try:
        command = [sys.executable, "-c", _COMMAND, "write-slowly", str(tmp_path), "--no-wait"]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert second.returncode == 73
        assert f"process {process.pid} on {socket.gethostname()}" in second.stderr
        assert staged(tmp_path) == ["s.cells.h5ad.part", "s.qc.json.part"]
    finally:
        process.terminate()
        process.communicate(timeout=30)
