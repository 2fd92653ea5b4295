"""Time product and peer as alternating pairs of fresh processes.

CPU seconds come from the operating system (`os.wait4`) for the whole process tree; each child
prints one JSON line with the CPU seconds it spent on imports, which are taken off, its peak
resident memory, and whatever else it wants to report. (The peak that `os.wait4` gives is no use:
it starts from the size of the parent at the fork.)
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.harness.machine import ONE_THREAD


@dataclass(frozen=True)
class Run:
    """One finished child process."""

    cpu_seconds: float  # without imports
    import_seconds: float
    wall_seconds: float
    peak_mib: float
    report: dict[str, object]


def run_child(command: list[str]) -> Run:
    """Run one child on one thread and account for it.

    The disk is settled first: the unwritten gigabytes of the process before would slow this one's
    writing, and cost it CPU time.
    """
    os.sync()
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | ONE_THREAD)
    assert child.stdout is not None
    output = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{' '.join(command)} ended with status {status}")
    report = json.loads(output.strip().splitlines()[-1])
    imports, peak = float(report.pop("import_seconds")), float(report.pop("peak_mib"))
    return Run(usage.ru_utime + usage.ru_stime - imports, imports, wall, peak, report)


def run_pairs(ours: list[str], peer: list[str], pairs: int) -> tuple[list[Run], list[Run]]:
    """Run both commands in turn, A B A B ..."""
    mine, theirs = [], []
    for _ in range(pairs):
        mine.append(run_child(ours))
        theirs.append(run_child(peer))
    return mine, theirs


def summarise(runs: list[Run]) -> dict[str, object]:
    """Give median and range of each figure."""

    def spread(values: list[float]) -> dict[str, float]:
        return {
            "median": round(statistics.median(values), 2),
            "min": round(min(values), 2),
            "max": round(max(values), 2),
        }

    return {
        "cpu_seconds": spread([run.cpu_seconds for run in runs]),
        "import_seconds": spread([run.import_seconds for run in runs]),
        "wall_seconds": spread([run.wall_seconds for run in runs]),
        "peak_mib": spread([run.peak_mib for run in runs]),
    }


def pair_ratios(mine: list[Run], theirs: list[Run]) -> dict[str, float]:
    """Give the peer-to-product ratio of CPU seconds pair by pair."""
    ratios = [b.cpu_seconds / a.cpu_seconds for a, b in zip(mine, theirs, strict=True)]
    return {
        "cpu_ratio_median": round(statistics.median(ratios), 2),
        "cpu_ratio_min": round(min(ratios), 2),
        "cpu_ratio_max": round(max(ratios), 2),
        "memory_ratio": round(
            statistics.median([b.peak_mib for b in theirs]) / statistics.median([a.peak_mib for a in mine]), 2
        ),
    }
