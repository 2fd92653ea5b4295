"""Figures of describe run: whether its texts are true, tell what matters, and belong to their group alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import sparse

from tcellflow.evaluation.text import bleu, letter_similarity, rouge, rouge_l
from tcellflow.language.claims import ClaimType
from tcellflow.language.evidence import Presence
from tcellflow.language.facts import measure
from tcellflow.language.ontology import read_ontology
from tcellflow.language.panel import read_panel
from tcellflow.language.verifier import Verdict, Verifier
from tcellflow.steps.describe.evaluation.labelled import SEEDS, make_figure
from tcellflow.steps.describe.texts import describe_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.language.facts import SampleFacts
    from tcellflow.provenance import JsonValue
    from tcellflow.steps.describe.evaluation.labelled import LabelledCells
    from tcellflow.steps.describe.texts import Description

_LEVEL: Final = "truth"
_SPIKED: Final = 0.3  # of a group's cells get a marker that they should not have
_TELLING: Final = 10  # markers
_SPIKE: Final = 3  # molecules at least; else as many as the cells that express it have


def judge_texts(cells: LabelledCells) -> dict[str, JsonValue]:
    """Measure the texts of the true groups."""
    facts = _measure(cells, cells.counts, np.arange(len(cells.labels)))
    found = describe_units(facts, "full", fail=False)[:-1]
    figures = _judge_grounding(facts, found)
    figures |= _judge_retrieval(cells)
    figures |= _judge_changes(cells, facts, found)
    return figures | _judge_definitions(cells, found)


def _measure(cells: LabelledCells, counts: sparse.csr_matrix, rows: NDArray[np.int64]) -> SampleFacts:
    table = pd.DataFrame({_LEVEL: cells.labels[rows]})
    return measure([(counts[rows], cells.library[rows])], cells.genes, table, (_LEVEL,))


def _judge_grounding(facts: SampleFacts, found: list[Description]) -> dict[str, JsonValue]:
    verifier = Verifier(facts)
    own = [c for i, item in enumerate(found) for c in verifier.check(item.text, i)]
    other = [
        c
        for i, item in enumerate(found)
        for c in verifier.check(item.text, (i + 1) % len(found), with_numbers=False)
        if c.statements
    ]

    def share(checked: list[object], verdict: Verdict) -> float:
        return sum(c.verdict is verdict for c in checked) / max(len(checked), 1)  # type: ignore[attr-defined]

    dropped = sum(item.n_dropped for item in found)
    figures: dict[str, JsonValue] = {
        "grounded sentences": make_figure(
            share([*own], Verdict.SUPPORTED),
            {
                "before the check": len(own) / max(len(own) + dropped, 1),
                "text of another group, numbers left aside": share([*other], Verdict.SUPPORTED),
            },
            1.0,
        ),
        "contradicted sentences": make_figure(
            share([*own], Verdict.CONTRADICTED),
            {"text of another group, numbers left aside": share([*other], Verdict.CONTRADICTED)},
        ),
        "unknown names": make_figure(share([*own], Verdict.UNKNOWN_ENTITY)),
    }
    told = [_cover(facts, i, item) for i, item in enumerate(found)]
    beside = [_cover(facts, i, found[(i + 1) % len(found)]) for i in range(len(found))]
    figures[f"evidence coverage, of the {_TELLING} markers that discriminate most"] = make_figure(
        [value for value in told if value is not None],
        {"text of another group": [value for value in beside if value is not None]},
        1.0,
    )
    return figures


def _cover(facts: SampleFacts, unit: int, item: Description) -> float | None:
    """Give how much of the log-odds of a unit's telling markers, above elsewhere, belongs to named ones."""
    genes = sorted({g for kind in read_panel() for g in kind.positive})
    odds = {
        g: f.log_odds
        for g in genes
        if (f := facts.gene(unit, g)) is not None and f.presence is Presence.PRESENT
    }
    telling = sorted((g for g in odds if odds[g] >= 1), key=lambda g: (-odds[g], g))[:_TELLING]
    said = {p.claim.subject for p in item.claims if p.sentence is not None}
    total = sum(odds[g] for g in telling)
    return sum(odds[g] for g in telling if g in said) / total if total else None


def _judge_retrieval(cells: LabelledCells) -> dict[str, JsonValue]:
    """Find each group of one half of the cells by its text from the other half, numbers left aside."""
    hits, chance = [], []
    for seed in SEEDS:
        first, second = cells.halve(seed)
        texts = describe_units(_measure(cells, cells.counts, first), "full", fail=False)[:-1]
        verifier = Verifier(_measure(cells, cells.counts, second))
        for i, item in enumerate(texts):
            scores = []
            for j in range(len(texts)):
                checked = verifier.check(item.text, j, with_numbers=False)
                checked = [c for c in checked if c.statements]
                scores.append(np.mean([c.verdict is Verdict.SUPPORTED for c in checked]) if checked else 0.0)
            hits.append(float(scores[i] == max(scores)) / scores.count(max(scores)))
            chance.append(1 / len(texts))
    return {"group found by its text, other half of the cells": make_figure(hits, {"chance": chance}, 1.0)}


def _judge_changes(
    cells: LabelledCells, facts: SampleFacts, found: list[Description]
) -> dict[str, JsonValue]:
    """Spike a marker against the type, and take another away: the text should tell the one, not the other."""
    place = {gene: i for i, gene in enumerate(cells.genes)}
    panel = {kind.cl_id: kind for kind in read_panel()}
    changed = cells.counts.tolil(copy=True)
    rng = np.random.default_rng(SEEDS[0])
    spiked: dict[int, str] = {}
    removed: dict[int, str] = {}
    for i, item in enumerate(found):
        rows = np.flatnonzero(cells.labels == item.unit.name)
        kind = panel.get(item.identity.cl_id or "")
        against = [
            g for g in (kind.negative if kind else ())
            if (f := facts.gene(i, g)) is not None and f.presence is not Presence.PRESENT
        ]  # fmt: skip
        if against:
            spiked[i] = str(rng.choice(against))
            chosen = rng.choice(rows, max(int(_SPIKED * len(rows)), 1), replace=False)
            level = facts.evidence.known_share(spiked[i]) * float(np.median(cells.library[rows]))
            changed[chosen, place[spiked[i]]] = max(round(level), _SPIKE)
        there = [
            p.claim.subject for p in item.claims if p.claim.type is ClaimType.MARKER_PRESENT and p.sentence
        ]
        if there:
            removed[i] = there[-1]
            changed[rows, place[there[-1]]] = 0
    again = describe_units(
        _measure(cells, sparse.csr_matrix(changed), np.arange(len(cells.labels))), "full", fail=False
    )
    figures: dict[str, JsonValue] = {}
    if spiked:
        told = [_says(again[i], gene, "+", ClaimType.CONTRADICTION) for i, gene in spiked.items()]
        before = [_says(found[i], gene, "+", ClaimType.CONTRADICTION) for i, gene in spiked.items()]
        figures["spiked contradictions told"] = make_figure(told, {"without the spike": before}, 1.0)
    if removed:
        gone = [1 - _says(again[i], gene, "+", None) for i, gene in removed.items()]
        figures["claims that go with their gene"] = make_figure(
            gone, {"gene left in": [0.0] * len(gone)}, 1.0
        )
    return figures


def _says(item: Description, gene: str, polarity: str, kind: ClaimType | None) -> float:
    return float(
        any(
            p.sentence is not None
            and p.claim.subject == gene
            and p.claim.polarity == polarity
            and kind in {None, p.claim.type}
            for p in item.claims
        )
    )


def _judge_definitions(cells: LabelledCells, found: list[Description]) -> dict[str, JsonValue]:
    """Compare label and definition told with those that are true, as published works do."""
    ontology = read_ontology()
    ids = {c.label: c.cl_id for c in cells.candidates}

    def define(cl_id: str | None) -> str:
        term = ontology.terms.get(cl_id or "")
        return f"{term.name}. {term.definition}" if term else ""

    wanted = [define(ids[item.unit.name]) for item in found]
    told = [define(item.identity.cl_id) for item in found]
    largest = max(cells.names, key=lambda name: (int((cells.labels == name).sum()), name))
    prior = define(ids[largest])
    rows = [i for i, text in enumerate(wanted) if text]
    if not rows:
        return {}
    measures = {
        "BLEU-2": lambda a, b: bleu(a, b, 2), "BLEU-4": lambda a, b: bleu(a, b, 4),
        "ROUGE-1": lambda a, b: rouge(a, b, 1), "ROUGE-2": lambda a, b: rouge(a, b, 2),
        "ROUGE-L": rouge_l, "letter similarity": letter_similarity,
    }  # fmt: skip
    return {
        f"label and definition: {name}": make_figure(
            [take(told[i], wanted[i]) for i in rows],
            {"most frequent label recited": [take(prior, wanted[i]) for i in rows]},
            1.0,
        )
        for name, take in measures.items()
    }
