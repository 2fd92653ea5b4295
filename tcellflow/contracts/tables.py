"""The Parquet contracts of tcellflow, as data; those of predict have a module of their own.

Invariant: a version is never edited after a release; a change gets the next version and the
old one stays readable.
"""

from __future__ import annotations

from typing import Final

from tcellflow.contracts.columns import Column, Table
from tcellflow.contracts.descriptions import ANNOTATIONS, CLAIMS, DESCRIPTIONS, VERDICTS
from tcellflow.contracts.fused import FUSED
from tcellflow.contracts.predictions import CLONOTYPES, GENE_EVIDENCE, PREDICTIONS
from tcellflow.contracts.programmes import PROGRAMMES
from tcellflow.contracts.similarity import EMB_ID_PATTERN, NEIGHBOURS, list_cluster_columns
from tcellflow.vocabulary import Arm, ChainPairing, EmbeddingKind, Locus, ReceptorSubtype, ReceptorType

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
            "1 = the strongest chain of this arm in the cell's receptor; further receptors follow",
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
    version=3,
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
        *list_cluster_columns(since=2),
        *(
            Column(
                f"{kind}_call_{locus}",
                "string",
                f"{kind.upper()} gene of the first {arm} chain, without allele; null = no chain, or unknown",
                nullable=True,
                since=3,
            )
            for locus, arm in (("tra", "alpha"), ("trb", "beta"))
            for kind in ("v", "j")
        ),
        *(
            Column(f"has_{locus}", "bool", f"the cell has a usable {arm} chain", nullable=True, since=3)
            for locus, arm in (("trg", "gamma"), ("trd", "delta"))
        ),
    ),
)


TABLES: Final = (
    CHAINS,
    EMBEDDINGS,
    RECEPTORS,
    NEIGHBOURS,
    PREDICTIONS,
    PROGRAMMES,
    CLONOTYPES,
    GENE_EVIDENCE,
    FUSED,
    DESCRIPTIONS,
    CLAIMS,
    ANNOTATIONS,
    VERDICTS,
)
