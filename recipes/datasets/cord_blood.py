"""Cord blood, which holds hardly any memory: a set to judge trust by, that teaches nothing.

Its two clusters of CD4 T cells are called naive and memory after their RNA, but both carry CD45RA as
adult naive cells do (median 3,078 and 2,660 molecules; monocytes 374): all its T cells count as naive.
"""

from __future__ import annotations

from recipes.datasets.description import Axes, Foreign, SetDescription
from tcellflow.vocabulary import Evidence, Function, Lineage

_NAIVE = (Function.NAIVE,)
CORD = SetDescription(
    "citeseq_cbmc8k",
    "citeseq_cbmc8k.h5ad",
    "cord blood is naive (silver)",
    Evidence.AUTHOR,
    "rna_annotation",
    {
        "Naive CD4 T": Axes((Lineage.CD4,), _NAIVE),
        "Memory CD4 T": Axes((Lineage.CD4,), _NAIVE),
        "CD8 T": Axes((Lineage.CD8,), _NAIVE),
    },
    {"B": Foreign.B, "CD14+ Mono": Foreign.MYELOID, "CD16+ Mono": Foreign.MYELOID, "NK": Foreign.NK},
    library_like="tenx_healthy_T_1k",
    caveat="99 molecules a cell in 1,389 of all genes; library sizes estimated",
)
