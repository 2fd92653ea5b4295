"""Claims: what can be said of a group, each with its number, its source and how sure it is; no prose.

Invariant: every claim rests on a measured number; absence is claimed only where it was earned; what speaks
against the type of a group is claimed as counter-evidence, not left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.language.evidence import Presence
from tcellflow.language.ontology import CELL, read_ontology
from tcellflow.language.panel import read_panel
from tcellflow.vocabulary import Lineage, Programme

if TYPE_CHECKING:
    from tcellflow.language.evidence import GeneFact
    from tcellflow.language.facts import SampleFacts

RESOLVED, BACKED_OFF, ABSTAINED = "resolved", "backed_off", "abstained"
_ENOUGH: Final = 0.6  # summed probability that a type, or a term above types, must reach
_MOST_MARKERS, _MOST_ABSENT, _MOST_PROGRAMMES, _MOST_PROTEINS = 8, 3, 3, 3
_LEAST_ALTERNATIVE: Final = 0.02  # probability of a type that is named beside the best
_LEAST_ODDS: Final = 0.5
_LEAST_SHARE: Final = 20.0
_OF_CD4: Final = {Programme.CD4_CTL, Programme.TH1, Programme.TH2, Programme.TH17, Programme.TFH}
_KIN: Final = 8  # types nearest in the ontology, for whose markers a reader may look
_MARKER_EDGE: Final = 2.0  # nats: what discriminates is worth more than what is merely there


class ClaimType(StrEnum):
    """What a claim is about."""

    SIZE = "size"
    IDENTITY = "identity"
    UNCERTAINTY = "uncertainty"
    STATE = "state"
    LINEAGE = "lineage"
    PROGRAMME = "programme"
    MARKER_PRESENT = "marker_present"
    MARKER_ABSENT = "marker_absent"
    CONTRADICTION = "contradiction"
    PROTEIN = "protein"
    RECEPTOR = "receptor"
    DONORS = "donors"
    QUALITY = "quality"


@dataclass(frozen=True)
class Claim:
    """One claim on a group.

    Parameters
    ----------
    type
        What it is about.
    subject
        Gene, state, programme, type or antibody.
    polarity
        ``+`` there, ``-`` not there.
    value
        The number: percent, count, median, or probability.
    subject_id
        Cell Ontology id of a type; None else.
    pct, expected, log_odds
        Of genes: percent detected; percent elsewhere (present) or expected (absent); against elsewhere.
    source
        ``measured``, ``panel`` (measured, and chosen by the panel) or ``model``.
    confidence
        0-1; None where the number speaks for itself.
    text
        What is said where it is no number: a junction.
    """

    type: ClaimType
    subject: str
    polarity: str = "+"
    value: float | None = None
    subject_id: str | None = None
    pct: float | None = None
    expected: float | None = None
    log_odds: float | None = None
    source: str = "measured"
    confidence: float | None = None
    text: str | None = None


@dataclass(frozen=True)
class Identity:
    """The type of a group.

    Parameters
    ----------
    status
        resolved, backed_off (a term above the types that fit) or abstained.
    cl_id, label, probability
        The answer; None where abstained.
    alternatives
        Up to three other types: id, label, probability.
    margin
        Probability of the best type less that of the second.
    """

    status: str
    cl_id: str | None
    label: str | None
    probability: float | None
    alternatives: tuple[tuple[str, str, float], ...]
    margin: float | None


def identify(numbers: dict[str, float]) -> Identity:
    """Tell the type of a group from its probabilities, or the deepest term above that is sure enough."""
    known = {k.removeprefix("type:"): p for k, p in numbers.items() if k.startswith("type:")}
    labels = {kind.cl_id: kind.label for kind in read_panel()}
    ranked = sorted(known, key=lambda t: (-known[t], t))
    if not ranked:
        return Identity(ABSTAINED, None, None, None, (), None)
    ontology = read_ontology()

    def under(term: str) -> float:
        return min(sum(p for t, p in known.items() if term in ontology.above(t)), 1.0)

    # a wider term that holds the answer is no alternative to it
    rest = [t for t in ranked[1:] if t not in ontology.above(ranked[0]) and known[t] >= _LEAST_ALTERNATIVE]
    others = tuple((t, labels[t], under(t)) for t in rest[:3])
    margin = known[ranked[0]] - known[ranked[1]]
    if known[ranked[0]] >= _ENOUGH:
        return Identity(RESOLVED, ranked[0], labels[ranked[0]], under(ranked[0]), others, margin)
    others = tuple((t, labels[t], under(t)) for t in ranked[:3] if known[t] >= _LEAST_ALTERNATIVE)
    sums: dict[str, float] = {}
    for t, p in known.items():
        for term in ontology.above(t):
            sums[term] = sums.get(term, 0.0) + p
    passing = [t for t, p in sums.items() if p >= _ENOUGH and CELL in ontology.above(t) and t != CELL]
    if not passing:
        return Identity(ABSTAINED, None, None, None, others, margin)
    term = max(passing, key=lambda t: (len(ontology.above(t)), sums[t], t))
    return Identity(BACKED_OFF, term, ontology.terms[term].name, min(sums[term], 1.0), others, margin)


def plan_claims(facts: SampleFacts, unit: int) -> tuple[Identity, list[Claim]]:
    """Plan what is said of one unit, most important first."""
    numbers = dict(facts.numbers[unit])
    identity = identify(numbers)
    size = [Claim(ClaimType.SIZE, "cells", value=numbers["cells"], pct=numbers["share"])]
    claims = size + _claim_identity(identity) + _claim_shares(facts, unit)
    claims += _claim_genes(facts, unit, identity) + _claim_proteins(facts, unit)
    return identity, claims + _claim_receptors(facts, unit) + _claim_quality(numbers)


def _claim_identity(identity: Identity) -> list[Claim]:
    claims = []
    if identity.cl_id is not None and identity.label is not None:
        p = identity.probability
        claims.append(
            Claim(ClaimType.IDENTITY, identity.label, value=p, subject_id=identity.cl_id, source="model",
                  confidence=p)
        )  # fmt: skip
    if identity.status != RESOLVED:
        for cl_id, label, p in identity.alternatives[:2]:
            claims.append(
                Claim(ClaimType.UNCERTAINTY, label, value=p, subject_id=cl_id, source="model", confidence=p)
            )
    return claims


def _claim_shares(facts: SampleFacts, unit: int) -> list[Claim]:
    numbers, level = facts.numbers[unit], facts.units[unit].level
    claims = []
    for prefix, kind in (("state:", ClaimType.STATE), ("lineage:", ClaimType.LINEAGE)):
        found = {k.removeprefix(prefix): v for k, v in numbers.items() if k.startswith(prefix)}
        if found and not (level == "state" and kind is ClaimType.STATE):
            best = max(found, key=lambda name: (found[name], name))
            claims.append(Claim(kind, best, value=found[best], source="model"))
    programmes = {k.removeprefix("programme:"): v for k, v in numbers.items() if k.startswith("programme:")}
    lineage = next((str(c.subject) for c in claims if c.type is ClaimType.LINEAGE), None)
    if lineage not in {None, Lineage.CD4}:  # CD8 cells share the genes, and nobody calls them helpers for it
        programmes = {name: share for name, share in programmes.items() if name not in _OF_CD4}
    ranked = sorted(programmes, key=lambda name: (-programmes[name], name))
    return claims + [
        Claim(ClaimType.PROGRAMME, name, value=programmes[name], source="model")
        for name in ranked[:_MOST_PROGRAMMES]
        if programmes[name] >= _LEAST_SHARE
    ]


def _claim_genes(facts: SampleFacts, unit: int, identity: Identity) -> list[Claim]:
    panel = read_panel()
    own = next((kind for kind in panel if kind.cl_id == identity.cl_id), None)
    markers = sorted({gene for kind in panel for gene in kind.positive})
    found = {gene: fact for gene in markers if (fact := facts.gene(unit, gene)) is not None}
    expected = set(own.positive) if own else set()
    against = set(own.negative) if own else set()
    present = [g for g, f in found.items() if f.presence is Presence.PRESENT and g not in against]
    odds = {g: f.log_odds if np.isfinite(f.log_odds) else 0.0 for g, f in found.items()}
    worth = {g: odds[g] + _MARKER_EDGE * (g in expected) + found[g].pct / 100 for g in present}
    best = sorted(present, key=lambda g: (-worth[g], g))[:_MOST_MARKERS]
    claims = [
        _claim_gene(ClaimType.MARKER_PRESENT, g, found[g], "panel" if g in expected else "measured")
        for g in best
        if g in expected or odds[g] >= _LEAST_ODDS
    ]
    absent = [g for g in found if found[g].presence is Presence.ABSENT]
    wanted = against | _find_expected(identity)
    telling = sorted(
        (g for g in absent if g in wanted),
        key=lambda g: (g not in against, odds[g], g),
    )
    claims += [
        _claim_gene(ClaimType.MARKER_ABSENT, g, found[g], "panel") for g in telling if g not in expected
    ][:_MOST_ABSENT]
    counter = [g for g in sorted(against) if (f := facts.gene(unit, g)) and f.presence is Presence.PRESENT]
    counter += [g for g in absent if g in expected]
    return claims + [
        _claim_gene(ClaimType.CONTRADICTION, g, fact, "panel")
        for g in counter
        if (fact := facts.gene(unit, g))
    ]


def _find_expected(identity: Identity) -> set[str]:
    """Find markers that somebody may expect: those of the other candidates and of the type's next of kin."""
    if identity.cl_id is None:
        near = {cl_id for cl_id, _, _ in identity.alternatives}
        return {g for kind in read_panel() if kind.cl_id in near for g in kind.positive}
    ontology = read_ontology()
    own = ontology.above(identity.cl_id)
    kinship = {k.cl_id: len(own & ontology.above(k.cl_id)) for k in read_panel() if k.cl_id != identity.cl_id}
    nearest = sorted(kinship, key=lambda t: (-kinship[t], t))[:_KIN]
    near = {cl_id for cl_id, _, _ in identity.alternatives} | set(nearest)
    return {g for kind in read_panel() if kind.cl_id in near for g in kind.positive}


def _claim_gene(kind: ClaimType, gene: str, fact: GeneFact, source: str) -> Claim:
    is_there = fact.presence is Presence.PRESENT
    beside = fact.elsewhere if is_there else fact.expected
    return Claim(
        kind,
        gene,
        polarity="+" if is_there else "-",
        value=fact.pct,
        pct=fact.pct,
        expected=beside if np.isfinite(beside) else None,
        log_odds=fact.log_odds if np.isfinite(fact.log_odds) else None,
        source=source,
        confidence=None if is_there else fact.power,
    )


def _claim_proteins(facts: SampleFacts, unit: int) -> list[Claim]:
    own, whole = facts.numbers[unit], facts.numbers[-1]
    edge = {k: own[k] - whole[k] for k in own if k.startswith("protein:") and k in whole}
    ranked = sorted((k for k in edge if edge[k] > 0.3), key=lambda k: (-edge[k], k))[:_MOST_PROTEINS]
    return [Claim(ClaimType.PROTEIN, k.removeprefix("protein:"), value=own[k]) for k in ranked]


def _claim_receptors(facts: SampleFacts, unit: int) -> list[Claim]:
    numbers, words = facts.numbers[unit], facts.words[unit]
    claims = []
    if numbers.get("paired", 0) > 0:
        claims.append(Claim(ClaimType.RECEPTOR, "paired", value=numbers["paired"]))
    for column, chain in (("junction_vj", "alpha"), ("junction_vdj", "beta")):
        if column in words and facts.units[unit].level == "clonotype":
            claims.append(Claim(ClaimType.RECEPTOR, f"junction {chain}", text=words[column]))
    used = {k.removeprefix("v:"): v for k, v in numbers.items() if k.startswith("v:") and v >= _LEAST_SHARE}
    ranked = sorted(used, key=lambda name: (-used[name], name))[:2]
    return claims + [Claim(ClaimType.RECEPTOR, name, value=used[name]) for name in ranked]


def _claim_quality(numbers: dict[str, float]) -> list[Claim]:
    claims = []
    if "donors" in numbers:
        claims.append(Claim(ClaimType.DONORS, "donors", value=numbers["donors"]))
    claims += [
        Claim(ClaimType.QUALITY, name, value=numbers[name])
        for name in ("molecules", "genes")
        if name in numbers
    ]
    return claims
