"""Descriptions of all groups: planned, realised, read back, and laid out as tables and documents."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tcellflow.contracts.descriptions import CLAIMS, DESCRIPTIONS
from tcellflow.contracts.layout import lay_out
from tcellflow.errors import ContractError
from tcellflow.language.claims import plan_claims
from tcellflow.language.ontology import RELEASE, read_ontology
from tcellflow.language.verifier import Verdict, Verifier
from tcellflow.steps.describe.writers import write_by_template

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from tcellflow.language.claims import Claim, Identity
    from tcellflow.language.facts import SampleFacts, Unit
    from tcellflow.language.template import Register, Sentence
    from tcellflow.steps.describe.writers import Write

_DISCRIMINATES: Final = 1.0  # nats of log-odds
_MARKUP: Final = str.maketrans({c: "\\" + c for c in "\\`*[]#|"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})


@dataclass(frozen=True)
class Placed:
    """A claim with the sentence that says it; start and end are None where none does."""

    claim: Claim
    sentence: int | None
    start: int | None
    end: int | None
    verdict: str | None


@dataclass(frozen=True)
class Description:
    """The description of one unit."""

    unit: Unit
    numbers: dict[str, float]
    identity: Identity
    text: str
    sentences: tuple[str, ...]
    claims: tuple[Placed, ...]
    n_dropped: int


def describe_units(
    facts: SampleFacts, register: Register, *, fail: bool, write: Write = write_by_template
) -> list[Description]:
    """Describe every unit; sentences that the check does not support are not written.

    Parameters
    ----------
    facts
        Of the sample.
    register
        How much is said.
    fail
        Whether a sentence that is not supported ends the run.
    write
        What puts claims into words.

    Raises
    ------
    ContractError
        If `fail` and a sentence is not supported.
    """
    verifier = Verifier(facts)
    units = [i for i, numbers in enumerate(facts.numbers) if numbers["cells"] > 0]
    planned = [plan_claims(facts, i) for i in units]
    written = write(facts, [(i, claims) for i, (_, claims) in zip(units, planned, strict=True)], register)
    return [
        _check_description(facts, i, verifier, plan, sentences, fail=fail)
        for i, plan, sentences in zip(units, planned, written, strict=True)
    ]


def _check_description(
    facts: SampleFacts,
    unit: int,
    verifier: Verifier,
    plan: tuple[Identity, list[Claim]],
    sentences: Sequence[Sentence],
    *,
    fail: bool,
) -> Description:
    identity, claims = plan
    kept: list[str] = []
    placed: dict[int, Placed] = {}
    place, dropped = 0, 0
    for sentence in sentences:
        checked = verifier.check(sentence.text, unit)
        is_true = bool(checked and sentence.claims) and all(c.verdict is Verdict.SUPPORTED for c in checked)
        worst = next((c for c in checked if c.verdict is not Verdict.SUPPORTED), None)
        if not is_true and fail:
            raise ContractError(
                f"a sentence is not supported: {sentence.text!r} ({worst.reason if worst else 'empty'})",
                where=f"{facts.units[unit].level} {facts.units[unit].name}",
                mend="leave out --on-ungrounded fail, which drops it",
            )
        verdict = str(worst.verdict) if worst else str(Verdict.SUPPORTED if checked else Verdict.UNCHECKED)
        if not is_true:
            dropped += 1
        for claim in sentence.claims:
            if id(claim) in placed and placed[id(claim)].sentence is not None:
                continue
            end = place + len(sentence.text)
            placed[id(claim)] = (
                Placed(claim, len(kept) + 1, place, end, verdict)
                if is_true
                else Placed(claim, None, None, None, verdict)
            )
        if is_true:
            kept.append(sentence.text)
            place += len(sentence.text) + 1
    every = tuple(placed.get(id(claim), Placed(claim, None, None, None, None)) for claim in claims)
    return Description(
        facts.units[unit], dict(facts.numbers[unit]), identity, " ".join(kept), tuple(kept), every, dropped
    )


def tabulate_descriptions(
    found: Sequence[Description], facts: SampleFacts, register: str, realiser: str = "template"
) -> pa.Table:
    """Lay the descriptions out as their table."""
    ontology = read_ontology()
    rows = []
    for item in found:
        identity = item.identity
        states = {k.removeprefix("state:"): v for k, v in item.numbers.items() if k.startswith("state:")}
        state = max(states, key=lambda name: (states[name], name), default=None)
        n_real = len(item.sentences) + item.n_dropped
        rows.append({
            "unit_id": item.unit.name, "unit_level": item.unit.level, "n_cells": int(item.numbers["cells"]),
            "status": identity.status, "cl_id": identity.cl_id, "label": identity.label,
            "cl_path": None if identity.cl_id is None else "|".join(ontology.path(identity.cl_id)),
            "alternatives": "|".join(f"{t}={p:.3f}" for t, _, p in identity.alternatives),
            "probability": identity.probability, "margin": identity.margin, "state": state,
            "state_share": None if state is None else states[state] / 100, "text": item.text,
            "register": register, "realiser": realiser, "n_sentences": len(item.sentences),
            "n_claims": len(item.claims), "n_dropped": item.n_dropped,
            "grounding_precision": len(item.sentences) / n_real if n_real else None,
            "evidence_coverage": _cover(item, facts),
        })  # fmt: skip
    return lay_out(_columns(rows, DESCRIPTIONS), DESCRIPTIONS)


def _cover(item: Description, facts: SampleFacts) -> float | None:
    """Give the share of claimable genes that discriminate the unit and are named in its text."""
    telling = {p.claim.subject for p in item.claims if p.claim.log_odds is not None
               and abs(p.claim.log_odds) >= _DISCRIMINATES}  # fmt: skip
    said = {p.claim.subject for p in item.claims if p.sentence is not None}
    return len(telling & said) / len(telling) if telling and len(facts.units) > 1 else None


def tabulate_claims(found: Sequence[Description]) -> pa.Table:
    """Lay all claims out as their table."""
    rows = [
        {
            "unit_id": item.unit.name, "unit_level": item.unit.level, "claim_id": i,
            "type": str(p.claim.type), "subject": p.claim.subject, "subject_id": p.claim.subject_id,
            "polarity": p.claim.polarity,
            "value": p.claim.value, "value_text": p.claim.text, "pct_detected": _pct(p.claim),
            "expected_pct": p.claim.expected, "log_odds": p.claim.log_odds, "source": p.claim.source,
            "confidence": p.claim.confidence, "sentence_id": p.sentence, "span_start": p.start,
            "span_end": p.end, "verdict": p.verdict,
        }
        for item in found
        for i, p in enumerate(item.claims, 1)
    ]  # fmt: skip
    return lay_out(_columns(rows, CLAIMS), CLAIMS)


def _pct(claim: Claim) -> float | None:
    return claim.pct if claim.type.startswith(("marker", "contradiction")) else None


def _columns(rows: list[dict[str, Any]], contract: Any) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for column in contract.columns:
        values = [row[column.name] for row in rows]
        is_float = column.dtype == "float32"
        columns[column.name] = (
            np.array([np.nan if v is None else v for v in values], dtype=np.float64)
            if is_float
            else np.array(values, dtype=object)
        )
    return columns


def write_lines(found: Sequence[Description], realiser: str = "template") -> str:
    """Give the descriptions as JSON lines, one per unit, with sentences and claims nested."""
    lines, ontology = [], read_ontology()
    for item in found:
        claims = [
            {
                "type": str(p.claim.type), "subject": p.claim.subject, "polarity": p.claim.polarity,
                "subject_id": p.claim.subject_id, "value": _short(p.claim.value), "text": p.claim.text,
                "pct_detected": _short(_pct(p.claim)), "expected_pct": _short(p.claim.expected),
                "log_odds": _short(p.claim.log_odds), "confidence": _short(p.claim.confidence),
                "source": p.claim.source, "sentence": p.sentence, "verdict": p.verdict,
                "span": None if p.start is None else [p.start, p.end],
            }
            for p in item.claims
        ]  # fmt: skip
        row = {
            "unit_id": item.unit.name, "unit_level": item.unit.level, "n_cells": int(item.numbers["cells"]),
            "status": item.identity.status, "cl_id": item.identity.cl_id, "label": item.identity.label,
            "probability": _short(item.identity.probability), "margin": _short(item.identity.margin),
            "cl_path": [] if item.identity.cl_id is None else list(ontology.path(item.identity.cl_id)),
            "alternatives": [
                {"cl_id": t, "label": label, "probability": _short(p)}
                for t, label, p in item.identity.alternatives
            ],
            "text": item.text, "realiser": realiser, "n_dropped": item.n_dropped,
            "sentences": list(item.sentences), "claims": claims,
        }  # fmt: skip
        lines.append(json.dumps(row, sort_keys=True, ensure_ascii=False))
    return "".join(line + "\n" for line in lines)


def _short(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)


def write_markdown(found: Sequence[Description], realiser: str = "template") -> str:
    """Give the descriptions as Markdown, one heading per unit; names are escaped.

    Behind each sentence stand the numbers of its claims, as in the table of claims; below them the other
    types that the unit could be.
    """
    lines = [
        "# Descriptions",
        "",
        f"Made by the {realiser} realiser; types by {RELEASE}. Every sentence was read back and checked.",
        "Numbers in brackets are claim_id in the table of claims.",
        "",
    ]
    for item in found:
        lines += [f"## {item.unit.level}: {item.unit.name.translate(_MARKUP)}", ""]
        for number, sentence in enumerate(item.sentences, 1):
            own = [str(i) for i, placed in enumerate(item.claims, 1) if placed.sentence == number]
            lines.append(f"- {sentence} [{', '.join(own)}]".translate(_MARKUP))
        told = {placed.claim.subject_id for placed in item.claims if placed.sentence is not None}
        for cl_id, label, p in (a for a in item.identity.alternatives if a[0] not in told):
            other = f"{label} ({cl_id}) with a probability of {p:.2f}"
            lines.append(f"- Also possible: {other}.".translate(_MARKUP))
        lines.append("")
    return "\n".join(lines)
