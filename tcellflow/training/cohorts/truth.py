"""What is known of the cells of a cohort: the states their labels leave open.

Invariant: row i of every array is the same cell; a cell without a label has every state open.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import InputError
from tcellflow.states.axes import possible_joint
from tcellflow.states.labels import Meaning, find_state
from tcellflow.training.cohorts.manifest import T_CELL, CohortEntry

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tcellflow.vocabulary import Evidence

UNKNOWN_CYCLE: Final = -1


@dataclass(frozen=True)
class CellTruth:
    """What is known of B cells.

    Parameters
    ----------
    is_t
        Shape (B,), bool.
    kind
        ``T``, or the kind of other cell, shape (B,), object.
    joint
        Joint cells of lineage and function that are possible, shape (B, 54), bool.
    cycle
        1 cycling, 0 resting, -1 not known, shape (B,), int8.
    state
        The one possible state, "" where several are, shape (B,), object.
    evidence
        How the state was found, "" where it is open, shape (B,), object.
    label
        The labels of the cell joined by " + ", shape (B,), object.
    donor, clone
        Names, shape (B,), object. A cohort without donors is one donor; "" = clone not known.
    """

    is_t: NDArray[np.bool_]
    kind: NDArray[np.object_]
    joint: NDArray[np.bool_]
    cycle: NDArray[np.int8]
    state: NDArray[np.object_]
    evidence: NDArray[np.object_]
    label: NDArray[np.object_]
    donor: NDArray[np.object_]
    clone: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.is_t)


def take_truth(truth: CellTruth, rows: NDArray[np.intp]) -> CellTruth:
    """Select the truth of some cells of a cohort.

    Parameters
    ----------
    truth
        Of B cells.
    rows
        Row numbers.

    Returns
    -------
    CellTruth
        Of these.
    """
    return CellTruth(**{field.name: getattr(truth, field.name)[rows] for field in fields(CellTruth)})


def read_truth(table: pd.DataFrame, entry: CohortEntry) -> CellTruth:
    """Read the truth of a cohort's cells: which states their labels leave open.

    Parameters
    ----------
    table
        `COLUMNS` and the columns of labels, as text.
    entry
        What the labels mean.

    Returns
    -------
    CellTruth
        One row per row of the table. Where several columns speak about an axis the first one counts.

    Raises
    ------
    InputError
        If a kind of cell is not among those that the entry explains.
    """
    combined = _Combined.of(len(table))
    for column in entry.labels:
        texts = table[column.column].to_numpy(dtype=object)
        for text in sorted(set(texts) & set(column.meanings)):
            combined.add(np.flatnonzero(texts == text), text, column.meanings[text], column.evidence)
    kinds = _read_kinds(table["kind"].to_numpy(dtype=object), entry)
    is_t = kinds == T_CELL
    donor, clone = (table[name].to_numpy(dtype=object) for name in ("donor", "clone"))
    donor = np.where(donor == "", entry.name, donor).astype(object)
    states = np.full(len(table), "", dtype=object)
    for row in np.flatnonzero(is_t & (combined.evidence != "")):
        states[row] = find_state(combined.joint[row], bool(combined.cycle[row] == 1)) or ""
    return CellTruth(
        is_t=is_t,
        kind=kinds,
        joint=combined.joint,
        cycle=combined.cycle,
        state=states,
        evidence=np.where(states == "", "", combined.evidence).astype(object),
        label=combined.label,
        donor=donor,
        clone=np.where(clone == "", "", donor + "/" + clone).astype(object),
    )


def _read_kinds(found: NDArray[np.object_], entry: CohortEntry) -> NDArray[np.object_]:
    unknown = sorted(set(found) - set(entry.kinds) - {""}) if entry.kinds else []
    if unknown:
        raise InputError(
            f"{entry.name} has kinds of cells that 'kinds' does not explain: {', '.join(unknown)}",
            where=entry.cells or entry.counts,
            mend=f"map each of them to {T_CELL}, or to the kind of other cell that it is",
        )
    return np.array([entry.kinds.get(kind, kind) or T_CELL for kind in found], dtype=object)


@dataclass
class _Combined:
    joint: NDArray[np.bool_]
    cycle: NDArray[np.int8]
    evidence: NDArray[np.object_]
    label: NDArray[np.object_]
    has_lineage: NDArray[np.bool_]
    has_function: NDArray[np.bool_]

    @staticmethod
    def of(n_cells: int) -> _Combined:
        return _Combined(
            np.tile(possible_joint(), (n_cells, 1)),
            np.full(n_cells, UNKNOWN_CYCLE, np.int8),
            np.full(n_cells, "", dtype=object),
            np.full(n_cells, "", dtype=object),
            np.zeros(n_cells, bool),
            np.zeros(n_cells, bool),
        )

    def add(self, rows: NDArray[np.int64], text: str, meaning: Meaning, evidence: Evidence) -> None:
        """Add what a label says about the axes that nothing has spoken about yet."""
        if meaning.lineages:
            self._restrict(rows, self.has_lineage, Meaning(lineages=meaning.lineages))
        if meaning.functions:
            new = self._restrict(rows, self.has_function, Meaning(functions=meaning.functions))
            self.evidence[new] = str(evidence)
        if meaning.is_cycling is not None:
            open_rows = rows[self.cycle[rows] == UNKNOWN_CYCLE]
            self.cycle[open_rows] = int(meaning.is_cycling)
            if meaning.is_cycling:
                self.evidence[open_rows] = str(evidence)
        self.label[rows] = [f"{seen} + {text}" if seen else text for seen in self.label[rows]]

    def _restrict(
        self, rows: NDArray[np.int64], is_told: NDArray[np.bool_], axis: Meaning
    ) -> NDArray[np.int64]:
        """Leave what one axis allows, where nothing spoke about it yet and a better label allows it."""
        allowed = axis.mark_joint()
        new = rows[~is_told[rows]]
        new = new[(self.joint[new] & allowed).any(axis=1)]
        self.joint[new] &= allowed
        is_told[new] = True
        return new
