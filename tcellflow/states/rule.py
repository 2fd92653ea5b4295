"""From lineage, function, cycle and programmes to the seven states: one joint distribution, one rule.

Invariant: every combination of lineage, function and running programmes belongs to exactly one state, and
a state's probability is the sum over its combinations: so the states sum to 1 and agree with every axis.

The networks say how probable each pair of lineage and function is, and whether the cell cycles. Three
programmes speak beside them, each running or not: exhaustion, cytotoxicity, and help. What cannot be
measured is left to the network's own function.

=============  =====================================================================
Proliferating  the cell cycles
Treg           lineage Treg
Exhausted      the exhaustion programme runs, lineage not Treg; a CD4 cell that runs the
               follicular programme is a helper
Effector       the cytotoxic programme runs, not exhausted
Naive          naive function, neither of both
Th_effector    CD4 with a helper programme, none of the above
Memory         everything else
=============  =====================================================================

Functions follow where the state names one: exhausted (progenitor or terminal) and th_effector. Else the
function keeps the network's word, which is the gates': so an Effector may be an effector-memory cell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from tcellflow.states.axes import FUNCTIONS, LINEAGES, STATES
from tcellflow.vocabulary import Function, Lineage, State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.states.programmes import ProgrammeScores

    Floats = NDArray[np.float64]

EffectorBy = Literal["programme", "gate"]
HELPERS: Final = ("th1", "th2", "th17", "tfh")
_TREG = LINEAGES.index(Lineage.TREG)
_CD4 = LINEAGES.index(Lineage.CD4)
_IS_NAIVE = np.array([f is Function.NAIVE for f in FUNCTIONS])
_IS_EXHAUSTED = np.array(
    [f in {Function.EXHAUSTED_PROGENITOR, Function.EXHAUSTED_TERMINAL} for f in FUNCTIONS]
)
_IS_EFFECTOR = np.array([f is Function.EFFECTOR for f in FUNCTIONS])
_IS_HELPER = np.array([f is Function.TH_EFFECTOR for f in FUNCTIONS])
_PROLIFERATING = STATES.index(State.PROLIFERATING)


@dataclass(frozen=True)
class Bits:
    """Probabilities that the deciding programmes run, shape (B, 9) each: one for each function.

    Parameters
    ----------
    exhausted, cytotoxic
        Of cells of any lineage but Treg.
    helper
        Of CD4 cells.
    follicular
        Of CD4 cells, shape (B,): it looks like exhaustion and is help.
    progenitor
        Share of the exhausted cells that are progenitors, shape (B,).
    """

    exhausted: Floats
    cytotoxic: Floats
    helper: Floats
    follicular: Floats
    progenitor: Floats


@dataclass(frozen=True)
class RuledStates:
    """States of B cells, and what they are made of.

    Parameters
    ----------
    states
        Probabilities in the order of `State`, shape (B, 7); rows sum to 1.
    resting
        Joint of lineage, function and resting state, shape (B, 6, 9, 7), that sums to 1 - `cycling`.
    cycling
        Joint of lineage and function of cycling cells, shape (B, 6, 9): it sums to the probability of
        Proliferating.
    """

    resting: Floats
    cycling: Floats

    @property
    def states(self) -> Floats:
        """Probabilities of the seven states, shape (B, 7)."""
        states = self.resting.sum(axis=(1, 2))
        states[:, _PROLIFERATING] += self.cycling.sum(axis=(1, 2))
        return np.asarray(states)

    @property
    def joint(self) -> Floats:
        """Joint of lineage and function, shape (B, 6, 9)."""
        return np.asarray(self.resting.sum(axis=3) + self.cycling)

    def reweighted(self, states: Floats) -> RuledStates:
        """Give the distribution nearest to this one that has these state probabilities, shape (B, 7).

        Every combination is scaled by the factor of its state: so the axes follow.
        """
        now = self.states
        # a state that no combination can be is left out; its share goes to the others
        possible = now > 0
        wanted = np.where(possible, states, 0)
        wanted = wanted / np.maximum(wanted.sum(axis=1, keepdims=True), 1e-300)
        factor = wanted / np.where(possible, now, 1)
        return replace(
            self,
            resting=self.resting * factor[:, None, None, :],
            cycling=self.cycling * factor[:, None, None, _PROLIFERATING : _PROLIFERATING + 1][..., 0],
        )


def find_bits(scores: ProgrammeScores, joint: Floats, effector_by: EffectorBy) -> Bits:
    """Give the probabilities of the programmes that decide in the rule, by function.

    Where a programme is not measurable, or the gate decides, the function's own word counts. Help is
    told by the helper programme that runs most and by the network's own word, half and half in odds: half
    of all resting memory cells of blood once were helpers of some kind and show a little of it.
    """
    n = len(scores.values)

    def spread(values: Floats, own: NDArray[np.bool_]) -> Floats:
        of_function = np.broadcast_to(own.astype(np.float64), (n, own.size))
        return np.where(np.isnan(values)[:, None], of_function, values[:, None])

    def value(name: str) -> Floats:
        return scores.of(name).astype(np.float64)

    cytotoxic = np.fmax(value("cytotoxic"), value("terminal_effector"))
    if effector_by == "gate":
        cytotoxic = np.full(n, np.nan)
    known = np.stack([value(name) for name in HELPERS])
    helper = np.nan_to_num(known).max(axis=0)
    memory = joint[:, _CD4] * ~_IS_NAIVE
    own = memory[:, _IS_HELPER].sum(axis=1) / np.maximum(memory.sum(axis=1), 1e-9)
    helper = _mean_odds(helper, own)
    helper[np.isnan(known).all(axis=0)] = np.nan
    return Bits(
        spread(value("exhaustion_core"), _IS_EXHAUSTED),
        spread(cytotoxic, _IS_EFFECTOR),
        spread(helper, _IS_HELPER),
        np.nan_to_num(value("tfh")),
        _progenitor_share(value("exhaustion_progenitor"), value("exhaustion_terminal")),
    )


def _progenitor_share(progenitor: Floats, terminal: Floats) -> Floats:
    """Give the share of progenitors, a half where neither is measurable."""
    first, second = (np.nan_to_num(p, nan=0.5) + 0.01 for p in (progenitor, terminal))
    return np.asarray(first / (first + second))


def _mean_odds(first: Floats, second: Floats) -> Floats:
    logits = [np.log(np.clip(p, 1e-3, 1 - 1e-3) / (1 - np.clip(p, 1e-3, 1 - 1e-3))) for p in (first, second)]
    return np.asarray(1 / (1 + np.exp(-(logits[0] + logits[1]) / 2)))


def apply_rule(joint: Floats, cycling: Floats, bits: Bits) -> RuledStates:
    """Apply the rule from lineage, function, cycle and programmes to the seven states.

    Parameters
    ----------
    joint
        Of lineage and function, shape (B, 6, 9); rows sum to 1.
    cycling
        Probability that the cell cycles, shape (B,).
    bits
        Which programmes run.
    """
    exhausted, cytotoxic, helper = bits.exhausted, bits.cytotoxic, bits.helper
    shape = (len(joint), len(LINEAGES), len(FUNCTIONS), len(STATES))
    resting = np.zeros(shape)
    mass = joint.astype(np.float64) * (1 - np.asarray(cycling))[:, None, None]
    for lineage in range(len(LINEAGES)):
        if lineage == _TREG:
            resting[:, lineage, :, STATES.index(State.TREG)] = mass[:, lineage]
            continue
        is_cd4 = lineage == _CD4
        e = exhausted * (1 - bits.follicular[:, None]) if is_cd4 else exhausted
        h = np.maximum(helper, bits.follicular[:, None]) if is_cd4 else np.zeros_like(helper)
        effector, rest = (1 - e) * cytotoxic, (1 - e) * (1 - cytotoxic)
        for state, part in (
            (State.EXHAUSTED, e),
            (State.EFFECTOR, effector),
            (State.NAIVE, rest * _IS_NAIVE),
            (State.TH_EFFECTOR, rest * ~_IS_NAIVE * h),
            (State.MEMORY, rest * ~_IS_NAIVE * (1 - h)),
        ):
            resting[:, lineage, :, STATES.index(state)] = mass[:, lineage] * part
    ruled = RuledStates(resting, joint.astype(np.float64) * np.asarray(cycling)[:, None, None])
    return _name_functions(ruled, bits.progenitor)


def _name_functions(ruled: RuledStates, progenitor: Floats) -> RuledStates:
    """Move what the rule calls exhausted or helper to the functions of that name."""
    resting = ruled.resting.copy()
    for state, functions, shares in (
        (State.EXHAUSTED, (Function.EXHAUSTED_PROGENITOR, Function.EXHAUSTED_TERMINAL), progenitor),
        (State.TH_EFFECTOR, (Function.TH_EFFECTOR, Function.TH_EFFECTOR), np.ones_like(progenitor)),
    ):
        column = STATES.index(state)
        whole = resting[..., column].sum(axis=2)
        resting[..., column] = 0
        for function, share in zip(functions, (shares, 1 - shares), strict=True):
            resting[:, :, FUNCTIONS.index(function), column] += whole * share[:, None]
    return replace(ruled, resting=resting)


def pool_states(first: Floats, second: Floats, weight: float | Floats, known: NDArray[np.bool_]) -> Floats:
    """Pool, beside the rule, two distributions over the states by the logarithm of their probabilities.

    Parameters
    ----------
    first, second
        Shape (B, 7), rows sum to 1.
    weight
        Of the second, 0-1: one, or shape (B, 1).
    known
        States that the second knows, shape (7,): the others keep the first's share.
    """
    spare = 1e-4
    inside = first[:, known].sum(axis=1, keepdims=True)
    other = second[:, known]
    own = first[:, known] / np.maximum(inside, 1e-12)
    logits = (1 - weight) * np.log(own + spare) + weight * np.log(other + spare)
    logits -= logits.max(axis=1, keepdims=True)
    pooled = np.exp(logits)
    pooled *= inside / pooled.sum(axis=1, keepdims=True)
    result = first.astype(np.float64).copy()
    result[:, known] = pooled
    return np.asarray(result)
