"""Calibration of a states bundle: temperature and shifts that make its probabilities true.

Invariant: everything is fitted on cells that the member which judged them had not learnt from; n cells of
one cohort and state count as the square root of n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp

from tcellflow.models.exported_states import Calibration
from tcellflow.states.axes import STATES, resting_states
from tcellflow.training.states.predictions import collapse
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_FITTED: Final = tuple(STATES.index(s) for s in (State.MEMORY, State.NAIVE, State.TREG, State.EFFECTOR))
_PROLIFERATING: Final = STATES.index(State.PROLIFERATING)
_LEAST_CELLS: Final = 50  # of a state, to shift it; of a cohort, to judge by it
# Towards no shift, in nats per squared unit: how strongly is chosen by cohorts left out. A weak pull lifts
# the states that somebody labelled over those which the teacher alone told of.
_PULLS: Final = (0.03, 0.01, 0.003, 0.001)


@dataclass(frozen=True)
class JudgedCells:
    """T cells, judged by members that had not learnt from them.

    Parameters
    ----------
    joint
        (B, 54) logits.
    cycle
        (B,) logits.
    state
        (B,) true state.
    is_cycling
        (B,) 1, 0, or -1 = not known.
    cohort
        (B,) number of the cohort.
    """

    joint: NDArray[np.float32]
    cycle: NDArray[np.float32]
    state: NDArray[np.object_]
    is_cycling: NDArray[np.int8]
    cohort: NDArray[np.int64]

    def weights(self) -> Floats:
        """Give each cell's weight: n cells of one cohort and state count as the square root of n.

        So neither the largest cohort nor the commonest state of blood decides alone.

        Returns
        -------
        ndarray
            (B,), mean 1.
        """
        keys = [f"{cohort} {state}" for cohort, state in zip(self.cohort, self.state, strict=True)]
        _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
        sizes = counts[place]
        weights: Floats = 1 / np.sqrt(sizes)
        return np.asarray(weights / weights.mean())


@dataclass(frozen=True)
class _Resting:
    """Cells that are not cycling, with logits and place of their state."""

    joint: Floats  # (B, 54)
    state: NDArray[np.int64]
    weight: Floats

    def take(self, rows: NDArray[np.bool_]) -> _Resting:
        return _Resting(self.joint[rows], self.state[rows], self.weight[rows])


def fit_calibration(judged: JudgedCells) -> Calibration:
    """Fit the calibration of a states bundle: temperature and one shift per state, by likelihood.

    Parameters
    ----------
    judged
        Cells with a true state.

    Returns
    -------
    Calibration
        States of fewer than 50 cells keep their own logits. How strongly the shifts are pulled to 0 is
        chosen by the likelihood of cohorts of 50 cells or more, each left out in turn.
    """
    truth = np.array([STATES.index(State(state)) for state in judged.state], dtype=np.int64)
    is_resting = truth != _PROLIFERATING
    cells = _Resting(
        judged.joint[is_resting].astype(np.float64), truth[is_resting], judged.weights()[is_resting]
    )
    values = _fit(cells, _choose_pull(cells, judged.cohort[is_resting]))
    shift = resting_states() @ values[1:]
    cycle = _fit_cycle(judged)
    return Calibration(
        round(float(np.exp(values[0])), 4), torch.from_numpy(np.round(shift, 4)).float(), *cycle
    )


def _choose_pull(cells: _Resting, cohort: NDArray[np.int64]) -> float:
    numbers, sizes = np.unique(cohort, return_counts=True)
    judges = numbers[sizes >= _LEAST_CELLS]
    if len(judges) < 2:
        return _PULLS[0]

    def judge(pull: float) -> float:
        losses = []
        for number in judges:
            is_judge = cohort == number
            values = _fit(cells.take(~is_judge), pull)
            losses.append(_measure_loss(cells.take(is_judge), values, 0)[0])
        return float(np.mean(losses))

    return min(_PULLS, key=judge)


def _fit(cells: _Resting, pull: float) -> Floats:
    """Give the log of the temperature, and the shift of each state."""
    counts = np.bincount(cells.state, minlength=len(STATES))
    is_free = np.ones(1 + len(STATES), dtype=bool)
    is_free[1:] = np.isin(np.arange(len(STATES)), _FITTED) & (counts >= _LEAST_CELLS)

    def loss(free: Floats) -> tuple[float, Floats]:
        values = np.zeros(len(is_free))
        values[is_free] = free
        found, slope = _measure_loss(cells, values, pull)
        return found, slope[is_free]

    values = np.zeros(len(is_free))
    values[is_free] = minimize(loss, values[is_free], jac=True, method="L-BFGS-B").x
    return values


def _measure_loss(cells: _Resting, values: Floats, pull: float) -> tuple[float, Floats]:
    """Give the mean negative log-likelihood with its penalty, and its slope."""
    scaled = cells.joint / np.exp(values[0])
    states, means = [], []
    for members in resting_states().T > 0:
        if not members.any():  # Proliferating has no resting cells
            states.append(np.full(len(scaled), -np.inf))
            means.append(np.zeros(len(scaled)))
            continue
        own = scaled[:, members]
        states.append(logsumexp(own, axis=1))
        means.append((np.exp(log_softmax(own, axis=1)) * own).sum(axis=1))
    log_p = log_softmax(np.stack(states, axis=1) + values[1:], axis=1)
    p, mean, rows = np.exp(log_p), np.stack(means, axis=1), np.arange(len(scaled))
    weight = cells.weight / cells.weight.sum()
    is_own = np.zeros_like(p)
    is_own[rows, cells.state] = 1
    by_temperature = weight @ (mean[rows, cells.state] - (p * mean).sum(axis=1))
    by_shift = weight @ (p - is_own) + 2 * pull * values[1:]
    found = -float(weight @ log_p[rows, cells.state]) + pull * float(np.square(values[1:]).sum())
    return found, np.concatenate([[by_temperature], by_shift])


def _fit_cycle(judged: JudgedCells) -> tuple[float, float]:
    known = judged.is_cycling >= 0
    truth = judged.is_cycling[known]
    if truth.sum() < 2 or (truth == 0).sum() < 2:
        return 1.0, 0.0
    logits = judged.cycle[known].astype(np.float64)

    def loss(values: Floats) -> float:
        scaled = logits / np.exp(values[0]) + values[1]
        return float(np.where(truth == 1, np.logaddexp(0, -scaled), np.logaddexp(0, scaled)).mean())

    found = minimize(loss, np.zeros(2), method="Nelder-Mead")
    return round(float(np.exp(found.x[0])), 4), round(float(found.x[1]), 4)


def calibrate(judged: JudgedCells, calibration: Calibration) -> Floats:
    """Give the calibrated probabilities of cells.

    Returns
    -------
    ndarray
        (B, 7).
    """
    joint = judged.joint.astype(np.float64) / calibration.temperature + calibration.shift.cpu().numpy()
    cycle = judged.cycle.astype(np.float64) / calibration.cycle_temperature + calibration.cycle_shift
    return collapse(joint, cycle)
