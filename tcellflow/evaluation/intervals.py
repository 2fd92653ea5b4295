"""Intervals: of shares by score; by bootstrap of figures over cells and of means over epitopes and draws.

Invariant: an interval holds 95 %, and the seed is fixed, so that the same figures give the same interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

BOOTSTRAPS = 2_000  # of epitopes
CELL_BOOTSTRAPS = 1_000
SEED = 20_250_101


def draw_weights(n: int, *, seed: int) -> Values:
    """Draw how often each of n cells counts in each bootstrap, for bootstrap intervals.

    Returns
    -------
    ndarray
        Shape (1 + `CELL_BOOTSTRAPS`, n); in the first row every cell counts once.
    """
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=CELL_BOOTSTRAPS).astype(np.float64)
    return np.concatenate([np.ones((1, n)), weights])


def score_interval(part: int, whole: int) -> tuple[float, float]:
    """Give the 95 % interval of a share, 0-1, by Wilson's score; it holds for small and empty parts, too.

    Parameters
    ----------
    part, whole
        Counts; the whole is at least 1.

    Notes
    -----
    It speaks of the cells drawn from one sample, not of samples drawn from a population (Wilson 1927,
    doi:10.1080/01621459.1927.10502953).
    """
    z = 1.959964
    share = part / whole
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z / (1 + z * z / whole) * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def as_interval(values: Values) -> list[float]:
    """Give the bootstrap interval [value, low, high] of values whose first is the value itself."""
    return [round(float(x), 4) for x in (values[0], *np.percentile(values[1:], [2.5, 97.5]))]


def resample_cells(n: int, measure: Callable[[NDArray[np.int64]], Values], *, seed: int) -> list[list[float]]:
    """Give the bootstrap intervals of figures over resampled cells.

    Parameters
    ----------
    n
        Number of cells.
    measure
        Gives K figures for rows of cells, shape (K,).
    seed
        Of the draws.

    Returns
    -------
    list of list
        [value, low, high] of each figure, the value over all cells once.
    """
    rng = np.random.default_rng(seed)
    drawn = [measure(rng.integers(0, n, n)) for _ in range(CELL_BOOTSTRAPS)]
    every = np.stack([measure(np.arange(n)), *drawn])
    return [as_interval(figures) for figures in every.T]


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{_short(self.mean)} [{_short(self.low)}, {_short(self.high)}]"


def _short(value: float) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}"


def macro_mean(values: Values) -> float:
    """Give the mean that bootstrap intervals enclose: within epitopes, then over those that have any."""
    if np.isnan(values).all():
        return float("nan")
    known = ~np.isnan(values).all(1)
    return float(np.nanmean(values[known], axis=1).mean())


def bootstrap(values: Values) -> Interval:
    """Draw E epitopes with replacement, and D draws (or folds) of each, for bootstrap intervals."""
    mean = macro_mean(values)
    kept = values[~np.isnan(values).any(1)]
    if np.isnan(mean) or not len(kept):
        return Interval(mean, float("nan"), float("nan"))
    random = np.random.default_rng(SEED)
    n, draws = kept.shape
    epitopes = random.integers(0, n, (BOOTSTRAPS, n, 1))
    within = random.integers(0, draws, (BOOTSTRAPS, n, draws))
    means = kept[epitopes, within].mean((1, 2))
    return Interval(mean, *(float(np.quantile(means, share)) for share in (0.025, 0.975)))


def write_tables(
    title: str, results: Mapping[str, Values], columns: Sequence[object], ours: str
) -> tuple[str, dict[str, dict[str, list[float]]]]:
    """Write bootstrap intervals of (E, D, K) figures: a table of means, one of differences from ours.

    Gives the Markdown, and the same figures as numbers: row to column to mean, low, high, then the
    difference from ours (row minus ours) with its low and high.
    """
    head = f"| {title} | " + " | ".join(map(str, columns)) + " |\n|---|" + "---|" * len(columns)
    means, differences = [head], [head.replace(title, f"{title}: row minus ours, 95 % interval")]
    numbers: dict[str, dict[str, list[float]]] = {}
    for name, values in results.items():
        each = [bootstrap(values[..., k]) for k in range(len(columns))]
        paired = [bootstrap(values[..., k] - results[ours][..., k]) for k in range(len(columns))]
        means.append(f"| {name} | " + " | ".join(_short(entry.mean) for entry in each) + " |")
        if name != ours:
            differences.append(f"| {name} | " + " | ".join(map(str, paired)) + " |")
        numbers[name] = {
            str(column): [round(x, 4) for e in both for x in (e.mean, e.low, e.high)]
            for column, both in zip(columns, zip(each, paired, strict=True), strict=True)
        }
    return "\n".join(means) + "\n\n" + "\n".join(differences) + "\n", numbers
