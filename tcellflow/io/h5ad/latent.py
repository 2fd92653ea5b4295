"""Vectors of single cells from an annotated cells file, without the rest of it.

Invariant: memory is bounded by the rows asked for, not by the size of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import ContractError
from tcellflow.io.files.hdf5 import open_dataset, open_hdf5
from tcellflow.io.h5ad.elements import read_index
from tcellflow.vocabulary import OBSM_STATE

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_BLOCK_ROWS: Final = 32_768


@dataclass(frozen=True)
class Latent:
    """Vectors of some cells of a sample.

    Parameters
    ----------
    cell_ids
        Object array of str (B,), in file order.
    vectors
        float32 (B, D).
    n_cells
        Cells in the file; B of them, at equal steps, are here.
    """

    cell_ids: NDArray[np.object_]
    vectors: NDArray[np.float32]
    n_cells: int


def has_latent(path: Path) -> bool:
    """Tell whether an HDF5 file holds the latent of the states network.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    with open_hdf5(path) as file:
        return f"obsm/{OBSM_STATE}" in file


def read_latent(path: Path, most_cells: int) -> Latent:
    """Read the latent of the states network for at most so many cells, taken at equal steps.

    Raises
    ------
    InputError
        If the file is damaged.
    ContractError
        If the latent is no table of finite numbers with one row for each cell.
    """
    with open_hdf5(path) as file:
        cell_ids = read_index(file["obs"], where=path)
        dataset = open_dataset(file["obsm"], OBSM_STATE, where=path)
        n_cells = len(cell_ids)
        if dataset.ndim != 2 or dataset.shape[0] != n_cells or dataset.dtype.kind != "f":
            raise ContractError(
                f"obsm/{OBSM_STATE} has the shape {dataset.shape} for {n_cells:,} cells",
                where=path,
                mend="re-run predict",
            )
        rows = np.linspace(0, max(n_cells - 1, 0), min(n_cells, most_cells)).round().astype(np.intp)
        blocks = []
        for start in range(0, n_cells, _BLOCK_ROWS):
            inside = rows[(rows >= start) & (rows < start + _BLOCK_ROWS)] - start
            blocks.append(dataset[start : start + _BLOCK_ROWS][inside].astype(np.float32))
    vectors = np.concatenate(blocks) if blocks else np.empty((0, dataset.shape[1]), np.float32)
    if not np.isfinite(vectors).all():
        raise ContractError(
            f"obsm/{OBSM_STATE} holds values that are no numbers", where=path, mend="re-run predict"
        )
    return Latent(cell_ids[rows], vectors, n_cells)
