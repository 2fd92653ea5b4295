"""Time what stands before any work: importing a step, and telling that an input is missing.

    python -m benchmarks.startup.run [--runs N] [--out RESULT.json]

Every figure is the median over fresh processes, which take turns, so that load falls on all alike. Importing
a step is compared with importing pandas, pyarrow and h5py; a missing input has half a second.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness.machine import describe_machine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BASE = "pandas, pyarrow, h5py"
STEPS = ("preprocess", "embed_tcr", "predict", "report")
MOST_TIMES_BASE = 1.5
MOST_SECONDS = 0.5
_MAIN = "from tcellflow.cli.app import main; main()"
IMPORTS = {BASE: f"import {BASE}", **{step: f"import tcellflow.steps.{step}" for step in STEPS}}
MISSING = {
    "preprocess --gex": ("preprocess", "--gex", "absent.h5"),
    "preprocess --tcr": ("preprocess", "--tcr", "absent.csv"),
    "embed-tcr": ("embed-tcr", "absent.parquet"),
    "predict": ("predict", "absent.h5ad"),
    "report": ("report", "absent.json"),
    "run --gex": ("run", "--gex", "absent.h5"),
}


def time_python(arguments: Sequence[str], folder: Path, status: int) -> tuple[float, float]:
    """Give wall and CPU seconds of a fresh process that must end with a status."""
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
    )
    _, raw, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    if os.waitstatus_to_exitcode(raw) != status:
        sys.exit(f"{' '.join(arguments)} ended with {os.waitstatus_to_exitcode(raw)} instead of {status}")
    return wall, usage.ru_utime + usage.ru_stime


def time_all(
    commands: Mapping[str, Sequence[str]], runs: int, folder: Path, status: int
) -> dict[str, dict[str, float]]:
    """Give the median wall and CPU seconds of each command; one round before the first warms the disk."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, arguments in commands.items():
            found = time_python(arguments, folder, status)
            if number:
                seconds[name].append(found)
    return {
        name: {
            "wall_seconds": round(statistics.median(wall for wall, _ in found), 3),
            "cpu_seconds": round(statistics.median(cpu for _, cpu in found), 3),
        }
        for name, found in seconds.items()
    }


def main() -> None:
    """Print the figures as JSON; end with 1 where a limit is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7, help="processes of each kind")
    parser.add_argument("--out", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    machine = describe_machine(("pandas", "pyarrow", "h5py"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        imports = time_all({n: ("-c", code) for n, code in IMPORTS.items()}, options.runs, folder, 0)
        missing = time_all({n: ("-c", _MAIN, *a) for n, a in MISSING.items()}, options.runs, folder, 66)
    base = imports[BASE]["cpu_seconds"]
    for figures in imports.values():
        figures["times_base"] = round(figures["cpu_seconds"] / base, 2)
    kept = {
        "imports": all(figures["times_base"] <= MOST_TIMES_BASE for figures in imports.values()),
        "missing_input": all(figures["wall_seconds"] <= MOST_SECONDS for figures in missing.values()),
    }
    result = {"machine": machine, "imports": imports, "missing_input": missing, "kept": kept}
    text = json.dumps(result, indent=1) + "\n"
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    sys.exit(0 if all(kept.values()) else 1)


if __name__ == "__main__":
    main()
