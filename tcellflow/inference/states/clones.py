"""The calls of each clone pooled, as a table: one row per clone.

Invariant: clone figures are never written back onto cells; what a clone's cells do not say is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from tcellflow.contracts.layout import lay_out
from tcellflow.contracts.predictions import CLONOTYPES
from tcellflow.inference.states.calls import entropy_of
from tcellflow.vocabulary import Function, Lineage, State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

    from numpy.typing import NDArray

    from tcellflow.inference.states.abstention import Verdicts
    from tcellflow.inference.states.calls import StateCalls
    from tcellflow.io.tables.cell_receptors import CellReceptors

# Weight of the sample's mean in a clone's mean, in cells: a clone of two leans half on the sample.
SHRINKAGE_CELLS: Final = 2.0


@dataclass(frozen=True)
class CloneCells:
    """Which cells belong to which clone.

    Parameters
    ----------
    clone_id
        Clones in order of appearance, shape (C,), object.
    first
        First cell of each, shape (C,), int64.
    clone_of
        Clone of each cell, shape (B,), int64; -1 without one.
    is_pooled
        Cells that count: single T cells of a clone, shape (B,).
    """

    clone_id: NDArray[np.object_]
    first: NDArray[np.int64]
    clone_of: NDArray[np.int64]
    is_pooled: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.clone_id)

    @property
    def n_pooled(self) -> NDArray[np.int64]:
        """Cells that count, shape (C,)."""
        return np.bincount(self.clone_of[self.is_pooled], minlength=len(self)).astype(np.int64)

    def sum(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sum over the cells that count.

        Parameters
        ----------
        values
            Shape (B, K).

        Returns
        -------
        ndarray
            Shape (C, K), float64.
        """
        sums = np.zeros((len(self), values.shape[1]))
        np.add.at(sums, self.clone_of[self.is_pooled], values[self.is_pooled].astype(np.float64))
        return sums


def find_clones(clone_id: NDArray[np.object_], verdicts: Verdicts) -> CloneCells:
    """Find the cells of each clone: `clone_id` names that of B cells, None without one.

    Returns
    -------
    CloneCells
        Clones in order of appearance.
    """
    number: dict[str, int] = {}
    clone_of = np.fromiter(
        (-1 if clone is None else number.setdefault(clone, len(number)) for clone in clone_id),
        dtype=np.int64,
        count=len(clone_id),
    )
    cells = np.flatnonzero(clone_of >= 0)
    first = cells[np.unique(clone_of[cells], return_index=True)[1]]
    ids = np.array(list(number), dtype=object)
    return CloneCells(ids, first, clone_of, verdicts.is_usable & (clone_of >= 0))


def pool_lineages(clones: CloneCells, calls: StateCalls) -> NDArray[np.object_]:
    """Give each cell the lineage of its clone, pooled over the clone's cells.

    Returns
    -------
    ndarray
        Shape (B,), object; None without a clone, or where none of its cells counts.
    """
    sums = clones.sum(calls.p_lineage)
    of_clone = _name_where(clones.n_pooled > 0, sums.argmax(axis=1), Lineage)
    pooled = np.full(len(calls), None, dtype=object)
    has_clone = clones.clone_of >= 0
    pooled[has_clone] = of_clone[clones.clone_of[has_clone]]
    return pooled


def list_clusters(clones: CloneCells, receptors: CellReceptors | None) -> dict[str, pa.Array]:
    """Give each clone the cluster of similar receptors that its receptor belongs to.

    Returns
    -------
    dict
        ``receptor_cluster`` and ``receptor_cluster_size``, C values each, of the clone's first cell
        with the most chains (a rescued clone has cells with one); empty where no clusters were asked for.
    """
    if receptors is None or receptors.clusters is None:
        return {}
    n_chains = sum((keys != None).astype(np.int8) for keys in (receptors.emb_tra, receptors.emb_trb))  # noqa: E711
    cells = np.flatnonzero(clones.clone_of >= 0)
    order = cells[np.lexsort((cells, -n_chains[cells], clones.clone_of[cells]))]
    shown = order[np.unique(clones.clone_of[order], return_index=True)[1]]
    names = [str(name) for name in receptors.clusters.columns]
    schema = CLONOTYPES.schema(optional=names)
    rows = receptors.clusters.iloc[shown]
    return {name: pa.array(rows[name], schema.field(name).type, from_pandas=True) for name in names}


def tabulate_clonotypes(
    clones: CloneCells,
    donor: NDArray[np.object_],
    calls: StateCalls,
    verdicts: Verdicts,
    clusters: Mapping[str, pa.Array] | None = None,
) -> pa.Table:
    """Pool the calls of each clone, by the contract `CLONOTYPES`.

    Parameters
    ----------
    clones
        Clones of B cells.
    donor
        Donors of the cells, shape (B,), object.
    calls
        Calls of the cells.
    verdicts
        What is reported; cells that are no single T cell are counted but not pooled.
    clusters
        From `list_clusters`.

    Returns
    -------
    pyarrow.Table
        One row per clone in order of appearance. Probabilities of states and functions are
        (n mean of the clone + k mean of the sample) / (n + k) with k = `SHRINKAGE_CELLS`; lineage, modes
        and purities come from the clone's cells alone. A clone without any poolable cell has nulls.
    """
    n_pooled = clones.n_pooled
    has_any = n_pooled > 0
    nothing = np.where(has_any, 0.0, np.nan)[:, None]
    states = _shrink(clones, calls.state_probabilities, verdicts) + nothing
    functions = _shrink(clones, calls.p_function, verdicts) + nothing
    lineages = clones.sum(calls.p_lineage) / np.maximum(n_pooled, 1)[:, None]
    of_clone = clones.clone_of[clones.clone_of >= 0]
    abstained = clones.clone_of[verdicts.is_abstained & (clones.clone_of >= 0)]
    state = _find_modes(clones, calls.predicted_state, states, State)
    function = _find_modes(clones, calls.function, functions, Function)
    columns: dict[str, Any] = {
        "clone_id": clones.clone_id,
        "donor": donor[clones.first],
        "n_cells": np.bincount(of_clone, minlength=len(clones)).astype(np.int32),
        "lineage": _name_where(has_any, lineages.argmax(axis=1), Lineage),
        "state_mode": state.name,
        "purity": state.purity,
        "entropy": np.where(has_any, entropy_of(np.nan_to_num(states).astype(np.float32)), np.nan),
        "n_abstained": np.bincount(abstained, minlength=len(clones)).astype(np.int32),
        "function_mode": function.name,
        "function_purity": function.purity,
        "function_entropy": np.where(
            has_any, entropy_of(np.nan_to_num(functions).astype(np.float32)), np.nan
        ),
        **{f"p_{name}": states[:, i] for i, name in enumerate(State)},
        **{f"p_lineage_{name}": (lineages + nothing)[:, i] for i, name in enumerate(Lineage)},
        **{f"p_function_{name}": functions[:, i] for i, name in enumerate(Function)},
        **(clusters or {}),
    }
    return lay_out(columns, CLONOTYPES)


def _shrink(
    clones: CloneCells, probabilities: NDArray[np.float32], verdicts: Verdicts
) -> NDArray[np.float64]:
    """Draw the mean of each clone towards that of the sample, shape (C, K)."""
    every = probabilities[verdicts.is_usable].astype(np.float64)
    sample_mean = every.mean(axis=0) if len(every) else np.full(probabilities.shape[1], np.nan)
    sums = clones.sum(probabilities) + SHRINKAGE_CELLS * sample_mean
    return np.asarray(sums / (clones.n_pooled + SHRINKAGE_CELLS)[:, None])


@dataclass(frozen=True)
class _Modes:
    """The most frequent name of each clone and its share; null without a cell that counts."""

    name: NDArray[np.object_]
    purity: NDArray[np.float64]


def _find_modes(
    clones: CloneCells,
    names_of_cells: NDArray[np.object_],
    means: NDArray[np.float64],
    names: type[StrEnum],
) -> _Modes:
    code = {str(name): number for number, name in enumerate(names)}
    chosen = np.fromiter((code[name] for name in names_of_cells), np.int64, len(names_of_cells))
    votes = clones.sum(np.eye(len(code), dtype=np.int8)[chosen])
    # of equally frequent names the one with the larger pooled probability
    mode = (votes + np.nan_to_num(means) * 1e-3).argmax(axis=1)
    has_any = clones.n_pooled > 0
    purity = np.where(has_any, votes.max(axis=1, initial=0) / np.maximum(clones.n_pooled, 1), np.nan)
    return _Modes(_name_where(has_any, mode, names), purity)


def _name_where(
    known: NDArray[np.bool_], index: NDArray[np.int64], names: type[StrEnum]
) -> NDArray[np.object_]:
    texts = np.array([str(name) for name in names], dtype=object)
    named = np.full(len(index), None, dtype=object)
    named[known] = texts[index[known]]
    return named
