"""The axes of a T-cell state, and the fixed rule from lineage, function and cycle to the seven states.

A joint cell is one combination of lineage and function: a cell of the 6 by 9 table, lineage-major.

Invariant: every joint cell of lineage and function belongs to exactly one resting state or is a
structural zero; any cell can cycle.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.vocabulary import Function, Lineage, State

if TYPE_CHECKING:
    from numpy.typing import NDArray

STATES: Final = tuple(State)
LINEAGES: Final = tuple(Lineage)
FUNCTIONS: Final = tuple(Function)
_MEMORY = {Function.CENTRAL_MEMORY, Function.EFFECTOR_MEMORY, Function.RESIDENT_MEMORY}
_EXHAUSTED = {Function.EXHAUSTED_PROGENITOR, Function.EXHAUSTED_TERMINAL}
_PROLIFERATING: Final = STATES.index(State.PROLIFERATING)


def find_resting_state(lineage: Lineage, function: Function) -> State | None:
    """Give the state of a resting joint cell of the axes.

    Parameters
    ----------
    lineage, function
        The joint cell.

    Returns
    -------
    State or None
        None for a structural zero.
    """
    if lineage is Lineage.TREG or function is Function.REGULATORY:
        return State.TREG if lineage is Lineage.TREG and function is Function.REGULATORY else None
    if function is Function.TH_EFFECTOR:
        return State.TH_EFFECTOR if lineage is Lineage.CD4 else None
    if function in _MEMORY:
        return State.MEMORY
    if function in _EXHAUSTED:
        return State.EXHAUSTED
    return State.NAIVE if function is Function.NAIVE else State.EFFECTOR


@lru_cache(maxsize=1)
def mark_joint_cells() -> NDArray[np.bool_]:
    """Mark the joint cells of the axes that make up each state.

    Returns
    -------
    ndarray
        Shape (7, 54), bool, read-only; joint cells are lineage-major. All that can be are Proliferating's.
    """
    inside = np.zeros((len(STATES), len(LINEAGES) * len(FUNCTIONS)), dtype=bool)
    for i, lineage in enumerate(LINEAGES):
        for j, function in enumerate(FUNCTIONS):
            state = find_resting_state(lineage, function)
            if state is not None:
                cell = i * len(FUNCTIONS) + j
                inside[[STATES.index(state), _PROLIFERATING], cell] = True
    inside.setflags(write=False)
    return inside


def possible_joint() -> NDArray[np.bool_]:
    """Mark the joint cells of the axes that are no structural zeros.

    Returns
    -------
    ndarray
        Shape (54,), bool.
    """
    possible: NDArray[np.bool_] = mark_joint_cells()[_PROLIFERATING]
    return possible


def resting_states() -> NDArray[np.float64]:
    """Give the resting state of every joint cell of the axes.

    Returns
    -------
    ndarray
        Shape (54, 7), 1 where a joint cell belongs to a state; no joint cell is Proliferating.
    """
    states = mark_joint_cells().astype(np.float64)
    states[_PROLIFERATING] = 0
    return np.ascontiguousarray(states.T)


def weigh_states(
    outputs: dict[str, NDArray[np.float32]], weights: NDArray[np.float64]
) -> dict[str, NDArray[np.float32]]:
    """Multiply every state's probability by a weight, and keep all axes in agreement with it.

    Parameters
    ----------
    outputs
        Arrays of a model by name: ``state_probabilities`` (B, 7), ``joint`` (B, 6, 9), ``p_cycling``
        (B, 1), ``p_lineage`` (B, 6), ``p_function`` (B, 9); others are kept.
    weights
        One per state, shape (7,), >= 0.

    Returns
    -------
    dict
        The same arrays, normalised again. A joint cell takes the weight of its resting state, cycling
        that of Proliferating, so that the new axes give the new states.
    """
    states = _normalise(outputs["state_probabilities"] * weights)
    resting = mark_joint_cells().copy()
    resting[_PROLIFERATING] = False
    of_joint = weights @ resting  # (54,)
    shape = outputs["joint"].shape
    joint = _normalise(outputs["joint"].reshape(shape[0], of_joint.size) * of_joint).reshape(shape)
    changed = {
        "state_probabilities": states,
        "joint": joint,
        "p_cycling": states[:, _PROLIFERATING : _PROLIFERATING + 1],
        "p_lineage": joint.sum(axis=2),
        "p_function": joint.sum(axis=1),
    }
    return {**outputs, **{name: value.astype(np.float32) for name, value in changed.items()}}


def _normalise(values: NDArray[np.float64]) -> NDArray[np.float64]:
    totals = values.sum(axis=1, keepdims=True)
    return np.asarray(values / np.where(totals > 0, totals, 1.0))
