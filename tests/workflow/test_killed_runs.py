"""A few kills of ``tcellflow run``; ``python tests/workflow/killed_runs.py`` tries two hundred."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_run_after_a_kill_equals_one_that_was_never_interrupted():
    """Killed after each of the first renames and at random, over older results or none: the same bytes."""
    script = Path(__file__).parent / "killed_runs.py"
    done = subprocess.run(
        [sys.executable, script, "--kills", "8", "--renames", "3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 kills, 0 faults" in done.stdout
