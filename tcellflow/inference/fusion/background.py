"""Which counts of an antibody are signal and which background: two groups of cells, without empty droplets.

Invariant: a protein whose cells do not fall into two groups gets no number, for nobody could tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LEAST_CELLS: Final = 50
_ROUNDS: Final = 200
_LEAST_SPREAD: Final = 0.05  # of log1p counts
_LEAST_SHARE: Final = 0.005  # of a group of cells
_LEAST_DISTANCE: Final = 2.0  # Ashman's D of two groups that can be told apart


@dataclass(frozen=True)
class Signal:
    """What is above background of P proteins in B cells; NaN where nobody can tell.

    Parameters
    ----------
    foreground
        Probability that the cell is of the group with more of the protein, (B, P).
    denoised, denoised_sd
        Expected log1p counts above the background's mean, and their standard deviation, (B, P).
    """

    foreground: NDArray[np.float32]
    denoised: NDArray[np.float32]
    denoised_sd: NDArray[np.float32]


@dataclass(frozen=True)
class Groups:
    """Two groups of cells by log1p counts of a protein: share, mean and deviation, each of (low, high)."""

    share: Floats
    mean: Floats
    spread: Floats


def find_signal(counts: NDArray[np.floating], has_adt: NDArray[np.bool_]) -> Signal:
    """Tell signal from background.

    Parameters
    ----------
    counts
        Antibody counts, (B, P).
    has_adt
        Cells that were measured, (B,).

    Returns
    -------
    Signal
        Of all cells.

    Notes
    -----
    Two normal distributions of log1p counts by expectation maximisation from the quartiles. A count x is
    known to about 1 / sqrt(x + 1) on that scale (Poisson), which enters the standard deviation.
    """
    shape = counts.shape
    found = [np.full(shape, np.nan, np.float32) for _ in range(3)]
    logs = np.log1p(counts.astype(np.float64))
    for column in range(shape[1] if has_adt.sum() >= _LEAST_CELLS else 0):
        groups = fit_groups(logs[has_adt, column])
        if groups is None:
            continue
        y = logs[has_adt, column]
        share = share_of_high(y, groups)
        above = np.maximum(y - groups.mean[0], 0)
        found[0][has_adt, column] = share
        found[1][has_adt, column] = share * above
        variance = share * np.exp(-y) + share * (1 - share) * above**2
        found[2][has_adt, column] = np.sqrt(variance)
    return Signal(*found)


def fit_groups(y: Floats) -> Groups | None:
    """Fit the low and the high group of log1p counts (cells,); None where there is one group."""
    values, weights = np.unique(y, return_counts=True)
    if len(values) < 3:
        return None
    share, mean = np.array([0.5, 0.5]), np.quantile(y, [0.25, 0.95])
    spread = np.full(2, max(float(y.std()) / 2, _LEAST_SPREAD))
    for _ in range(_ROUNDS):
        high = share_of_high(values, Groups(share, mean, spread))
        each = np.stack([1 - high, high]) * weights
        total = np.maximum(each.sum(axis=1), 1e-9)
        before, mean = mean, (each * values).sum(axis=1) / total
        variance = (each * np.square(values - mean[:, None])).sum(axis=1) / total
        spread, share = np.maximum(np.sqrt(variance), _LEAST_SPREAD), total / total.sum()
        if np.abs(mean - before).max() < 1e-9:
            break
    if mean[0] > mean[1]:
        share, mean, spread = share[::-1], mean[::-1], spread[::-1]
    distance = np.sqrt(2) * (mean[1] - mean[0]) / np.sqrt(np.square(spread).sum())
    return (
        Groups(share, mean, spread) if distance >= _LEAST_DISTANCE and share.min() >= _LEAST_SHARE else None
    )


def share_of_high(y: Floats, groups: Groups) -> Floats:
    """Give the probability that log1p counts (cells,) are of the high group; more counts never lower it.

    Of two normal distributions the broader one wins at both ends. Beyond the place where the narrower one is
    most likely, the probability stays what it is there.
    """
    share, mean, spread = groups.share, groups.mean, groups.spread
    exactness = 1 / np.square(spread)
    if exactness[0] != exactness[1]:
        turn = (mean[0] * exactness[0] - mean[1] * exactness[1]) / (exactness[0] - exactness[1])
        is_lowest = (spread[1] > spread[0]) == (mean[1] >= mean[0])
        y = np.maximum(y, turn) if is_lowest else np.minimum(y, turn)
    scores = [
        np.log(np.maximum(share[i], 1e-12)) - np.log(spread[i]) - 0.5 * np.square((y - mean[i]) / spread[i])
        for i in (0, 1)
    ]
    return np.asarray(1 / (1 + np.exp(np.clip(scores[0] - scores[1], -500, 500))))
