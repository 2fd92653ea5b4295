"""CPU seconds and peak memory of the command fuse on one set, with and without clusters and map.

    python -m benchmarks.fusion.speed --data FOLDER --scratch FOLDER -o ROWS [--cells N] [--train]

Every row is a process of its own on one thread, its start and all reading and writing included. With
``--cells`` the set's cells are drawn anew, each with its counts thinned by a share of its own so that no
two are alike. With ``--train`` the command ``train fusion`` is measured on 8,425 cells as it is by
default, and how far its graph is from torch. A line of JSON for each row.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from recipes.fusion.sets import SETS, write_sets
from tcellflow.steps.preprocess import PreprocessOptions, preprocess

TRAINED = {"citeseq_pbmc10k", "citeseq_malt_1k", "abseq_bm_250", "trex_pt17_trimodal"}  # 8,425 cells
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
    parser.add_argument("--cells", type=int, help="cells drawn from the set; all its steps in one row")
    parser.add_argument("--train", action="store_true", help="measure training instead")
    parser.add_argument("--set", default="citeseq_pbmc10k", choices=sorted(SETS))
    options = parser.parse_args()
    if options.train:
        write_row(
            options.output,
            {"row": "training, as by default", **measure_training(options.data, options.scratch)},
        )
        return
    cells = options.scratch / "s.cells.h5ad"
    if not cells.exists():
        source = SETS[options.set]
        gex = options.data / source.file
        preprocess(PreprocessOptions(options.scratch, "s", gex=gex, library_size_column=source.library))
    rows = ROWS
    if options.cells:
        cells = draw_cells(cells, options.cells, options.scratch / "many.cells.h5ad")
        rows = {f"{options.cells:,} cells, clusters and map": ()}
    for name, flags in rows.items():
        found = measure(cells, options.scratch / "out", flags)
        n_cells = options.cells or count_cells(cells)
        write_row(options.output, {"set": options.set, "row": name, "cells": n_cells, **found})


def count_cells(path: Path) -> int:
    """Count the cells of a file."""
    return int(ad.read_h5ad(path, backed="r").n_obs)


def write_row(path: Path, row: dict[str, object]) -> None:
    """Show a row and add it to the file."""
    print(json.dumps(row), flush=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def draw_cells(cells: Path, n_cells: int, path: Path) -> Path:
    """Write a cells file of as many cells as wanted, each thinned by a share of its own."""
    source = ad.read_h5ad(cells)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, source.n_obs, n_cells)
    many = source[rows].copy()
    many.obs_names = [f"cell{i}" for i in range(n_cells)]
    share = rng.uniform(0.5, 1, n_cells)
    counts = sparse.csr_matrix(many.layers["counts"])
    counts.data = rng.binomial(counts.data.astype(np.int64), np.repeat(share, np.diff(counts.indptr)))
    counts.eliminate_zeros()
    totals = np.maximum(many.obs["total_counts"].to_numpy() * share, 1)
    many.obs["total_counts"] = np.rint(totals).astype(source.obs["total_counts"].dtype)
    many.layers["counts"] = counts.astype(source.layers["counts"].dtype)
    logs = counts.astype(np.float32)
    logs.data = np.log1p(logs.data * np.repeat(1e4 / totals, np.diff(logs.indptr))).astype(np.float32)
    many.X = logs
    proteins = many.obsm["adt_counts"]
    thinned = rng.binomial(proteins.to_numpy().astype(np.int64), share[:, None])
    many.obsm["adt_counts"] = pd.DataFrame(thinned, many.obs_names, proteins.columns).astype(proteins.dtypes)
    many.write_h5ad(path)
    return path


def measure_training(data: Path, scratch: Path) -> dict[str, object]:
    """Run ``train fusion`` by default on 8,425 cells."""
    manifest = write_sets(data, scratch / "sets")
    command = ["train", "fusion", "--manifest", str(manifest), "-o", str(scratch / "run"), "--force"]
    for name in sorted(set(SETS) - TRAINED):
        command += ["--hold-out", name]
    found = run([*command, "--split", "cell", "--device", "cpu"])
    document = json.loads((scratch / "run" / "bundle" / "bundle.json").read_text(encoding="utf-8"))
    cells = sum(one["cells"] for one in document["training"])
    size = sum(path.stat().st_size for path in (scratch / "run" / "bundle").iterdir())
    return {"cells": cells, **found, "parity": document["parity"], "bundle_mib": round(size / 2**20, 2)}


def measure(cells: Path, output: Path, flags: tuple[str, ...]) -> dict[str, float]:
    """Run fuse on cells and measure it."""
    command = ["fuse", str(cells), "-o", str(output), "--prefix", "s", "--force", "--threads", "1"]
    return run([*command, "--device", "cpu", *flags])


def run(arguments: list[str]) -> dict[str, float]:
    """Run a command and give its CPU and wall seconds, and its peak memory in MiB."""
    program = str(Path(sys.executable).with_name("tcellflow"))
    started = time.perf_counter()
    child = subprocess.Popen([program, *arguments], env=os.environ | {"OMP_NUM_THREADS": "1"})
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
