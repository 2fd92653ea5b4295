"""Limits of address space, threads and processes: named, with the exit code that is due, never a hang."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from tcellflow.cli import limits
from tcellflow.errors import BundleError, ExitCode

_MAIN = "from tcellflow.cli.app import main; main()"


@pytest.mark.parametrize("kilobytes", [300_000, 500_000, 700_000])
def test_a_limit_of_address_space_is_named(tmp_path, kilobytes):
    """A limit that the libraries alone use up ends with 137 at once."""
    n_bytes = kilobytes << 10
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            _MAIN,
            "run",
            "--demo-sample",
            "trex_pt17_trimodal",
            "-o",
            str(tmp_path / "o"),
        ],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (n_bytes, n_bytes)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 137, done.stderr
    assert f"ulimit -v, {kilobytes:,} kB" in done.stderr
    assert not (tmp_path / "o").exists()


def test_what_fails_for_want_of_threads_is_told_so():
    """The cause counts, whatever error a library or a reader made of it."""
    wrapped = BundleError("the model cannot be loaded", where="x", mend="y")
    wrapped.__cause__ = RuntimeError("can't start new thread")
    text, code = limits.explain_limit(wrapped)
    assert code == ExitCode.BUNDLE
    assert "ulimit -u" in text


def test_want_of_memory_without_a_limit_is_out_of_memory():
    """Without a limit of address space the memory itself is used up."""
    text, code = limits.explain_limit(OSError(12, "Cannot allocate memory"))
    assert code == ExitCode.OUT_OF_MEMORY
    assert "out of memory" in text
    assert limits.explain_limit(ValueError("x")) is None


def test_a_limit_too_low_is_refused(monkeypatch):
    """Below what the libraries need no command starts."""
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (1 << 28, 1 << 28))
    with pytest.raises(MemoryError):
        limits.check_address_space()


def test_pools_follow_the_number_of_threads(monkeypatch):
    """--threads sizes the pools of libraries; a number that the user's environment names stays."""
    monkeypatch.setattr(limits.os, "environ", {"OMP_NUM_THREADS": "7"})
    assert limits.size_pools(3) == 3
    assert limits.os.environ["ARROW_IO_THREADS"] == "3"
    assert limits.os.environ["OPENBLAS_NUM_THREADS"] == "3"
    assert limits.os.environ["OMP_NUM_THREADS"] == "7"
