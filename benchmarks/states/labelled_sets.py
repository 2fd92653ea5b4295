"""The labelled T cells a states bundle is judged on: which label means which state, and how it was found.

Only labels that speak about a state are used; every other cell is left out. Expression is normalised by
the true library size where the set has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
from scipy import sparse

from tcellflow.genes.symbols import harmonise_genes
from tcellflow.vocabulary import COUNTS_PER_CELL, Lineage, State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

CALIBRATION_SET = "citeseq_pbmc10k"
_PROTEIN_GATES = {
    "naive CD4": (State.NAIVE, Lineage.CD4),
    "naive CD8": (State.NAIVE, Lineage.CD8),
    "memory CD4": (State.MEMORY, Lineage.CD4),
    "memory CD8": (State.MEMORY, Lineage.CD8),
    "Treg": (State.TREG, Lineage.TREG),
}


@dataclass(frozen=True)
class SetDescription:
    """Where a labelled set lies and what its labels mean.

    Parameters
    ----------
    name
        Folder.
    file
        File in the folder.
    label_column
        Column of obs.
    truth
        Label to (state or None, lineage or None).
    kind
        How the labels were found.
    library_column
        Column of obs with the true library size; empty if the matrix holds all genes.
    caveat
        What a reader of the figures must know.
    """

    name: str
    file: str
    label_column: str
    truth: Mapping[str, tuple[State | None, Lineage | None]]
    kind: str
    library_column: str = ""
    caveat: str = ""


SETS = (
    SetDescription(
        CALIBRATION_SET,
        "citeseq_pbmc10k.h5ad",
        "cell_type_l2",
        _PROTEIN_GATES,
        "protein gates",
        library_column="n_umi_all_genes",
        caveat="temperature and threshold were fitted here: not held out",
    ),
    SetDescription(
        "zheng_facs_mudan",
        "zheng_facs_mudan.h5ad",
        "facs_label",
        {
            "memoryt": (State.MEMORY, Lineage.CD4),
            "regulatoryt": (State.TREG, Lineage.TREG),
            "naivet": (State.NAIVE, Lineage.CD4),
            "naivecytotoxic": (State.NAIVE, Lineage.CD8),
            "cytotoxict": (None, Lineage.CD8),
            "thelper": (None, Lineage.CD4),
        },
        "bead-sorted",
        caveat="sorting is noisy among CD4 cells",
    ),
    SetDescription(
        "trex_pt17_trimodal",
        "counts.h5ad",
        "label_orig",
        {
            # the CD8 CD62L+ gates are wrong (95 % GZMB+) and left out
            "CD8_TEMRA_RA+RO-62L-": (State.EFFECTOR, Lineage.CD8),
            "CD8_EM_RO+62L-": (State.MEMORY, Lineage.CD8),
            "CD4_CM_RO+62L+": (State.MEMORY, Lineage.CD4),
            "CD4_EM_RO+62L-": (State.MEMORY, Lineage.CD4),
            "CD4_Treg_25+127-": (State.TREG, Lineage.TREG),
        },
        "protein gates (ours)",
        caveat="one patient; one clone is 36 % of the cells",
    ),
    SetDescription(
        "citeseq_malt_1k",
        "citeseq_malt_1k.h5ad",
        "cell_type_l2",
        _PROTEIN_GATES,
        "protein gates",
        caveat="lymphoma tissue",
    ),
    SetDescription(
        "pbmc3k",
        "pbmc3k.h5ad",
        "cell_type",
        {
            "Naive CD4 T": (State.NAIVE, Lineage.CD4),
            "Memory CD4 T": (State.MEMORY, Lineage.CD4),
            "CD8 T": (None, Lineage.CD8),
        },
        "RNA clusters",
        caveat="labels come from the same RNA (circular)",
    ),
    SetDescription(
        "citeseq_pbmc5k",
        "citeseq_pbmc5k.h5ad",
        "cell_type_l2",
        _PROTEIN_GATES,
        "protein gates",
        caveat="4,000 of all genes and no true library size: normalised by a wrong total",
    ),
    SetDescription(
        "bd_rhapsody_pbmc_targeted",
        "counts.h5ad",
        "label_orig",
        {
            "T_CD4_memory": (State.MEMORY, Lineage.CD4),
            "T_CD8_memory": (State.MEMORY, Lineage.CD8),
            "T_CD4_naive": (State.NAIVE, Lineage.CD4),
            "T_CD8_naive": (State.NAIVE, Lineage.CD8),
            "T_gamma_delta": (None, Lineage.GAMMA_DELTA),
        },
        "vendor classifier",
        caveat="397 targeted genes",
    ),
)


@dataclass(frozen=True)
class LabelledSet:
    """Labelled cells, normalised.

    Parameters
    ----------
    description
        The set.
    symbols
        Harmonised gene symbols, shape (G,).
    expression
        log1p(counts per 10,000), float32 CSR (cells, G).
    state, lineage
        True values, shape (cells,), object; None where the label does not say.
    """

    description: SetDescription
    symbols: NDArray[np.object_]
    expression: sparse.csr_array
    state: NDArray[np.object_]
    lineage: NDArray[np.object_]


def read_set(data: Path, description: SetDescription) -> LabelledSet:
    """Read one labelled set; cells without a usable label or library size are left out."""
    adata = ad.read_h5ad(data / description.name / description.file)
    labels = adata.obs[description.label_column].astype(str).to_numpy()
    usable = np.isin(labels, list(description.truth))
    if description.library_column:
        usable &= adata.obs[description.library_column].notna().to_numpy()
    adata, labels = adata[usable], labels[usable]
    counts = sparse.csr_array(adata.X)
    library = (
        adata.obs[description.library_column].to_numpy(np.float64)
        if description.library_column
        else counts.sum(axis=1).astype(np.float64)
    )
    summed, symbols = _harmonise(counts, adata)
    return LabelledSet(
        description,
        symbols,
        normalise(summed, library),
        np.array([description.truth[label][0] for label in labels], dtype=object),
        np.array([description.truth[label][1] for label in labels], dtype=object),
    )


def normalise(counts: sparse.csr_array, library: NDArray[np.float64]) -> sparse.csr_array:
    """Give log1p(counts per 10,000), float32."""
    scaled = sparse.csr_array(counts, dtype=np.float64)
    scaled.data *= np.repeat(COUNTS_PER_CELL / np.maximum(library, 1), np.diff(scaled.indptr))
    np.log1p(scaled.data, out=scaled.data)
    return scaled.astype(np.float32)


def _harmonise(counts: sparse.csr_array, adata: ad.AnnData) -> tuple[sparse.csr_array, NDArray[np.object_]]:
    ids = adata.var["gene_ids"].astype(str) if "gene_ids" in adata.var else [""] * adata.n_vars
    genes = harmonise_genes(list(ids), list(adata.var_names.astype(str)))
    return sparse.csr_array(genes.merge_columns(counts)), genes.symbols
