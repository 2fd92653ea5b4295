"""The Parquet contracts of tcellflow, as data.

Invariant: a version is never edited after a release; a change gets the next version and the
old one stays readable.
"""

from __future__ import annotations

from typing import Final

from tcellflow.contracts.columns import Column, Table
from tcellflow.vocabulary import (
    STATE_NOT_T,
    STATE_UNRESOLVED,
    AbstainReason,
    Arm,
    ChainPairing,
    Cycle,
    EmbeddingKind,
    Evidence,
    Function,
    Lineage,
    Locus,
    ReceptorSubtype,
    ReceptorType,
    State,
)

EMB_ID_PATTERN: Final = "[0-9a-f]{20}"
_CELL = Column("cell_id", "string", "barcode of the cell, equal to obs_names of the cells file")
_SAMPLE = Column("sample_id", "string", "sample the cell belongs to")
_DONOR = Column("donor", "string", "donor the sample was taken from; the sample where none was given")

CHAINS: Final = Table(
    name="chains",
    version=1,
    key=("cell_id", "arm", "rank"),
    meaning="One row per usable receptor chain (productive, with a junction), ranked within cell and arm.",
    columns=(
        _CELL,
        _SAMPLE,
        _DONOR,
        Column("arm", "string", "recombination arm", choices=Arm),
        Column(
            "rank",
            "int32",
            "1 = the cell's strongest chain of this arm; above 2 the cell is multichain",
            low=1,
        ),
        Column("locus", "string", "AIRR locus", choices=Locus),
        Column("junction_aa", "string", "CDR3 with both anchors, amino acids (10x calls it cdr3)"),
        Column("junction", "string", "CDR3 with both anchors, nucleotides", nullable=True),
        Column("v_call", "string", "V gene, IMGT name without allele; null = unknown", nullable=True),
        Column("d_call", "string", "D gene, IMGT name without allele", nullable=True),
        Column("j_call", "string", "J gene, IMGT name without allele; null = unknown", nullable=True),
        Column("c_call", "string", "constant gene", nullable=True),
        Column("v_call_raw", "string", "V gene as the input file spelt it", nullable=True),
        Column("j_call_raw", "string", "J gene as the input file spelt it", nullable=True),
        Column("umi_count", "float32", "molecules (TPM in Smart-seq input)", nullable=True, low=0),
        Column("consensus_count", "float32", "reads", nullable=True, low=0),
        Column("productive", "bool", "always true in this table"),
        Column("anchor_added", "bool", "the junction's anchors were restored from the germline"),
        Column(
            "emb_id",
            "string",
            "key of the chain's vector (hash of locus, junction_aa, v_call, j_call); null = never embedded",
            nullable=True,
            pattern=EMB_ID_PATTERN,
        ),
    ),
)

EMBEDDINGS: Final = Table(
    name="embeddings",
    version=1,
    key=("emb_id", "kind"),
    meaning="One row per distinct chain or pair; dimension, backend, pooling and bundle in the metadata.",
    columns=(
        Column(
            "emb_id",
            "string",
            "hash of the key alone: tables of many samples concatenate",
            pattern=EMB_ID_PATTERN,
        ),
        Column("kind", "string", "what the vector stands for", choices=EmbeddingKind),
        Column("vector", "vector", "the embedding"),
    ),
)

RECEPTORS: Final = Table(
    name="receptors",
    version=1,
    key=("sample_id", "cell_id"),
    meaning="One row per cell: pairing, clone and the keys of its vectors (null = missing chain).",
    columns=(
        _CELL,
        _SAMPLE,
        _DONOR,
        Column("has_tra", "bool", "the cell has a usable alpha chain"),
        Column("has_trb", "bool", "the cell has a usable beta chain"),
        Column("chain_pairing", "string", "how the chains go together", choices=ChainPairing),
        Column("receptor_type", "string", "receptor class", choices=ReceptorType),
        Column("receptor_subtype", "string", "receptor loci", choices=ReceptorSubtype),
        Column("doublet_suspect", "bool", "signs of two cells; without --gex from the chains alone"),
        Column("clone_id", "string", "clone within the donor; null without a usable chain", nullable=True),
        Column("clone_size", "int32", "cells of the clone in this sample", nullable=True, low=1),
        Column("emb_tra", "string", "key of the alpha vector", nullable=True, pattern=EMB_ID_PATTERN),
        Column("emb_trb", "string", "key of the beta vector", nullable=True, pattern=EMB_ID_PATTERN),
        Column("emb_pair", "string", "key of the pair vector", nullable=True, pattern=EMB_ID_PATTERN),
    ),
)


def _probability(name: str, meaning: str) -> Column:
    return Column(name, "float32", meaning, nullable=True, low=0, high=1)


PREDICTIONS: Final = Table(
    name="predictions",
    version=1,
    key=("barcode",),
    meaning="One row per cell in input order; the first eleven columns are those of the original classifier.",
    columns=(
        Column("barcode", "string", "barcode of the cell"),
        Column(
            "predicted_state",
            "string",
            "most probable state, before any abstention",
            nullable=True,
            choices=State,
        ),
        _probability("confidence", "calibrated probability of predicted_state"),
        _probability("model_agreement", "share of ensemble members that agree; null for a single model"),
        *(_probability(f"prob_{state}", f"probability of {state}") for state in State),
        Column(
            "state",
            "string",
            "predicted_state, or Unresolved or Not_T where the call abstains",
            choices=State,
            extra_choices=(STATE_UNRESOLVED, STATE_NOT_T),
        ),
        _probability("state_probability", "probability of predicted_state"),
        Column(
            "state_evidence",
            "string",
            "kind of truth the class was learnt from",
            nullable=True,
            choices=Evidence,
        ),
        Column("abstained", "bool", "no state is reported"),
        Column("abstain_reason", "string", "why, where abstained", nullable=True, choices=AbstainReason),
        Column("is_t_cell", "bool", "verdict of the T-cell gate"),
        _probability("ood_score", "percentile against the training cells; null where the bundle has none"),
        Column(
            "entropy",
            "float32",
            "entropy of the seven probabilities in nats",
            nullable=True,
            low=0,
            high=1.95,
        ),
        Column(
            "epistemic",
            "float32",
            "disagreement of the members in nats; null for a single model",
            nullable=True,
            low=0,
        ),
        Column(
            "lineage",
            "string",
            "most probable lineage inside predicted_state",
            nullable=True,
            choices=Lineage,
        ),
        Column(
            "function",
            "string",
            "most probable function inside predicted_state",
            nullable=True,
            choices=Function,
        ),
        Column("cycle", "string", "resting or cycling", nullable=True, choices=Cycle),
        *(_probability(f"p_lineage_{value}", f"probability of lineage {value}") for value in Lineage),
        *(
            _probability(
                f"p_function_{value}", f"probability of function {value}; null = the bundle has no such class"
            )
            for value in Function
        ),
        _probability("p_cycling", "probability of cycling"),
        Column("inputs", "string", "modalities the call used, e.g. gex or gex+trb"),
        _probability("panel_coverage", "weighted share of the bundle's genes that the sample measured"),
        Column("clone_id", "string", "clone within the donor; null without a usable chain", nullable=True),
    ),
)

CLONOTYPES: Final = Table(
    name="clonotypes",
    version=1,
    key=("clone_id",),
    meaning="One row per clone: how the states of its cells are distributed; never put back onto cells.",
    columns=(
        Column("clone_id", "string", "clone within the donor"),
        _DONOR,
        Column("n_cells", "int32", "cells with a prediction", low=1),
        Column("lineage", "string", "pooled lineage", nullable=True, choices=Lineage),
        *(
            _probability(f"p_{state}", f"mean probability of {state}, shrunk to the sample mean")
            for state in State
        ),
        Column(
            "state_mode",
            "string",
            "most frequent predicted state of its single T cells, abstained ones included",
            nullable=True,
            choices=State,
        ),
        _probability("purity", "share of cells in state_mode"),
        Column(
            "entropy",
            "float32",
            "entropy of the pooled probabilities in nats",
            nullable=True,
            low=0,
            high=1.95,
        ),
        Column("n_abstained", "int32", "cells without a reported state", low=0),
    ),
)

TABLES: Final = (CHAINS, EMBEDDINGS, RECEPTORS, PREDICTIONS, CLONOTYPES)
