"""Every shared name, once: AIRR, AnnData and tcellflow terms as constants.

A leaf module without imports beyond the standard library, so that ``--help`` stays quick.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, TypeAlias


class Locus(StrEnum):
    """AIRR locus of a rearranged receptor chain."""

    TRA = "TRA"
    TRB = "TRB"
    TRG = "TRG"
    TRD = "TRD"
    IGH = "IGH"
    IGK = "IGK"
    IGL = "IGL"


class Arm(StrEnum):
    """Recombination arm: VJ (no D segment) or VDJ."""

    VJ = "VJ"
    VDJ = "VDJ"


ARM_OF_LOCUS: Final[dict[Locus, Arm]] = {
    Locus.TRA: Arm.VJ,
    Locus.TRG: Arm.VJ,
    Locus.IGK: Arm.VJ,
    Locus.IGL: Arm.VJ,
    Locus.TRB: Arm.VDJ,
    Locus.TRD: Arm.VDJ,
    Locus.IGH: Arm.VDJ,
}
T_CELL_LOCI: Final = (Locus.TRA, Locus.TRB, Locus.TRG, Locus.TRD)


class ChainPairing(StrEnum):
    """How the chains of one cell go together (scirpy's nine values)."""

    SINGLE_PAIR = "single pair"
    ORPHAN_VJ = "orphan VJ"
    ORPHAN_VDJ = "orphan VDJ"
    EXTRA_VJ = "extra VJ"
    EXTRA_VDJ = "extra VDJ"
    TWO_FULL_CHAINS = "two full chains"
    AMBIGUOUS = "ambiguous"
    MULTICHAIN = "multichain"
    NO_IR = "no IR"


class ReceptorType(StrEnum):
    """Receptor class of one cell (scirpy's values)."""

    TCR = "TCR"
    BCR = "BCR"
    AMBIGUOUS = "ambiguous"
    MULTICHAIN = "multichain"
    NO_IR = "no IR"


class ReceptorSubtype(StrEnum):
    """Receptor loci of one cell (scirpy's values)."""

    TRA_TRB = "TRA+TRB"
    TRG_TRD = "TRG+TRD"
    IGH = "IGH"
    IGH_IGK = "IGH+IGK"
    IGH_IGL = "IGH+IGL"
    IGH_IGKL = "IGH+IGK/L"
    MULTICHAIN = "multichain"
    AMBIGUOUS = "ambiguous"
    NO_IR = "no IR"


class EmbeddingKind(StrEnum):
    """What one vector of the embeddings table stands for."""

    TRA = "tra"
    TRB = "trb"
    PAIR = "pair"


class ReceptorBackend(StrEnum):
    """What turns receptors into vectors."""

    NATIVE = "native"
    TCR_BERT = "tcr-bert"
    KMER = "kmer"

    @property
    def is_learned(self) -> bool:
        """Whether it needs a trained bundle."""
        return self is not ReceptorBackend.KMER


class State(StrEnum):
    """The seven T-cell states of the multimodal T-cell classifier, in output order."""

    EFFECTOR = "Effector"
    EXHAUSTED = "Exhausted"
    MEMORY = "Memory"
    NAIVE = "Naive"
    PROLIFERATING = "Proliferating"
    TH_EFFECTOR = "Th_effector"
    TREG = "Treg"


STATE_UNRESOLVED: Final = "Unresolved"
STATE_NOT_T: Final = "Not_T"
REPORTED_STATES: Final = (*State, STATE_UNRESOLVED, STATE_NOT_T)
# One colour per state everywhere, the report included; told apart with the common kinds of colour blindness.
STATE_COLORS: Final[dict[str, str]] = {
    State.EFFECTOR: "#b3545f",
    State.EXHAUSTED: "#7d2250",
    State.MEMORY: "#117733",
    State.NAIVE: "#2f8fbd",
    State.PROLIFERATING: "#85851f",
    State.TH_EFFECTOR: "#aa4499",
    State.TREG: "#332288",
    STATE_UNRESOLVED: "#828b94",
    STATE_NOT_T: "#aab2ba",
}


class Lineage(StrEnum):
    """First axis of a state."""

    CD4 = "CD4"
    CD8 = "CD8"
    TREG = "Treg"
    GAMMA_DELTA = "gamma_delta"
    INNATE_LIKE = "innate_like"
    UNRESOLVED = "unresolved"


class Function(StrEnum):
    """Second axis of a state."""

    NAIVE = "naive"
    CENTRAL_MEMORY = "central_memory"
    EFFECTOR_MEMORY = "effector_memory"
    RESIDENT_MEMORY = "resident_memory"
    EFFECTOR = "effector"
    TH_EFFECTOR = "th_effector"
    EXHAUSTED_PROGENITOR = "exhausted_progenitor"
    EXHAUSTED_TERMINAL = "exhausted_terminal"
    REGULATORY = "regulatory"


class Cycle(StrEnum):
    """Third axis of a state."""

    RESTING = "resting"
    CYCLING = "cycling"


class Helper(StrEnum):
    """Kinds of help that a cell called Th_effector may give."""

    TH1 = "th1"
    TH2 = "th2"
    TH17 = "th17"
    TFH = "tfh"


class Unconventional(StrEnum):
    """Kinds of T cells whose receptor tells more than CD4 or CD8."""

    MAIT = "MAIT"
    INKT = "iNKT"
    GAMMA_DELTA = "gamma_delta"


class Programme(StrEnum):
    """Transcriptional programmes, in the order of their table."""

    NAIVE_STEMNESS = "naive_stemness"
    MEMORY_RESTING = "memory_resting"
    GZMK_EFFECTOR_MEMORY = "gzmk_effector_memory"
    RESIDENT_MEMORY = "resident_memory"
    CYTOTOXIC = "cytotoxic"
    TERMINAL_EFFECTOR = "terminal_effector"
    CD4_CTL = "cd4_ctl"
    KIR_NK_LIKE = "kir_nk_like"
    EXHAUSTION_CORE = "exhaustion_core"
    EXHAUSTION_PROGENITOR = "exhaustion_progenitor"
    EXHAUSTION_TERMINAL = "exhaustion_terminal"
    ACTIVATION = "activation"
    TH1 = "th1"
    TH2 = "th2"
    TH17 = "th17"
    TFH = "tfh"
    TREG_CORE = "treg_core"
    TREG_EFFECTOR = "treg_effector"
    MAIT = "mait"
    GAMMA_DELTA = "gamma_delta"
    IFN_RESPONSE = "ifn_response"
    STRESS_HEAT_SHOCK = "stress_heat_shock"
    DISSOCIATION_IEG = "dissociation_ieg"
    CYCLING = "cycling"
    CYCLING_S = "cycling_s"
    CYCLING_G2M = "cycling_g2m"


class Evidence(StrEnum):
    """The kind of truth a class was learnt from."""

    GATED = "gated"
    AUTHOR = "author"
    MARKER = "marker"
    TEACHER = "teacher"


class AbstainReason(StrEnum):
    """Why a cell got no state."""

    LOW_CONFIDENCE = "low_confidence"
    OOD = "ood"
    NOT_T_CELL = "not_t_cell"
    DOUBLET = "doublet"
    COVERAGE = "coverage"


class FusedInputs(StrEnum):
    """What a cell's fused vector was made from."""

    BOTH = "rna+adt"
    RNA = "rna"
    ADT = "adt"
    NONE = "none"


class GeneSide(StrEnum):
    """On which side of a call a gene speaks."""

    FOR = "for"
    AGAINST = "against"


UNS_KEY: Final = "tcellflow"
LAYER_COUNTS: Final = "counts"
OBSM_ADT_COUNTS: Final = "adt_counts"
OBSM_ADT_CLR: Final = "adt_clr"
OBSM_HTO_COUNTS: Final = "hto_counts"
OBSM_TRA: Final = "X_tra"
OBSM_TRB: Final = "X_trb"
OBSM_PAIR: Final = "X_tcr"
OBSM_STATE: Final = "X_state"
OBSM_FUSED: Final = "X_fused"
OBSM_FUSED_UMAP: Final = "X_fused_umap"
OBSM_STATE_PROBABILITIES: Final = "state_probabilities"
OBSM_PROGRAMMES: Final = "programmes"
PROGRAMME_PREFIX: Final = "programme_"  # of columns
COUNTS_PER_CELL: Final = 10_000  # target sum of the log1p-normalised X
# Selections of variable genes and targeted panels hold up to about 5,000 genes, whole transcriptomes
# more than 8,000 even after rare genes were dropped.
SELECTION_GENES: Final = 6_000

# What puts claims into words, and the packaged bundle that can.
Realiser: TypeAlias = Literal["template", "neural", "llm"]
LANGUAGE_BUNDLE: Final = "language"

# When a run fuses: where antibodies are, whatever there is, or never.
FuseWhen: TypeAlias = Literal["auto", "always", "never"]

# How the matrices of a cells file are stored.
FuseInputs: TypeAlias = Literal["auto", "rna+adt", "rna", "adt"]
AdtNorm: TypeAlias = Literal["clr", "mixture", "dsb"]  # what is taken off antibody counts
Compression: TypeAlias = Literal["none", "lzf", "gzip"]

# The analysis steps in the order they run; the command line, the docs and the
# Nextflow modules are held to this list by a test.
STEPS: Final = ("preprocess", "embed-tcr", "fuse", "predict", "describe", "report")


class OutputName:
    """File names of one sample's outputs, as suffixes behind the prefix."""

    CELLS: Final = "cells.h5ad"
    CHAINS: Final = "chains.parquet"
    QC: Final = "qc.json"
    EMBEDDINGS: Final = "embeddings.parquet"
    RECEPTORS: Final = "receptors.parquet"
    NEIGHBOURS: Final = "neighbours.parquet"
    EMBED_QC: Final = "embed.json"
    EMBEDDED: Final = "embedded.h5ad"
    PREDICTIONS: Final = "predictions.parquet"
    PREDICTIONS_CSV: Final = "predictions.csv"
    CLONOTYPES: Final = "clonotypes.parquet"
    PROGRAMMES: Final = "programmes.parquet"
    GENE_EVIDENCE: Final = "gene_evidence.parquet"
    ANNOTATED: Final = "annotated.h5ad"
    MUDATA: Final = "h5mu"
    METRICS: Final = "metrics.json"
    FUSED: Final = "fused.parquet"
    FUSED_H5AD: Final = "fused.h5ad"
    FUSE_QC: Final = "fuse.json"
    DESCRIPTIONS: Final = "descriptions.parquet"
    DESCRIPTIONS_JSON: Final = "descriptions.jsonl"
    DESCRIPTIONS_TEXT: Final = "descriptions.md"
    CLAIMS: Final = "claims.parquet"
    DESCRIBED: Final = "described.h5ad"
    ANNOTATIONS: Final = "annotations.parquet"
    VERDICTS: Final = "verdicts.parquet"
    EVALUATION: Final = "evaluation.json"
    REPORT: Final = "report.html"
    RUN: Final = "run.json"
    MULTIQC: Final = "_mqc.json"  # MultiQC demands this ending: "<s>_mqc.json"
    MULTIQC_GENERAL: Final = "general_mqc.json"
    MULTIQC_STATES: Final = "states_mqc.json"


ALL_OUTPUTS: Final = tuple(str(value) for name, value in vars(OutputName).items() if name.isupper())


def output_name(prefix: str, suffix: str) -> str:
    """Give the file name of one output, by the shared vocabulary.

    Parameters
    ----------
    prefix
        Sample name.
    suffix
        One of `OutputName`.

    Returns
    -------
    str
        ``<prefix>.<suffix>``, or ``<prefix>_mqc.json`` for MultiQC.
    """
    return f"{prefix}{suffix}" if suffix.startswith("_") else f"{prefix}.{suffix}"
