"""What a label says of a cell: the joint cells of lineage and function it allows, and whether it cycles.

Invariant: a label fixes only the axes that it speaks about; structural zeros are never allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tcellflow.states.axes import FUNCTIONS, LINEAGES, STATES, mark_joint_cells, possible_joint
from tcellflow.vocabulary import Cycle, Function, State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Joint = NDArray[np.bool_]

UNKNOWN: Final = "?"
_GROUPS: Final = {
    "memory": (Function.CENTRAL_MEMORY, Function.EFFECTOR_MEMORY, Function.RESIDENT_MEMORY),
    "exhausted": (Function.EXHAUSTED_PROGENITOR, Function.EXHAUSTED_TERMINAL),
}
AXES: Final = ("lineage", "function", "cycle")
STATE: Final = "state"  # a word for function and cycle together
_PROLIFERATING: Final = STATES.index(State.PROLIFERATING)


@dataclass(frozen=True)
class Meaning:
    """What one label says.

    Parameters
    ----------
    lineages, functions
        The values it allows; empty where it does not speak about the axis.
    is_cycling
        Whether the cells cycle; None where it does not say.
    """

    lineages: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    is_cycling: bool | None = None

    def mark_joint(self) -> Joint:
        """Mark the joint cells it allows.

        Returns
        -------
        ndarray
            Shape (54,), bool, lineage-major.
        """
        lineages = np.isin(LINEAGES, self.lineages) if self.lineages else np.ones(len(LINEAGES), bool)
        functions = np.isin(FUNCTIONS, self.functions) if self.functions else np.ones(len(FUNCTIONS), bool)
        return np.outer(lineages, functions).ravel() & possible_joint()


def find_state(joint: Joint, is_cycling: bool | None) -> State | None:  # noqa: FBT001 - an axis, not an option
    """Name the one state that a label's cell can be in.

    Parameters
    ----------
    joint
        Joint cells that are allowed, shape (54,).
    is_cycling
        Whether it cycles; None = not known, which counts as resting.

    Returns
    -------
    State or None
        None where several states are possible.
    """
    if is_cycling:
        return State.PROLIFERATING
    inside = mark_joint_cells()
    states = [state for row, state in enumerate(STATES) if row != _PROLIFERATING and inside[row][joint].any()]
    return states[0] if len(states) == 1 else None


def parse_meaning(found: Any, faults: list[str], where: str) -> Meaning:
    """Parse what a manifest says of one label.

    Parameters
    ----------
    found
        Mapping of axis to a value, a list of values, or ``?``; ``state``, one of the seven, may stand for
        function and cycle.
    faults
        Takes what is wrong.
    where
        The label, for the faults.

    Returns
    -------
    Meaning
        Without the axes that cannot be read.
    """
    if not isinstance(found, dict) or set(found) - {*AXES, STATE}:
        faults.append(
            f"{where}: give lineage, function and cycle, each a value, a list or '{UNKNOWN}'; or one {STATE}"
        )
        return Meaning()
    if STATE in found:
        found = _replace_state(found, where, faults)
    cycle = _parse_axis(found.get("cycle"), tuple(Cycle), f"{where}, cycle", faults)
    meaning = Meaning(
        _parse_axis(found.get("lineage"), LINEAGES, f"{where}, lineage", faults),
        _parse_axis(found.get("function"), FUNCTIONS, f"{where}, function", faults),
        None if len(cycle) != 1 else cycle[0] == Cycle.CYCLING,
    )
    if not meaning.mark_joint().any():
        faults.append(f"{where}: no cell can be {'/'.join(meaning.lineages)} {'/'.join(meaning.functions)}")
    return meaning


def _replace_state(found: dict[str, Any], where: str, faults: list[str]) -> dict[str, Any]:
    """Say by function and cycle what a state says: the functions that only its cells have."""
    axes = {axis: value for axis, value in found.items() if axis != STATE}
    if found[STATE] not in STATES or "function" in axes or "cycle" in axes:
        faults.append(f"{where}: a {STATE} is one of {', '.join(STATES)} and leaves out function and cycle")
        return axes
    if found[STATE] == State.PROLIFERATING:
        return {**axes, "cycle": str(Cycle.CYCLING)}
    joint = mark_joint_cells()[STATES.index(State(found[STATE]))]
    functions = joint.reshape(len(LINEAGES), len(FUNCTIONS)).any(axis=0)
    return {**axes, "function": [str(f) for f, is_in in zip(FUNCTIONS, functions, strict=True) if is_in]}


def _parse_axis(found: Any, names: tuple[str, ...], where: str, faults: list[str]) -> tuple[str, ...]:
    if found is None or found == UNKNOWN:
        return ()
    values = [str(value) for value in (found if isinstance(found, list) else [found])]
    groups = _GROUPS if names is FUNCTIONS else {}
    spread = [str(name) for value in values for name in groups.get(value, (value,))]
    wrong = [value for value in spread if value not in names]
    if wrong or not spread:
        faults.append(f"{where}: {', '.join(wrong) or 'an empty list'} is none of {', '.join(names)}")
        return ()
    return tuple(dict.fromkeys(spread))
