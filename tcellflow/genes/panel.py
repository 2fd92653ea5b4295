"""A matrix aligned to a list of genes: a model's panel, or the markers of the T-cell gate.

Invariant: a gene the matrix does not measure is marked absent and its column is zero, so that
"not measured" and "measured, none seen" stay distinguishable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

from tcellflow.errors import BundleError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CsrBlock: TypeAlias = sparse.csr_matrix | sparse.csr_array
"""A block of rows (cells, genes) in compressed sparse row form."""


@dataclass(frozen=True)
class PanelAlignment:
    """Where each gene of a panel lies in a matrix.

    Parameters
    ----------
    columns
        Matrix column of each panel gene, shape (G,), int64; -1 where the matrix lacks the gene.
    coverage
        Weighted share of the panel that the matrix measures, 0-1; 0 for an empty panel.
    n_matrix_genes
        Width of the matrix the alignment belongs to.
    """

    columns: NDArray[np.int64]
    coverage: float
    n_matrix_genes: int
    _target: NDArray[np.int64] = field(repr=False, compare=False)
    _is_wanted: NDArray[np.bool_] = field(repr=False, compare=False)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Whether the matrix measures each panel gene, shape (G,)."""
        return self.columns >= 0

    def find_places(self, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Find the panel's genes at columns of the matrix; -1 where it is none, and for column -1."""
        return np.where(columns >= 0, self._target[columns], -1)

    def gather(self, block: CsrBlock) -> NDArray[np.float32]:
        """Take the panel's columns out of a block of rows.

        Only the panel is made dense, never the whole width of the matrix. Repeated entries of
        one cell and gene are summed, as everywhere in compressed sparse rows.

        Parameters
        ----------
        block
            Rows of the matrix, shape (cells, `n_matrix_genes`).

        Returns
        -------
        ndarray
            Values in panel order, shape (cells, G), float32; 0 in columns of absent genes.

        Raises
        ------
        ValueError
            If the block has another width than the matrix that was aligned.
        """
        return np.asarray(self.select(block).toarray())

    def select(self, block: CsrBlock) -> sparse.csr_array:
        """Take the panel's columns out of a block of rows, and leave them sparse.

        Parameters
        ----------
        block
            Rows of the matrix, shape (cells, `n_matrix_genes`).

        Returns
        -------
        scipy.sparse.csr_array
            Entries in panel order, shape (cells, G), float32; in each row as the block has them, repeats and
            zeros included.

        Raises
        ------
        ValueError
            If the block has another width than the matrix that was aligned.
        """
        n_rows, width = block.shape
        if width != self.n_matrix_genes:
            raise ValueError(
                f"the block has {width} genes, but the alignment was made for {self.n_matrix_genes}"
            )
        # a table of single bytes stays in the fastest cache while all entries are looked up
        kept = np.flatnonzero(self._is_wanted.take(block.indices))
        return sparse.csr_array(
            (
                block.data[kept].astype(np.float32),
                self._target.take(block.indices[kept]),
                np.searchsorted(kept, block.indptr),
            ),
            shape=(n_rows, self.columns.size),
        )


def align_panel(
    symbols: Sequence[str] | NDArray[np.object_],
    panel_symbols: Sequence[str] | NDArray[np.object_],
    weights: NDArray[np.floating] | None = None,
) -> PanelAlignment:
    """Align a matrix with a gene panel: find the panel's genes among those of the matrix.

    Parameters
    ----------
    symbols
        Harmonised gene symbols of the matrix, in column order.
    panel_symbols
        Genes of the panel, in the order the model expects, G of them.
    weights
        Importance of each panel gene for the coverage, shape (G,), finite and not negative;
        equal weights if not given.

    Returns
    -------
    PanelAlignment
        Columns, presence and weighted coverage.

    Raises
    ------
    InputError
        If a symbol occurs twice in the matrix.
    BundleError
        If the panel lists a gene twice, or its weights do not fit.
    """
    column_of = {symbol: column for column, symbol in enumerate(symbols)}
    if len(column_of) != len(symbols):
        raise InputError(
            f"{len(symbols) - len(column_of)} gene symbols are repeated (first: {_first_repeat(symbols)})",
            where="gene symbols",
            mend="run tcellflow preprocess, which sums repeated genes",
        )
    if len(set(panel_symbols)) != len(panel_symbols):
        raise BundleError(
            f"the gene panel lists '{_first_repeat(panel_symbols)}' more than once",
            where="gene panel",
            mend="use an undamaged bundle; 'tcellflow bundle verify' checks one",
        )
    columns = np.fromiter(
        (column_of.get(symbol, -1) for symbol in panel_symbols), dtype=np.int64, count=len(panel_symbols)
    )
    present = columns >= 0
    target = np.full(len(symbols), -1, dtype=np.int64)
    target[columns[present]] = np.flatnonzero(present)
    return PanelAlignment(columns, _weighted_share(present, weights), len(symbols), target, target >= 0)


def _weighted_share(present: NDArray[np.bool_], weights: NDArray[np.floating] | None) -> float:
    if weights is None:
        return float(present.mean()) if present.size else 0.0
    if weights.shape != present.shape or not np.isfinite(weights).all() or (weights < 0).any():
        raise BundleError(
            f"the panel weights (shape {weights.shape}) are not {present.size} finite numbers >= 0",
            where="gene panel weights",
            mend="use an undamaged bundle; 'tcellflow bundle verify' checks one",
        )
    total = float(weights.sum(dtype=np.float64))
    return float(weights[present].sum(dtype=np.float64)) / total if total > 0 else 0.0


def _first_repeat(values: Sequence[str] | NDArray[np.object_]) -> str:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return ""
