"""Clauses about markers: which are said to be there, which not, and which amount belongs to which.

Invariant: a marker without a verb, mark or amount that says something of it, and a clause that only supposes,
make no statement.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tcellflow.language.statements import Statement
from tcellflow.language.wording.amounts import (
    find_amounts,
    is_beside,
    is_overall,
    join_counts,
    read_number,
    stands_at,
)
from tcellflow.language.wording.cues import (
    BEFORE,
    BEHIND,
    BY_DEGREE,
    COMPARED,
    DIGIT,
    FEW,
    HARD,
    IS_NOT,
    LITTLE,
    LOSS,
    MARKERS_ARE,
    NOT_SO,
    OTHER_MATTERS,
    PRESENT_AT,
    SUPPOSED,
    THEY_SHOW,
    TOLD,
    TOP,
)
from tcellflow.language.wording.division import join_amounts, join_asides, join_endings, split_sentence
from tcellflow.language.wording.markers import find_markers, quantify

if TYPE_CHECKING:
    from tcellflow.language.statements import Field, Vocabulary
    from tcellflow.language.wording.amounts import Amount
    from tcellflow.language.wording.markers import Marker

_NEAR: Final = 45


def read_clauses(text: str, names: Vocabulary) -> list[Statement]:
    """Read what a sentence says of markers.

    Parameters
    ----------
    text
        One sentence, without what others have read of it.
    names
        Of the sample.
    """
    if OTHER_MATTERS.search(text):
        return []
    plain = NOT_SO.sub(lambda hit: " " * len(hit.group()), text)
    plain = join_amounts(join_asides(plain))
    markers, _ = find_markers(plain, names)
    is_told = bool(
        TOLD.search(plain) or BEFORE.search(plain) or BEHIND.search(plain) or find_amounts(plain)
        or any(marker.mark for marker in markers)
    )  # fmt: skip
    found: list[Statement] = []
    last: Marker | None = None
    is_list, before = False, None
    for text_of in join_endings(split_sentence(plain), names):
        is_list = MARKERS_ARE.search(text_of) is not None or (is_list and HARD.match(text_of) is None)
        if IS_NOT.fullmatch(text_of) and before is not None and BY_DEGREE.search(before):
            continue  # "GZMB is abundant, GZMK is not" leaves open whether there is any
        before = text_of
        clause = _Clause(text_of, names, is_told=is_told or is_list, is_list=is_list, last=last)
        found += clause.read()
        last = clause.markers[-1] if clause.markers else last
    return found


class _Clause:
    """One clause: its markers, amounts and negations."""

    def __init__(
        self, text: str, names: Vocabulary, *, is_told: bool, is_list: bool, last: Marker | None
    ) -> None:
        self.text = text
        self.markers, self.unknown = find_markers(text, names)
        self.amounts = self._drop_loose_words(join_counts(find_amounts(text), text))
        self.is_told = is_told
        self.is_list = is_list  # of markers of the group
        self.turned: set[Marker] = set()  # whose amount counts the cells without them
        self.last = last  # of the clause before

    def read(self) -> list[Statement]:
        found = [Statement("unknown_entity", name) for name in self.unknown]
        if SUPPOSED.search(self.text):
            return found
        own: list[Amount] = []
        beside: list[Amount] = []
        for amount in self.amounts:
            is_other = is_beside(amount, self.text) or self._is_overall(amount)
            (beside if is_other else own).append(amount)
        given, loose = self._give(own)
        for i, marker in enumerate(self.markers):
            found += self._say(marker, given.get(i, []))
        for amount in beside:
            near = [m for m in self.markers if m.start < amount.start and m.kind == "gene"]
            near = near or [m for m in (self.last,) if m is not None and not self.markers]
            if near:
                told = amount.complement() if near[-1] in self.turned else amount
                field: Field = "overall" if self._is_overall(amount) else "beside"
                found.append(quantify(near[-1], told, field, is_there=True))
            elif amount.is_exact:
                loose.append(amount)
        return found + [
            Statement("loose_number", a.text, value=read_number(a.text)) for a in loose if a.is_exact
        ]

    def _drop_loose_words(self, amounts: list[Amount]) -> list[Amount]:
        """Drop a quantifier that a number soon makes exact: "a small fraction, around 15 %"."""
        kept = []
        for i, amount in enumerate(amounts):
            follows = amounts[i + 1] if i + 1 < len(amounts) else None
            is_vague = not amount.is_exact and DIGIT.search(self.text[amount.start : amount.end]) is None
            between = None if follows is None else self.text[amount.end : follows.start]
            if is_vague and follows is not None and between is not None and len(between) <= _NEAR:
                has_marker = any(amount.end <= m.start < follows.start for m in self.markers)
                if not has_marker or "(" in between:
                    continue
            kept.append(amount)
        return kept

    def _is_overall(self, amount: Amount) -> bool:
        is_behind = any(m.start < amount.start for m in self.markers)
        return (is_behind or (self.last is not None and not self.markers)) and is_overall(amount, self.text)

    def _give(self, amounts: list[Amount]) -> tuple[dict[int, list[Amount]], list[Amount]]:
        """Give each amount to its markers: runs of markers and runs of amounts in turn."""
        items = sorted(
            [(m.start, "m", i) for i, m in enumerate(self.markers)]
            + [(a.start, "a", i) for i, a in enumerate(amounts)]
        )
        runs: list[tuple[str, list[int]]] = []
        for _, sort, i in items:
            if runs and runs[-1][0] == sort:
                runs[-1][1].append(i)
            else:
                runs.append((sort, [i]))
        given: dict[int, list[Amount]] = {}
        if not runs or not amounts:
            return given, []
        if not self.markers:
            return given, amounts
        sorts = "".join(sort for sort, _ in runs)
        starts_before = sorts[0] == "a" and sorts[-1] == "m"
        loose: list[Amount] = []
        for at, (sort, members) in enumerate(runs):
            if sort != "a":
                continue
            before = runs[at - 1][1] if at else []
            after = runs[at + 1][1] if at + 1 < len(runs) else []
            takers = after if starts_before or not before else before
            if at == 0 and len(runs) == 3 and runs[-1][0] == "a" and len(after) > 1:
                takers = after[:-1]  # "half have PRF1, CCR7 is at 4 %"
            is_last = at + 1 == len(runs) - 1
            if len(members) == 2 and len(before) == len(after) == 1 and is_last and not starts_before:
                loose += self._share(members[1:], after, amounts, given, is_before=True)
                members = members[:1]  # noqa: PLW2901 (the second is that of the marker behind)
            loose += self._share(members, takers, amounts, given, is_before=takers is after)
        return given, loose

    def _share(
        self,
        members: list[int],
        takers: list[int],
        amounts: list[Amount],
        given: dict[int, list[Amount]],
        *,
        is_before: bool,
    ) -> list[Amount]:
        takers = [i for i in takers if i not in given] or takers
        if len(members) == len(takers):
            for i, k in zip(takers, members, strict=True):
                given.setdefault(i, []).append(amounts[k])
            return []
        first = amounts[members[0]]
        if len(members) == 1:
            is_own = not is_before and stands_at(first, self.text, self.markers[takers[-1]].end)
            for i in takers[-1:] if is_own else takers:
                given.setdefault(i, []).append(first)
            return []
        given.setdefault(takers[0] if is_before else takers[-1], []).append(first)
        return [amounts[k] for k in members[1:]]

    def _say(self, marker: Marker, amounts: list[Amount]) -> list[Statement]:
        is_there = marker.mark != "-" and not self._is_negated(marker)
        if marker.mark == "high" and not is_there:  # no cells that are high may well be some that are low
            return []
        if marker.mark == "low" or (not amounts and is_there and LITTLE.search(self.text[: marker.start])):
            return []
        if not amounts:
            return self._say_without(marker, is_there=is_there)
        amount = amounts[0]
        plain = self._call(marker, is_there=is_there)
        if not is_there and self._is_complement(amount, marker):
            self.turned.add(marker)
            return [quantify(marker, amount.complement(), "pct", is_there=False)]
        is_said_twice = not is_there or self.is_list or self._is_there_at_all(marker, amount)
        quantified = quantify(marker, amount, "pct", is_there=is_there)
        return [plain, quantified] if is_said_twice else [quantified]

    def _say_without(self, marker: Marker, *, is_there: bool) -> list[Statement]:
        compared = self._compare(marker)
        if compared is not None:
            return compared
        if marker.kind == "v" and is_there and TOP.search(self.text):
            return [Statement("v", marker.subject, field="top")]
        return [self._call(marker, is_there=is_there)] if self.is_told or marker.mark else []

    def _call(self, marker: Marker, *, is_there: bool) -> Statement:
        is_listed = self.is_list and is_there and marker.kind == "gene"
        return Statement(marker.kind, marker.subject, is_there, field="marker" if is_listed else "none")

    def _is_negated(self, marker: Marker) -> bool:
        before = [hit.start() for hit in BEFORE.finditer(self.text)]
        if any(at < marker.start for at in before):
            loss = LOSS.search(self.text[: marker.start])  # "loss of CD79A is not seen"
            is_denied = any(hit.start() > marker.start for hit in BEHIND.finditer(self.text))
            return loss is None or not is_denied
        last = max(m.start for m in self.markers)
        behind = [hit.start() for hit in BEHIND.finditer(self.text)]
        # "GZMK does not show up"
        behind += [at for at in before if at > last and re.search(r"not|n't|never", self.text[at : at + 14])]
        first = min((m.start for m in self.markers), default=0)
        return any(at > marker.start or at < first for at in behind) and not self._is_of_other(behind, marker)

    def _is_there_at_all(self, marker: Marker, amount: Amount) -> bool:
        """Say whether a marker is said to be there, beside its amount: "they express CD79A (93 %)"."""
        if PRESENT_AT.search(self.text):
            return True
        before = self.text[: marker.start]
        is_in_brackets = re.fullmatch(r"\s*\(\D{0,12}", self.text[marker.end : amount.start]) is not None
        start = self.text[: self.markers[0].start]
        is_few = FEW.search(start) or FEW.search(before[-12:])
        return is_in_brackets and THEY_SHOW.search(before) is not None and not is_few

    def _is_of_other(self, behind: list[int], marker: Marker) -> bool:
        """Say whether a negation behind stands in brackets or right at another marker: ``A+, B negative``."""
        later = [m for m in self.markers if m.start > marker.start]
        nearest = min((at for at in behind if at > marker.start), default=None)
        if nearest is None or not later or marker.mark not in {"+", "high"}:
            return False
        return any(m.start < nearest for m in later)

    def _is_complement(self, amount: Amount, marker: Marker) -> bool:
        """Say whether an amount counts the cells without the marker: "a third lack CD14"."""
        if amount.start < marker.start:
            return True
        between = self.text[marker.end : amount.start]
        if re.search(r"\bnot (?:\w+ )?(?:detected|seen|found|expressed) in\s*$", between):
            return True
        if re.search(r"[:,(;=]|\b(?:seen|detected|found|only)\s+in\s*$", between):
            return False
        is_denied_here = BEHIND.search(between) or BEFORE.search(between)
        is_where = re.fullmatch(r"\s+(?:\w+ ){0,2}in\s*", between)  # "we saw no CD14 in a third of cells"
        return is_denied_here is not None or is_where is not None

    def _compare(self, marker: Marker) -> list[Statement] | None:
        hit = COMPARED.search(self.text)
        if hit is None:
            return None
        if self._is_negated(marker):  # what is not more may be less or as much
            return []
        rest = re.search(
            r"\b(?:than|compared (?:with|to)|relative to|versus|vs\.?|over)\b(.*)", self.text, re.IGNORECASE
        )
        if rest is not None and not re.search(
            r"other|rest|else|remaining|all|average|outside", rest.group(1), re.IGNORECASE
        ):
            return []
        if rest is None and hit.group().lower() in {"more", "less", "fewer"}:
            return []
        return [Statement(marker.kind, marker.subject, field="more" if hit["more"] else "less")]
