"""How sure a states bundle may be: calibration, abstention, prediction sets and strangeness.

Invariant: everything here is fitted on cells that the member which judged them had not learnt from;
n cells of one cohort and state count as the square root of n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from scipy.optimize import minimize

from tcellflow.inference.collapse import STATES
from tcellflow.models.states_inference import Calibration
from tcellflow.training.label_maps import resting_states
from tcellflow.training.state_task import collapse
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TARGET_RISK: Final = 0.1
_LEAST_CALLED: Final = 50  # a risk estimated from fewer cells is noise
_N_QUANTILES: Final = 101
_COVERAGES: Final = (0.8, 0.9, 0.95)
_OOD_PASSED: Final = 0.99  # share of T cells kept back that must not be called strange
_FITTED: Final = tuple(STATES.index(s) for s in (State.MEMORY, State.NAIVE, State.TREG, State.EFFECTOR))
_BINS: Final = 15
_LEAST_OF_STATE: Final = 50
_PULL: Final = 0.05  # towards no shift, in nats per squared unit


@dataclass(frozen=True)
class KeptBack:
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


def fit_calibration(kept_back: KeptBack) -> Calibration:
    """Fit temperature and one shift per state, by likelihood.

    Parameters
    ----------
    kept_back
        Cells with a true state.

    Returns
    -------
    Calibration
        States of fewer than 50 cells keep their own logits.
    """
    truth = np.array([STATES.index(State(state)) for state in kept_back.state])
    resting = truth != STATES.index(State.PROLIFERATING)
    weights = kept_back.weights()[resting]
    collapse_to, rows = resting_states(), np.flatnonzero(resting)
    counts = np.bincount(truth, minlength=len(STATES))
    shifted = [state for state in _FITTED if counts[state] >= _LEAST_OF_STATE]

    def spread(values: Floats) -> tuple[float, Floats]:
        shift = np.zeros(len(STATES))
        shift[shifted] = values[1:]
        return float(np.exp(values[0])), collapse_to @ shift

    def loss(values: Floats) -> float:
        temperature, shift = spread(values)
        logits = kept_back.joint[rows] / temperature + shift
        states = collapse(logits, np.full(len(rows), -50.0, np.float32))
        p = states[np.arange(len(rows)), truth[rows]]
        penalty = _PULL * float(np.square(values[1:]).sum())
        return float(-(weights * np.log(np.maximum(p, 1e-9))).mean()) + penalty

    found = minimize(loss, np.zeros(1 + len(shifted)), method="Powell", options={"xtol": 1e-3, "ftol": 1e-5})
    temperature, shift = spread(np.atleast_1d(found.x))
    cycle = _fit_cycle(kept_back)
    return Calibration(round(temperature, 4), torch.from_numpy(np.round(shift, 4)).float(), *cycle)


def _fit_cycle(kept_back: KeptBack) -> tuple[float, float]:
    known = kept_back.is_cycling >= 0
    truth = kept_back.is_cycling[known]
    if truth.sum() < 2 or (truth == 0).sum() < 2:
        return 1.0, 0.0
    logits = kept_back.cycle[known].astype(np.float64)

    def loss(values: Floats) -> float:
        scaled = logits / np.exp(values[0]) + values[1]
        return float(np.where(truth == 1, np.logaddexp(0, -scaled), np.logaddexp(0, scaled)).mean())

    found = minimize(loss, np.zeros(2), method="Nelder-Mead")
    return round(float(np.exp(found.x[0])), 4), round(float(found.x[1]), 4)


def calibrate(kept_back: KeptBack, calibration: Calibration) -> Floats:
    """Give the calibrated probabilities of cells.

    Parameters
    ----------
    kept_back
        The cells.
    calibration
        Fitted.

    Returns
    -------
    ndarray
        (B, 7).
    """
    joint = kept_back.joint.astype(np.float64) / calibration.temperature + calibration.shift.cpu().numpy()
    cycle = kept_back.cycle.astype(np.float64) / calibration.cycle_temperature + calibration.cycle_shift
    return collapse(joint, cycle)


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
    curve = []
    for step in range(100):
        called = confidence >= step / 100
        if called.sum() < min(_LEAST_CALLED, len(called)):
            break
        share = float(weights[called].sum() / weights.sum())
        risk = float((weights * ~is_right)[called].sum() / weights[called].sum())
        curve.append({"threshold": step / 100, "coverage": round(share, 4), "risk": round(risk, 4)})
    return curve


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
    order = np.argsort(confidence, kind="stable")
    gaps = [
        len(part) * abs(is_right[part].mean() - confidence[part].mean())
        for part in np.array_split(order, min(_BINS, len(order)))
    ]
    return float(sum(gaps) / len(order))


def _score(probabilities: Floats, kept_back: KeptBack) -> tuple[Floats, NDArray[np.bool_], Floats]:
    called = np.array(STATES, dtype=object)[probabilities.argmax(axis=1)]
    return probabilities.max(axis=1), called == kept_back.state, kept_back.weights()
