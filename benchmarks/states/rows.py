"""The rows of the table: what a reader could call the cells by, from the parts that a fold gives.

Every row is a distribution over the seven states. Weights and thresholds of a row that has any are chosen on
folds other than the judged one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from recipes.programmes.folds import CYTOTOXIC_MEAN
from recipes.programmes.left_out import NAMES
from tcellflow.inference.receptors.neighbours import find_neighbours
from tcellflow.states.axes import STATES
from tcellflow.states.decision import decide, weigh_markers
from tcellflow.states.rule import apply_rule, find_bits, pool_states
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from recipes.programmes.folds import Outputs

    Probabilities = NDArray[np.float64]

MOST_CHECKPOINTS = 3
NEIGHBOURS, NEIGHBOUR_SHARE = 15, 0.5
SURE = 0.8


def network(parts: Outputs) -> Probabilities:
    """Give the network's own states, as they are called without programmes."""
    return _known(parts.network)


def markers_alone(parts: Outputs) -> Probabilities:
    """Give the network's call, but Exhausted by three checkpoint genes and Effector by cytotoxic ones.

    The confidence stays the network's.
    """
    p = _known(parts.network)
    call = p.argmax(axis=1)
    free = ~np.isin(NAMES[call], [State.TREG, State.PROLIFERATING])
    effector = free & (parts.crude[:, 1] > CYTOTOXIC_MEAN)
    exhausted = free & (parts.crude[:, 0] >= MOST_CHECKPOINTS)
    call = np.where(effector, STATES.index(State.EFFECTOR), call)
    call = np.where(exhausted, STATES.index(State.EXHAUSTED), call)
    swapped = p.copy()
    rows = np.arange(len(p))
    swapped[rows, call], swapped[rows, p.argmax(axis=1)] = p.max(axis=1), p[rows, call]
    return swapped


def ruled(parts: Outputs) -> Probabilities:
    """Give (a): today's network, read by the rule."""
    joint = _known(parts.joint)
    return apply_rule(joint, _known(parts.cycling), find_bits(parts.scores, joint, "programme")).states


def linear(parts: Outputs) -> Probabilities:
    """Give (c): the plain linear model."""
    return parts.markers


def taught(parts: Outputs) -> Probabilities:
    """Give (b): a network with programmes as inputs and targets."""
    return parts.taught


def combined_with_taught(parts: Outputs) -> Probabilities:
    """Give (a) and (b) together, as `predict` puts (a) and (c) together."""
    return _decide(replace(parts, markers=parts.taught), "programme")


def combined(parts: Outputs) -> Probabilities:
    """Give (a) and (c) together, as `predict` does."""
    return _decide(parts, "programme")


def combined_by_gate(parts: Outputs) -> Probabilities:
    """Give the same where the gates' function tells Effector."""
    return _decide(parts, "gate")


def without_rule(parts: Outputs) -> Probabilities:
    """Give the network's own states and (c) together: what the rule adds is the difference."""
    known = parts.markers.max(axis=0) > 0
    return pool_states(_known(parts.network), parts.markers, weigh_markers(parts.molecules)[:, None], known)


def smoothed(parts: Outputs) -> Probabilities:
    """Give (d): (a) and (c), half of each unsure cell's distribution taken from its neighbours.

    Neighbours are those in the programmes' evidence. Cells that are sure of their state keep it, so that
    a rare state is not voted away.
    """
    p = combined(parts)
    evidence = parts.scores.evidence
    vectors = (evidence - evidence.mean(axis=0)) / (evidence.std(axis=0) + 1e-3)
    total, count = np.zeros_like(p), np.zeros(len(p))
    for block in find_neighbours(vectors.astype(np.float32), min(NEIGHBOURS, len(p) - 1)):
        np.add.at(total, block.row, p[block.neighbour])
        np.add.at(count, block.row, 1)
    mean = total / np.maximum(count, 1)[:, None]
    share = np.where(p.max(axis=1) >= SURE, 0.0, NEIGHBOUR_SHARE)[:, None]
    return np.asarray((1 - share) * p + share * mean)


def _decide(parts: Outputs, effector_by: str) -> Probabilities:
    return decide(
        _known(parts.joint),
        _known(parts.cycling),
        parts.scores,
        parts.markers,
        parts.molecules,
        effector_by="gate" if effector_by == "gate" else "programme",
    ).ruled.states


def _known(values: NDArray[np.float64] | None) -> NDArray[np.float64]:
    if values is None:
        raise ValueError("no network that never saw these cells")
    return values


ROWS: dict[str, Callable[[Outputs], Probabilities]] = {
    "today's network": network,
    "markers alone": markers_alone,
    "(a) network and rule": ruled,
    "(b) network with programmes": taught,
    "(c) linear model": linear,
    "network and (c), no rule": without_rule,
    "(a) and (b)": combined_with_taught,
    "(a) and (c)": combined,
    "(a) and (c), Effector by gate": combined_by_gate,
    "(d) smoothed": smoothed,
}
WITHOUT_NETWORK = ("(b) network with programmes", "(c) linear model")
