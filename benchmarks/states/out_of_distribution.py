"""Whether cells that are no T cells look out of distribution, by score alone and behind the gate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from recipes.datasets.description import NOTHING, Foreign
from tcellflow.cells.gate import gate_cells
from tcellflow.cells.markers import find_markers
from tcellflow.errors import InputError
from tcellflow.evaluation.classification import auroc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recipes.datasets.cells import LabelledSet
    from tcellflow.inference.states.predictor import StatePredictor

    Scores = tuple[NDArray[np.float64], NDArray[np.float64]]

MOST_CELLS, LEAST_CELLS = 500, 20
TENTH = 0.1


def shuffle_genes(cells: LabelledSet, rng: np.random.Generator) -> LabelledSet:
    """Give each cell's counts to genes drawn anew for every cell."""
    counts = cells.counts.toarray()
    return replace(cells, counts=sparse.csr_array(rng.permuted(counts, axis=1)))


def make_ambient(cells: LabelledSet, of: LabelledSet, depth: float, rng: np.random.Generator) -> LabelledSet:
    """Fill droplets with the mean of all cells of a sample, at a share of the depth of some cells."""
    profile = np.asarray(of.counts.sum(axis=0), dtype=np.float64)
    totals = np.maximum(np.round(cells.counts.sum(axis=1) * depth), 1).astype(np.int64)
    counts = rng.multinomial(totals, profile / profile.sum())
    return replace(cells, counts=sparse.csr_array(counts), library=np.maximum(cells.library * depth, 1))


def name_as_mouse(cells: LabelledSet) -> LabelledSet:
    """Spell the genes as those of mice are spelt."""
    return replace(cells, symbols=np.array([str(s).capitalize() for s in cells.symbols], dtype=object))


def is_t_by_gate(cells: LabelledSet) -> NDArray[np.bool_]:
    """Ask the T-cell gate of preprocess, without receptors."""
    markers = find_markers(cells.symbols)
    shown = markers.gather(sparse.csr_matrix(cells.counts)).gate
    return gate_cells(shown, markers.present, cells.library, np.zeros(len(cells), dtype=bool)).is_t_cell


def make_ood_cells(cells: LabelledSet, *, seed: int) -> tuple[LabelledSet, dict[str, LabelledSet]]:
    """Give the labelled T cells of a set, and cells that are none: foreign ones, and made ones."""
    rng = np.random.default_rng(seed)
    says = np.array([axes is not NOTHING for axes in cells.axes])
    is_known = ~np.isnan(cells.library)

    def draw(mask: NDArray[np.bool_]) -> LabelledSet:
        rows = np.flatnonzero(mask & is_known)
        return cells.rows(np.sort(rng.permutation(rows)[:MOST_CELLS]))

    t_cells, others = draw(says), {}
    for kind in Foreign:
        if (cells.foreign == kind).sum() >= LEAST_CELLS:
            others[str(kind)] = draw(cells.foreign == kind)
    others["shuffled genes"] = shuffle_genes(t_cells, rng)
    others["ambient only"] = make_ambient(t_cells, cells, 1.0, rng)
    others["ambient only, a tenth of the depth"] = make_ambient(t_cells, cells, TENTH, rng)
    others["genes named as in mice"] = name_as_mouse(t_cells)
    return t_cells, others


def evaluate_ood(predictor: StatePredictor, cells: LabelledSet, *, seed: int) -> dict[str, Any]:
    """Give the AUROC of each kind against the T cells of the same set."""
    t_cells, others = make_ood_cells(cells, seed=seed)
    try:
        low = _score(predictor, t_cells)
    except InputError as refused:
        return {"refused": refused.what}
    result: dict[str, Any] = {"t_cells": len(t_cells)}
    for kind, cells_of_kind in others.items():
        try:
            high = _score(predictor, cells_of_kind)
        except InputError:
            result[kind] = {"cells": len(cells_of_kind), "refused": True}
            continue
        result[kind] = {"cells": len(cells_of_kind), **_compare(low, high)}
    return result


def _compare(low: Scores, high: Scores) -> dict[str, float | None]:
    """Give both AUROC; the gate alone where the bundle has no score."""
    has_score = not np.isnan(low[0]).any()
    behind = [np.nan_to_num(score) + gate for score, gate in (low, high)]
    return {
        "ood_score": round(auroc(low[0], high[0]), 4) if has_score else None,
        "with_gate": round(auroc(*behind), 4),
    }


def _score(predictor: StatePredictor, cells: LabelledSet) -> Scores:
    """Give the out-of-distribution score of each cell, and 1 where the gate says that it is no T cell."""
    calls = predictor.predict_cells(cells.expression, list(cells.symbols))
    return calls.ood_score.astype(np.float64), (~is_t_by_gate(cells)).astype(np.float64)
