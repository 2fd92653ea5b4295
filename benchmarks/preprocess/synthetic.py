"""Write the synthetic matrices of the preprocess benchmark, block by block.

Counts are drawn gene by gene from skewed rates so that about 7 % of the entries are non-zero,
as in 10x 5' data; names are real gene symbols, so that every part of preprocess has its work.
"""

from __future__ import annotations

import argparse
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_CELLS = 2_000
DENSITY = 0.071
BASES = np.array(list("ACGT"))


def read_gene_names(n_genes: int) -> tuple[list[str], list[str]]:
    """Take the first genes of the packaged sample, mitochondrial and marker genes included."""
    sample = files("tcellflow") / "data/samples/tenx_healthy_T_1k/sample_filtered_feature_bc_matrix.h5"
    with h5py.File(str(sample)) as handle:
        names = handle["matrix/features/name"].asstr()[:]
        ids = handle["matrix/features/id"].asstr()[:]
    # "TBCE-1" is a second TBCE that anndata made distinct: preprocess sums the two, scanpy does not
    stems = np.array([name.removesuffix("-1") for name in names])
    _, first = np.unique(stems, return_index=True)
    first.sort()
    wanted = {
        "CD3D",
        "CD3E",
        "CD3G",
        "TRAC",
        "TRBC1",
        "TRBC2",
        "CD4",
        "CD8A",
        "CD8B",
        "MS4A1",
        "CD79A",
        "LYZ",
    }
    keep = [i for i in first if names[i].startswith("MT-") or names[i] in wanted]
    rest = [i for i in first if i not in set(keep)][: n_genes - len(keep)]
    chosen = sorted(keep + rest)
    return [names[i] for i in chosen], [ids[i] for i in chosen]


def draw_blocks(n_cells: int, n_genes: int, seed: int) -> Iterator[csr_matrix]:
    """Draw sparse count blocks of at most `BLOCK_CELLS` cells."""
    generator = np.random.default_rng(seed)
    rates = generator.gamma(0.35, 1.0, n_genes)
    chance = np.minimum(rates / rates.sum() * DENSITY * n_genes, 0.97)
    chance *= DENSITY * n_genes / chance.sum()
    for start in range(0, n_cells, BLOCK_CELLS):
        rows = min(BLOCK_CELLS, n_cells - start)
        hits = generator.random((rows, n_genes), dtype=np.float32) < chance.astype(np.float32)
        row, column = np.nonzero(hits)
        values = generator.geometric(1 / (1 + 2 * chance[column])).astype(np.int32)
        yield csr_matrix((values, (row, column)), shape=(rows, n_genes))


def barcodes_of(n_cells: int) -> np.ndarray:
    """Give distinct 16-base barcodes with the library suffix."""
    digits = (np.arange(n_cells)[:, None] >> (2 * np.arange(16))) & 3
    return np.array(["".join(BASES[row]) + "-1" for row in digits], dtype=object)


def write_both(folder: Path, n_cells: int, n_genes: int, seed: int) -> None:
    """Write ``<folder>/counts.h5ad`` (uncompressed) and ``<folder>/counts_10x.h5`` (gzip)."""
    folder.mkdir(parents=True, exist_ok=True)
    names, ids = read_gene_names(n_genes)
    barcodes = barcodes_of(n_cells)
    text = h5py.string_dtype()
    with h5py.File(folder / "counts_10x.h5", "w") as tenx, h5py.File(folder / "counts.h5ad", "w") as plain:
        matrix = tenx.create_group("matrix")
        features = matrix.create_group("features")
        matrix["barcodes"] = barcodes.astype("S")
        matrix["shape"] = np.array([n_genes, n_cells], dtype=np.int32)
        for key, values in {
            "id": ids,
            "name": names,
            "feature_type": ["Gene Expression"] * n_genes,
            "genome": ["GRCh38"] * n_genes,
        }.items():
            features[key] = np.array(values).astype("S")
        x = plain.create_group("X")
        plain.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        x.attrs.update(
            {
                "encoding-type": "csr_matrix",
                "encoding-version": "0.1.0",
                "shape": np.array([n_cells, n_genes]),
            }
        )
        for key, index in {"obs": barcodes, "var": np.array(names, dtype=object)}.items():
            frame = plain.create_group(key)
            frame.attrs.update(
                {"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"}
            )
            frame.attrs.create("column-order", np.array([], dtype=object), dtype=text)
            column = frame.create_dataset("_index", data=index, dtype=text)
            column.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
        open_sets = [
            (
                matrix.create_dataset(
                    "data", (0,), np.int32, maxshape=(None,), chunks=(80_000,), compression="gzip"
                ),
                "data",
            ),
            (
                matrix.create_dataset(
                    "indices", (0,), np.int64, maxshape=(None,), chunks=(80_000,), compression="gzip"
                ),
                "indices",
            ),
            (x.create_dataset("data", (0,), np.float32, maxshape=(None,), chunks=(1 << 18,)), "data"),
            (x.create_dataset("indices", (0,), np.int32, maxshape=(None,), chunks=(1 << 18,)), "indices"),
        ]
        indptr = [np.zeros(1, dtype=np.int64)]
        for block in draw_blocks(n_cells, n_genes, seed):
            for dataset, part in open_sets:
                values = getattr(block, part)
                dataset.resize((dataset.shape[0] + len(values),))
                dataset[-len(values) :] = values
            indptr.append(indptr[-1][-1] + block.indptr[1:].astype(np.int64))
        starts = np.concatenate(indptr)
        matrix["indptr"] = starts
        # as anndata writes it: offsets and indices share one width, or scipy refuses some operations
        x["indptr"] = starts.astype(np.int32) if starts[-1] < np.iinfo(np.int32).max else starts


def main() -> None:
    """Write both matrices."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write_both(options.folder, options.cells, options.genes, options.seed)


if __name__ == "__main__":
    main()
