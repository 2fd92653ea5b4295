"""The figures of a states bundle: what its members said of cells they had not learnt from.

Invariant: no figure is of a cell that its judge had learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tcellflow.evaluation.classification import macro_f1
from tcellflow.states.axes import STATES
from tcellflow.training.states.calibration import KeptBack, calibrate
from tcellflow.training.states.cells import pool_cohorts
from tcellflow.training.states.reliability import (
    TARGET_RISK,
    calibration_error,
    measure_curve,
    measure_ood,
    measure_reference,
    measure_sets,
)
from tcellflow.training.states.task import predict_cells
from tcellflow.vocabulary import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.models.exported_states import Calibration, StateNetwork
    from tcellflow.training.cohorts.cells import Cohort


@dataclass(frozen=True)
class Learnt:
    """Members, and what they said of cells they had not learnt from.

    Parameters
    ----------
    ensemble
        The members as one network.
    calibration
        Of their logits.
    kept_back
        T cells with a true state.
    strange, strange_of_others
        Score of strangeness of all T cells, and of other cells.
    """

    ensemble: StateNetwork
    calibration: Calibration
    kept_back: KeptBack
    strange: NDArray[np.float64]
    strange_of_others: NDArray[np.float64]


def measure_members(learnt: Learnt, names: Sequence[str]) -> dict[str, Any]:
    """Measure what members said of cells they had not learnt from.

    Parameters
    ----------
    learnt
        Members and their answers.
    names
        Of the cohorts.

    Returns
    -------
    dict
        Entries of ``bundle.json``: calibration, abstention, reference, ood, conformal, metrics.
    """
    kept_back, calibration = learnt.kept_back, learnt.calibration
    probabilities = calibrate(kept_back, calibration)
    dataset = "cells kept back, each judged by the member that had not learnt from it"
    metrics = []
    for number in np.unique(kept_back.cohort):
        rows = kept_back.cohort == number
        part = KeptBack(
            kept_back.joint[rows], kept_back.cycle[rows], kept_back.state[rows], kept_back.is_cycling[rows],
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
            "curve": measure_curve(probabilities, kept_back),
        },
        "reference": measure_reference(probabilities, learnt.strange, dataset),
        "ood": measure_ood(learnt.strange, learnt.strange_of_others),
        "conformal": measure_sets(probabilities, kept_back),
        "metrics": metrics,
    }


def judge_held_out(
    cohort: Cohort, panel: NDArray[np.object_], network: StateNetwork, calibration: Calibration
) -> list[dict[str, Any]]:
    """Judge a network by a cohort that nobody learnt from.

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
    part = KeptBack(joint, cycle, truth.state[rows], truth.cycle[rows], cells.cohort[rows])
    return [_judge(cohort.entry.name, "the bundle", calibrate(part, calibration), part)]


def _judge(cohort: str, judge: str, probabilities: NDArray[np.float64], cells: KeptBack) -> dict[str, Any]:
    called = np.array(STATES, dtype=object)[probabilities.argmax(axis=1)]
    return {
        "cohort": cohort,
        "judge": judge,
        "cells": len(called),
        "macro_f1": round(macro_f1(cells.state, called), 4),
        "ece": round(calibration_error(probabilities, cells), 4),
    }
