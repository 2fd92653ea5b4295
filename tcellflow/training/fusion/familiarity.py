"""What vectors of the cells that a network learnt from look like, so that others can be told from them.

Invariant: distances that a score is read from are of the validation fold, which was not learnt from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.inference.fusion.familiarity import fit_familiarity
from tcellflow.training.fusion.figures import VIEWS
from tcellflow.training.fusion.task import predict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.inference.fusion.familiarity import Familiarity
    from tcellflow.models.fusion import FusionNetwork
    from tcellflow.training.fusion.cells import FusionCells

_MOST_CELLS: Final = 6_000  # of each view
_LEAST_CELLS: Final = 30


def learn_familiarity(network: FusionNetwork, cells: FusionCells) -> dict[str, Familiarity]:
    """Learn what vectors of known cells look like, with both modalities or either.

    Parameters
    ----------
    network
        Trained.
    cells
        All cells.

    Returns
    -------
    dict
        By view; groups are the network's own classes, or all cells are one. No view without enough cells of
        the validation fold.
    """
    learnt, others = np.flatnonzero(cells.fold == 0), np.flatnonzero(cells.fold == 1)
    learnt = learnt[np.linspace(0, len(learnt) - 1, min(len(learnt), _MOST_CELLS)).round().astype(np.intp)]
    found = {}
    for view, (has_rna, has_adt) in VIEWS.items():
        rows = [_with_adt(cells, one) if has_adt else one for one in (learnt, others)]
        if min(map(len, rows)) < _LEAST_CELLS:
            continue
        told, checked = (predict(network, cells, one, has_rna=has_rna, has_adt=has_adt) for one in rows)
        n, has_classes = len(told.latent), bool(told.logits.shape[1])
        group = told.logits.argmax(axis=1) if has_classes else np.zeros(n, np.int64)
        found[view] = fit_familiarity(told.latent, group, checked.latent)
    return found


def _with_adt(cells: FusionCells, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.asarray(rows[cells.measured[rows].any(axis=1)])
