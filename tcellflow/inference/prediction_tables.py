"""The predictions as tables: one row per cell, one row per clone.

Invariant: rows keep the order of the cells; what a bundle cannot know is null, never a constant; clone
figures are never written back onto cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from tcellflow.contracts.tables import CLONOTYPES, PREDICTIONS
from tcellflow.inference.state_calls import entropy_of
from tcellflow.vocabulary import Function, Lineage, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tcellflow.inference.prediction_metrics import CallSettings
    from tcellflow.inference.state_calls import StateCalls
    from tcellflow.inference.verdicts import CellEvidence, Verdicts

DECIMALS: Final = 6  # beyond float32's own precision for probabilities; keeps tables equal across machines
# Weight of the sample's mean in a clone's mean, in cells: a clone of two leans half on the sample.
SHRINKAGE_CELLS: Final = 2.0
INPUT_EXPRESSION: Final = "gex"


@dataclass(frozen=True)
class CellNames:
    """Names of B cells.

    Parameters
    ----------
    cell_id
        Barcodes, shape (B,), object.
    donor
        Donors, shape (B,), object.
    clone_id
        Clones, None without a usable chain, shape (B,), object.
    """

    cell_id: NDArray[np.object_]
    donor: NDArray[np.object_]
    clone_id: NDArray[np.object_]


def tabulate_predictions(
    names: CellNames,
    calls: StateCalls,
    verdicts: Verdicts,
    evidence: CellEvidence,
    settings: CallSettings,
) -> pa.Table:
    """Lay out the predictions by the contract `PREDICTIONS`.

    Parameters
    ----------
    names
        Names of the B cells.
    calls
        Their calls.
    verdicts
        What is reported.
    evidence
        What else is known of the cells.
    settings
        How the calls were made.

    Returns
    -------
    pyarrow.Table
        One row per cell; floats rounded to six decimals. Columns that a single expression model cannot
        fill (agreement, epistemic, out-of-distribution score) are null.
    """
    n = len(names.cell_id)
    nothing = np.full(n, np.nan, np.float32)
    kind = {str(state): str(value) for state, value in settings.bundle.states.evidence.items()}
    columns: dict[str, Any] = {
        "barcode": names.cell_id,
        "predicted_state": calls.predicted_state,
        "confidence": calls.confidence,
        "model_agreement": nothing,
        "state": verdicts.state,
        "state_probability": calls.confidence,
        "state_evidence": np.array([kind[state] for state in calls.predicted_state], dtype=object),
        "abstained": verdicts.is_abstained,
        "abstain_reason": verdicts.reason,
        "is_t_cell": evidence.is_t_cell,
        "ood_score": nothing,
        "entropy": calls.entropy,
        "epistemic": nothing,
        "lineage": calls.lineage,
        "function": calls.function,
        "cycle": calls.cycle,
        "p_cycling": calls.p_cycling,
        "inputs": np.full(n, INPUT_EXPRESSION, dtype=object),
        "panel_coverage": np.full(n, settings.panel.coverage, np.float32),
        "clone_id": names.clone_id,
        **{f"prob_{state}": calls.state_probabilities[:, i] for i, state in enumerate(State)},
        **{f"p_lineage_{lineage}": calls.p_lineage[:, i] for i, lineage in enumerate(Lineage)},
        **{f"p_function_{function}": calls.p_function[:, i] for i, function in enumerate(Function)},
    }
    return _table(columns, PREDICTIONS.schema())


def tabulate_clonotypes(names: CellNames, calls: StateCalls, verdicts: Verdicts) -> pa.Table:
    """Pool the calls of each clone, by the contract `CLONOTYPES`.

    Parameters
    ----------
    names
        Names of the B cells.
    calls
        Their calls.
    verdicts
        What is reported; cells that are no single T cell are counted but not pooled.

    Returns
    -------
    pyarrow.Table
        One row per clone in order of appearance. State probabilities are
        (n mean of the clone + k mean of the sample) / (n + k) with k = `SHRINKAGE_CELLS`; lineage, mode
        and purity come from the clone's cells alone. A clone without any poolable cell has nulls.
    """
    in_clone = np.array([clone is not None for clone in names.clone_id], dtype=bool)
    cells = np.flatnonzero(in_clone)
    clones, first, clone_of = _number(names.clone_id[cells])
    usable = verdicts.is_usable[cells]
    pooled, clone_of_pooled = cells[usable], clone_of[usable]
    n_clones = len(clones)
    n_pooled = np.bincount(clone_of_pooled, minlength=n_clones)
    every = calls.state_probabilities[verdicts.is_usable].astype(np.float64)
    sample_mean = every.mean(axis=0) if len(every) else np.full(len(State), np.nan)
    sums = _sum_by(clone_of_pooled, calls.state_probabilities[pooled], n_clones)
    means = (sums + SHRINKAGE_CELLS * sample_mean) / (n_pooled + SHRINKAGE_CELLS)[:, None]
    votes = _count_states(clone_of_pooled, calls.predicted_state[pooled], n_clones)
    # of equally frequent states the one with the larger pooled probability
    mode = (votes + np.nan_to_num(means) * 1e-3).argmax(axis=1)
    lineage = _sum_by(clone_of_pooled, calls.p_lineage[pooled], n_clones).argmax(axis=1)
    has_any = n_pooled > 0
    means[~has_any] = np.nan
    columns: dict[str, Any] = {
        "clone_id": clones,
        "donor": names.donor[cells][first],
        "n_cells": np.bincount(clone_of, minlength=n_clones).astype(np.int32),
        "lineage": _name_where(has_any, lineage, tuple(Lineage)),
        "state_mode": _name_where(has_any, mode, tuple(State)),
        "purity": np.where(has_any, votes.max(axis=1, initial=0) / np.maximum(n_pooled, 1), np.nan),
        "entropy": np.where(has_any, entropy_of(np.nan_to_num(means).astype(np.float32)), np.nan),
        "n_abstained": np.bincount(clone_of[verdicts.is_abstained[cells]], minlength=n_clones).astype(
            np.int32
        ),
        **{f"p_{state}": means[:, i] for i, state in enumerate(State)},
    }
    return _table(columns, CLONOTYPES.schema())


def _number(
    clone_ids: NDArray[np.object_],
) -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.int64]]:
    """Give each clone a number in order of appearance: names, first cell of each, number of each cell."""
    number: dict[str, int] = {}
    clone_of = np.fromiter(
        (number.setdefault(clone, len(number)) for clone in clone_ids), dtype=np.int64, count=len(clone_ids)
    )
    first = np.unique(clone_of, return_index=True)[1]
    return np.array(list(number), dtype=object), first, clone_of


def _sum_by(group: NDArray[np.int64], values: NDArray[np.float32], n_groups: int) -> NDArray[np.float64]:
    sums = np.zeros((n_groups, values.shape[1]))
    np.add.at(sums, group, values.astype(np.float64))
    return sums


def _count_states(group: NDArray[np.int64], states: NDArray[np.object_], n_groups: int) -> NDArray[np.int64]:
    code = {str(state): i for i, state in enumerate(State)}
    votes = np.zeros((n_groups, len(code)), dtype=np.int64)
    np.add.at(votes, (group, np.fromiter((code[s] for s in states), dtype=np.int64, count=len(states))), 1)
    return votes


def _name_where(
    known: NDArray[np.bool_], index: NDArray[np.int64], names: tuple[str, ...]
) -> NDArray[np.object_]:
    return np.array([str(names[i]) if k else None for k, i in zip(known, index, strict=True)], dtype=object)


def _table(columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_arrays([_array(columns[field.name], field.type) for field in schema], schema=schema)


def _array(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
    if not pa.types.is_floating(kind):
        return pa.array(values, kind)
    rounded = np.round(values.astype(np.float64), DECIMALS)
    # sums of float32 probabilities may pass 1 by their last bit
    bounded = np.where((rounded > 1) & (rounded < 1 + 1e-5), 1.0, rounded)
    return pa.array(bounded.astype(np.float32), kind, mask=np.isnan(bounded))
