"""The figures of merit of calls on labelled cells: how often right, for which states, and how well known.

Invariant: every figure is of the same cells; a confidence is judged by the call it belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tcellflow.evaluation.classification import (
    balanced_accuracy,
    calibration_error,
    coverage_risk_curve,
    macro_f1,
    risk_area,
)
from tcellflow.evaluation.intervals import resample_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Names = NDArray[np.object_]
    Floats = NDArray[np.floating]

_LEAST_CALLED: Final = 20  # a risk estimated from fewer cells is noise
_SEED: Final = 0
_DECIMALS: Final = 4


def measure_calls(truth: Names, called: Names, confidence: Floats) -> dict[str, Any]:
    """Measure the figures of merit of calls.

    Parameters
    ----------
    truth, called
        State of each cell, shape (B,), B >= 1.
    confidence
        Of each call, 0-1, shape (B,).

    Returns
    -------
    dict
        ``cells``; ``accuracy`` and ``macro_f1``, each [value, low, high]: the 95 % interval over resampled
        cells; ``balanced_accuracy``; ``calibration_error``; ``risk_area``; ``curve`` of risk and coverage.
    """

    def measure(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.array([(truth[rows] == called[rows]).mean(), macro_f1(truth[rows], called[rows])])

    is_right = np.asarray(truth == called, dtype=bool)
    accuracy, f1 = resample_cells(len(truth), measure, seed=_SEED)
    return {
        "cells": len(truth),
        "accuracy": accuracy,
        "macro_f1": f1,
        "balanced_accuracy": round(balanced_accuracy(truth, called), _DECIMALS),
        "calibration_error": round(calibration_error(confidence, is_right), _DECIMALS),
        "risk_area": round(risk_area(confidence, is_right), _DECIMALS),
        "curve": coverage_risk_curve(confidence, is_right, least_cells=min(_LEAST_CALLED, len(truth))),
    }


def measure_states(truth: Names, called: Names, states: Sequence[str]) -> list[dict[str, Any]]:
    """Measure the figures of merit of each state.

    Parameters
    ----------
    truth, called
        State of each cell, shape (B,).
    states
        All states, in order.

    Returns
    -------
    list of dict
        A row for each state that a cell has or was called: ``state``, ``cells``, ``called``, ``precision``,
        ``recall`` and ``f1`` (null where nothing can be divided), and ``called_as``: how its cells were
        called.
    """
    rows = []
    for state in states:
        is_true, is_called = truth == state, called == state
        n_true, n_called, right = int(is_true.sum()), int(is_called.sum()), int((is_true & is_called).sum())
        if not n_true and not n_called:
            continue
        rows.append(
            {
                "state": state,
                "cells": n_true,
                "called": n_called,
                "precision": _share(right, n_called),
                "recall": _share(right, n_true),
                "f1": _share(2 * right, n_true + n_called) if n_true else None,
                "called_as": {
                    other: n for other in states if (n := int((is_true & (called == other)).sum()))
                },
            }
        )
    return rows


def measure_reported(truth: Names, called: Names, is_reported: NDArray[np.bool_]) -> dict[str, float | None]:
    """Measure the figures of merit of what is reported: the share of cells that get a state, and its errors.

    Returns
    -------
    dict
        ``coverage``, and ``risk``: the share of wrong states among the reported ones; null where none is.
    """
    n_reported = int(is_reported.sum())
    wrong = int((is_reported & (truth != called)).sum())
    return {"coverage": _share(n_reported, len(truth)), "risk": _share(wrong, n_reported)}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, _DECIMALS) if whole else None
