"""What the labels of the data sets mean in the Cell Ontology.

Clusters of the two CITE-seq sets are named by the medians of their proteins; those with proteins of two
lineages are left out. Labels that mix types ("T_CD4", sorted helper cells) make no profile.
"""

from __future__ import annotations

NAIVE_CD4, MEMORY_CD4, EFFECTOR_CD4, TREG = "CL:0000895", "CL:0000897", "CL:0000905", "CL:0000792"
NAIVE_CD8, EFFECTOR_CD8, MAIT, GAMMA_DELTA = "CL:0000900", "CL:0000913", "CL:0000940", "CL:0000798"
NK, B, CD14, CD16, DC, PDC = (
    "CL:0000939",
    "CL:0000236",
    "CL:0000860",
    "CL:0000875",
    "CL:0002399",
    "CL:0000784",
)
PLATELET, STEM, ERYTHROBLAST = "CL:0000233", "CL:0000037", "CL:0000765"
ANY_CD4, ANY_CD8 = "CL:0000624", "CL:0000625"
MIXED = frozenset({ANY_CD4, ANY_CD8})
# Cells sorted as CD14+ that show FCER1A and CLEC9A, hardly any CD14 or S100A8: no profile of monocytes.
UNLIKE = frozenset({("zheng_facs_mudan", CD14)})

# How each term is named as a candidate where a set is told in words.
WORDS = {
    NAIVE_CD4: "naive CD4 T cell", MEMORY_CD4: "memory CD4 T cell", TREG: "regulatory T cell",
    NAIVE_CD8: "naive CD8 T cell", EFFECTOR_CD8: "memory CD8 T cell", MAIT: "MAIT cell",
    GAMMA_DELTA: "gamma-delta T cell", NK: "NK cell", B: "B cell", CD14: "CD14+ monocyte",
    CD16: "CD16+ monocyte", DC: "CD1c+ dendritic cell", PDC: "plasmacytoid dendritic cell",
    PLATELET: "platelet",
}  # fmt: skip
_STEM = {STEM: "CD34+ stem cell", ERYTHROBLAST: "erythroblast"}
SORTED = {
    NAIVE_CD4: "CD4+ T cell", MEMORY_CD4: "CD4+ T cell", TREG: "CD4+ T cell", ANY_CD4: "CD4+ T cell",
    NAIVE_CD8: "CD8+ T cell", ANY_CD8: "CD8+ T cell", NK: "CD56+ NK cell", B: "CD19+ B cell",
    CD14: "CD14+ monocyte",
}  # fmt: skip
CANDIDATES: dict[str, dict[str, str]] = {
    "citeseq_pbmc10k": WORDS,
    "citeseq_pbmc5k": WORDS,
    "pbmc3k": {**WORDS, EFFECTOR_CD8: "CD8 T cell"},
    "zheng_facs_mudan": SORTED,
    "citeseq_cbmc8k": {**WORDS, **_STEM},
    "pbmc_symphony_1500": {**WORDS, **_STEM, ANY_CD4: "CD4 T cell", ANY_CD8: "CD8 T cell"},
}

# set -> column, terms of its labels, and the part of a cell's molecules that its genes hold (None: all)
LABELS: dict[str, tuple[str, dict[str, str], float | None]] = {
    "citeseq_pbmc10k": (
        "wnn_cluster_scMMAE",
        {
            "0": NAIVE_CD4, "1": CD14, "2": NK, "3": MEMORY_CD4, "4": CD14, "5": B, "6": MEMORY_CD4,
            "7": EFFECTOR_CD8, "8": NAIVE_CD8, "9": MAIT, "10": GAMMA_DELTA, "11": DC, "12": CD16,
            "14": TREG, "16": PDC,
        },
        0.2,
    ),
    "citeseq_pbmc5k": (
        "wnn_cluster_scMMAE",
        {
            "0": CD14, "3": CD14, "1": MEMORY_CD4, "2": NAIVE_CD4, "5": NAIVE_CD4, "4": NK, "6": B,
            "7": EFFECTOR_CD8, "8": CD16, "9": TREG, "10": DC, "11": NAIVE_CD8, "12": EFFECTOR_CD4,
            "13": GAMMA_DELTA, "15": PDC,
        },
        0.2,
    ),
    "zheng_facs_mudan": (
        "facs_label",
        {
            "nk": NK, "bcells": B, "memoryt": MEMORY_CD4, "regulatoryt": TREG, "naivet": NAIVE_CD4,
            "naivecytotoxic": NAIVE_CD8, "monocytes": CD14, "thelper": ANY_CD4, "cytotoxict": ANY_CD8,
        },
        None,
    ),
    "pbmc3k": (
        "cell_type",
        {
            "Naive CD4 T": NAIVE_CD4, "Memory CD4 T": MEMORY_CD4, "CD14+ Mono": CD14, "B": B,
            "CD8 T": EFFECTOR_CD8, "FCGR3A+ Mono": CD16, "NK": NK, "DC": DC, "Platelet": PLATELET,
        },
        None,
    ),
    "pbmc_symphony_1500": (
        "cell_type",
        {
            "T_CD4": ANY_CD4, "T_CD8": ANY_CD8, "B": B, "Mono_CD14": CD14, "Mono_CD16": CD16, "NK": NK,
            "DC": DC, "MK": PLATELET, "HSC": STEM,
        },
        0.35,
    ),
    "citeseq_cbmc8k": (
        "rna_annotation",
        {
            "CD14+ Mono": CD14, "NK": NK, "B": B, "CD16+ Mono": CD16, "CD34+": STEM, "Eryth": ERYTHROBLAST,
            "Mk": PLATELET, "DC": DC, "pDCs": PDC, "Naive CD4 T": NAIVE_CD4,
        },
        0.125,
    ),
}  # fmt: skip
