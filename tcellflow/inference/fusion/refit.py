"""How the genes of one sample tell its own proteins: what the bundle learnt elsewhere, fitted anew.

Invariant: no cell is told from a map that its own proteins were part of; folds, cells and sums have a fixed
order, so that neither cuts nor threads move a bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import InputError
from tcellflow.inference.fusion.axes import choose_rows
from tcellflow.inference.fusion.standardise import ENOUGH_CELLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_FOLDS: Final = 5
_RIDGE: Final = (0.03, 60.0)  # of the cells' number, and cells that speak for what the bundle tells
_LEAST_DEVIATION: Final = 1e-6


@dataclass(frozen=True)
class ToldProteins:
    """Proteins that maps of the sample tell: targets (T,), log1p counts (B, T), their deviation (T,)."""

    targets: NDArray[np.object_]
    levels: NDArray[np.float32]
    sd: NDArray[np.float32]


@dataclass(frozen=True)
class Refit:
    """Linear maps from what genes say of a cell to its proteins.

    Parameters
    ----------
    targets
        Proteins T that are told.
    middle, deviation
        Of the features, shape (F,).
    maps
        Without each fold, and of all cells, shape (6, F + 1, T + A): the last row is what is added; behind
        the proteins stand the A axes of the sample's proteins.
    sd
        Of log1p counts around what is told of cells that the map had not seen, shape (T,).
    correlation
        Of counts and what is told of such cells, shape (T,).
    n_cells
        Cells that were fitted.
    """

    targets: NDArray[np.object_]
    middle: Floats
    deviation: Floats
    maps: Floats
    sd: Floats
    correlation: Floats
    n_cells: int

    def tell(
        self, features: NDArray[np.floating], prior: Floats, fold: NDArray[np.int64]
    ) -> tuple[Floats, Floats]:
        """Tell log1p counts (B, T) and places along the axes (B, A).

        Parameters
        ----------
        features
            Of the cells, (B, F); NaN counts as the mean.
        prior
            log1p counts that the bundle tells, (B, T); 0 where it does not.
        fold
            That each cell was part of, -1 for a cell that was not fitted, (B,).
        """
        shown = np.nan_to_num((features - self.middle) / self.deviation)
        told = np.empty((len(shown), self.maps.shape[2]))
        for number in range(-1, _FOLDS):
            rows = np.flatnonzero(fold == number)
            one = self.maps[number]
            told[rows] = np.einsum("nf,fk->nk", shown[rows], one[:-1]) + one[-1]
        n = len(self.targets)
        return np.maximum(prior + told[:, :n], 0), told[:, n:]


def give_folds(has_both: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give the fold of each cell (B,), by its place in the sample; -1 for those without both modalities."""
    return np.where(has_both, np.arange(len(has_both)) % _FOLDS, -1)


def learn_refit(
    targets: NDArray[np.object_],
    features: NDArray[np.floating],
    prior: Floats,
    levels: Floats,
    along: Floats,
    has_both: NDArray[np.bool_],
    *,
    where: object,
) -> Refit:
    """Fit the maps of a sample.

    Parameters
    ----------
    targets
        Proteins, (T,).
    features
        What genes alone say of the cells, (B, F).
    prior
        log1p counts that the bundle tells from genes, (B, T), which the maps correct; 0 where it does not.
    levels
        log1p counts, (B, T).
    along
        Cells along the axes of the sample's proteins, (B, A).
    has_both
        Cells with expression and antibodies, (B,).
    where
        File concerned, for errors.

    Returns
    -------
    Refit
        By ridge regression on at most 20,000 evenly spaced cells.

    Raises
    ------
    InputError
        If fewer than 200 cells have both.
    """
    known = np.flatnonzero(has_both)
    if len(known) < ENOUGH_CELLS:
        raise InputError(
            f"{len(known)} cells have expression and antibodies, and a refit needs {ENOUGH_CELLS}",
            where=where,
            mend="leave --refit out, or name a sample with both as --reference",
        )
    rows = known[choose_rows(len(known))]
    fold = give_folds(has_both)[rows]
    shown = np.nan_to_num(features[rows].astype(np.float64))
    middle = shown.sum(axis=0) / len(rows)
    deviation = np.sqrt(np.square(shown - middle).sum(axis=0) / len(rows))
    deviation = np.maximum(deviation, _LEAST_DEVIATION)
    shown = (shown - middle) / deviation
    wanted = np.hstack([levels - prior, along])[rows]
    maps = np.stack([_fit(shown[fold != one], wanted[fold != one]) for one in (*range(_FOLDS), -1)])
    n = len(targets)
    blank = Refit(targets, middle, deviation, maps, np.zeros(n), np.zeros(n), len(rows))
    told, _ = blank.tell(features[rows], prior[rows], fold)
    truth = levels[rows]
    sd = np.sqrt(np.square(truth - told).sum(axis=0) / len(rows))
    apart, meant = truth - truth.mean(axis=0), told - told.mean(axis=0)
    power = np.sqrt(np.square(apart).sum(axis=0) * np.square(meant).sum(axis=0))
    correlation = (apart * meant).sum(axis=0) / np.maximum(power, _LEAST_DEVIATION)
    return Refit(targets, middle, deviation, maps, sd, correlation, len(rows))


def _fit(shown: Floats, wanted: Floats) -> Floats:
    """Fit one map by ridge regression, its last row what is added."""
    n, centre, level = len(shown), shown.mean(axis=0), wanted.mean(axis=0)
    apart = shown - centre
    spread = np.einsum("nf,ng->fg", apart, apart) + (_RIDGE[0] * n + _RIDGE[1]) * np.eye(shown.shape[1])
    found = np.linalg.solve(spread, np.einsum("nf,nk->fk", apart, wanted - level))
    return np.vstack([found, level - np.einsum("f,fk->k", centre, found)])
