"""Who learns from which cells: folds over cells, clones, donors or cohorts.

Invariant: cells of one unit are never on both sides; the folds depend on names and the seed alone.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from tcellflow.errors import OptionsError
from tcellflow.vocabulary import Evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.training.states.cells import StateCells
    from tcellflow.training.states.options import SplitUnit


def split_folds(cells: StateCells, unit: SplitUnit, n_folds: int, seed: int) -> NDArray[np.int64]:
    """Split cells into folds; the member of a fold learns from the others and is judged by its own.

    Parameters
    ----------
    cells
        All cells.
    unit
        What stays together: nothing, a clone (a cell without clone is its own), a donor, a cohort.
    n_folds
        Folds, at least 2.
    seed
        Of the order.

    Returns
    -------
    ndarray
        Shape (B,), int64. Units with cells of known state are dealt out, the largest first, to the fold
        that has fewest units; units without such cells, or with pseudo-labels alone, are in no fold (-1):
        everyone learns from them. Cells without expression are of no known state here, for nobody is
        judged by them. Cohorts that share a donor are one unit.

    Raises
    ------
    OptionsError
        If there are fewer units with labels than folds.
    """
    names = _name_units(cells, unit)
    units, place = np.unique(names, return_inverse=True)
    is_labelled = (
        (cells.truth.state != "") & (cells.truth.evidence != Evidence.TEACHER) & cells.has_expression
    )
    n_labelled = np.bincount(place[is_labelled], minlength=len(units))
    has_labels = np.flatnonzero(n_labelled)
    if len(has_labels) < n_folds:
        raise OptionsError(
            f"{len(has_labels)} {unit}s have labelled cells, and {n_folds} members are wanted",
            where=f"--split {unit}, --seeds {n_folds}",
            mend="ask for fewer members (--seeds), or split by a smaller unit (--split random)",
        )
    order = sorted(has_labels, key=lambda i: (-n_labelled[i], _digest(str(units[i]), seed)))
    fold_of = np.full(len(units), -1)
    filled = [(0, 0)] * n_folds  # units and labelled cells of each fold
    for index in order:
        fold = filled.index(min(filled))
        fold_of[index] = fold
        filled[fold] = (filled[fold][0] + 1, filled[fold][1] + int(n_labelled[index]))
    return np.asarray(fold_of[place], dtype=np.int64)


def _name_units(cells: StateCells, unit: SplitUnit) -> NDArray[np.str_]:
    rows = np.char.add("cell ", np.arange(len(cells)).astype(str))
    if unit == "random":
        return rows
    if unit == "clone":
        return np.where(cells.truth.clone == "", rows, cells.truth.clone).astype(str)
    if unit == "donor":
        return cells.truth.donor.astype(str)
    return _join_cohorts(cells).astype(str)


def _join_cohorts(cells: StateCells) -> NDArray[np.int64]:
    """Give cells the lowest number among the cohorts that are linked to theirs by donors."""
    _, donor = np.unique(cells.truth.donor.astype(str), return_inverse=True)
    n_cohorts = len(cells.present)
    ones = np.ones(len(donor), dtype=np.int8)
    links = sparse.coo_array(
        (ones, (cells.cohort, n_cohorts + donor)), shape=(n_cohorts + len(donor) + 1,) * 2
    )
    _, component = connected_components(links, directed=False)
    return np.asarray(component[cells.cohort], dtype=np.int64)


def _digest(text: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {text}".encode()).hexdigest()
