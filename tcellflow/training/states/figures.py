"""The figures of a states bundle: what its members tell of cells they had not learnt from.

Abstention, prediction sets and the out-of-distribution threshold are among them.

Invariant: no figure is of a cell that its judge had learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tcellflow.evaluation import classification
from tcellflow.evaluation.classification import macro_f1
from tcellflow.states.axes import STATES
from tcellflow.training.states.calibration import JudgedCells, calibrate
from tcellflow.training.states.cells import pool_cohorts
from tcellflow.training.states.predictions import predict_cells
from tcellflow.vocabulary import Evidence, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.models.exported_states import Calibration, StateNetwork
    from tcellflow.training.cohorts.cells import Cohort

    Floats = NDArray[np.float64]

TARGET_RISK: Final = 0.1
_LEAST_CALLED: Final = 50  # a risk estimated from fewer cells is noise
_N_QUANTILES: Final = 101
_COVERAGES: Final = (0.8, 0.9, 0.95)
_OOD_PASSED: Final = 0.99  # share of T cells that must not be called out of distribution


@dataclass(frozen=True)
class Learnt:
    """Members, and their answers for cells they had not learnt from.

    Parameters
    ----------
    ensemble
        The members as one network.
    calibration
        Of their logits.
    judged
        T cells with a true state.
    ood, ood_of_others
        Out-of-distribution score of all T cells, and of other cells.
    """

    ensemble: StateNetwork
    calibration: Calibration
    judged: JudgedCells
    ood: NDArray[np.float64]
    ood_of_others: NDArray[np.float64]


def measure_members(learnt: Learnt, names: Sequence[str]) -> dict[str, Any]:
    """Measure figures of a bundle's members on cells they had not learnt from.

    Returns
    -------
    dict
        Entries of ``bundle.json``: calibration, abstention, reference, ood, conformal, metrics.
    """
    judged, calibration = learnt.judged, learnt.calibration
    probabilities = calibrate(judged, calibration)
    dataset = "cells kept back, each judged by the member that had not learnt from it"
    metrics = []
    for number in np.unique(judged.cohort):
        rows = judged.cohort == number
        part = JudgedCells(
            judged.joint[rows], judged.cycle[rows], judged.state[rows], judged.is_cycling[rows],
            np.zeros(int(rows.sum()), dtype=np.int64),
        )  # fmt: skip
        metrics.append(_judge(names[number], "the member that had not seen it", probabilities[rows], part))
    return {
        "calibration": {
            "method": "temperature and one shift each for Memory, Naive, Treg and Effector, by the "
            "likelihood of cells kept back; n cells of one cohort and state count as the square root of n; "
            "pulled towards no shift as cohorts left out ask for",
            "temperature": calibration.temperature,
            "shift": [float(x) for x in calibration.shift],
            "cycle_temperature": calibration.cycle_temperature,
            "cycle_shift": calibration.cycle_shift,
            "dataset": dataset,
        },
        "abstention": {
            "target_risk": TARGET_RISK,
            "dataset": dataset,
            "curve": measure_curve(probabilities, judged),
        },
        "reference": measure_reference(probabilities, learnt.ood, dataset),
        "ood": measure_ood(learnt.ood, learnt.ood_of_others),
        "conformal": measure_sets(probabilities, judged),
        "metrics": metrics,
    }


def judge_held_out(
    cohort: Cohort, panel: NDArray[np.object_], network: StateNetwork, calibration: Calibration
) -> list[dict[str, Any]]:
    """Measure the figures of a states network on a cohort that nobody learnt from.

    Parameters
    ----------
    cohort
        Its cells.
    panel
        Gene symbols.
    network, calibration
        As they are shipped.

    Returns
    -------
    list of dict
        An entry of ``metrics``; none for a cohort without true states.
    """
    cells = pool_cohorts([cohort], panel)
    truth = cells.truth
    rows = np.flatnonzero(truth.is_t & (truth.state != "") & (truth.evidence != Evidence.TEACHER))
    if not rows.size:
        return []
    joint, cycle, _ = predict_cells(network, cells, rows)
    part = JudgedCells(joint, cycle, truth.state[rows], truth.cycle[rows], cells.cohort[rows])
    return [_judge(cohort.entry.name, "the bundle", calibrate(part, calibration), part)]


def _judge(cohort: str, judge: str, probabilities: NDArray[np.float64], cells: JudgedCells) -> dict[str, Any]:
    called = np.array(STATES, dtype=object)[probabilities.argmax(axis=1)]
    return {
        "cohort": cohort,
        "judge": judge,
        "cells": len(called),
        "macro_f1": round(macro_f1(cells.state, called), 4),
        "ece": round(calibration_error(probabilities, cells), 4),
    }


def measure_curve(probabilities: Floats, kept_back: JudgedCells) -> list[dict[str, float]]:
    """Measure a states bundle's figures of coverage and risk at thresholds 0, 0.01, ...

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


def measure_sets(probabilities: Floats, judged: JudgedCells) -> list[dict[str, float]]:
    """Measure the figures of prediction sets: least probability of a state at a stated coverage.

    Parameters
    ----------
    probabilities
        (B, 7) calibrated.
    judged
        The same cells.

    Returns
    -------
    list of dict
        ``coverage`` and ``least_probability``.
    """
    truth = np.array([STATES.index(State(state)) for state in judged.state])
    own = probabilities[np.arange(len(truth)), truth]
    order = np.argsort(own)
    passed = 1 - np.cumsum(judged.weights()[order]) / judged.weights().sum()
    return [
        {
            "coverage": coverage,
            "least_probability": round(float(own[order][np.searchsorted(-passed, -coverage)]), 5),
        }
        for coverage in _COVERAGES
    ]


def measure_reference(probabilities: Floats, ood: Floats, dataset: str) -> dict[str, Any]:
    """Measure the figures that say what T cells look like to a states bundle.

    Parameters
    ----------
    probabilities
        (B, 7) calibrated, of cells not learnt from.
    ood
        Out-of-distribution score of T cells, as the bundle gives it.
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
        "ood_quantiles": [round(float(x), 4) for x in np.quantile(ood, steps)],
        "confidence_quantiles": [round(float(x), 4) for x in np.quantile(probabilities.max(axis=1), steps)],
    }


def measure_ood(ood: Floats, ood_of_others: Floats) -> dict[str, float]:
    """Choose the figure of a bundle, a percentile of T cells, above which a cell is out of distribution.

    Parameters
    ----------
    ood
        Score of T cells.
    ood_of_others
        Score of cells that are no T cells; may be empty.

    Returns
    -------
    dict
        ``threshold``: that percentile, as a share; where others are known, also ``auroc`` against them.
    """
    found = {"threshold": _OOD_PASSED}
    if len(ood_of_others):
        order = np.argsort(np.concatenate([ood, ood_of_others]), kind="stable")
        ranks = np.empty(len(order))
        ranks[order] = np.arange(1, len(order) + 1)
        n, m = len(ood), len(ood_of_others)
        found["auroc"] = round(float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m)), 4)
    return found


def calibration_error(probabilities: Floats, kept_back: JudgedCells) -> float:
    """Give a figure of a states bundle: expected calibration error over 15 bins of equal mass.

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


def _score(probabilities: Floats, kept_back: JudgedCells) -> tuple[Floats, NDArray[np.bool_], Floats]:
    called = np.array(STATES, dtype=object)[probabilities.argmax(axis=1)]
    return probabilities.max(axis=1), called == kept_back.state, kept_back.weights()
