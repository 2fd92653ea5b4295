"""Where cells come from: a cells file, or a matrix in memory or on disk.

Invariant: cells come in blocks of rows, always in the same order, so that no matrix is ever dense or in
memory as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from scipy import sparse

from tcellflow.inference.states.receptor_block import ReceptorBlock

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from tcellflow.genes.panel import CsrBlock, PanelAlignment
    from tcellflow.io.tables.receptor_vectors import ReceptorVectors

_BLOCK_CELLS: Final = 1_024


class CellSource(Protocol):
    """Cells that can be read block by block, as `CellsFile` and `MatrixCells` can."""

    @property
    def where(self) -> object:
        """What it is called in messages."""

    @property
    def n_obs(self) -> int:
        """Number of cells."""

    @property
    def gene_names(self) -> NDArray[np.object_]:
        """Gene symbols, shape (genes,), object."""

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """Stream log1p(counts per 10,000), CSR (cells, genes); can be called again."""


@dataclass(frozen=True)
class MatrixCells:
    """The cells of a matrix.

    Parameters
    ----------
    matrix
        log1p(counts per 10,000), shape (cells, genes): an array, a scipy matrix, or anything on disk that
        gives rows by slicing, such as ``X`` of a backed AnnData.
    gene_names
        Gene symbols, shape (genes,), object.
    """

    matrix: Any
    gene_names: NDArray[np.object_]

    @property
    def where(self) -> str:
        """What it is called in messages."""
        return "expression matrix"

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return int(self.matrix.shape[0])

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """Stream the matrix.

        Yields
        ------
        scipy.sparse.csr_matrix
            The next cells, all genes.
        """
        for start in range(0, self.n_obs, _BLOCK_CELLS):
            stop = min(start + _BLOCK_CELLS, self.n_obs)
            if isinstance(self.matrix, sparse.csr_matrix | sparse.csr_array):
                yield _view_rows(self.matrix, start, stop)
            else:
                yield sparse.csr_matrix(self.matrix[start:stop])


def _view_rows(matrix: CsrBlock, start: int, stop: int) -> sparse.csr_matrix:
    """Give rows without copying their values, as slicing would."""
    ends = matrix.indptr[start : stop + 1]
    inside = slice(ends[0], ends[-1])
    return sparse.csr_matrix(
        (matrix.data[inside], matrix.indices[inside], ends - ends[0]), shape=(stop - start, matrix.shape[1])
    )


@dataclass(frozen=True)
class CellFacts:
    """What is known of B cells before any call.

    Parameters
    ----------
    cell_id
        Barcodes, shape (B,), object.
    donor
        Donors, shape (B,), object.
    clone_id
        Clones, None without a usable chain, shape (B,), object.
    is_t_cell
        Verdict of the T-cell gate, shape (B,), bool.
    is_doublet
        Signs of two cells under one barcode, shape (B,), bool.
    """

    cell_id: NDArray[np.object_]
    donor: NDArray[np.object_]
    clone_id: NDArray[np.object_]
    is_t_cell: NDArray[np.bool_]
    is_doublet: NDArray[np.bool_]


def gather_blocks(
    panel: PanelAlignment, source: CellSource, vectors: ReceptorVectors | None
) -> Iterator[tuple[NDArray[np.float32], ReceptorBlock | None]]:
    """Stream what a bundle takes.

    Parameters
    ----------
    panel
        The bundle's genes within the source.
    source
        The cells.
    vectors
        Their receptor vectors.

    Yields
    ------
    expression : ndarray
        The panel's genes of the next cells, shape (N, G), float32.
    receptors : ReceptorBlock or None
        Vectors of the same cells.
    """
    first = 0
    for block in source.blocks():
        expression = panel.gather(block)
        n_cells = len(expression)
        yield expression, None if vectors is None else ReceptorBlock(*vectors.take(first, n_cells))
        first += n_cells
