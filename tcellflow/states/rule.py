"""From lineage, function, cycle and programmes to the seven states: one joint distribution, one rule.

Invariant: every combination of lineage, function and running programmes belongs to exactly one state, and
a state's probability is the sum over its combinations: so the states sum to 1 and agree with every axis.

The networks say how probable each pair of lineage and function is, and whether the cell cycles. Three
programmes speak beside them, each running or not: exhaustion, cytotoxicity, and help. What cannot be
measured is left to the network's own function.

=============  =====================================================================
Proliferating  the cell cycles
Treg           lineage Treg
Exhausted      the exhaustion programme runs, lineage not Treg
Effector       the cytotoxic programme runs, not exhausted
Naive          naive function, neither of both
Th_effector    CD4 with a helper programme, none of the above
Memory         everything else
=============  =====================================================================
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
_IS_EXHAUSTED = np.array([f in {Function.EXHAUSTED_PROGENITOR, Function.EXHAUSTED_TERMINAL} for f in FUNCTIONS])
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
    """

    exhausted: Floats
    cytotoxic: Floats
    helper: Floats


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
    """Give the probabilities of the deciding programmes by function.

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
        np.maximum(spread(helper, _IS_HELPER), 0.0),
    )


def _mean_odds(first: Floats, second: Floats) -> Floats:
    logits = [np.log(np.clip(p, 1e-3, 1 - 1e-3) / (1 - np.clip(p, 1e-3, 1 - 1e-3))) for p in (first, second)]
    return np.asarray(1 / (1 + np.exp(-(logits[0] + logits[1]) / 2)))


def apply_rule(joint: Floats, cycling: Floats, bits: Bits) -> RuledStates:
    """Apply the rule.

    Parameters
    ----------
    joint
        Of lineage and function, shape (B, 6, 9); rows sum to 1.
    cycling
        Probability that the cell cycles, shape (B,).
    bits
        Which programmes run.
    """
    n = len(joint)
    resting = joint.astype(np.float64) * (1 - cycling)[:, None, None]
    of = np.zeros((n, len(LINEAGES), len(FUNCTIONS), len(STATES)))
    exhausted, cytotoxic, helper = bits.exhausted, bits.cytotoxic, bits.helper
    effector = (1 - exhausted) * cytotoxic
    rest = (1 - exhausted) * (1 - cytotoxic)
    naive = rest * _IS_NAIVE
    rest = rest * ~_IS_NAIVE
    others = [i for i in range(len(LINEAGES)) if i != _TREG]
    for lineage in others:
        share = helper if lineage == _CD4 else np.zeros_like(helper)
        for state, part in (
            (State.EXHAUSTED, exhausted),
            (State.EFFECTOR, effector),
            (State.NAIVE, naive),
            (State.TH_EFFECTOR, rest * share),
            (State.MEMORY, rest * (1 - share)),
        ):
            of[:, lineage, :, STATES.index(state)] = part
    of[:, _TREG, :, STATES.index(State.TREG)] = 1
    return RuledStates(
        resting[..., None] * of, joint.astype(np.float64) * np.asarray(cycling)[:, None, None]
    )


def pool_states(first: Floats, second: Floats, weight: float, known: NDArray[np.bool_]) -> Floats:
    """Pool two distributions over the states by the logarithm of their probabilities.

    Parameters
    ----------
    first, second
        Shape (B, 7), rows sum to 1.
    weight
        Of the second, 0-1.
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
