"""The contracts of what describe writes: texts of groups, their claims, types of cells, verdicts on text.

Invariant: a number that is null was not measured or does not apply; it is never a default.
"""

from __future__ import annotations

from typing import Final

from tcellflow.contracts.columns import Column, Table

CL_PATTERN: Final = r"CL:\d{7}"
_UNIT: Final = (
    Column("unit_id", "string", "name of the group within its level"),
    Column("unit_level", "string", "kind of group: state, cluster, clonotype, sample or the user's column"),
)


def _count(name: str, meaning: str) -> Column:
    return Column(name, "int32", meaning, low=0)


def _share(name: str, meaning: str) -> Column:
    return Column(name, "float32", meaning, nullable=True, low=0, high=1)


DESCRIPTIONS: Final = Table(
    name="descriptions",
    version=1,
    key=("unit_level", "unit_id"),
    meaning="One row per group of cells: its type, its text, and how much of the text is grounded.",
    columns=(
        *_UNIT,
        _count("n_cells", "cells of the group"),
        Column("status", "string", "resolved, backed_off (a term above the types that fit) or abstained"),
        Column(
            "cl_id", "string", "Cell Ontology id; null where abstained", nullable=True, pattern=CL_PATTERN
        ),
        Column("label", "string", "type; null where abstained", nullable=True),
        Column("cl_path", "string", "ids from the root to cl_id, joined by |", nullable=True),
        Column("alternatives", "string", "other types as id=probability, joined by |; may be empty"),
        _share("probability", "of the type, summed over what lies under it"),
        _share("margin", "probability of the best type less that of the second"),
        Column("state", "string", "most frequent state; null without predictions", nullable=True),
        _share("state_share", "share of the group's cells with that state"),
        Column("text", "string", "the description; every sentence of it was read back and checked"),
        Column("register", "string", "short, clinical or full"),
        Column("realiser", "string", "what made the text: template, neural or llm"),
        _count("n_sentences", "sentences of the text"),
        _count("n_claims", "claims planned"),
        _count("n_dropped", "sentences that did not pass the check and were not written"),
        _share("grounding_precision", "share of realised sentences that the check supported"),
        _share("evidence_coverage", "share of genes that discriminate the group which the text names"),
    ),
)

CLAIMS: Final = Table(
    name="claims",
    version=1,
    key=("unit_level", "unit_id", "claim_id"),
    meaning="One row per claim: what can be said of a group, its number, its source and its sentence.",
    columns=(
        *_UNIT,
        Column("claim_id", "int32", "1 = the first planned", low=1),
        Column("type", "string", "size, identity, state, programme, marker_present, contradiction ..."),
        Column("subject", "string", "gene, state, programme, type, antibody or segment"),
        Column("subject_id", "string", "Cell Ontology id of a type", nullable=True, pattern=CL_PATTERN),
        Column("polarity", "string", "+ there, - not there", pattern=r"[+-]"),
        Column("value", "float32", "the number: percent, count, median or probability", nullable=True),
        Column("value_text", "string", "what is said where it is no number: a junction", nullable=True),
        Column("pct_detected", "float32", "percent of cells with the gene", nullable=True, low=0, high=100),
        Column(
            "expected_pct", "float32",
            "of a gene that is there: percent elsewhere; of an absent one: percent if it were expressed",
            nullable=True, low=0, high=100,
        ),
        Column("log_odds", "float32", "of detection in the group against elsewhere, nats", nullable=True),
        Column("source", "string", "measured, panel or model"),
        _share("confidence", "probability of a type; power behind an absence; null where none applies"),
        Column("sentence_id", "int32", "sentence that says it, from 1; null = not said", nullable=True),
        Column("span_start", "int32", "first code point of the sentence in the text", nullable=True, low=0),
        Column("span_end", "int32", "code point behind it", nullable=True, low=0),
        Column("verdict", "string", "of the sentence; null where nothing was realised", nullable=True),
    ),
)  # fmt: skip

ANNOTATIONS: Final = Table(
    name="annotations",
    version=1,
    key=("cell_id",),
    meaning="One row per cell in input order: the type that fits best among the candidates.",
    columns=(
        Column("cell_id", "string", "barcode of the cell"),
        Column("label", "string", "candidate, smoothed over similar cells; 'none of these' where none fits"),
        Column("cl_id", "string", "its Cell Ontology id", nullable=True, pattern=CL_PATTERN),
        _share("probability", "of the label, smoothed"),
        Column("label_raw", "string", "candidate by the cell's own counts"),
        _share("probability_raw", "of the raw label"),
        Column("cl_id_backed_off", "string", "deepest sure term", nullable=True, pattern=CL_PATTERN),
        Column("label_backed_off", "string", "its name; null where no term is sure enough", nullable=True),
    ),
)  # fmt: skip

VERDICTS: Final = Table(
    name="verdicts",
    version=1,
    key=("sentence_id",),
    meaning="One row per sentence of a text: whether the cells bear it out.",
    columns=(
        Column("sentence_id", "int32", "from 1", low=1),
        Column("sentence", "string", "as written"),
        Column("span_start", "int32", "first code point", low=0),
        Column("span_end", "int32", "code point behind it", low=0),
        *_UNIT,
        Column("n_statements", "int32", "things said that can be checked", low=0),
        Column("verdict", "string", "supported, contradicted, insufficient, unknown_entity or unchecked"),
        Column("reason", "string", "what speaks against it; empty where nothing does"),
    ),
)
