"""What the labels of each data set say about lineage, function and cycle: the one home of the label maps.

A label fixes only the axes that it speaks about. Several values on one axis mean "one of these": a cell
gated as memory is central, effector or resident memory, and sorted CD4 T cells hold regulatory ones.
Labels that are not listed say nothing, or are known to be wrong, and their cells are left out.
"""

from __future__ import annotations

from recipes.datasets.description import Axes, Foreign, SetDescription
from tcellflow.vocabulary import Evidence, Function, Lineage, State

CALIBRATION_SET = "citeseq_pbmc10k"  # of the bundle states-linear

_CD4, _CD8, _TREG = Lineage.CD4, Lineage.CD8, Lineage.TREG
_NAIVE = (Function.NAIVE,)
_CENTRAL, _EFFECTOR_MEMORY = (Function.CENTRAL_MEMORY,), (Function.EFFECTOR_MEMORY,)
_MEMORY = (Function.CENTRAL_MEMORY, Function.EFFECTOR_MEMORY, Function.RESIDENT_MEMORY)
_EXHAUSTED = (Function.EXHAUSTED_PROGENITOR, Function.EXHAUSTED_TERMINAL)
_REGULATORY = Axes((_TREG,), (Function.REGULATORY,))
# CD4 memory T cells that were told from naive ones alone: regulatory cells are among them.
_MEMORY_OR_TREG = Axes((_CD4, _TREG), (*_MEMORY, Function.REGULATORY), nearly=State.MEMORY)
_ANY_CD4 = Axes((_CD4, _TREG))
_ANY_CD8 = Axes((_CD8,))

_PROTEIN_GATES = {
    "naive CD4": Axes((_CD4,), _NAIVE),
    "naive CD8": Axes((_CD8,), _NAIVE),
    "memory CD4": Axes((_CD4,), _MEMORY),
    "memory CD8": Axes((_CD8,), _MEMORY),
    "Treg": _REGULATORY,
}
_PROTEIN_FOREIGN = {
    "classical monocyte": Foreign.MYELOID,
    "intermediate monocyte": Foreign.MYELOID,
    "non-classical CD16+ monocyte": Foreign.MYELOID,
    "CD16+ NK": Foreign.NK,
    "CD16- NK": Foreign.NK,
    "naive B": Foreign.B,
    "memory B": Foreign.B,
}


SETS = (
    SetDescription(
        CALIBRATION_SET,
        "citeseq_pbmc10k.h5ad",
        "protein gates",
        Evidence.GATED,
        "cell_type_l2",
        _PROTEIN_GATES,
        # B cells have no finer label here
        {**_PROTEIN_FOREIGN, "B": Foreign.B, "NK": Foreign.NK, "monocytes": Foreign.MYELOID},
        foreign_column="cell_type_l1",
        library_column="n_umi_all_genes",
        caveat="temperature and threshold were fitted here: not held out",
    ),
    SetDescription(
        "zheng_facs_mudan",
        "zheng_facs_mudan.h5ad",
        "bead-sorted",
        Evidence.GATED,
        "facs_label",
        {
            "memoryt": Axes((_CD4,), _MEMORY),
            "regulatoryt": _REGULATORY,
            "naivet": Axes((_CD4,), _NAIVE),
            "naivecytotoxic": Axes((_CD8,), _NAIVE),
            "cytotoxict": _ANY_CD8,
            "thelper": _ANY_CD4,
        },
        {"nk": Foreign.NK, "bcells": Foreign.B, "monocytes": Foreign.MYELOID},
        donor="Zheng 2017 donor A",
        caveat="sorting is noisy among CD4 cells",
    ),
    SetDescription(
        "trex_pt17_trimodal",
        "counts.h5ad",
        "protein gates (ours)",
        Evidence.GATED,
        "label_orig",
        {
            # the CD8 CD62L+ gates (naive, central memory) are wrong: 95 % of their cells are GZMB+
            "CD8_TEMRA_RA+RO-62L-": Axes((_CD8,), (Function.EFFECTOR,)),
            "CD8_EM_RO+62L-": Axes((_CD8,), _EFFECTOR_MEMORY),
            "CD4_CM_RO+62L+": Axes((_CD4,), _CENTRAL),
            "CD4_EM_RO+62L-": Axes((_CD4,), _EFFECTOR_MEMORY),
            "CD4_Treg_25+127-": _REGULATORY,
        },
        donor_column="donor",
        t_column="is_T",
        receptors="tcr.airr.tsv.gz",
        caveat="one patient; one clone is 36 % of the cells",
    ),
    SetDescription(
        "citeseq_malt_1k",
        "citeseq_malt_1k.h5ad",
        "protein gates",
        Evidence.GATED,
        "cell_type_l2",
        _PROTEIN_GATES,
        {"B": Foreign.B},
        foreign_column="cell_type_l1",
        donor="10x MALT",
        caveat="lymphoma tissue",
    ),
    SetDescription(
        "pbmc3k",
        "pbmc3k.h5ad",
        "RNA clusters",
        Evidence.AUTHOR,
        "cell_type",
        {
            "Naive CD4 T": Axes((_CD4,), _NAIVE),
            "Memory CD4 T": _MEMORY_OR_TREG,
            "CD8 T": _ANY_CD8,
        },
        {"CD14+ Mono": Foreign.MYELOID, "FCGR3A+ Mono": Foreign.MYELOID, "DC": Foreign.MYELOID,
         "B": Foreign.B, "NK": Foreign.NK},
        caveat="labels come from the same RNA (circular)",
    ),
    SetDescription(
        "citeseq_pbmc5k",
        "citeseq_pbmc5k.h5ad",
        "protein gates",
        Evidence.GATED,
        "cell_type_l2",
        _PROTEIN_GATES,
        _PROTEIN_FOREIGN,
        library_like=CALIBRATION_SET,
        caveat="4,000 of all genes and no true library size: normalised by a wrong total",
    ),
    SetDescription(
        "bd_rhapsody_pbmc_targeted",
        "counts.h5ad",
        "vendor classifier",
        Evidence.AUTHOR,
        "label_orig",
        {
            "T_CD4_memory": _MEMORY_OR_TREG,
            "T_CD8_memory": Axes((_CD8,), _MEMORY),
            "T_CD4_naive": Axes((_CD4,), _NAIVE),
            "T_CD8_naive": Axes((_CD8,), _NAIVE),
            "T_gamma_delta": Axes((Lineage.GAMMA_DELTA,)),
        },
        {
            "B": Foreign.B,
            "Natural_killer": Foreign.NK,
            "Monocyte_classical": Foreign.MYELOID,
            "Monocyte_nonclassical": Foreign.MYELOID,
            "Dendritic": Foreign.MYELOID,
        },
        donor_column="donor",
        t_column="is_T",
        receptors="tcr.airr.tsv.gz",
        caveat="397 targeted genes",
    ),
)  # fmt: skip

# Labels of lineages, or too few to judge by.
MORE_LABELLED = (
    SetDescription(
        "pbmc_symphony_1500",
        "pbmc_symphony_1500.h5ad",
        "authors",
        Evidence.AUTHOR,
        "cell_type",
        {"T_CD4": _ANY_CD4, "T_CD8": _ANY_CD8},
        {
            "Mono_CD14": Foreign.MYELOID,
            "Mono_CD16": Foreign.MYELOID,
            "DC": Foreign.MYELOID,
            "B": Foreign.B,
            "NK": Foreign.NK,
        },
        donor_column="donor",  # three chemistries, one donor each
        library_column="n_umi_all_genes",
    ),
    SetDescription(
        "abseq_bm_250",
        "abseq_bm_250.h5ad",
        "authors",
        Evidence.AUTHOR,
        "ct",
        {
            "CD4+ memory T cells": _MEMORY_OR_TREG,
            "CD4+ naive T cells": Axes((_CD4,), _NAIVE),
            "CD8+ naive T cells": Axes((_CD8,), _NAIVE),
            "CD8+ central memory T cells": Axes((_CD8,), _CENTRAL),
            "CD8+ effector memory T cells": Axes((_CD8,), _EFFECTOR_MEMORY),
            "CD8+CD103+ tissue resident memory T cells": Axes((_CD8,), (Function.RESIDENT_MEMORY,)),
            "GammaDelta T cells": Axes((Lineage.GAMMA_DELTA,)),
        },
        {
            "Classical Monocytes": Foreign.MYELOID,
            "Non-classical monocytes": Foreign.MYELOID,
            "Conventional dendritic cell 1": Foreign.MYELOID,
            "Conventional dendritic cell 2": Foreign.MYELOID,
            "CD56dimCD16+ NK cells": Foreign.NK,
            "Mature naive B cells": Foreign.B,
            "Nonswitched memory B cells": Foreign.B,
            "Class switched memory B cells": Foreign.B,
        },
        donor_column="Batch",
    ),
)

UNLABELLED = (
    SetDescription("tenx_healthy_T_1k", "counts.h5ad", donor_column="donor", t_column="is_T",
                   receptors="tcr.airr.tsv.gz"),
    SetDescription("screp_ards", "counts.h5ad", donor_column="donor", library_like="tenx_healthy_T_1k",
                   t_column="is_T", receptors="tcr.airr.tsv.gz"),
    SetDescription("chung2017_breast", "counts.h5ad", donor_column="donor", counts_kind="reads",
                   t_column="is_T", receptors="tcr.airr.tsv.gz"),
    SetDescription("eccite_pbmc_500", "eccite_pbmc_500.h5ad"),
    SetDescription("kang2018_ifnb_2k", "kang2018_ifnb_2k.h5ad"),
    SetDescription("malt_rna_1100", "malt_rna_1100.h5ad", donor="10x MALT"),
    SetDescription("pbmc_frozen_donorA", "pbmc_frozen_donorA.h5ad", donor="Zheng 2017 donor A"),
)  # fmt: skip

RECEPTOR_SETS = (
    SetDescription(
        "tcr_adt_10x_dextramer_cd8",
        "cells.parquet",
        "protein gates (ours)",
        Evidence.GATED,
        "label_orig",
        {
            "CD45RA+CCR7+ (naive)": Axes((_CD8,), _NAIVE),
            "CD45RO+CCR7+ (CM)": Axes((_CD8,), _CENTRAL),
            "CD45RO+CCR7- (EM)": Axes((_CD8,), _EFFECTOR_MEMORY),
            "CD45RA+CCR7- (TEMRA/naive-lowCCR7)": _ANY_CD8,
        },
        donor_column="donor",
        receptor_labels=True,
    ),
    SetDescription(
        "tcr_labels_corvino2024_hnscc_cd8",
        "cells.parquet",
        "authors",
        Evidence.AUTHOR,
        "label_orig",
        {
            "Naive_like_1_CM": Axes((_CD8,), (*_NAIVE, *_CENTRAL)),
            "Naive_like_2_SC": Axes((_CD8,), _NAIVE),
            "Naive_like_3": Axes((_CD8,), _NAIVE),
            "Cytotoxic": Axes((_CD8,), (Function.EFFECTOR,)),
            "TRM": Axes((_CD8,), (Function.RESIDENT_MEMORY,)),
            "Exhausted_1": Axes((_CD8,), _EXHAUSTED),
            "Exhausted_2": Axes((_CD8,), _EXHAUSTED),
            "Stimulated_exhausted": Axes((_CD8,), _EXHAUSTED),
            "Proliferative": Axes((_CD8,), (), cycling=True),
            "Stimulated_1": _ANY_CD8,
            "Type_I_IFN": _ANY_CD8,
            "MAIT": Axes((Lineage.INNATE_LIKE,)),
            "gd_T_g9d2": Axes((Lineage.GAMMA_DELTA,)),
            "gd_T_non_g9d2": Axes((Lineage.GAMMA_DELTA,)),
        },
        donor_column="donor",
        receptor_labels=True,
    ),
)


ALL = (*SETS, *MORE_LABELLED, *UNLABELLED, *RECEPTOR_SETS)


def find_set(name: str) -> SetDescription:
    """Give the description of a data set."""
    return next(s for s in ALL if s.name == name)


def find_kin(name: str) -> frozenset[str]:
    """Name the sets that must go when one is held out: itself, and those of the same donor."""
    donor = find_set(name).donor
    return frozenset(s.name for s in ALL if s.name == name or (donor and s.donor == donor))
