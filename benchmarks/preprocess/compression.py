"""Size of a cells file against the time to write and to read it, for each way to store its matrices.

    python -m benchmarks.preprocess.compression --folder /scratch/bench --cells 100000

The cells are those of the packaged sample, drawn again and again (seed 0): real genes, values and density.
CPU seconds of one process and one thread; "before" is what 32-bit counts took, uncompressed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import get_args

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks.harness.machine import describe_machine
from benchmarks.predict.run import BLOCK_CELLS, write_sample
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.h5ad.cells_writer import write_cells
from tcellflow.provenance import StepNote
from tcellflow.vocabulary import Compression

_MIB = 2**20


def measure(folder: Path, n_cells: int, compression: Compression) -> dict[str, object]:
    """Write and read one file."""
    source = read_cells(folder / "one.cells.h5ad")
    counts = sparse.vstack(list(source.blocks(layer="counts")), format="csr")
    drawn = np.random.default_rng(0).integers(0, source.n_obs, n_cells)
    obs = source.obs.iloc[drawn].copy()
    obs.index = pd.Index([f"cell{i:07d}" for i in range(n_cells)])
    path = folder / f"{compression}.h5ad"
    path.unlink(missing_ok=True)
    started = time.process_time()
    with write_cells(path, source.var, compression) as writer:
        for start in range(0, n_cells, BLOCK_CELLS):
            writer.append_counts(counts[drawn[start : start + BLOCK_CELLS]])
        writer.finish(obs, note=StepNote("preprocess"))
    written = time.process_time()
    n_values = sum(block.nnz for block in read_cells(path).blocks())
    read = time.process_time()
    with h5py.File(path) as file:
        dtype = str(file["layers/counts/data"].dtype)
    return {
        "compression": compression,
        "values": n_values,
        "counts_dtype": dtype,
        "mib": round(path.stat().st_size / _MIB),
        "mib_before": round(12 * n_values / _MIB),
        "write_cpu_seconds": round(written - started, 1),
        "read_x_cpu_seconds": round(read - written, 1),
    }


def main() -> None:
    """Measure all and print one JSON document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="scratch folder")
    parser.add_argument("--cells", type=int, default=100_000)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    write_sample(asked.folder, 1)
    found = [measure(asked.folder, asked.cells, choice) for choice in get_args(Compression)]
    json.dump({"machine": describe_machine(("numpy", "scipy", "h5py")), "runs": found}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
