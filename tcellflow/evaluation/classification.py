"""Figures of merit of classifications: accuracy, F1, calibration, risk and coverage, AUROC.

Invariant: a figure is taken over true classes, confidences and calls as plain arrays, one entry per cell,
and depends on no order of cells or classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Names = NDArray[np.object_]
    Floats = NDArray[np.floating]
    Flags = NDArray[np.bool_]

ECE_BINS: Final = 15  # of equal mass, as the literature on calibration uses


def balanced_accuracy(truth: Names, predicted: Names) -> float:
    """Give the balanced accuracy of classified cells: mean recall of the true classes, 0-1."""
    return float(np.mean([(predicted[truth == name] == name).mean() for name in sorted(set(truth))]))


def macro_f1(truth: Names, predicted: Names) -> float:
    """Give the macro-F1 of classified cells, 0-1; a call of no true class counts against recall only."""
    scores = []
    for name in sorted(set(truth)):
        right = ((truth == name) & (predicted == name)).sum()
        scores.append(2 * right / ((truth == name).sum() + (predicted == name).sum()))
    return float(np.mean(scores))


def weighted_macro_f1(truth: Names, predicted: Names, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give `macro_f1` of classified cells where each counts several times.

    Parameters
    ----------
    truth, predicted
        Shape (B,).
    weights
        How often each cell counts, shape (R, B), >= 0; a class without weight counts as 0.

    Returns
    -------
    ndarray
        One value per row of weights, shape (R,), 0-1.
    """
    scores = []
    for name in sorted(set(truth)):
        is_true, is_called = truth == name, predicted == name
        total = weights @ is_true + weights @ is_called
        scores.append(2 * (weights @ (is_true & is_called)) / np.maximum(total, 1e-9))
    return np.asarray(np.mean(scores, axis=0))


def calibration_error(confidence: Floats, is_right: Flags) -> float:
    """Give the expected calibration error of classified cells, over `ECE_BINS` bins of equal mass.

    Parameters
    ----------
    confidence
        Probability of each call, shape (B,), 0-1, B >= 1.
    is_right
        Whether the call is the truth, shape (B,).

    Returns
    -------
    float
        Mean distance of confidence and accuracy, weighted by the bins' cells, 0-1.
    """
    order = np.argsort(confidence, kind="stable")
    gaps = [
        len(part) * abs(is_right[part].mean() - confidence[part].mean())
        for part in np.array_split(order, min(ECE_BINS, len(order)))
    ]
    return float(sum(gaps) / len(order))


def coverage_risk_curve(
    confidence: Floats, is_right: Flags, *, least_cells: int, weights: NDArray[np.float64] | None = None
) -> list[dict[str, float]]:
    """Measure the risk-coverage curve, a figure of merit of classified cells, at thresholds 0, 0.01, ...

    Parameters
    ----------
    confidence
        Probability of each call, shape (B,), 0-1.
    is_right
        Whether the call is the truth, shape (B,).
    least_cells
        Fewest called cells of a point: a risk estimated from fewer is noise.
    weights
        How much each cell counts, shape (B,), > 0; all alike if not given.

    Returns
    -------
    list of dict
        ``threshold``; ``coverage`` and ``risk``, 0-1, rounded to four decimals.
    """
    counts = np.ones(len(confidence)) if weights is None else weights
    curve = []
    for step in range(100):
        called = confidence >= step / 100
        if called.sum() < least_cells:
            break
        coverage = float(counts[called].sum() / counts.sum())
        risk = float((counts * ~is_right)[called].sum() / counts[called].sum())
        curve.append({"threshold": step / 100, "coverage": round(coverage, 4), "risk": round(risk, 4)})
    return curve


def risk_area(confidence: Floats, is_right: Flags) -> float:
    """Give the area under the risk-coverage curve: mean risk of the surest 1, 2, ... all cells, 0-1.

    Cells of the same confidence are taken in no order: each counts as the mean of them.
    """
    _, group = np.unique(-confidence, return_inverse=True)
    mean = np.bincount(group, (~is_right).astype(float)) / np.bincount(group)
    return float((np.cumsum(mean[np.sort(group)]) / np.arange(1, len(group) + 1)).mean())


def auroc(low: Floats, high: Floats) -> float:
    """Give the AUROC, a figure of merit: the probability that `high` exceeds `low`, 0-1; ties count half."""
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, "left") + np.searchsorted(ordered, high, "right")
    return float(below.sum() / (2 * len(low) * len(high)))
