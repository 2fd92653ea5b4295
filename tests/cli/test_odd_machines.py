"""Machines that are no workstation: no locks, odd names, pipes, closed and full streams."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

SAMPLE = Path(str(files("tcellflow"))) / "data" / "samples" / "trex_pt17_trimodal"
GEX, TCR = SAMPLE / "sample_filtered_feature_bc_matrix.h5", SAMPLE / "filtered_contig_annotations.csv"
_MAIN = "from tcellflow.cli.app import main; main()"
_COMMAND = [sys.executable, "-c", _MAIN]
_NO_LOCKS = r"""
#define _GNU_SOURCE
#include <errno.h>
int flock(int fd, int operation) { errno = ENOLCK; return -1; }
"""


def run(*arguments, **options):
    """Run a command in a fresh process."""
    command = [*_COMMAND, *map(os.fsencode, arguments)]
    return subprocess.run(command, check=False, timeout=120, **{"capture_output": True, **options})


def run_in_shell(script, *arguments):
    """Run bash with the command as "$T" and the arguments as $1, $2, ..."""
    return subprocess.run(
        ["bash", "-c", f"T() {{ {sys.executable} -c '{_MAIN}' \"$@\"; }}; {script}", "bash", *arguments],
        check=False,
        capture_output=True,
        timeout=120,
    )


def contents(folder):
    """Give names and bytes of all files."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """What a run on a usual machine gives."""
    folder = tmp_path_factory.mktemp("usual")
    assert run("run", "--gex", GEX, "--tcr", TCR, "--prefix", "s", "-o", folder).returncode == 0
    return contents(folder)


@pytest.mark.skipif(shutil.which("cc") is None, reason="the shim is written in C")
def test_a_file_system_without_locks_is_no_hindrance(tmp_path, usual):
    """Where every lock is refused, the run reads, writes, and gives the same bytes."""
    (tmp_path / "shim.c").write_text(_NO_LOCKS)
    shim = tmp_path / "shim.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, tmp_path / "shim.c"], check=True)
    arguments = ["run", "--gex", GEX, "--tcr", TCR, "--prefix", "s", "-o", tmp_path / "o"]
    done = run(*arguments, env={**os.environ, "LD_PRELOAD": str(shim)})
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "o") == usual


def test_a_name_that_is_not_utf8_is_a_name(tmp_path, usual):
    """Folder names are bytes; whichever they are, all steps write and read there, bundles included."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/out\xff"))
    bundle = Path(str(files("tcellflow"))) / "bundles" / "states"
    shutil.copytree(bundle, folder / "states")
    done = run("run", "--gex", GEX, "--tcr", TCR, "--prefix", "s", "-o", folder)
    assert done.returncode == 0, done.stderr
    written = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert written == usual
    again = ["report", "--prefix", "s", "-o", folder, "--force"]
    assert run(*again).returncode == 0
    done = run(
        "predict", folder / "s.annotated.h5ad", "--bundle", folder / "states", "-o", folder, "--prefix", "t"
    )
    assert done.returncode == 0, done.stderr


def test_pipes_are_read_once(tmp_path, usual):
    """A shell's <(...) is as good as a file, for every kind of input."""
    done = run_in_shell(
        'T run --gex <(cat "$1") --tcr <(cat "$2") --prefix s -o "$3"', GEX, TCR, tmp_path / "o"
    )
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "o") == usual
    (tmp_path / "s.chains.parquet").write_bytes(usual["s.chains.parquet"])
    done = run_in_shell(
        'cat "$1" | T embed-tcr /dev/stdin --prefix s -o "$2"', tmp_path / "s.chains.parquet", tmp_path / "e"
    )
    assert done.returncode == 0, done.stderr


def test_closed_streams_are_no_bug(tmp_path):
    """Started without stdin, stdout or stderr, a command does its work and nothing lands in its files."""
    done = run_in_shell('T run --tcr "$1" --prefix s -o "$2" <&- >&- 2>&-', TCR, tmp_path / "o")
    assert done.returncode == 0
    assert (tmp_path / "o" / "s.report.html").exists()
    assert run_in_shell("T run --gex absent -o o 2>&-").returncode == 66


@pytest.mark.parametrize("arguments", ["--version", "--help", "bundle list", "bundle list --json"])
def test_a_full_stdout_is_an_output_error(arguments):
    """What was asked for could not be told: 73, in words."""
    done = run_in_shell(f"T {arguments} >/dev/full")
    assert done.returncode == 73
    assert b"error: the output cannot be written: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_full_stderr_changes_no_exit_code(tmp_path):
    """Messages may be lost, exit codes not."""
    assert run_in_shell("T run --gex absent -o o 2>/dev/full").returncode == 66
    assert run_in_shell('T preprocess --tcr "$1" -o "$2" 2>/dev/full', TCR, tmp_path / "o").returncode == 0


@pytest.mark.parametrize("threads", [1, 3, 5])
def test_the_number_of_threads_changes_no_byte(tmp_path, threads, usual):
    """Vectors, latents and all else are the same bytes at any number of threads."""
    folder = tmp_path / "o"
    arguments = ["run", "--gex", GEX, "--tcr", TCR, "--prefix", "s", "-o", folder, "--threads", str(threads)]
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert contents(folder) == usual
