"""Statements against the matrix: which sentences hold, which are contradicted, which cannot be told.

Invariant: a verdict rests on facts measured on the files, never on the plan that a text was made from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tcellflow.genes.reference import read_gene_reference
from tcellflow.language.evidence import Presence
from tcellflow.language.facts import SAMPLE
from tcellflow.language.reading import read_sentence, split_sentences
from tcellflow.language.statements import Statement, Vocabulary
from tcellflow.states.programme_names import name_programme

if TYPE_CHECKING:
    from tcellflow.language.evidence import GeneFact
    from tcellflow.language.facts import SampleFacts, Unit

_LIKELY, _UNLIKELY = 0.5, 0.25
_TOLD_WITHOUT: Final = frozenset({"gene", "type", "state", "lineage", "programme"})
_RUNS_PCT, _RESTS_PCT = 50.0, 20.0
_CLEARLY = 0.3  # nats


class Verdict(StrEnum):
    """What checking gave."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    INSUFFICIENT = "insufficient"
    UNKNOWN_ENTITY = "unknown_entity"
    UNCHECKED = "unchecked"


_WORST: Final = (Verdict.CONTRADICTED, Verdict.UNKNOWN_ENTITY, Verdict.INSUFFICIENT)


@dataclass(frozen=True)
class CheckedSentence:
    """One sentence with its verdict.

    Parameters
    ----------
    start, end
        Place in the text, code points, half-open.
    unit
        Number of the unit that it speaks of.
    verdict
        The worst of its statements; unchecked where it says nothing that can be checked.
    statements
        What it says.
    reason
        What speaks against it; empty where nothing does.
    """

    start: int
    end: int
    unit: int
    verdict: Verdict
    statements: tuple[Statement, ...]
    reason: str


class Verifier:
    """Reads text about one sample and checks it.

    Parameters
    ----------
    facts
        Measured on the sample's files.
    """

    def __init__(self, facts: SampleFacts) -> None:
        self._facts = facts
        keys = [key for numbers in facts.numbers for key in numbers]

        def names(prefix: str) -> list[str]:
            return sorted({key.removeprefix(prefix) for key in keys if key.startswith(prefix)})

        keys_of_programmes = names("programme:")
        self._programmes = {name_programme(key): key for key in keys_of_programmes}
        self._names = Vocabulary(
            facts.evidence.place,
            read_gene_reference().approved,
            programmes=list(dict.fromkeys([*keys_of_programmes, *self._programmes])),
            states=names("state:"),
            lineages=names("lineage:"),
            proteins=names("protein:"),
            segments=bool(names("v:")),
        )

    def check(
        self, text: str, unit: int | None = None, *, with_numbers: bool = True
    ) -> list[CheckedSentence]:
        """Check every sentence of a text; headings and names in sentences say which unit is meant.

        Parameters
        ----------
        text
            Plain text or Markdown.
        unit
            The unit that all of it is about, if known.
        with_numbers
            Whether numbers must be right too; without them it is checked what is there and what is not.
        """
        current = len(self._facts.units) - 1 if unit is None else unit
        checked = []
        for start, end in split_sentences(text):
            sentence = text[start:end]
            if unit is None:
                found = self._find_unit(sentence)
                if sentence.startswith("#"):
                    current = len(self._facts.units) - 1 if found is None else found
                    continue
                if found is None and self._facts.units[current].level == SAMPLE:
                    checked.append(self._check_by_type(start, end, sentence, current))
                    continue
                checked.append(
                    self._check_sentence(start, end, sentence, current if found is None else found)
                )
            else:
                checked.append(self._check_sentence(start, end, sentence, unit, with_numbers=with_numbers))
        return checked

    def _find_unit(self, sentence: str) -> int | None:
        best: tuple[int, int] | None = None
        for i, unit in enumerate(self._facts.units):
            if unit.level == SAMPLE:
                continue
            # "the state Naive is called for 8 % of them" says something of another group
            patterns = (rf"{_name_with_level(unit)}(?! is called)", _name_with_cells(unit))
            is_named = any(re.search(pattern, sentence, re.IGNORECASE) for pattern in patterns)
            if is_named and (best is None or len(unit.name) > best[0]):
                best = (len(unit.name), i)
        return None if best is None else best[1]

    def _check_by_type(self, start: int, end: int, sentence: str, sample: int) -> CheckedSentence:
        """Check what is said of a type within the sample against the groups that are of this type."""
        own = self._check_sentence(start, end, sentence, sample)
        of_type = [s for s in own.statements if s.kind == "type" and s.value is None and s.is_there]
        if not of_type or not _is_subject(of_type[0].subject, sentence):
            return own
        groups = [
            unit for unit, numbers in enumerate(self._facts.numbers[:-1])
            if len(own.statements) > 1
            and sum(numbers.get(f"type:{t}", 0.0) for t in of_type[0].types) >= _LIKELY
        ]  # fmt: skip
        found = [self._check_sentence(start, end, sentence, unit) for unit in groups]
        if len({item.verdict for item in found}) == 1:
            return found[0]
        reason = (
            f"groups of {of_type[0].subject} do not agree"
            if found
            else f"nothing is told of groups of {of_type[0].subject}"
        )
        return replace(own, verdict=Verdict.INSUFFICIENT, reason=reason)

    def _check_sentence(
        self, start: int, end: int, sentence: str, unit: int, *, with_numbers: bool = True
    ) -> CheckedSentence:
        statements = read_sentence(self._without_unit(sentence, unit), self._names)
        if not with_numbers:
            kept = [s for s in statements if s.kind in _TOLD_WITHOUT and s.field not in {"beside", "overall"}]
            statements = [replace(s, value=None, low=None, high=None, field="none") for s in kept]
        results = [(self._judge(s, unit), s) for s in statements]
        for worst in _WORST:
            for (verdict, reason), _ in results:
                if verdict is worst:
                    return CheckedSentence(start, end, unit, worst, tuple(statements), reason)
        verdict = Verdict.SUPPORTED if results else Verdict.UNCHECKED
        return CheckedSentence(start, end, unit, verdict, tuple(statements), "")

    def _without_unit(self, sentence: str, unit: int) -> str:
        named = self._facts.units[unit]
        if named.level == SAMPLE:
            return sentence
        plain = re.sub(_name_with_cells(named), "these cells", sentence, flags=re.IGNORECASE)
        pattern = _name_with_level(named)
        has_share = re.search(pattern + r" is called", plain, re.IGNORECASE)
        return plain if has_share else re.sub(pattern, "it", plain, flags=re.IGNORECASE)

    def _judge(self, said: Statement, unit: int) -> tuple[Verdict, str]:  # noqa: PLR0911 (one per kind)
        match said.kind:
            case "unknown_entity":
                return Verdict.UNKNOWN_ENTITY, f"{said.subject} is no gene, type or name known here"
            case "loose_number":
                return Verdict.INSUFFICIENT, f"{said.subject} % belongs to nothing that was measured"
            case "gene":
                return self._judge_gene(said, unit)
            case "type":
                return self._judge_type(said, unit)
            case "junction":
                words = self._facts.words[unit]
                chain, _, junction = said.subject.partition(" ")
                known = words.get("junction_vj" if chain == "alpha" else "junction_vdj")
                return _equal(known is not None, known == junction, f"the {chain} junction is {known}")
            case "cells" | "share" | "donors" | "molecules" | "genes" | "paired":
                number = self._facts.numbers[unit].get(said.kind)
                return self._judge_number(said, number) if said.low is None else _judge_amount(said, number)
            case _:
                return self._judge_named(said, unit)

    def _judge_gene(self, said: Statement, unit: int) -> tuple[Verdict, str]:
        facts = [f for gene in said.subject.split("|") if (f := self._facts.gene(unit, gene)) is not None]
        if not facts:
            return Verdict.INSUFFICIENT, f"{said.subject} is not measured"
        if said.field in {"more", "less"}:
            return _judge_comparison(said, [fact.log_odds for fact in facts])
        if said.low is None:
            return _judge_presence(said, facts)
        return self._judge_percent(said, facts)

    def _judge_percent(self, said: Statement, facts: list[GeneFact]) -> tuple[Verdict, str]:
        if said.field == "beside":
            fact = facts[0]
            return _judge_amount(said, fact.elsewhere if fact.presence is Presence.PRESENT else fact.expected)
        most = max(fact.pct for fact in facts)
        if said.field == "overall":  # which may mean the group's own, too
            of_all = self._facts.gene(len(self._facts.units) - 1, said.subject.split("|")[0])
            own = _judge_amount(said, most)
            is_own = own[0] is Verdict.SUPPORTED or of_all is None
            return own if is_own or of_all is None else _judge_amount(said, of_all.pct)
        # together the genes may be seen in more cells than each
        if len(facts) > 1 and said.low is not None and most < said.low:
            return Verdict.INSUFFICIENT, f"it is at least {most:.2f}"
        return _judge_amount(said, most)

    def _judge_type(self, said: Statement, unit: int) -> tuple[Verdict, str]:
        numbers = self._facts.numbers[unit]
        known = [numbers[f"type:{t}"] for t in said.types if f"type:{t}" in numbers]
        if not known:
            return Verdict.INSUFFICIENT, "types cannot be told here"
        p = sum(known)
        reason = f"its probability is {p:.2f}"
        if said.value is not None:
            return _equal(True, abs(p - said.value) <= _tolerance(said), reason)
        if _UNLIKELY < p < _LIKELY:
            return Verdict.INSUFFICIENT, reason
        return _equal(True, (p >= _LIKELY) == said.is_there, reason)

    def _judge_named(self, said: Statement, unit: int) -> tuple[Verdict, str]:
        name = self._programmes.get(said.subject, said.subject)
        key = f"{said.kind}:{name if said.kind == 'programme' else said.subject}"
        value = self._facts.numbers[unit].get(key)
        if value is None and any(k.startswith(f"{said.kind}:") for k in self._facts.numbers[unit]):
            value = 0.0
        if said.field == "top":
            own = {
                k: v for k, v in self._facts.numbers[unit].items() if k.startswith(f"v:{said.subject[:4]}")
            }
            return _equal(bool(own), value == max(own.values(), default=0.0), f"it holds for {value} %")
        if said.low is not None:
            return _judge_amount(said, value)
        if said.value is not None:
            return self._judge_number(said, value)
        if value is None or said.kind == "protein" or _RESTS_PCT <= value < _RUNS_PCT:
            return Verdict.INSUFFICIENT, f"{said.subject} cannot be told from {value}"
        return _equal(True, (value >= _RUNS_PCT) == said.is_there, f"it holds for {value:.1f} %")

    @staticmethod
    def _judge_number(said: Statement, value: float | None) -> tuple[Verdict, str]:
        if value is None or said.value is None or value != value:  # noqa: PLR0124 (NaN)
            return Verdict.INSUFFICIENT, f"{said.subject} was not measured"
        is_right = abs(value - said.value) <= _tolerance(said)
        return _equal(
            True, (is_right and said.is_there) or (is_right and said.field != "none"), f"it is {value:.2f}"
        )


def _name_with_level(unit: Unit) -> str:
    return rf"\b{re.escape(unit.level)}\W{{0,3}}{re.escape(unit.name)}(?!\w|\.\w)"


def _name_with_cells(unit: Unit) -> str:
    """Give the pattern of a group that is spoken of by its name alone: "the Naive cells", "in cluster 3"."""
    spoken = re.escape(unit.name).replace("_", "[_ -]")
    return (
        rf"\b(?:the|these|those|of|in|among)\s+(?:{spoken}(?: T)?[- ](?:cells|cluster|group|population|state)"
        rf"|(?:cluster|group|population|state|clone) {spoken})(?!\w|\.\w| (?:is|are) called)"
    )


def _is_subject(phrase: str, sentence: str) -> bool:
    """Say whether a sentence speaks of cells of a type, rather than says that cells are of it."""
    before = sentence[: max(sentence.lower().find(phrase.lower()), 0)]
    is_predicate = re.search(r"\b(?:is|are|was|were|be|like|consistent|fit|suggest\w*|indicat\w*)\b", before)
    return is_predicate is None and re.search(r"[A-Z]\w*[A-Z0-9]", before) is None


def _tolerance(said: Statement) -> float:
    return float(0.5 * 10.0**-said.decimals + 1e-6)


def _equal(is_known: bool, is_right: bool, reason: str) -> tuple[Verdict, str]:  # noqa: FBT001 (private)
    if not is_known:
        return Verdict.INSUFFICIENT, reason
    return (Verdict.SUPPORTED, "") if is_right else (Verdict.CONTRADICTED, reason)


def _judge_amount(said: Statement, value: float | None) -> tuple[Verdict, str]:
    if value is None or said.low is None or said.high is None or value != value:  # noqa: PLR0124 (NaN)
        return Verdict.INSUFFICIENT, f"{said.subject} was not measured"
    reason = f"it is {value:.2f}"
    if said.low <= value <= said.high:
        return Verdict.SUPPORTED, ""
    is_near = said.low - said.slack <= value <= said.high + said.slack
    return (Verdict.INSUFFICIENT if is_near else Verdict.CONTRADICTED), reason


def _judge_presence(said: Statement, facts: list[GeneFact]) -> tuple[Verdict, str]:
    if said.field == "marker" and max(fact.log_odds for fact in facts) < -_CLEARLY:
        return Verdict.CONTRADICTED, f"{said.subject} is seen in fewer cells than elsewhere"
    found = {fact.presence for fact in facts}
    pct = max(fact.pct for fact in facts)
    if not found & {Presence.PRESENT, Presence.ABSENT}:
        return Verdict.INSUFFICIENT, f"{said.subject} is seen in {pct:.1f} %: it cannot be told"
    is_present = Presence.PRESENT in found
    reason = f"{said.subject} is {'present' if is_present else 'absent'}, seen in {pct:.1f} %"
    return _equal(True, is_present is said.is_there, reason)


def _judge_comparison(said: Statement, odds: list[float]) -> tuple[Verdict, str]:
    known = [value for value in odds if value == value]  # noqa: PLR0124 (NaN)
    if len(known) != 1 or abs(known[0]) < _CLEARLY:
        return Verdict.INSUFFICIENT, f"{said.subject}: whether there is more or less of it cannot be told"
    return _equal(True, (known[0] > 0) == (said.field == "more"), f"its log odds are {known[0]:.2f}")
