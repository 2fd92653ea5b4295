"""How sure a states bundle may be: abstention, prediction sets and strangeness.

Invariant: everything here is measured on cells that the member which judged them had not learnt from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tcellflow.evaluation import classification
from tcellflow.states.axes import STATES
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.training.states.calibration import KeptBack

    Floats = NDArray[np.float64]

TARGET_RISK: Final = 0.1
_LEAST_CALLED: Final = 50  # a risk estimated from fewer cells is noise
_N_QUANTILES: Final = 101
_COVERAGES: Final = (0.8, 0.9, 0.95)
_OOD_PASSED: Final = 0.99  # share of T cells kept back that must not be called strange


def measure_curve(probabilities: Floats, kept_back: KeptBack) -> list[dict[str, float]]:
    """Measure coverage and risk at thresholds 0, 0.01, ...

    Parameters
    ----------
    probabilities
        (B, 7) calibrated.
    kept_back
        The same cells.

    Returns
    -------
    list of dict
        ``threshold``, ``coverage``, ``risk``, as far as enough cells are called.
    """
    confidence, is_right, weights = _score(probabilities, kept_back)
    least_cells = min(_LEAST_CALLED, len(confidence))
    return classification.coverage_risk_curve(confidence, is_right, least_cells=least_cells, weights=weights)


def measure_sets(probabilities: Floats, kept_back: KeptBack) -> list[dict[str, float]]:
    """Find the least probability of a state in sets of a stated coverage.

    Parameters
    ----------
    probabilities
        (B, 7) calibrated.
    kept_back
        The same cells.

    Returns
    -------
    list of dict
        ``coverage`` and ``least_probability``.
    """
    truth = np.array([STATES.index(State(state)) for state in kept_back.state])
    own = probabilities[np.arange(len(truth)), truth]
    order = np.argsort(own)
    passed = 1 - np.cumsum(kept_back.weights()[order]) / kept_back.weights().sum()
    return [
        {
            "coverage": coverage,
            "least_probability": round(float(own[order][np.searchsorted(-passed, -coverage)]), 5),
        }
        for coverage in _COVERAGES
    ]


def measure_reference(probabilities: Floats, strange: Floats, dataset: str) -> dict[str, Any]:
    """Tell what T cells look like to the bundle.

    Parameters
    ----------
    probabilities
        (B, 7) calibrated, of cells kept back.
    strange
        Score of strangeness of T cells, as the bundle gives it.
    dataset
        Which cells, in words.

    Returns
    -------
    dict
        The entry ``reference`` of ``bundle.json``.
    """
    shares = probabilities.mean(axis=0)
    steps = np.linspace(0, 1, _N_QUANTILES)
    return {
        "dataset": dataset,
        "state_shares": {
            str(s): round(float(x), 5) for s, x in zip(STATES, shares / shares.sum(), strict=True)
        },
        "ood_quantiles": [round(float(x), 4) for x in np.quantile(strange, steps)],
        "confidence_quantiles": [round(float(x), 4) for x in np.quantile(probabilities.max(axis=1), steps)],
    }


def measure_ood(strange: Floats, strange_of_others: Floats) -> dict[str, float]:
    """Choose the percentile of T cells above which a cell is called strange.

    Parameters
    ----------
    strange
        Score of T cells.
    strange_of_others
        Score of cells that are no T cells; may be empty.

    Returns
    -------
    dict
        ``threshold``: that percentile, as a share; where others are known, also ``auroc`` against them.
    """
    found = {"threshold": _OOD_PASSED}
    if len(strange_of_others):
        order = np.argsort(np.concatenate([strange, strange_of_others]), kind="stable")
        ranks = np.empty(len(order))
        ranks[order] = np.arange(1, len(order) + 1)
        n, m = len(strange), len(strange_of_others)
        found["auroc"] = round(float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m)), 4)
    return found


def calibration_error(probabilities: Floats, kept_back: KeptBack) -> float:
    """Give the expected calibration error over 15 bins of equal mass.

    Parameters
    ----------
    probabilities
        (B, 7).
    kept_back
        The same cells.

    Returns
    -------
    float
        0 to 1.
    """
    confidence, is_right, _ = _score(probabilities, kept_back)
    return classification.calibration_error(confidence, is_right)


def _score(probabilities: Floats, kept_back: KeptBack) -> tuple[Floats, NDArray[np.bool_], Floats]:
    called = np.array(STATES, dtype=object)[probabilities.argmax(axis=1)]
    return probabilities.max(axis=1), called == kept_back.state, kept_back.weights()
