"""Which calls abstain, and why: thresholds from what a bundle measured, and the verdict on each call.

Invariant: a threshold is never guessed; it is a point of a curve, or a level, that the bundle states. An
abstaining cell keeps its prediction and its probabilities; only the reported state changes, and it
always comes with one reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.errors import OptionsError
from tcellflow.inference.states.confidence import (
    MEASURED_ON,
    choose_least_confidence,
    choose_least_probability,
)
from tcellflow.vocabulary import STATE_NOT_T, STATE_UNRESOLVED, AbstainReason, State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.inference.states.calls import StateCalls
    from tcellflow.inference.states.sources import CellFacts
    from tcellflow.io.bundles.reliability import ConformalLevel, Reliability
    from tcellflow.io.bundles.states import Abstention, StatesDetails


@dataclass(frozen=True)
class Rules:
    """By which calls abstain, and which states stay possible.

    Parameters
    ----------
    target_risk
        Accepted share of wrong calls, 0-1.
    threshold
        Confidence below which a call abstains, 0-1.
    measured_on
        Cells that the threshold was measured on.
    ood_threshold
        Out-of-distribution score above which a call abstains, 0-1; None = no call does.
    least_probability
        Probability from which on a state belongs to a prediction set, 0-1; None = no sets.
    """

    target_risk: float
    threshold: float
    measured_on: str = ""
    ood_threshold: float | None = None
    least_probability: float | None = None


def choose_rules(
    details: StatesDetails, *, target_risk: float | None = None, set_coverage: float | None = None
) -> Rules:
    """Choose the rules by which calls abstain, from a bundle and what is asked.

    Parameters
    ----------
    details
        What the bundle states. Where its states are read with programmes, confidence is trust in the whole
        decision, and the bundle's own curve and levels, which are of its network alone, do not apply; the
        level of sets is that of a typical sample.
    target_risk
        As in `choose_threshold`.
    set_coverage
        As in `choose_set_level`; no sets if not given.

    Returns
    -------
    Rules
        Points of measured curves.

    Raises
    ------
    OptionsError
        As `choose_threshold` and `choose_set_level`.
    """
    reliability = details.reliability
    target = details.abstention.target_risk if target_risk is None else target_risk
    if details.has_axes:
        least = choose_least_confidence(target)
        level_of_sets = None if set_coverage is None else choose_least_probability(set_coverage)
        return Rules(target, least, MEASURED_ON, reliability.ood_threshold, level_of_sets)
    level = None if set_coverage is None else choose_set_level(reliability, set_coverage)
    return Rules(
        target_risk=target,
        threshold=choose_threshold(details.abstention, target_risk),
        measured_on=details.abstention.dataset,
        ood_threshold=reliability.ood_threshold,
        least_probability=None if level is None else level.least_probability,
    )


def choose_threshold(abstention: Abstention, target_risk: float | None = None) -> float:
    """Choose the confidence below which calls abstain.

    Parameters
    ----------
    abstention
        The bundle's coverage-risk curve and its default target.
    target_risk
        Accepted share of wrong calls, above 0 and at most 1; the bundle's default if not given.

    Returns
    -------
    float
        The smallest threshold of the curve from which on the risk stays within the target.

    Raises
    ------
    OptionsError
        If the target is out of range or below what the bundle can reach.
    """
    target = abstention.target_risk if target_risk is None else target_risk
    if not 0 < target <= 1:
        raise OptionsError(
            f"a target risk of {target:g} is no share above 0",
            where="--target-risk",
            mend="give a share, e.g. 0.1",
        )
    threshold: float | None = None
    for point in reversed(abstention.curve):
        if point.risk > target:
            break
        threshold = point.threshold
    if threshold is None:
        least = abstention.curve[-1].risk if abstention.curve else 1.0
        raise OptionsError(
            f"this bundle cannot reach a risk of {target:g}; with the strictest threshold it is {least:.3g}",
            where="--target-risk",
            mend=f"give {least:.3g} or more, or use a better bundle",
        )
    return threshold


def choose_set_level(reliability: Reliability, coverage: float) -> ConformalLevel:
    """Choose, beside abstention, the prediction sets that hold the true state in a share of cells.

    Parameters
    ----------
    reliability
        What the bundle states.
    coverage
        Share of cells whose true state should be in their set, 0-1.

    Returns
    -------
    ConformalLevel
        The smallest stated coverage that is not below the one asked for.

    Raises
    ------
    OptionsError
        If the bundle states no such coverage.
    """
    for level in reliability.conformal:
        if level.coverage >= coverage:
            return level
    stated = ", ".join(f"{level.coverage:g}" for level in reliability.conformal)
    raise OptionsError(
        f"the bundle states no prediction sets with a coverage of {coverage:g}",
        where="--set-coverage",
        mend=f"give one of: {stated}" if stated else "leave --set-coverage out, or use another bundle",
    )


@dataclass(frozen=True)
class Verdicts:
    """What is reported of B cells.

    Parameters
    ----------
    state
        Predicted state, ``Unresolved`` or ``Not_T``, shape (B,), object.
    reason
        Why the call abstains (`AbstainReason`), None where it does not; shape (B,), object.
    """

    state: NDArray[np.object_]
    reason: NDArray[np.object_]

    @property
    def is_abstained(self) -> NDArray[np.bool_]:
        """Whether no state is reported, shape (B,)."""
        return np.asarray(self.reason != None, dtype=bool)  # noqa: E711 - element by element

    @property
    def is_usable(self) -> NDArray[np.bool_]:
        """Whether the probabilities are those of one T cell: all but low confidence rules that out."""
        return np.asarray(~self.is_abstained | (self.reason == AbstainReason.LOW_CONFIDENCE), dtype=bool)

    @property
    def is_ood(self) -> NDArray[np.bool_]:
        """Whether a single T cell is out of the distribution of the training cells, shape (B,)."""
        return np.asarray(self.reason == AbstainReason.OOD, dtype=bool)


def decide_verdicts(
    calls: StateCalls, facts: CellFacts, n_panel_genes: NDArray[np.int64], rules: Rules
) -> Verdicts:
    """Decide which calls are reported and which abstain, and why.

    Parameters
    ----------
    calls
        Calls of B cells.
    facts
        What was known of them beforehand.
    n_panel_genes
        Genes of the panel with any expression, shape (B,).
    rules
        By which calls abstain.

    Returns
    -------
    Verdicts
        With several reasons the first of: not a T cell, doublet, no expression in the panel, unlike the
        training cells, low confidence.
    """
    reason = np.full(len(calls.predicted_state), None, dtype=object)
    # Written from the weakest reason to the strongest, so that the strongest stands.
    reason[calls.confidence < rules.threshold] = str(AbstainReason.LOW_CONFIDENCE)
    if rules.ood_threshold is not None:
        reason[calls.ood_score > rules.ood_threshold] = str(AbstainReason.OOD)
    reason[n_panel_genes == 0] = str(AbstainReason.COVERAGE)
    reason[facts.is_doublet] = str(AbstainReason.DOUBLET)
    reason[~facts.is_t_cell] = str(AbstainReason.NOT_T_CELL)
    state = calls.predicted_state.copy()
    state[reason != None] = STATE_UNRESOLVED  # noqa: E711 - element by element
    state[~facts.is_t_cell] = STATE_NOT_T
    return Verdicts(state, reason)


def list_prediction_sets(probabilities: NDArray[np.float32], least_probability: float) -> NDArray[np.object_]:
    """List for each cell, abstaining or not, the states that cannot be ruled out.

    Parameters
    ----------
    probabilities
        Shape (B, 7), in the order of `State`.
    least_probability
        Probability from which on a state belongs to the set, 0-1; measured for a stated coverage.

    Returns
    -------
    ndarray
        State names joined by ``|``, most probable first, shape (B,), object; may be empty.

    Notes
    -----
    Split conformal prediction with the score 1 - p of the true class (Sadinle, Lei and Wasserman 2019,
    doi:10.1080/01621459.2017.1395341).
    """
    names = np.array([str(state) for state in State], dtype=object)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    n_inside = (probabilities >= least_probability).sum(axis=1)
    sets = np.empty(len(probabilities), dtype=object)
    sets[:] = ["|".join(names[row[:n]]) for row, n in zip(order, n_inside, strict=True)]
    return sets
