"""Pseudo-labels: what the teacher says where it is sure and a cell's neighbours agree; cycling by markers.

Neither is truth. Neighbours are taken in expression, not in the teacher's own space, so that a whim of
the teacher does not confirm itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse.linalg import svds

from recipes.datasets.description import Axes
from tcellflow.errors import InputError
from tcellflow.inference.receptors.neighbours import find_neighbours
from tcellflow.states.axes import FUNCTIONS, LINEAGES, find_resting_state
from tcellflow.vocabulary import Cycle, Lineage, State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recipes.datasets.cells import LabelledSet
    from tcellflow.inference.states.predictor import StateCalls, StatePredictor

LEAST_MARGIN = 0.25  # between the two most probable states
LEAST_AGREEMENT = 2 / 3  # of the neighbours
LEAST_SHARE = 0.6  # of the lineage; of a function within its state
NEIGHBOURS, COMPONENTS = 15, 30
# Genes that are transcribed in S, G2 and M phase alone, in the order of the phases.
CYCLING_GENES = (
    "MCM5", "TYMS", "RRM2", "PCLAF", "UHRF1", "CLSPN", "TK1", "MKI67", "TOP2A", "CDK1", "BIRC5", "UBE2C",
    "NUSAP1", "CCNA2", "CCNB1", "CCNB2", "TPX2", "CENPF", "AURKB", "HMMR",
)  # fmt: skip
LATE = frozenset(CYCLING_GENES[7:])
LEAST_MEASURED, LEAST_SEEN, MOST_RESTING = 10, 4, 1
SEPARATOR = "/"
_CALLED = {State.EFFECTOR, State.EXHAUSTED, State.MEMORY, State.NAIVE, State.TH_EFFECTOR, State.TREG}


@dataclass(frozen=True)
class PseudoLabels:
    """Pseudo-labels of the cells of one set, "" where there is none.

    Parameters
    ----------
    teacher
        Lineage and function, or lineage and state, e.g. ``CD4/central_memory``, ``?/Memory``.
    cycle
        ``cycling`` or ``resting``.
    """

    teacher: NDArray[np.object_]
    cycle: NDArray[np.object_]


def find_pseudo_labels(cells: LabelledSet, teacher: StatePredictor, *, seed: int = 0) -> PseudoLabels:
    """Find the pseudo-labels of the T cells of a set."""
    labels = np.full(len(cells), "", dtype=object)
    rows = np.flatnonzero(cells.is_t & ~np.isnan(cells.library))
    t_cells = cells.rows(rows)
    try:
        calls = teacher.predict_cells(t_cells.expression, list(cells.symbols))
    except InputError as refused:  # a panel of too few genes
        print(f"{cells.description.name}: no teacher: {refused.what}")
    else:
        labels[rows] = _name_calls(calls, t_cells, seed)
    cycle = np.full(len(cells), "", dtype=object)
    cycle[rows] = find_cycling(t_cells)
    return PseudoLabels(labels, cycle)


def _name_calls(calls: StateCalls, cells: LabelledSet, seed: int) -> NDArray[np.object_]:
    two = np.sort(calls.state_probabilities, axis=1)[:, -2:]
    is_sure = two[:, 1] - two[:, 0] >= LEAST_MARGIN
    agreement = measure_agreement(cells, calls.predicted_state, seed)
    kept = is_sure & (agreement >= LEAST_AGREEMENT) & np.isin(calls.predicted_state, list(_CALLED))
    names = np.full(len(cells), "", dtype=object)
    for row in np.flatnonzero(kept):
        state, function = State(calls.predicted_state[row]), calls.function[row]
        top = int(calls.p_lineage[row].argmax())
        lineage = LINEAGES[top] if calls.p_lineage[row, top] >= LEAST_SHARE else "?"
        if lineage in {Lineage.UNRESOLVED, "?"} or (lineage is Lineage.TREG) != (state is State.TREG):
            lineage = "?"
        inside = np.nan_to_num([calls.p_function[row, FUNCTIONS.index(f)] for f in functions_of(state)])
        share = calls.p_function[row, FUNCTIONS.index(function)] / max(inside.sum(), 1e-9)
        names[row] = f"{lineage}{SEPARATOR}{function if share >= LEAST_SHARE else state}"
    return names


def measure_agreement(cells: LabelledSet, states: NDArray[np.object_], seed: int) -> NDArray[np.float64]:
    """Give the share of each cell's neighbours in expression that are called the same."""
    matrix = cells.expression.astype(np.float64)
    seen = (matrix > 0).sum(axis=0) >= max(3, 0.01 * len(cells))
    matrix = matrix[:, np.flatnonzero(seen)]
    k = min(COMPONENTS, min(matrix.shape) - 1)
    rng = np.random.default_rng(seed)
    left, values, _ = svds(matrix, k=k, v0=rng.random(min(matrix.shape)))
    vectors = left * values
    vectors = (vectors - vectors.mean(axis=0)).astype(np.float32)
    same, total = np.zeros(len(cells)), np.zeros(len(cells))
    for block in find_neighbours(vectors, NEIGHBOURS):
        np.add.at(same, block.row, states[block.row] == states[block.neighbour])
        np.add.at(total, block.row, 1)
    return same / np.maximum(total, 1)


def functions_of(state: State) -> tuple[str, ...]:
    """Give the functions that a state is made of, over all lineages."""
    return tuple(f for f in FUNCTIONS if any(find_resting_state(lin, f) is state for lin in LINEAGES))


def find_cycling(cells: LabelledSet) -> NDArray[np.object_]:
    """Say which cells cycle by the genes that only cycling cells transcribe."""
    place = {symbol: i for i, symbol in enumerate(cells.symbols)}
    genes = [gene for gene in CYCLING_GENES if gene in place]
    if len(genes) < LEAST_MEASURED:
        return np.full(len(cells), "", dtype=object)
    seen = (cells.counts[:, [place[gene] for gene in genes]] > 0).toarray()
    late = seen[:, [gene in LATE for gene in genes]].any(axis=1)
    n_seen = seen.sum(axis=1)
    if cells.description.counts_kind != "umi":  # a read may be one of many of one stray molecule
        return np.full(len(cells), "", dtype=object)
    return np.select(
        [(n_seen >= LEAST_SEEN) & late, n_seen <= MOST_RESTING],
        [str(Cycle.CYCLING), str(Cycle.RESTING)],
        "",
    ).astype(object)


def read_teacher_label(label: str) -> Axes:
    """Say what a pseudo-label of the teacher means."""
    lineage, what = label.split(SEPARATOR)
    functions = functions_of(State(what)) if what in list(State) else (what,)
    lineages = () if lineage == "?" else (Lineage(lineage),)
    return Axes(lineages, tuple(FUNCTIONS[FUNCTIONS.index(f)] for f in functions))
