"""Tumour-infiltrating T cells of six melanoma patients (Sade-Feldman et al. 2018): full-length reads, as TPM.

Invariant: the library of every cell is the million that TPM are parts of, though the two files measure
only some of the genes; a patient's cells of both files carry one donor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
from scipy import sparse

from recipes.datasets.cells import LabelledSet
from recipes.datasets.description import NOTHING, Axes, SetDescription
from tcellflow.genes.symbols import harmonise_genes
from tcellflow.vocabulary import Evidence, Function, Lineage, State

if TYPE_CHECKING:
    from pathlib import Path

NAME = "sadefeldman_til"
FILES = ("sadefeldman_til_3523_genes.h5ad", "sadefeldman_til_1000_genes.h5ad")
PARTS_PER_CELL = 1e6
_EXHAUSTED = Axes((Lineage.CD8,), (Function.EXHAUSTED_PROGENITOR, Function.EXHAUSTED_TERMINAL))
_MEMORY = (Function.CENTRAL_MEMORY, Function.EFFECTOR_MEMORY, Function.RESIDENT_MEMORY)
TRUTH = {
    "Exhausted Cd8+ cells": _EXHAUSTED,
    "Exhausted/HS Cd8+ cells": _EXHAUSTED,
    "Memory T-cells": Axes((), _MEMORY),
    "Cytotoxicity": Axes((), (Function.EFFECTOR,), nearly=State.EFFECTOR),
    "Regulatory T-cells": Axes((Lineage.TREG,), (Function.REGULATORY,)),
    "Lymphocytes/cell-cycle": Axes(cycling=True),
}


def describe_melanoma(file: str) -> SetDescription:
    """Describe one of the two files."""
    return SetDescription(
        NAME,
        file,
        "authors' clusters",
        Evidence.AUTHOR,
        "cell_type_author",
        TRUTH,
        donor_column="donor",
        counts_kind="tpm",
        caveat="labels come from the same RNA (clusters); FOXP3 and MKI67 were not measured",
    )


def read_melanoma(data: Path) -> tuple[LabelledSet, LabelledSet]:
    """Read the cells of both files: 248 with 3,523 genes, 898 others with 1,000 of these."""
    found = [_read(data, describe_melanoma(file)) for file in FILES]
    return found[0], found[1]


def _read(data: Path, description: SetDescription) -> LabelledSet:
    adata = ad.read_h5ad(data / description.name / description.file)
    genes = harmonise_genes([""] * adata.n_vars, list(adata.var_names.astype(str)))
    labels = adata.obs[description.label_column].astype(str).to_numpy(object)
    n = adata.n_obs
    return LabelledSet(
        description,
        genes.symbols,
        sparse.csr_array(genes.merge_columns(sparse.csr_matrix(adata.X))),
        np.full(n, PARTS_PER_CELL),
        adata.obs_names.astype(str).to_numpy(object),
        labels,
        np.array([TRUTH.get(label, NOTHING) for label in labels], dtype=object),
        np.full(n, "", dtype=object),
        np.ones(n, dtype=bool),
        np.array([f"{NAME}:{donor}" for donor in adata.obs["donor"].astype(str)], dtype=object),
        np.full(n, "", dtype=object),
    )
