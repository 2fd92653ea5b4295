"""CellTypist as a row, where one of its model files is given.

Its immune models tell naive from central memory cells only by other labels: "Tcm/Naive" counts as Naive,
"Tem/Effector helper" and "Tem/Trm cytotoxic" as Memory, "Tem/Temra cytotoxic" as Effector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anndata as ad
import celltypist
import numpy as np
import pandas as pd
from celltypist.models import Model

from tcellflow.states.axes import STATES
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recipes.datasets.cells import LabelledSet

MEANINGS = {
    "Tcm/Naive helper T cells": State.NAIVE,
    "Tcm/Naive cytotoxic T cells": State.NAIVE,
    "Tem/Effector helper T cells": State.MEMORY,
    "Tem/Trm cytotoxic T cells": State.MEMORY,
    "Trm cytotoxic T cells": State.MEMORY,
    "Memory CD4+ cytotoxic T cells": State.MEMORY,
    "Tem/Temra cytotoxic T cells": State.EFFECTOR,
    "Regulatory T cells": State.TREG,
    "Treg(diff)": State.TREG,
    "Type 1 helper T cells": State.TH_EFFECTOR,
    "Type 17 helper T cells": State.TH_EFFECTOR,
    "Follicular helper T cells": State.TH_EFFECTOR,
    "Tem/Effector helper T cells PD1+": State.EXHAUSTED,
    "Cycling T cells": State.PROLIFERATING,
}


@dataclass(frozen=True)
class CellTypistRow:
    """A model of CellTypist, without voting; labels that are no state of T cells are not listened to."""

    model: Model

    def predict(self, cells: LabelledSet) -> NDArray[np.float64]:
        """Give the probabilities of its labels, added up by state and scaled to a sum of 1."""
        adata = ad.AnnData(cells.expression, var=pd.DataFrame(index=cells.symbols.astype(str)))
        found = celltypist.annotate(adata, model=self.model, majority_voting=False).probability_matrix
        p = np.zeros((len(cells), len(STATES)))
        for label in found.columns:
            if label in MEANINGS:
                p[:, STATES.index(MEANINGS[label])] += found[label].to_numpy()
        return p / np.maximum(p.sum(axis=1, keepdims=True), 1e-12)


def open_celltypist(path: str) -> CellTypistRow:
    """Open a model file; one without any of the labels above is refused."""
    model = Model.load(path)
    if not set(model.cell_types) & set(MEANINGS):
        raise SystemExit(f"{path}: none of its labels names a T-cell state")
    return CellTypistRow(model)
