"""What the pipeline costs beside the steps: a simulated cohort by stub, and a real one.

    python -m benchmarks.nextflow.run --folder /scratch/bench --stub 200 --real 8

The cohort is the packaged samples under many names. The stub run counts what Nextflow does for a task
whose command does nothing (a stand-in for tcellflow tells the version); the real run is set against
`tcellflow run` on the same samples, one after another. CPU seconds of all processes, and those of
Nextflow's own process beside; wall-clock figures depend on the machine's load and are printed for what
they are.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil

from benchmarks.harness.machine import ONE_THREAD, describe_machine
from benchmarks.harness.nextflow import VERSION, Nextflow
from tcellflow import __version__

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

SAMPLES = ROOT / "tcellflow" / "data" / "samples"
GEX = "sample_filtered_feature_bc_matrix.h5"
TCR = "filtered_contig_annotations.csv"
NAMES = ("trex_pt17_trimodal", "tenx_healthy_T_1k")


def write_sheet(folder: Path, n_samples: int) -> Path:
    """Write a samplesheet of so many samples, the packaged ones in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [["sample", "gex", "tcr", "adt"]]
    for number in range(n_samples):
        source = SAMPLES / NAMES[number % len(NAMES)]
        rows.append([f"s{number:05}", str(source / GEX), str(source / TCR), ""])
    path = folder / "sheet.csv"
    path.write_text("\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")
    return path


def run_pipeline(folder: Path, n_samples: int, *arguments: str) -> dict[str, object]:
    """Run the pipeline, and count CPU seconds of everything and of Nextflow's own process."""
    sheet = write_sheet(folder, n_samples)
    stand_in = folder / "bin"
    if "-stub-run" in arguments:
        stand_in.mkdir()
        (stand_in / "tcellflow").write_text(f"#!/bin/sh\necho tcellflow {__version__}\n", encoding="utf-8")
        (stand_in / "tcellflow").chmod(0o755)
        # as many at once as on a small cluster, since they compute nothing
        (folder / "stub.config").write_text("executor { cpus = 16; queueSize = 16 }\n", encoding="utf-8")
        arguments = (*arguments, "-c", str(folder / "stub.config"))
    before = _children_seconds()
    started = time.perf_counter()
    command = ["nextflow", "run", str(ROOT / "nextflow"), "--input", str(sheet), "--skip_multiqc"]
    limits = ("--max_cpus", "1", "--max_memory", "1.GB" if "-stub-run" in arguments else "6.GB")
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        child = subprocess.Popen(
            [*command, *limits, *arguments],
            cwd=folder,
            env=Nextflow(ROOT / ".nxf").environment(stand_in) | ONE_THREAD,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        own = _watch(child)
    if child.returncode != 0:
        raise SystemExit(f"the pipeline failed, see {folder / 'log.txt'}")
    wall = time.perf_counter() - started
    return {
        "samples": n_samples,
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(_children_seconds() - before, 1),
        "nextflow_cpu_seconds": round(own, 1),
        **summarise_trace(folder / "results" / "pipeline_info" / "trace.tsv"),
    }


def _watch(child: subprocess.Popen[bytes]) -> float:
    """CPU seconds of the process itself, without its tasks, as last seen."""
    process = psutil.Process(child.pid)
    seconds = 0.0
    while child.poll() is None:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            break
        seconds = times.user + times.system
        time.sleep(0.5)
    child.wait()
    return seconds


def summarise_trace(path: Path) -> dict[str, object]:
    """Count tasks, and what Nextflow adds to each: from submission to the end, less its own run time."""
    with path.open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    added = [_seconds(row["duration"]) - _seconds(row["realtime"]) for row in rows]
    quartiles = statistics.quantiles(added, n=20)
    return {
        "tasks": len(rows),
        "added_seconds_median": round(statistics.median(added), 3),
        "added_seconds_5_to_95": [round(quartiles[0], 3), round(quartiles[-1], 3)],
        "highest_peak_rss": max((row["peak_rss"] for row in rows), key=_bytes),
    }


def _seconds(text: str) -> float:
    factors = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    total = 0.0
    for part in text.split():
        unit = part.lstrip("0123456789.")
        if unit in factors:
            total += float(part.removesuffix(unit)) * factors[unit]
    return total


def _bytes(text: str) -> float:
    number, _, unit = text.partition(" ")
    return float(number) * 1024.0 ** ("B", "KB", "MB", "GB").index(unit) if unit else 0.0


def run_one_by_one(folder: Path, n_samples: int) -> dict[str, object]:
    """Run `tcellflow run` for the same samples, one after another."""
    before = _children_seconds()
    command = Path(sys.executable).parent / "tcellflow"
    for number in range(n_samples):
        source = SAMPLES / NAMES[number % len(NAMES)]
        inputs = ("--gex", source / GEX, "--tcr", source / TCR, "--device", "cpu", "--threads", "1")
        subprocess.run(
            [command, "--quiet", "run", *inputs, "-o", folder / "loop", "--prefix", f"s{number:05}"],
            check=True,
            env=os.environ | ONE_THREAD,
        )
    return {"samples": n_samples, "cpu_seconds": round(_children_seconds() - before, 1)}


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Run what was asked for and write it to result.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--stub", type=int, default=200, help="samples of the stub run")
    parser.add_argument("--real", type=int, default=8, help="samples of the real run")
    options = parser.parse_args()
    result: dict[str, object] = {"machine": describe_machine(("tcellflow",)), "nextflow": VERSION}
    result["stub"] = run_pipeline(options.folder / "stub", options.stub, "-stub-run")
    result["real"] = run_pipeline(options.folder / "real", options.real)
    result["one by one"] = run_one_by_one(options.folder, options.real)
    text = json.dumps(result, indent=1)
    (HERE / "result.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
