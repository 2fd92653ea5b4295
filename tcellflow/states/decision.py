"""Network, programmes, markers and receptor of a cell brought together to one distribution.

Invariant: what comes out is one joint distribution of lineage, function, cycle and state; every reported
word is read from it.

The network, read by the rule, and the plain linear model err differently: one was taught silver labels of
many tissues, the other stands few molecules and other chemistries. Their logarithms are averaged, and the
linear model counts for more where a cell has few molecules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.states.axes import FUNCTIONS, LINEAGES, STATES
from tcellflow.states.rule import HELPERS, EffectorBy, RuledStates, apply_rule, find_bits, pool_states
from tcellflow.states.unconventional import ReceptorFacts, find_unconventional, place_lineages
from tcellflow.vocabulary import Cycle, State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.states.programmes import ProgrammeScores

    Floats = NDArray[np.float64]

DEEP_WEIGHT, SHALLOW_WEIGHT = 0.5, 0.7  # of the linear model
DEEP, SHALLOW = 3_000.0, 1_000.0  # molecules
_PROLIFERATING = STATES.index(State.PROLIFERATING)


@dataclass(frozen=True)
class Decision:
    """What is told of B cells.

    Parameters
    ----------
    ruled
        The joint distribution.
    state, lineage, function, cycle
        The most probable state, and the most probable combination inside it, shape (B,), object.
    helper
        Which helper programme runs most in cells called Th_effector (``th1`` ...), "" elsewhere, shape (B,).
    support
        Probability of the most probable state by the network read by the rule, and by the linear model,
        shape (B, 2): twice the former where the linear model has no such class.
    agrees
        Whether both call the same, of the states that both know, shape (B,).
    """

    ruled: RuledStates
    state: NDArray[np.object_]
    lineage: NDArray[np.object_]
    function: NDArray[np.object_]
    cycle: NDArray[np.object_]
    helper: NDArray[np.object_]
    support: Floats
    agrees: NDArray[np.bool_]


def weigh_markers(molecules: Floats) -> Floats:
    """Weigh the linear model of markers in the decision, by a cell's molecules, shape (B,)."""
    return np.asarray(np.interp(np.log(molecules), np.log([SHALLOW, DEEP]), [SHALLOW_WEIGHT, DEEP_WEIGHT]))


def decide(
    joint: Floats,
    cycling: Floats,
    scores: ProgrammeScores,
    markers: Floats,
    molecules: Floats,
    *,
    receptors: ReceptorFacts | None = None,
    effector_by: EffectorBy = "programme",
) -> Decision:
    """Decide a cell's states from network, programmes, markers and receptor together.

    Parameters
    ----------
    joint
        Of lineage and function by the network, shape (B, 6, 9).
    cycling
        By the network, shape (B,).
    scores
        Programmes.
    markers
        Probabilities of the linear model in the order of `State`, shape (B, 7); 0 for states it has no
        class for.
    molecules
        Library sizes, of full-length cells the molecules they are worth, shape (B,).
    receptors
        What the chains say; None for a sample without.
    effector_by
        Whether the cytotoxic programme or the gates' function tells Effector.
    """
    found = find_unconventional(joint.sum(axis=2), scores, receptors)
    placed = place_lineages(joint, found)
    ruled = apply_rule(placed, cycling, find_bits(scores, placed, effector_by))
    known = markers.max(axis=0, initial=0.0) > 0
    states = ruled.states
    if known.any():
        if effector_by == "gate":
            markers = _split_by(markers, states)
        shared = _share_exhaustion(markers, states, scores)
        pooled = pool_states(states, shared, weigh_markers(molecules)[:, None], known)
        ruled = ruled.reweighted(pooled)
    return name_calls(ruled, scores, states, np.where(known, markers, states), known)


def _share_exhaustion(markers: Floats, states: Floats, scores: ProgrammeScores) -> Floats:
    """Let the rule have half a say in what the linear model splits into Exhausted and Effector, shape (B, 7).

    The model knows exhausted cells of one study alone, and takes those of other laboratories for Effector;
    where the exhaustion programme is measurable, it knows better which of both it is.
    """
    both = [STATES.index(State.EXHAUSTED), STATES.index(State.EFFECTOR)]
    own, given = states[:, both] + 1e-9, markers[:, both] + 1e-9
    total = given.sum(axis=1, keepdims=True)
    split = (own / own.sum(axis=1, keepdims=True) + given / total) / 2
    is_known = ~np.isnan(scores.of("exhaustion_core"))[:, None]
    shared = markers.copy()
    shared[:, both] = np.where(is_known, total * split, markers[:, both])
    return shared


def _split_by(markers: Floats, states: Floats) -> Floats:
    """Split what the linear model gives Effector and Memory together as `states` does, shape (B, 7).

    It was taught that cytotoxic cells are Effector; the gates say otherwise.
    """
    both = [STATES.index(State.EFFECTOR), STATES.index(State.MEMORY)]
    own = states[:, both] + 1e-9
    split = markers.copy()
    split[:, both] = markers[:, both].sum(axis=1, keepdims=True) * own / own.sum(axis=1, keepdims=True)
    return split


def name_calls(
    ruled: RuledStates,
    scores: ProgrammeScores,
    network: Floats,
    markers: Floats,
    known: NDArray[np.bool_],
) -> Decision:
    """Name what was decided: each cell's most probable state and combination inside it.

    Parameters
    ----------
    ruled
        The joint distribution.
    scores
        Programmes.
    network, markers
        What the network read by the rule, and the linear model, say of the states, shape (B, 7) each; the
        former's word where the linear model has no class.
    known
        States that it has a class for, shape (7,).
    """
    states = ruled.states
    best = states.argmax(axis=1)
    cycles = best == _PROLIFERATING
    rows = np.arange(len(best))
    inside = np.where(cycles[:, None, None], ruled.cycling, ruled.resting[rows, :, :, best])
    flat = inside.reshape(len(best), len(LINEAGES) * len(FUNCTIONS)).argmax(axis=1)
    lineage, function = np.divmod(flat, len(FUNCTIONS))
    helpers = np.stack([np.nan_to_num(scores.of(name)) for name in HELPERS], axis=1)
    helper = np.where(
        best == STATES.index(State.TH_EFFECTOR), np.array(HELPERS, dtype=object)[helpers.argmax(axis=1)], ""
    )
    return Decision(
        ruled,
        _name(STATES, best),
        _name(LINEAGES, lineage),
        _name(FUNCTIONS, function),
        _name((Cycle.RESTING, Cycle.CYCLING), cycles.astype(np.int64)),
        helper.astype(object),
        np.stack([network[rows, best], markers[rows, best]], axis=1),
        np.asarray((network * known).argmax(axis=1) == (markers * known).argmax(axis=1)),
    )


def _name(names: tuple[str, ...], index: NDArray[np.int64]) -> NDArray[np.object_]:
    return np.asarray(np.array([str(name) for name in names], dtype=object)[index])
