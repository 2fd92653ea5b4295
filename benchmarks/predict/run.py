"""Time and memory of ``tcellflow predict`` for growing samples and for each thing one can ask of it.

    python -m benchmarks.predict.run --folder /scratch/bench
    python -m benchmarks.predict.run --folder /scratch/bench --bundle states --cells 1000000 --asked tables

The cells are those of the packaged sample, drawn again and again (seed 0) and written as preprocess
does, so density and genes are real. One fresh process per figure, one thread, imports taken off.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks.harness.machine import describe_machine, measure_limits
from benchmarks.harness.processes import run_child
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.h5ad.cells_writer import write_cells
from tcellflow.provenance import StepNote
from tcellflow.steps.preprocess import PreprocessOptions, preprocess

HERE = Path(__file__).parent

SAMPLE = files("tcellflow") / "data/samples/tenx_healthy_T_1k"
BLOCK_CELLS = 1_024
ASKED = {
    "tables": ("--no-h5ad",),
    "copy": (),
    "genes": ("--no-h5ad", "--genes", "5"),
}
NAMES = {
    "tables": "calls, tables",
    "copy": "and the annotated copy",
    "genes": "and five genes for and against",
}


def write_sample(folder: Path, n_cells: int) -> Path:
    """Write a cells file of cells drawn from the packaged sample."""
    path = folder / f"{n_cells}.cells.h5ad"
    if path.exists():
        return path
    if not (folder / "one.cells.h5ad").exists():
        preprocess(
            PreprocessOptions(
                gex=Path(str(SAMPLE / "sample_filtered_feature_bc_matrix.h5")),
                tcr=(Path(str(SAMPLE / "filtered_contig_annotations.csv")),),
                output=folder,
                prefix="one",
            )
        )
    source = read_cells(folder / "one.cells.h5ad")
    counts = sparse.vstack(list(source.blocks(layer="counts")), format="csr")
    drawn = np.random.default_rng(0).integers(0, source.n_obs, n_cells)
    obs = source.obs.iloc[drawn].copy()
    obs.index = pd.Index([f"cell{i:07d}" for i in range(n_cells)])
    part = path.with_suffix(".part")
    with write_cells(part, source.var) as writer:
        for start in range(0, n_cells, BLOCK_CELLS):
            writer.append_counts(counts[drawn[start : start + BLOCK_CELLS]])
        writer.finish(obs, note=StepNote("preprocess"))
    part.rename(path)
    return path


def measure(cells: Path, folder: Path, n_cells: int, options: tuple[str, ...]) -> dict[str, object]:
    """Run predict once in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.predict.product", str(cells), str(folder / "out"), *options]
    run = run_child(command)
    return {
        "cells": n_cells,
        "cpu_seconds": round(run.cpu_seconds, 1),
        "cells_per_cpu_second": round(n_cells / run.cpu_seconds),
        "wall_seconds": round(run.wall_seconds, 1),
        "peak_mib": round(run.peak_mib),
        "cells_file_mib": round(cells.stat().st_size / 2**20),
    }


def main() -> None:
    """Run the benchmark and print one JSON document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder", type=Path, required=True, help="scratch folder; 8 GB, and 20 GB for a million cells"
    )
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 100_000, 300_000])
    parser.add_argument("--bundle", default="states-linear")
    parser.add_argument("--genes-cells", type=int, default=10_000, help="cells asked for their genes")
    parser.add_argument("--asked", nargs="+", choices=tuple(ASKED), default=list(ASKED))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    bundle = ("--bundle", options.bundle)
    result: dict[str, object] = {
        "machine": describe_machine(("tcellflow", "onnxruntime", "h5py", "numpy", "scipy")),
        "limits_before": measure_limits(),
        "bundle": options.bundle,
    }
    for name in options.asked:
        result[NAMES[name]] = [
            measure(write_sample(options.folder, n), options.folder, n, (*ASKED[name], *bundle))
            for n in ([options.genes_cells] if name == "genes" else options.cells)
        ]
    result["limits_after"] = measure_limits()
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
