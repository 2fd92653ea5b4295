"""Genes and proteins of a sample on the scale that the network reads.

A sample with enough cells is standardised by itself: lots of antibodies, chemistries and depths then
cancel. A small one is standardised by the bundle's cells.

Invariant: statistics are of the whole sample and never of a block of it; what was not measured is masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from scipy import sparse

    Floats = NDArray[np.float64]

ENOUGH_CELLS: Final = 200  # for a sample to be standardised by itself
CLIP: Final = 10.0
LEAST_SCALE: Final = 0.02  # of a gene's log-expression: rarer genes would shout


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of features.

    Parameters
    ----------
    mean, scale
        Shape (features,), float64; scale > 0.
    """

    mean: Floats
    scale: Floats

    def standardise(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Give (values - mean) / scale, clipped to +-10; shape (cells, features), float32."""
        return np.clip((values - self.mean) / self.scale, -CLIP, CLIP).astype(np.float32)


@dataclass(frozen=True)
class GeneSums:
    """Sums of log-expression over a sample.

    Parameters
    ----------
    total, squares
        Of each gene's values and their squares, shape (genes,).
    n_cells
        Cells with any expression.
    """

    total: Floats
    squares: Floats
    n_cells: int

    def measure(self, columns: NDArray[np.int64]) -> Moments:
        """Give the moments of some genes."""
        return measure_moments(self.total[columns], self.squares[columns], max(self.n_cells, 1))


def sum_genes(blocks: Iterable[sparse.csr_matrix], n_genes: int) -> GeneSums:
    """Sum log-expression (cells, genes) value by value, so that the cuts of the blocks change no bit."""
    total, squares, n_cells = np.zeros(n_genes), np.zeros(n_genes), 0
    for block in blocks:
        values = block.data.astype(np.float64)
        np.add.at(total, block.indices, values)
        np.add.at(squares, block.indices, np.square(values))
        n_cells += int((np.diff(block.indptr) > 0).sum())
    return GeneSums(total, squares, n_cells)


def measure_moments(total: Floats, squares: Floats, n_cells: int) -> Moments:
    """Give the moments from sums over a sample.

    Parameters
    ----------
    total, squares
        Sums of values and of their squares, shape (features,).
    n_cells
        Cells that were summed, > 0.
    """
    mean = total / n_cells
    variance = np.maximum(squares / n_cells - mean**2, 0)
    return Moments(mean, np.maximum(np.sqrt(variance), LEAST_SCALE))


def measure_rows(values: NDArray[np.floating]) -> Moments:
    """Give the moments of (cells, features)."""
    wide = np.asarray(values, dtype=np.float64)
    return measure_moments(wide.sum(axis=0), np.square(wide).sum(axis=0), max(len(wide), 1))


def measure_centres(proteins: NDArray[np.floating]) -> Floats:
    """Give the mean over cells of log1p of antibody counts, shape (P,): the centres of `clr_by_protein`."""
    return np.asarray(np.log1p(np.asarray(proteins, dtype=np.float64)).mean(axis=0))


def clr_by_protein(proteins: NDArray[np.floating], centres: Floats) -> Floats:
    """Compute the centred log-ratio of each protein over the cells of a sample.

    Parameters
    ----------
    proteins
        Antibody counts (cells, P).
    centres
        As `measure_centres` gives them, shape (P,).

    Returns
    -------
    ndarray
        ``log1p(x / exp(centre))``, shape (cells, P), float64, >= 0.

    Notes
    -----
    Seurat's CLR with margin 2, as scMMAE uses it (Brief. Bioinform. 2025, bbaf010).
    """
    return np.log1p(np.asarray(proteins, dtype=np.float64) / np.exp(centres))
