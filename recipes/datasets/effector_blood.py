"""Blood with clusters of known effector cells: ECCITE-seq of one healthy donor (Mimitou et al. 2019).

Its 1,661 genes are normalised by library sizes estimated from other cells of the same sample.
"""

from __future__ import annotations

from recipes.datasets.description import Axes, Foreign, SetDescription
from tcellflow.vocabulary import Evidence, Function, Lineage, State

_MEMORY = (Function.CENTRAL_MEMORY, Function.EFFECTOR_MEMORY, Function.RESIDENT_MEMORY)
ECCITE = SetDescription(
    "eccite_pbmc_3300",
    "eccite_pbmc_3300.h5ad",
    "clusters named by protein and RNA (ours)",
    Evidence.AUTHOR,
    "cluster_name_ours",
    {
        "CD8 T effector (CD27-)": Axes((Lineage.CD8,), (Function.EFFECTOR,), nearly=State.EFFECTOR),
        "CD4 T naive": Axes((Lineage.CD4,), (Function.NAIVE,)),
        "CD4 T memory (CD27+)": Axes((Lineage.CD4, Lineage.TREG), _MEMORY, nearly=State.MEMORY),
        "CD8 T naive/memory (CD27+)": Axes((Lineage.CD8,)),
        "CD4 T effector memory/cytotoxic (CD27-)": Axes((Lineage.CD4,)),
        "MAIT-like T (KLRB1+ IL7R+)": Axes((Lineage.INNATE_LIKE,)),
    },
    {"B": Foreign.B, "Monocyte": Foreign.MYELOID, "DC": Foreign.MYELOID, "NK / gd T": Foreign.NK},
    library_like="eccite_pbmc_500",
    caveat="clusters of the same RNA, named by us; 1,661 genes",
)
