"""The real Nextflow, as `make nextflow` laid it ready, run in a folder of its own; for benchmarks and tests.

Invariant: nothing of the user's Nextflow (settings, plugins, caches) reaches a run, and no run the network.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PIPELINE = ROOT / "nextflow"
MODULES = PIPELINE / "modules" / "local" / "tcellflow"
CHECKSUM, JAR = (ROOT / "requirements" / "nextflow.sha256").read_text().split()
VERSION = JAR.removeprefix("nextflow-").removesuffix("-one.jar")
TIMEOUT_SECONDS = 1_800
# one light compiler and collector: half the CPU time of a short run
JAVA_OPTIONS = "-Xms64m -Xmx768m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@dataclass(frozen=True)
class NextflowRun:
    """What one start of Nextflow left behind."""

    code: int
    output: str
    folder: Path
    trace: tuple[dict[str, str], ...]  # the tasks in the order they ended

    def tasks(self, status: str) -> list[str]:
        """Names of the tasks with this status, sorted."""
        return sorted(task["name"] for task in self.trace if task["status"] == status)


@dataclass(frozen=True)
class Nextflow:
    """Nextflow with its home."""

    home: Path
    parser: str = "v2"

    def environment(self, *first_on_path: Path) -> dict[str, str]:
        """Give the variables a run sees: the tested tcellflow is on PATH, behind `first_on_path`."""
        path = [*map(str, first_on_path), str(Path(sys.executable).parent), os.environ["PATH"]]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NXF_")}
        return kept | {
            "PATH": os.pathsep.join(path),
            "NXF_HOME": str(self.home),
            "NXF_VER": VERSION,
            "NXF_OFFLINE": "true",
            "NXF_ANSI_LOG": "false",
            "NXF_DISABLE_CHECK_LATEST": "true",
            "NXF_SYNTAX_PARSER": self.parser,
            "NXF_OPTS": JAVA_OPTIONS,
        }

    def __call__(self, *arguments: object, folder: Path, first_on_path: tuple[Path, ...] = ()) -> NextflowRun:
        """Run ``nextflow`` with these arguments in `folder`."""
        done = subprocess.run(
            ["nextflow", *map(str, arguments)],
            cwd=folder,
            env=self.environment(*first_on_path),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return NextflowRun(
            done.returncode, done.stdout + done.stderr, folder, _read_trace(folder / "trace.tsv")
        )

    def run(
        self, script: Path, *arguments: object, folder: Path, first_on_path: tuple[Path, ...] = ()
    ) -> NextflowRun:
        """Run a script or the pipeline, with a trace of its tasks."""
        trace = ("-with-trace", folder / "trace.tsv")
        (folder / "trace.tsv").unlink(missing_ok=True)
        return self("run", script, *trace, *arguments, folder=folder, first_on_path=first_on_path)


def _read_trace(path: Path) -> tuple[dict[str, str], ...]:
    if not path.exists():
        return ()
    with path.open(newline="") as table:
        return tuple(csv.DictReader(table, delimiter="\t"))
