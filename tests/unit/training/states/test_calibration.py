"""Calibration of a states bundle: who judges has not learnt, and no cohort outvotes the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tcellflow.models.exported_states import Calibration
from tcellflow.states.axes import FUNCTIONS, LINEAGES, STATES
from tcellflow.training.states import calibration
from tcellflow.training.states.calibration import JudgedCells, fit_calibration
from tcellflow.training.states.figures import Learnt, measure_members
from tcellflow.training.states.task import measure_label_loss
from tcellflow.vocabulary import Function, Lineage

MEMORY, EFFECTOR = (
    LINEAGES.index(Lineage.CD4) * len(FUNCTIONS) + FUNCTIONS.index(f)
    for f in (Function.CENTRAL_MEMORY, Function.EFFECTOR)
)


def make_cohort(number, n, share, lead, seed):
    """Cells of which a share is Effector, whose logits favour Effector over Memory by `lead`."""
    rng = np.random.default_rng(seed)
    is_effector = np.arange(n) < share * n
    joint = np.full((n, 54), -40.0, np.float32)
    joint[:, MEMORY], joint[:, EFFECTOR] = 0, rng.normal(lead, 1, n) + 2 * is_effector
    state = np.where(is_effector, "Effector", "Memory").astype(object)
    none = np.full(n, -1, np.int8)
    return JudgedCells(joint, np.full(n, -20, np.float32), state, none, np.full(n, number))


def join(*cohorts):
    return JudgedCells(*(np.concatenate([getattr(c, k) for c in cohorts]) for k in vars(cohorts[0])))


def test_cells_of_one_cohort_and_state_count_as_their_root():
    """Four naive cells of a cohort weigh together twice as much as one of another, not once or four times."""
    state = np.array(["Naive"] * 5, dtype=object)
    cohort = np.array([0, 0, 0, 0, 1])
    blank = np.zeros((5, 54), np.float32)
    weights = JudgedCells(blank, blank[:, 0], state, np.zeros(5, np.int8), cohort).weights()
    np.testing.assert_allclose(weights, np.array([0.5, 0.5, 0.5, 0.5, 1]) / 0.6)
    apart = JudgedCells(
        blank, blank[:, 0], np.array(["Naive"] * 4 + ["Treg"], object), np.zeros(5, np.int8), np.zeros(5)
    )
    np.testing.assert_allclose(apart.weights(), weights)


def test_the_pull_is_judged_by_cohorts_that_the_fit_left_out(monkeypatch):
    """No cell judges a shift that was fitted on it."""
    judged = join(*(make_cohort(i, 80, 0.5, lead, i) for i, lead in enumerate((1.5, 0.0, -1.5))))
    marks = {float(row[EFFECTOR]): int(c) for row, c in zip(judged.joint, judged.cohort, strict=True)}
    fitted, pairs = [], []
    fit, measure = calibration._fit, calibration._measure_loss

    def cohorts_of(cells):
        return {marks[float(np.float32(x))] for x in cells.joint[:, EFFECTOR]}

    def spy_fit(cells, pull):
        values = fit(cells, pull)
        fitted.append((values.tobytes(), cohorts_of(cells)))
        return values

    def spy_measure(cells, values, pull):
        if pull == 0:
            pairs.append((cohorts_of(cells), dict(fitted)[values.tobytes()]))
        return measure(cells, values, pull)

    monkeypatch.setattr(calibration, "_fit", spy_fit)
    monkeypatch.setattr(calibration, "_measure_loss", spy_measure)
    fit_calibration(judged)
    assert {frozenset(judge) for judge, _ in pairs} == {frozenset([i]) for i in range(3)}
    assert all(not judge & learnt for judge, learnt in pairs)


def test_figures_of_a_cohort_do_not_ask_for_labels_of_another():
    """What a bundle states of a cohort changes with that cohort's labels alone."""
    first, second = (make_cohort(i, 90, 0.4, 0.3, i) for i in range(2))
    plain = Calibration(1.0, torch.zeros(54))
    rank = np.linspace(0, 1, 180)

    def figures(judged):
        learnt = Learnt(None, plain, judged, rank, np.zeros(0))
        return measure_members(learnt, ["a", "b"])["metrics"]

    swapped = replace(second, state=second.state[::-1].copy())
    before, after = figures(join(first, second)), figures(join(first, swapped))
    assert before[0] == after[0]
    assert before[1]["macro_f1"] != after[1]["macro_f1"]


@pytest.mark.parametrize(("noise", "expected"), [(0.0, np.log(2)), (0.12, -np.log(0.88 / 2 + 0.02))])
def test_a_wrong_label_may_be_any_of_the_other_states(noise, expected):
    """The noise of a label is spread over the six other states: the loss of a cell that is half and half."""
    logits = torch.full((1, 54), -40.0)
    logits[0, [MEMORY, EFFECTOR]] = 0
    allowed = torch.zeros((1, 54), dtype=torch.bool)
    allowed[0, MEMORY] = True
    found = measure_label_loss(logits, allowed, torch.ones(1, 1), noise)
    assert len(STATES) == 7
    assert float(found) == pytest.approx(expected, abs=1e-5)
