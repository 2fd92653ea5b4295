"""Figures of merit for state calls, with bootstrap intervals over cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ECE_BINS = 15  # equal mass, as docs/ and the literature on calibration use
BOOTSTRAPS = 1000


@dataclass(frozen=True)
class Calls:
    """True classes, predicted classes and confidences of the same cells."""

    truth: NDArray[np.object_]
    predicted: NDArray[np.object_]
    confidence: NDArray[np.float64]

    def rows(self, index: NDArray[np.int64]) -> Calls:
        """Take some of the cells."""
        return Calls(self.truth[index], self.predicted[index], self.confidence[index])


def accuracy(calls: Calls) -> float:
    """Share of right calls."""
    return float((calls.truth == calls.predicted).mean())


def balanced_accuracy(calls: Calls) -> float:
    """Mean recall of the true classes."""
    return float(np.mean([(calls.predicted[calls.truth == c] == c).mean() for c in set(calls.truth)]))


def macro_f1(calls: Calls) -> float:
    """Mean F1 of the true classes; a call outside them counts against recall only."""
    scores = []
    for c in set(calls.truth):
        right = ((calls.truth == c) & (calls.predicted == c)).sum()
        scores.append(2 * right / ((calls.truth == c).sum() + (calls.predicted == c).sum()))
    return float(np.mean(scores))


def calibration_error(calls: Calls) -> float:
    """Compute the expected calibration error over equal-mass bins of confidence."""
    order = np.argsort(calls.confidence, kind="stable")
    right = (calls.truth == calls.predicted).astype(float)
    gaps = [
        len(part) * abs(right[part].mean() - calls.confidence[part].mean())
        for part in np.array_split(order, min(ECE_BINS, len(order)))
    ]
    return float(sum(gaps) / len(order))


MEASURES: dict[str, Callable[[Calls], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "ece": calibration_error,
}


def measure(calls: Calls, *, seed: int) -> dict[str, list[float]]:
    """Give each measure as [value, low, high]: percentile interval of 95 % over resampled cells."""
    rng = np.random.default_rng(seed)
    n = len(calls.truth)
    resampled = [calls.rows(rng.integers(0, n, n)) for _ in range(BOOTSTRAPS)]
    return {
        name: [
            round(function(calls), 4),
            *np.percentile([function(r) for r in resampled], [2.5, 97.5]).round(4).tolist(),
        ]
        for name, function in MEASURES.items()
    }


def coverage_risk_curve(calls: Calls, *, least_cells: int) -> list[dict[str, float]]:
    """Coverage and risk at thresholds 0, 0.01, … for as long as enough cells are called."""
    curve = []
    for step in range(100):
        threshold = step / 100
        called = calls.confidence >= threshold
        if called.sum() < least_cells:
            break
        wrong = calls.truth[called] != calls.predicted[called]
        curve.append(
            {
                "threshold": threshold,
                "coverage": round(float(called.mean()), 4),
                "risk": round(float(wrong.mean()), 4),
            }
        )
    return curve


def risk_area(calls: Calls) -> float:
    """Compute the area under the risk-coverage curve: mean risk of the surest 1, 2, … all cells.

    Cells of the same confidence are taken in no order: each counts as the mean of them.
    """
    _, group = np.unique(-calls.confidence, return_inverse=True)
    wrong = (calls.truth != calls.predicted).astype(float)
    mean = np.bincount(group, wrong) / np.bincount(group)
    return float((np.cumsum(mean[np.sort(group)]) / np.arange(1, len(group) + 1)).mean())


def auroc(low: NDArray[np.floating], high: NDArray[np.floating]) -> float:
    """Compute the probability that a value of `high` exceeds one of `low`; ties count half."""
    ranks = rankdata(np.concatenate([low, high]))
    n_low, n_high = len(low), len(high)
    return float((ranks[n_low:].sum() - n_high * (n_high + 1) / 2) / (n_low * n_high))


def draw_weights(n: int, *, seed: int) -> NDArray[np.float64]:
    """Draw how often each cell counts in each bootstrap, shape (1 + `BOOTSTRAPS`, cells); first, all once."""
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=BOOTSTRAPS).astype(np.float64)
    return np.concatenate([np.ones((1, n)), weights])


def weighted_macro_f1(
    truth: NDArray[np.object_], predicted: NDArray[np.object_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give `macro_f1` of each row of weights, shape (1 + `BOOTSTRAPS`,)."""
    scores = []
    for c in sorted(set(truth)):
        is_true, is_called = truth == c, predicted == c
        total = weights @ is_true + weights @ is_called
        scores.append(2 * (weights @ (is_true & is_called)) / np.maximum(total, 1e-9))
    return np.asarray(np.mean(scores, axis=0))


def as_interval(values: NDArray[np.float64]) -> list[float]:
    """Give [value, low, high] of bootstrapped values whose first is the value itself."""
    return [round(float(x), 4) for x in (values[0], *np.percentile(values[1:], [2.5, 97.5]))]
