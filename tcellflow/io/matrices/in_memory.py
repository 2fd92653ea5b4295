"""An AnnData object in memory, or one that stays on disk, as an expression matrix.

Invariant: genes are named by the rules of files, and the object is never changed or copied as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import h5py
from scipy import sparse

from tcellflow.cells.barcodes import check_barcodes
from tcellflow.errors import InputError
from tcellflow.io.files.csr_blocks import BLOCK_ROWS
from tcellflow.io.matrices.h5ad_features import read_features
from tcellflow.io.matrices.slot_choice import (
    LAYERS,
    RAW,
    Holds,
    SlotChoice,
    SlotLook,
    choose_by_content,
    find_slot,
    judge_rows,
    order_slots,
    sample_rows,
)
from tcellflow.io.matrices.source import FeatureTable, MatrixKind, MatrixSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    import anndata as ad
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_WHERE: Final = Path("AnnData")


@dataclass(frozen=True)
class MatrixInMemory(MatrixSource):
    """One matrix of an AnnData object, as `MatrixSource`; made by `open_in_memory`."""

    path: Path
    kind: MatrixKind
    slot: str
    barcodes: NDArray[np.object_]
    features: FeatureTable
    matrix: Any
    annotation: pd.DataFrame
    chosen: SlotChoice

    @property
    def choice(self) -> SlotChoice:
        """How the matrix was chosen among those of the object."""
        return self.chosen

    @property
    def obs(self) -> pd.DataFrame:
        """The object's own columns about the cells."""
        return self.annotation

    def blocks(self, n_rows: int = BLOCK_ROWS) -> Iterator[sparse.csr_matrix]:
        """Stream the matrix, up to `n_rows` cells at a time."""
        for start in range(0, len(self.barcodes), n_rows):
            block = sparse.csr_matrix(self.matrix[start : start + n_rows])
            block.sum_duplicates()
            yield block


def open_in_memory(adata: ad.AnnData, layer: str | None = None) -> MatrixInMemory:
    """Open one matrix of an AnnData object in memory.

    Parameters
    ----------
    adata
        The cells; may be backed.
    layer
        Name of a layer, ``"X"``, or ``"raw"`` for ``adata.raw.X``. None takes what a file with the same
        content would give: see `tcellflow.io.matrices.slot_choice.choose_by_content`.

    Returns
    -------
    MatrixInMemory
        Names are read and checked; of the values only samples, to choose the matrix.

    Raises
    ------
    InputError
        If there is no such layer, no matrix, or cells share a name.
    """
    matrices: dict[str, Any] = {"X": adata.X}
    matrices |= {f"{LAYERS}{name}": matrix for name, matrix in adata.layers.items()}
    matrices[RAW] = None if adata.raw is None else adata.raw.X
    present = order_slots([name for name, matrix in matrices.items() if matrix is not None])
    if layer is not None:
        choice = SlotChoice(find_slot(layer, present, where=_WHERE))
    elif present:
        choice = choose_by_content([_look_at(name, matrices[name]) for name in present])
    else:
        raise InputError(
            "there is no matrix in X, the layers or raw", where=_WHERE, mend="put the counts into X"
        )
    matrix = matrices[choice.name]
    if isinstance(matrix, sparse.csc_matrix | sparse.csc_array):
        matrix = matrix.tocsr()  # rows of columns would be searched anew for every block
    var = adata.raw.var if choice.name == RAW else adata.var
    barcodes = adata.obs_names.to_numpy(dtype=object)
    check_barcodes(barcodes, where=_WHERE)
    features = _name_features(var)
    return MatrixInMemory(_WHERE, MatrixKind.H5AD, choice.name, barcodes, features, matrix, adata.obs, choice)


def _look_at(name: str, matrix: Any) -> SlotLook:
    if matrix.dtype.kind not in "iuf":
        return SlotLook(name, matrix.shape[1], Holds.OTHER)
    parts = [sparse.csr_matrix(matrix[rows]) for rows in sample_rows(matrix.shape[0])]
    rows = sparse.csr_matrix(sparse.vstack(parts, format="csr"))
    return SlotLook(name, matrix.shape[1], judge_rows(name, rows))


def _name_features(var: pd.DataFrame) -> FeatureTable:
    """Name the columns as if they were read from a file, so that both follow one rule."""
    from anndata.io import write_elem  # noqa: PLC0415 (takes a second)

    with h5py.File("var", "w", driver="core", backing_store=False) as file:
        write_elem(file, "var", var.astype(object).where(var.notna(), "").astype(str))
        return read_features(file["var"], where=_WHERE)
