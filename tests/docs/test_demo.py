"""What `make demo` runs, run: its commands are in no page."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from command_line import run_command

ROOT = Path(__file__).parents[2]
PROGRAM = ".venv-demo/bin/tcellflow"


def test_the_commands_of_the_demonstration_end_with_its_reports(tmp_path):
    """Both packaged samples and the page of both are there in the end."""
    plan = subprocess.run(
        ["make", "-n", "demo", f"DEMO={tmp_path}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    commands = [shlex.split(line)[1:] for line in plan.stdout.splitlines() if line.startswith(PROGRAM)]
    assert len(commands) == 3
    for command in commands:
        done = run_command(*command)
        assert done.code == 0, done.stderr
    assert {path.name for path in tmp_path.glob("*.html")} == {
        "tenx_healthy_T_1k.report.html", "trex_pt17_trimodal.report.html", "both.report.html",
    }  # fmt: skip
