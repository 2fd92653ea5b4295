"""Time and memory of ``tcellflow preprocess`` against scanpy, in one run.

    python -m benchmarks.preprocess.run --folder /scratch/bench --pairs 3

Outputs are compared before any time is believed. One thread, page cache warm, imports taken
off, medians of alternating pairs of fresh processes.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import h5py
import numpy as np

from benchmarks.harness.machine import describe_machine, measure_limits
from benchmarks.harness.processes import pair_ratios, run_pairs, summarise
from benchmarks.preprocess.synthetic import write_both

HERE = Path(__file__).parent


def compare_outputs(ours: Path, peer: Path) -> dict[str, object]:
    """Demand the same cells and genes, and measure the largest difference of the values."""
    largest = 0.0
    with h5py.File(ours) as mine, h5py.File(peer) as theirs:
        for place in ("X/indptr", "layers/counts/indptr"):
            if not np.array_equal(mine[place][:], theirs[place][:]):
                sys.exit(f"{place} differs: the two did not do the same work")
        total = mine["X/data"].shape[0]
        for start in range(0, total, 1 << 24):
            part = slice(start, start + (1 << 24))
            for place in ("X", "layers/counts"):
                if not np.array_equal(mine[f"{place}/indices"][part], theirs[f"{place}/indices"][part]):
                    sys.exit(f"{place}/indices differs: the two did not do the same work")
                apart = np.abs(mine[f"{place}/data"][part] - theirs[f"{place}/data"][part])
                largest = max(largest, float(apart.max(initial=0)))
        return {"non_zeros": int(total), "cells": len(mine["X/indptr"]) - 1, "largest_difference": largest}


def main() -> None:
    """Run the benchmark and print one JSON document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder", type=Path, required=True, help="scratch folder, about 10 GB for the full size"
    )
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()

    result: dict[str, object] = {
        "machine": describe_machine(("tcellflow", "scanpy", "anndata", "h5py", "numpy", "scipy")),
        "limits_before": measure_limits(),
        "cells": options.cells,
        "genes": options.genes,
        "pairs": options.pairs,
    }
    data = options.folder / f"{options.cells}x{options.genes}"
    if not (data / "counts.h5ad").exists():
        write_both(data, options.cells, options.genes, seed=0)
    for name in ("counts.h5ad", "counts_10x.h5"):
        ours_folder, peer_file = data / "ours", data / "peer.h5ad"
        mine, theirs = run_pairs(
            [sys.executable, "-m", "benchmarks.preprocess.product", str(data / name), str(ours_folder)],
            [sys.executable, "-m", "benchmarks.preprocess.peer", str(data / name), str(peer_file)],
            options.pairs,
        )
        result[name] = {
            "same_output": compare_outputs(ours_folder / "ours.cells.h5ad", peer_file),
            "tcellflow": summarise(mine),
            "scanpy": summarise(theirs),
            "scanpy_over_tcellflow": pair_ratios(mine, theirs),
        }
    result["limits_after"] = measure_limits()
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
