"""Principal axes of one sample's own genes or proteins, and cells along them.

Invariant: axes come from at most 20,000 evenly spaced cells and from sums in a fixed order, so that neither
the cuts, in which cells come, nor the number of threads moves a bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from tcellflow.genes.receptor_genes import CLONE_GENE
from tcellflow.inference.fusion.standardise import CLIP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.inference.fusion.standardise import GeneSums, Moments

    Floats = NDArray[np.float64]

MOST_FITTED: Final = 20_000
_VARIABLE_GENES: Final = 4_000
_MORE: Final = 10  # directions beside those asked for, and rounds, of the randomised decomposition
_ROUNDS: Final = 6
_LEAST_SPREAD: Final = 1e-4


@dataclass(frozen=True)
class Axes:
    """k axes of F features.

    Parameters
    ----------
    loadings
        Of standardised features, shape (F, k); 0 for features that are not used.
    cap
        Largest value that counts, shape (F,).
    mean
        Of the capped features over the cells that were fitted, shape (F,).
    spread
        Standard deviation of the cells along them, shape (k,), > 0, falling.
    signal
        Share of the variance along each that noise alone would not give, shape (k,), 0-1, falling.
    """

    loadings: Floats
    cap: Floats
    mean: Floats
    spread: Floats
    signal: Floats

    def project(self, values: sparse.csr_matrix) -> Floats:
        """Give cells (rows, F) along the axes, (rows, k), float64."""
        capped = values.astype(np.float64)
        capped.data = np.minimum(capped.data, self.cap[capped.indices])
        offset: Floats = np.einsum("f,fk->k", self.mean, self.loadings)
        return np.asarray(capped @ self.loadings, dtype=np.float64) - offset

    def place(self, columns: NDArray[np.int64], n_features: int) -> Axes:
        """Give the axes for features in another order.

        Parameters
        ----------
        columns
            Column of each of the F features among the new ones, -1 without: it is left out of the axes, as if
            each cell had its mean.
        n_features
            New features.
        """
        there = columns >= 0
        loadings, mean = np.zeros((n_features, self.loadings.shape[1])), np.zeros(n_features)
        cap = np.full(n_features, np.inf)
        at = columns[there]
        loadings[at], mean[at], cap[at] = self.loadings[there], self.mean[there], self.cap[there]
        return Axes(loadings, cap, mean, self.spread, self.signal)


def choose_rows(n_cells: int, most: int = MOST_FITTED) -> NDArray[np.int64]:
    """Choose the cells that axes are fitted on: evenly spaced, at most so many."""
    return np.linspace(0, n_cells - 1, min(n_cells, most)).round().astype(np.int64)


def choose_variable_genes(sums: GeneSums, symbols: NDArray[np.object_]) -> NDArray[np.int64]:
    """Choose the genes of the axes: at most 4,000 whose log-expression varies most for its mean.

    Parameters
    ----------
    sums
        Of all cells with expression.
    symbols
        Of the genes; V, D and J segments and immunoglobulins, which tell clones, are left out.

    Returns
    -------
    ndarray
        Columns, ascending.
    """
    mean = sums.total / max(sums.n_cells, 1)
    variance = sums.squares / max(sums.n_cells, 1) - mean**2
    is_clonal = np.array([CLONE_GENE.fullmatch(str(symbol)) is not None for symbol in symbols], dtype=bool)
    usable = np.flatnonzero((mean > 0) & (variance > _LEAST_SPREAD**2) & ~is_clonal)
    if not usable.size:
        return usable
    x, y = np.log10(mean[usable]), np.log10(variance[usable])
    terms = np.stack([np.ones_like(x), x, x**2])
    residual = y - np.linalg.lstsq(terms.T, y, rcond=None)[0] @ terms
    # in six decimals, for what lies beyond differs between processors
    ranked = np.argsort(-residual.round(6), kind="stable")[:_VARIABLE_GENES]
    return np.sort(usable[ranked])


def find_axes(
    values: sparse.csr_matrix, columns: NDArray[np.int64], moments: Moments, n_axes: int
) -> Axes | None:
    """Find the principal axes of standardised features.

    Parameters
    ----------
    values
        Cells that are fitted, (n, F).
    columns
        Features that are used.
    moments
        Of these features, in their order.
    n_axes
        Axes wanted; fewer where features or cells are fewer.

    Returns
    -------
    Axes or None
        Each with its largest loading positive; None where nothing varies.

    Notes
    -----
    Randomised subspace iteration (Halko, Martinsson & Tropp 2011, doi:10.1137/090771806) from a fixed start.
    Standardised values end at 10, as those of the network do. Products of small matrices are summed in
    order, not by a library that shares them among threads. What noise gives is the upper edge of the law of
    Marchenko & Pastur (1967, doi:10.1070/SM1967v001n04ABEH001994) for the variance that the axes leave.
    """
    k = min(n_axes, len(columns), values.shape[0] - 1)
    if k < 1:
        return None
    cap = np.full(values.shape[1], np.inf)
    cap[columns] = moments.mean + CLIP * moments.scale
    used = sparse.csr_matrix(values[:, columns], dtype=np.float64)
    used.data = np.minimum(used.data, cap[columns][used.indices]) / moments.scale[used.indices]
    mean = np.asarray(used.sum(axis=0)).ravel() / used.shape[0]
    turned = sparse.csr_matrix(used.T)
    axes = np.random.default_rng(0).normal(size=(len(columns), min(k + _MORE, len(columns))))
    for _ in range(_ROUNDS):
        axes = _orthonormalise(axes)
        cells = _centre(used, mean, axes)
        axes = np.asarray(turned @ cells) - mean[:, None] * cells.sum(axis=0)
    axes = _orthonormalise(axes)
    powers, directions = _decompose(_centre(used, mean, axes))
    powers, directions = powers[:k], directions[:, :k]
    kept = np.sqrt(np.maximum(powers / used.shape[0], 0)) > _LEAST_SPREAD
    if not kept.any():
        return None
    found = np.einsum("fm,mk->fk", axes, directions[:, kept])
    found *= np.sign(found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])])
    loadings = np.zeros((values.shape[1], found.shape[1]))
    loadings[columns] = found / moments.scale[:, None]
    wide = np.zeros(values.shape[1])
    wide[columns] = mean * moments.scale
    variances = powers[kept] / used.shape[0]
    squares = np.asarray(used.power(2).sum(axis=0)).ravel() / used.shape[0]
    left = max(float((squares - mean**2).sum() - variances.sum()), 0.0) / len(columns)
    edge = left * (1 + np.sqrt(len(columns) / used.shape[0])) ** 2
    return Axes(loadings, cap, wide, np.sqrt(variances), np.clip(1 - edge / variances, 0, 1))


def _centre(values: sparse.csr_matrix, mean: Floats, axes: Floats) -> Floats:
    offset: Floats = np.einsum("f,fm->m", mean, axes)
    return np.asarray(values @ axes, dtype=np.float64) - offset


def _orthonormalise(axes: Floats) -> Floats:
    powers, directions = _decompose(axes)
    kept = powers > powers[0] * 1e-12
    turned = np.einsum("fm,mk->fk", axes, directions[:, kept])
    return np.asarray(turned / np.sqrt(powers[kept]))


def _decompose(values: Floats) -> tuple[Floats, Floats]:
    """Give squared lengths along principal directions, falling, and the directions."""
    powers, directions = np.linalg.eigh(np.einsum("fm,fk->mk", values, values))
    return np.asarray(powers[::-1]), np.asarray(directions[:, ::-1])
