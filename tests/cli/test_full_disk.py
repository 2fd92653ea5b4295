"""A disk that fills up while HDF5 writes: the documented exit code, no crash, nothing left."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

_MAIN = "from tcellflow.cli.app import main; main()"


@pytest.mark.parametrize("limit_bytes", [100_000, 3_000_000])
def test_a_full_disk_gives_73_and_leaves_nothing(tmp_path, limit_bytes):
    """Whether the first or a later write fails, the error is the whole story and the folder is gone."""
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
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 73, done.stderr[-2000:]
    assert done.stderr.splitlines()[-3:] == [
        "error: the disk is full",
        f"  at:   {tmp_path / 'o'}",
        "  mend: free space or choose another -o",
    ]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "o").exists()
