"""CPU seconds and peak memory of the command fuse on one set, with and without clusters and map.

    python -m benchmarks.fusion.speed --data FOLDER --scratch FOLDER -o ROWS [--set NAME]

Every row is a process of its own on one thread, its start and all reading and writing included. A line of
JSON for each row.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from recipes.fusion.sets import SETS
from tcellflow.steps.preprocess import PreprocessOptions, preprocess

ROWS = {
    "vectors, proteins, labels": ("--no-clusters", "--no-umap"),
    "and clusters": ("--no-umap",),
    "and map": (),
}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--set", default="citeseq_pbmc10k", choices=sorted(SETS))
    options = parser.parse_args()
    cells = options.scratch / "s.cells.h5ad"
    if not cells.exists():
        source = SETS[options.set]
        gex = options.data / source.file
        preprocess(PreprocessOptions(options.scratch, "s", gex=gex, library_size_column=source.library))
    for name, flags in ROWS.items():
        row = {"set": options.set, "row": name, **measure(cells, options.scratch / "out", flags)}
        print(json.dumps(row), flush=True)
        with options.output.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def measure(cells: Path, output: Path, flags: tuple[str, ...]) -> dict[str, float]:
    """Run the command and give its CPU and wall seconds, and its peak memory in MiB."""
    program = str(Path(sys.executable).with_name("tcellflow"))
    command = [program, "fuse", str(cells), "-o", str(output), "--prefix", "s", "--force", "--threads", "1"]
    started = time.perf_counter()
    child = subprocess.Popen([*command, "--device", "cpu", *flags], env=os.environ | {"OMP_NUM_THREADS": "1"})
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"the command ended with status {status}")
    scale = 1024 if sys.platform == "linux" else 1024**2
    return {
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "wall_seconds": round(time.perf_counter() - started, 1),
        "peak_mib": used.ru_maxrss // scale,
    }


if __name__ == "__main__":
    main()
