"""The contracts of what predict writes: calls of cells, figures of clones, and genes behind calls.

Invariant: columns that only an option fills are absent without it, never full of nulls.
"""

from __future__ import annotations

from typing import Final

from tcellflow.contracts.columns import Column, Table
from tcellflow.contracts.similarity import list_cluster_columns
from tcellflow.vocabulary import (
    STATE_NOT_T,
    STATE_UNRESOLVED,
    AbstainReason,
    Cycle,
    Evidence,
    Function,
    GeneSide,
    Helper,
    Lineage,
    State,
    Unconventional,
)

_BARCODE = Column("barcode", "string", "barcode of the cell")


def _probability(name: str, meaning: str, *, since: int = 1, optional: bool = False) -> Column:
    return Column(name, "float32", meaning, nullable=True, low=0, high=1, since=since, optional=optional)


def _entropy(name: str, of_what: str, high: float, *, since: int = 1) -> Column:
    return Column(
        name, "float32", f"entropy of {of_what} in nats", nullable=True, low=0, high=high, since=since
    )


PREDICTIONS: Final = Table(
    name="predictions",
    version=3,
    key=("barcode",),
    meaning="One row per cell in input order; the first eleven columns are those of the original classifier.",
    columns=(
        _BARCODE,
        Column(
            "predicted_state",
            "string",
            "most probable state, before any abstention",
            nullable=True,
            choices=State,
        ),
        _probability(
            "confidence",
            "share of right calls among calls like this one on labelled cells; until version 2, and of "
            "bundles that decide alone, the calibrated probability of predicted_state",
        ),
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
            "kind of truth the class was learnt from; marker = it rests on programmes",
            nullable=True,
            choices=Evidence,
        ),
        Column("abstained", "bool", "no state is reported"),
        Column("abstain_reason", "string", "why, where abstained", nullable=True, choices=AbstainReason),
        Column("is_t_cell", "bool", "verdict of the T-cell gate"),
        _probability("ood_score", "percentile against the training cells; null where the bundle has none"),
        _entropy("entropy", "the seven probabilities", 1.95),
        Column(
            "epistemic",
            "float32",
            "disagreement of the members in nats; null where the bundle has none",
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
            "most probable function inside predicted_state: the gates' word, also of an Effector",
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
        Column(
            "th",
            "string",
            "helper programme that runs most in a cell called Th_effector; null elsewhere",
            nullable=True,
            choices=Helper,
            since=3,
        ),
        Column(
            "unconventional",
            "string",
            "kind of unconventional T cell, by receptor and expression; null elsewhere",
            nullable=True,
            choices=Unconventional,
            since=3,
        ),
        *(
            _probability(
                f"prob_raw_{state}",
                f"probability of {state} before the class shares were corrected; with --correct-priors",
                since=2,
                optional=True,
            )
            for state in State
        ),
        Column(
            "lineage_pooled",
            "string",
            "lineage of the cell's clone, beside its own; with --pool-lineage; null without a clone",
            nullable=True,
            choices=Lineage,
            since=2,
            optional=True,
        ),
        Column(
            "cluster",
            "int32",
            "group of similar cells; only in version 2, with --vote",
            nullable=True,
            low=0,
            since=2,
            optional=True,
        ),
        Column(
            "state_voted",
            "string",
            "most frequent predicted_state of the group; only in version 2, with --vote",
            nullable=True,
            choices=State,
            since=2,
            optional=True,
        ),
        _probability(
            "vote_share",
            "share of the group's cells with that state; only in version 2, with --vote",
            since=2,
            optional=True,
        ),
        Column(
            "prediction_set",
            "string",
            "states that a set of the stated coverage holds, joined by |; with --set-coverage; may be empty",
            nullable=True,
            since=2,
            optional=True,
        ),
    ),
)

CLONOTYPES: Final = Table(
    name="clonotypes",
    version=3,
    key=("clone_id",),
    meaning="One row per clone: how the states of its cells are distributed; never put back onto cells.",
    columns=(
        Column("clone_id", "string", "clone within the donor"),
        Column("donor", "string", "donor the sample was taken from; the sample where none was given"),
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
        _entropy("entropy", "the pooled probabilities", 1.95),
        Column("n_abstained", "int32", "cells without a reported state", low=0),
        *(
            _probability(f"p_lineage_{value}", f"mean probability of lineage {value} over its cells", since=2)
            for value in Lineage
        ),
        *(
            _probability(
                f"p_function_{value}",
                f"mean probability of function {value}, shrunk to the sample mean; null = the bundle has "
                "no such class",
                since=2,
            )
            for value in Function
        ),
        Column(
            "function_mode",
            "string",
            "most frequent function of its single T cells",
            nullable=True,
            choices=Function,
            since=2,
        ),
        _probability("function_purity", "share of cells with function_mode", since=2),
        _entropy("function_entropy", "the pooled functions", 2.2, since=2),
        *list_cluster_columns(since=3),
    ),
)

GENE_EVIDENCE: Final = Table(
    name="gene_evidence",
    version=1,
    key=("barcode", "gene"),
    meaning="The few genes that spoke most for and against the predicted state of each single T cell.",
    columns=(
        _BARCODE,
        Column("predicted_state", "string", "the call the genes speak about", choices=State),
        Column("side", "string", "for or against the call", choices=GeneSide),
        Column("rank", "int32", "1 = the gene that spoke loudest on its side", low=1),
        Column("gene", "string", "gene symbol"),
        Column(
            "effect",
            "float32",
            "log-odds of predicted_state less those had the gene not been measured, in nats",
        ),
        Column(
            "expression",
            "float32",
            "log1p(counts per 10,000) of the gene in the cell; 0: the gene spoke by its absence",
            low=0,
        ),
    ),
)
