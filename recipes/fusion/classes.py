"""What the labels of the CITE-seq sets say, in names of the Cell Ontology; a coarse label allows several.

Labels that name no kind of cell (doublets, undefined, mixed clusters) are left out.
"""

from __future__ import annotations

from typing import Final

NAIVE_CD4: Final = "naive thymus-derived CD4-positive, alpha-beta T cell"
MEMORY_CD4: Final = "CD4-positive, alpha-beta memory T cell"
TREG: Final = "CD4-positive, CD25-positive, alpha-beta regulatory T cell"
NAIVE_CD8: Final = "naive thymus-derived CD8-positive, alpha-beta T cell"
MEMORY_CD8: Final = "CD8-positive, alpha-beta memory T cell"
GAMMA_DELTA: Final = "gamma-delta T cell"
DIM_NK: Final = "CD16-positive, CD56-dim natural killer cell, human"
BRIGHT_NK: Final = "CD16-negative, CD56-bright natural killer cell, human"
NAIVE_B: Final = "naive B cell"
MEMORY_B: Final = "memory B cell"
PLASMA: Final = "plasma cell"
CLASSICAL: Final = "classical monocyte"
INTERMEDIATE: Final = "CD14-positive, CD16-positive monocyte"
NON_CLASSICAL: Final = "non-classical monocyte"
DENDRITIC: Final = "conventional dendritic cell"
PLASMACYTOID: Final = "plasmacytoid dendritic cell"
PROGENITOR: Final = "hematopoietic precursor cell"
ERYTHROID: Final = "erythroid lineage cell"
MEGAKARYOCYTE: Final = "megakaryocyte"

_CD4: Final = [NAIVE_CD4, MEMORY_CD4, TREG]
_CD8: Final = [NAIVE_CD8, MEMORY_CD8]
_B: Final = [NAIVE_B, MEMORY_B]
_NK: Final = [DIM_NK, BRIGHT_NK]

# Gates on proteins; a cell whose finer gate is undefined keeps its coarser one.
GATED: Final[dict[str, str | list[str]]] = {
    "naive CD4": NAIVE_CD4, "memory CD4": MEMORY_CD4, "Treg": TREG,
    "naive CD8": NAIVE_CD8, "memory CD8": MEMORY_CD8,
    "CD16+ NK": DIM_NK, "CD16- NK": BRIGHT_NK,
    "naive B": NAIVE_B, "memory B": MEMORY_B,
    "classical monocyte": CLASSICAL, "intermediate monocyte": INTERMEDIATE,
    "non-classical CD16+ monocyte": NON_CLASSICAL,
    "CD4 T": _CD4, "CD8 T": _CD8, "B": _B, "NK": _NK, "DCs": [DENDRITIC, PLASMACYTOID],
    "monocytes": [CLASSICAL, INTERMEDIATE, NON_CLASSICAL],
}  # fmt: skip
CORD_BLOOD: Final[dict[str, str | list[str]]] = {
    "CD14+ Mono": [CLASSICAL, INTERMEDIATE], "CD16+ Mono": [NON_CLASSICAL, INTERMEDIATE],
    "Memory CD4 T": [MEMORY_CD4, TREG], "Naive CD4 T": NAIVE_CD4, "CD8 T": _CD8, "NK": _NK, "B": _B,
    "DC": DENDRITIC, "pDCs": PLASMACYTOID, "CD34+": PROGENITOR, "Eryth": ERYTHROID, "Mk": MEGAKARYOCYTE,
}  # fmt: skip
ECCITE: Final[dict[str, str | list[str]]] = {
    "CD8 T effector (CD27-)": MEMORY_CD8, "CD8 T naive/memory (CD27+)": _CD8,
    "CD4 T naive": NAIVE_CD4, "CD4 T memory (CD27+)": [MEMORY_CD4, TREG],
    "CD4 T effector memory/cytotoxic (CD27-)": MEMORY_CD4, "NK / gd T": [*_NK, GAMMA_DELTA],
    "Monocyte": [CLASSICAL, INTERMEDIATE, NON_CLASSICAL], "B": _B, "DC": [DENDRITIC, PLASMACYTOID],
}  # fmt: skip
MARROW: Final[dict[str, str | list[str]]] = {
    "Classical Monocytes": CLASSICAL, "Non-classical monocytes": NON_CLASSICAL,
    "CD56dimCD16+ NK cells": DIM_NK, "Plasma cells": PLASMA, "Plasmacytoid dendritic cells": PLASMACYTOID,
    "CD4+ memory T cells": MEMORY_CD4, "CD4+ naive T cells": NAIVE_CD4,
    "Conventional dendritic cell 1": DENDRITIC, "Conventional dendritic cell 2": DENDRITIC,
    "CD8+ effector memory T cells": MEMORY_CD8, "CD8+ central memory T cells": MEMORY_CD8,
    "CD8+CD103+ tissue resident memory T cells": MEMORY_CD8, "CD8+ naive T cells": NAIVE_CD8,
    "GammaDelta T cells": GAMMA_DELTA, "Mature naive B cells": NAIVE_B,
    "Nonswitched memory B cells": MEMORY_B, "Class switched memory B cells": MEMORY_B,
    "HSCs & MPPs": PROGENITOR, "Lymphomyeloid prog": PROGENITOR, "Erythro-myeloid progenitors": PROGENITOR,
    "Early promyelocytes": PROGENITOR, "Early erythroid progenitor": ERYTHROID,
    "Late erythroid progenitor": ERYTHROID,
}  # fmt: skip
PATIENT: Final[dict[str, str | list[str]]] = {
    "CD8_naive_RA+RO-62L+": NAIVE_CD8, "CD8_EM_RO+62L-": MEMORY_CD8, "CD8_CM_RO+62L+": MEMORY_CD8,
    "CD8_TEMRA_RA+RO-62L-": MEMORY_CD8, "CD8_other": _CD8, "CD4_naive_RA+RO-62L+": NAIVE_CD4,
    "CD4_EM_RO+62L-": MEMORY_CD4, "CD4_CM_RO+62L+": MEMORY_CD4, "CD4_TEMRA_RA+RO-62L-": MEMORY_CD4,
    "CD4_Treg_25+127-": TREG, "CD4_other": _CD4,
}  # fmt: skip
