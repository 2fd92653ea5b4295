"""Where cells and their receptor vectors come from: a cells file, or a matrix in memory or on disk.

Invariant: cells come in blocks of rows, always in the same order, so that no matrix is ever dense or in
memory as a whole. A missing chain is a row of NaN here and a zero with a mask in the network, never a
vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from scipy import sparse

from tcellflow.cells.counts import are_counts
from tcellflow.cells.normalise import recover_library_sizes
from tcellflow.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tcellflow.genes.panel import CsrBlock, PanelAlignment
    from tcellflow.io.tables.receptor_vectors import ReceptorVectors
    from tcellflow.states.unconventional import ReceptorFacts

_BLOCK_CELLS: Final = 1_024
_LOOKED_AT: Final = 10_000


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

    @property
    def has_counts(self) -> bool:
        """Whether its library sizes were counted, not estimated from logarithms."""

    @property
    def has_told_sizes(self) -> bool:
        """Whether the user named the library sizes, so that nobody need ask for them."""

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """Stream log1p(counts per 10,000), CSR (cells, genes); can be called again."""

    def measured_blocks(self) -> Iterator[tuple[sparse.csr_matrix, NDArray[np.float64]]]:
        """Stream the same with the true library size of each cell."""


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
    library
        True library size of each cell, shape (cells,); None = estimated from its smallest value.
    """

    matrix: Any
    gene_names: NDArray[np.object_]
    library: NDArray[np.number] | None = None

    @property
    def has_counts(self) -> bool:
        """Whether the library sizes are known."""
        return self.library is not None

    @property
    def has_told_sizes(self) -> bool:
        """Whether the caller gave the library sizes."""
        return self.library is not None

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

        Raises
        ------
        InputError
            If they hold whole numbers alone, as counts do.
        """
        for start in range(0, self.n_obs, _BLOCK_CELLS):
            stop = min(start + _BLOCK_CELLS, self.n_obs)
            is_csr = isinstance(self.matrix, sparse.csr_matrix | sparse.csr_array)
            block = (
                _view_rows(self.matrix, start, stop) if is_csr else sparse.csr_matrix(self.matrix[start:stop])
            )
            _check_is_normalised(block.data)
            yield block

    def measured_blocks(self) -> Iterator[tuple[sparse.csr_matrix, NDArray[np.float64]]]:
        """Stream the matrix with the library size of each cell, as `blocks` does."""
        first = 0
        for block in self.blocks():
            rows = slice(first, first + block.shape[0])
            known = None if self.library is None else self.library[rows].astype(np.float64)
            yield block, recover_library_sizes(block) if known is None else known
            first = rows.stop


def _view_rows(matrix: CsrBlock, start: int, stop: int) -> sparse.csr_matrix:
    """Give rows without copying their values, as slicing would."""
    ends = matrix.indptr[start : stop + 1]
    inside = slice(ends[0], ends[-1])
    return sparse.csr_matrix(
        (matrix.data[inside], matrix.indices[inside], ends - ends[0]), shape=(stop - start, matrix.shape[1])
    )


def _check_is_normalised(values: NDArray[np.number]) -> None:
    """Refuse raw counts, which may lie within the range of logarithms; zeros may be left out or not."""
    looked_at = values[:_LOOKED_AT]  # logarithms of counts are never whole: the first few tell
    seen = looked_at[looked_at != 0]
    if seen.size and are_counts(seen).all():
        raise InputError(
            f"all {seen.size:,} values looked at are whole numbers, so they are counts, not log1p(counts per "
            "10,000)",
            where="expression matrix",
            mend="normalise first, e.g. scanpy.pp.normalize_total(adata, target_sum=1e4) and scanpy.pp.log1p",
        )


@dataclass(frozen=True)
class ReceptorBlock:
    """Receptor vectors of B cells.

    Parameters
    ----------
    tra, trb
        Vectors of the alpha and beta chain, shape (B, D), float32; NaN rows where a chain is missing.
    """

    tra: NDArray[np.float32]
    trb: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.tra)

    @property
    def has_tra(self) -> NDArray[np.bool_]:
        """Which cells have an alpha vector, shape (B,)."""
        return ~np.isnan(self.tra[:, 0])

    @property
    def has_trb(self) -> NDArray[np.bool_]:
        """Which cells have a beta vector, shape (B,)."""
        return ~np.isnan(self.trb[:, 0])

    @classmethod
    def missing(cls, n_cells: int, dimension: int) -> ReceptorBlock:
        """Give the vectors of cells without any receptor: NaN everywhere."""
        nothing = np.full((n_cells, dimension), np.nan, np.float32)
        return cls(nothing, nothing)

    def take(self, rows: slice | NDArray[np.intp]) -> ReceptorBlock:
        """Select cells by a slice or row numbers."""
        return ReceptorBlock(self.tra[rows], self.trb[rows])

    def as_inputs(self, dimension: int) -> dict[str, NDArray[np.float32]]:
        """Give what a network takes: vectors with zeros for missing chains, and masks.

        Parameters
        ----------
        dimension
            D as the network expects it.

        Returns
        -------
        dict
            ``tra``, ``trb`` of shape (B, D) and ``has_tra``, ``has_trb`` of shape (B, 1), float32.

        Raises
        ------
        InputError
            If the vectors have another width.
        """
        arrays: dict[str, NDArray[np.float32]] = {}
        for name, vectors, has in (("tra", self.tra, self.has_tra), ("trb", self.trb, self.has_trb)):
            if vectors.shape[1] != dimension:
                raise InputError(
                    f"the receptor vectors have {vectors.shape[1]} columns; the bundle expects {dimension}",
                    where="receptors",
                    mend="embed the receptors with the encoder that the bundle names",
                )
            arrays[name] = np.where(has[:, None], vectors, np.float32(0))
            arrays[f"has_{name}"] = has[:, None].astype(np.float32)
        return arrays


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
    receptors
        What their chains say; None for a sample without receptors.
    """

    cell_id: NDArray[np.object_]
    donor: NDArray[np.object_]
    clone_id: NDArray[np.object_]
    is_t_cell: NDArray[np.bool_]
    is_doublet: NDArray[np.bool_]
    receptors: ReceptorFacts | None = None


def gather_blocks(
    panel: PanelAlignment, source: CellSource, receptors: ReceptorVectors | ReceptorBlock | None
) -> Iterator[tuple[NDArray[np.float32], ReceptorBlock | None]]:
    """Stream what a bundle takes from the sources of cells and of their receptor vectors.

    Parameters
    ----------
    panel
        The bundle's genes within the source.
    source
        The cells.
    receptors
        Receptor vectors of all the cells, on disk or in memory.

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
        yield expression, None if receptors is None else take_receptors(receptors, first, n_cells)
        first += n_cells


def take_receptors(receptors: ReceptorVectors | ReceptorBlock, first: int, n_cells: int) -> ReceptorBlock:
    """Take the vectors of some consecutive cells out of a source of them."""
    if isinstance(receptors, ReceptorBlock):
        return receptors.take(slice(first, first + n_cells))
    return ReceptorBlock(*receptors.take(first, n_cells))
