"""What another bundle says of cells: its latent vectors, learnt beside the labels.

Invariant: cells of which the teacher sees too few genes are not taught.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.vocabulary import COUNTS_PER_CELL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.inference.states.predictor import StatePredictor
    from tcellflow.training.states.cells import StateCells

_LEAST_COVERAGE: Final = 0.25  # as predict asks for
_AT_ONCE: Final = 2048


def teach_cells(cells: StateCells, panel: NDArray[np.object_], teacher: StatePredictor) -> StateCells:
    """Ask a bundle about T cells.

    Parameters
    ----------
    cells
        Cells over the panel.
    panel
        Gene symbols; it begins with the genes of the teacher.
    teacher
        The bundle.

    Returns
    -------
    StateCells
        With the teacher's latent vectors, standardised over the cells that were taught.
    """
    weights = teacher.bundle.panel.weights
    place = {str(gene): number for number, gene in enumerate(panel)}
    columns = np.array([place.get(str(gene), -1) for gene in teacher.genes])
    seen = columns >= 0
    taught: NDArray[np.float32] | None = None
    for number, present in enumerate(cells.present):
        measured = np.zeros(len(columns), dtype=bool)
        measured[seen] = present[columns[seen]]
        if weights[measured].sum() < _LEAST_COVERAGE * weights.sum():
            continue
        rows = np.flatnonzero((cells.cohort == number) & cells.truth.is_t)
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            expression = np.zeros((len(part), len(columns)), np.float32)
            expression[:, seen] = cells.normalise(part)[:, columns[seen]]
            latent = teacher.predict(np.minimum(expression, np.log1p(COUNTS_PER_CELL)), measured).latent
            if taught is None:
                taught = np.full((len(cells), latent.shape[1]), np.nan, np.float32)
            taught[part] = latent
    if taught is None:
        return cells
    mean, scale = np.nanmean(taught, axis=0), np.nanstd(taught, axis=0)
    return replace(cells, taught=((taught - mean) / np.maximum(scale, 1e-6)).astype(np.float32))
