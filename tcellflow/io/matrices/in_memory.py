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
from tcellflow.io.matrices.source import FeatureTable, MatrixKind, MatrixSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    import anndata as ad
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_COUNT_LAYERS: Final = ("counts", "raw_counts")
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
    """Open one matrix of an AnnData object.

    Parameters
    ----------
    adata
        The cells; may be backed.
    layer
        Name of a layer, ``"X"``, or ``"raw"`` for ``adata.raw.X``. None takes the layer ``counts`` or
        ``raw_counts`` where there is one, else X.

    Returns
    -------
    MatrixInMemory
        Names are read and checked, values are not.

    Raises
    ------
    InputError
        If there is no such layer, no matrix, or cells share a name.
    """
    if layer is None:
        layer = next((name for name in _COUNT_LAYERS if name in adata.layers), "X")
    var = adata.var
    if layer == "raw" and adata.raw is not None:
        slot, matrix, var = "raw/X", adata.raw.X, adata.raw.var
    elif layer == "X":
        slot, matrix = "X", adata.X
    else:
        slot, matrix = f"layers/{layer}", adata.layers.get(layer)
    if matrix is None:
        present = ["X", *adata.layers, *(() if adata.raw is None else ("raw",))]
        raise InputError(
            f"the AnnData object has no matrix in {slot}",
            where=_WHERE,
            mend="name one of these as layer: " + ", ".join(map(str, present)),
        )
    if isinstance(matrix, sparse.csc_matrix | sparse.csc_array):
        matrix = matrix.tocsr()  # rows of columns would be searched anew for every block
    barcodes = adata.obs_names.to_numpy(dtype=object)
    check_barcodes(barcodes, where=_WHERE)
    return MatrixInMemory(_WHERE, MatrixKind.H5AD, slot, barcodes, _name_features(var), matrix, adata.obs)


def _name_features(var: pd.DataFrame) -> FeatureTable:
    """Name the columns as if they were read from a file, so that both follow one rule."""
    from anndata.io import write_elem  # noqa: PLC0415 (takes a second)

    with h5py.File("var", "w", driver="core", backing_store=False) as file:
        write_elem(file, "var", var.astype(object).where(var.notna(), "").astype(str))
        return read_features(file["var"], where=_WHERE)
