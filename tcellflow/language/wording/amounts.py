"""Amounts in words and digits: percents, fractions, ranges and quantifiers as intervals of percent.

Invariant: an amount holds what was written and how far off it may be before it is wrong; what lies between
cannot be told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from tcellflow.language.wording.cues import BESIDE, DIGIT, OVERALL_BEFORE, OVERALL_BEHIND

_NUMBER: Final = r"(?<![\w.])(\d[\d,]*(?:\.\d+)?)"
_SIGN: Final = r"\s?(?:%|percent\b|per cent\b)"
_OVER: Final = (
    r"more than|over|above|at least|greater than|exceed(?:ing|ed|s)?|upwards of|no (?:less|fewer) than"
    r"|not (?:less|fewer) than|>=?|\u2265"
)
_UNDER: Final = (
    r"less than|fewer than|under|below|at most|up to|no more than|not more than|lower than|<=?|\u2264"
)
_ABOUT: Final = (
    r"about|around|approximately|approx\.?|roughly|ca\.?|circa|~|\u2248|some|close to|an estimated|nearly"
    r"|almost"
)
_JUST_OVER: Final = r"(?:just|slightly|a little) (?:over|above|more than)"
_JUST_UNDER: Final = r"(?:just|slightly|a little) (?:under|below|less than|fewer than)"
_QUALIFIED: Final = (
    rf"(?:(?P<bit_over>{_JUST_OVER})|(?P<bit_under>{_JUST_UNDER})|(?P<over>{_OVER})|(?P<under>{_UNDER})"
    rf"|(?P<about>{_ABOUT}))\s*"
)
_WORDS: Final = {
    "a": 1, "an": 1, "one": 1, "once": 1, "twice": 2, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "nine": 9, "ten": 10,
}  # fmt: skip
_PARTS: Final = {
    "half": 2, "third": 3, "quarter": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10, "twentieth": 20,
}  # fmt: skip
_RIGHT_BEHIND: Final = re.compile(r"\s*[(\[:=,]?\s*(?:(?:only|just|in|at|detected in|seen in)\s*)*")
_AFTER: Final = r"(?: or (?:(?P<more>more|above|over)|(?P<fewer>less|fewer|below)|(?P<so>so)))?"
_COUNTS: Final = "|".join(_WORDS)
_PART: Final = r"(?:fraction|minority|subset|number|proportion|portion|part|share)"
_SOME_CELLS: Final = (
    r"(?:of\b|(?:[\w+-]+ ){0,3}(?:cells?|lymphocytes?|monocytes?|clusters?|them)\b"
    r"|(?:have|has|express|show|contain|carry|are|were)\b)"
)
_QUANTIFIERS: Final[dict[str, tuple[float, float, float]]] = {  # from, to, and how far beyond is unclear
    r"(?:nearly|almost|virtually|practically|essentially|close to) (?:all|every|each)\b": (85, 100, 10),
    r"(?:near-|nearly )?(?:ubiquitous(?:ly)?|universal(?:ly)?)\b|throughout\b": (80, 100, 15),
    r"(?:the |a )?(?:vast|great|overwhelming|large) majority\b": (65, 100, 10),
    r"(?:the |a )?(?:majority|bulk)\b(?= of)": (50, 100, 3),
    rf"most(?= {_SOME_CELLS})": (50, 100, 3),
    rf"(?:all|every|each)\b(?= {_SOME_CELLS})(?! (?:the )?other)": (95, 100, 7),
    rf"(?:many|a (?:large|sizeable|substantial) {_PART})(?= {_SOME_CELLS})": (25, 100, 10),
    r"not all\b": (0, 98, 2),
    rf"(?:only |just |very )?(?:an? )?(?:few|handful|small (?:\w+ )?{_PART})\b(?= {_SOME_CELLS}|,| \()": (
        0,
        20,
        10,
    ),
    r"(?:only )?(?:rare(?:ly)?|occasional(?:ly)?|sporadic(?:ally)?|scattered)\b": (0, 15, 10),
    r"(?:a|the) minority\b": (0, 50, 3),
    r"(?:highly|very) (?:prevalent|abundant|frequent|common)\b": (40, 100, 15),
    r"(?:(?<=by )|(?<=in ))(?:hardly any|barely any|almost none|virtually none)\b(?! of)": (
        0,
        10,
        10,
    ),
    rf"(?:some|several|a {_PART})(?= {_SOME_CELLS})": (5, 90, 5),
}


@dataclass(frozen=True)
class Amount:
    """One amount in a text.

    Parameters
    ----------
    start, end
        Its place.
    low, high
        Percent that it says, from and to.
    slack
        How far beyond it cannot be told whether it is wrong, percent.
    text
        Number as written; empty where it is in words.
    """

    start: int
    end: int
    low: float
    high: float
    slack: float = 0.0
    text: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether it is a bare number."""
        return bool(self.text)

    def complement(self) -> Amount:
        """Give what is left to a hundred."""
        return replace(self, low=100 - self.high, high=100 - self.low)


def find_amounts(text: str) -> list[Amount]:
    """Find the amounts of a text, in order; a quantifier beside a number that makes it exact is left out."""
    found: list[Amount] = []
    for find in (
        _find_ranges,
        _find_numbers,
        _find_lists,
        _find_percentages,
        _find_fractions,
        _find_counts,
        _find_quantifiers,
    ):
        found += [a for a in find(text) if not any(a.start < b.end and b.start < a.end for b in found)]
    return sorted(found, key=lambda amount: amount.start)


def join_counts(amounts: list[Amount], text: str) -> list[Amount]:
    """Drop a count that the percent in brackets behind it agrees with: "in 304 of 697 cells (43.6 %)"."""
    said_again = {
        a.start for a, b in pairwise(amounts)
        if re.fullmatch(r"\s*(?:\w+\s+)?\(\s*", text[a.end : b.start]) and DIGIT.search(text[a.start : a.end])
        and a.low <= b.high and b.low <= a.high and not a.is_exact
    }  # fmt: skip
    return [a for a in amounts if a.start not in said_again]


def stands_at(amount: Amount, text: str, end: int) -> bool:
    """Say whether an amount stands right behind a marker that ends there, as in ``LYZ (97 %)``."""
    if text[amount.start :].startswith(("exceed", "under")):  # said of all markers before
        return False
    return _RIGHT_BEHIND.fullmatch(text[end : amount.start]) is not None


def is_beside(amount: Amount, text: str) -> bool:
    """Say whether an amount is one beside that of the group: of others, or an expected one."""
    behind = DIGIT.split(text[amount.end : amount.end + 24], maxsplit=1)[0]
    before = text[: amount.start]
    is_second = re.search(r"%\s*(?:vs\.?|versus|against|compared (?:with|to))\s*$", before) is not None
    return bool(
        BESIDE.search(behind)
        or (is_second and BESIDE.search(text))
        or re.search(r"where\s*$|expected[^\d)]{0,12}$", before)
    )


def is_overall(amount: Amount, text: str) -> bool:
    """Say whether an amount is that of all cells."""
    behind = DIGIT.split(text[amount.end : amount.end + 40], maxsplit=1)[0]
    is_before = OVERALL_BEFORE.search(text[: amount.start]) is not None
    return is_before or OVERALL_BEHIND.match(behind) is not None


def count_decimals(text: str) -> int:
    """Count the decimals of a number as written."""
    return len(text.partition(".")[2])


def read_number(text: str) -> float:
    """Read a number with thousands separators."""
    return float(text.replace(",", ""))


def _find_ranges(text: str) -> list[Amount]:
    pattern = (
        rf"(?:between|from)\s+{_NUMBER}{_SIGN}?\s*(?:and|to)\s*(\d+(?:\.\d+)?){_SIGN}"
        rf"|(?:between |from )?{_NUMBER}(?:{_SIGN})?\s?(?:-|\u2013|\u2014|to)\s?(\d+(?:\.\d+)?){_SIGN}"
    )
    found = []
    for hit in re.finditer(pattern, text, re.IGNORECASE):
        low, high = sorted(float(part) for part in hit.groups() if part is not None)
        found.append(Amount(*hit.span(), low - 0.5, high + 0.5))
    return found


def _find_numbers(text: str) -> list[Amount]:
    found = []
    for hit in re.finditer(rf"(?:(?<!\w){_QUALIFIED})?(?P<n>{_NUMBER}){_SIGN}{_AFTER}", text, re.IGNORECASE):
        written = hit["n"]
        value = read_number(written)
        off = 0.5 * 10.0 ** -count_decimals(written) + 1e-6
        exact = Amount(*hit.span(), value - off, value + off, 0.0, written)
        wide = 5.0 if value % 10 == 0 else 2.5 if value % 5 == 0 else 1.5
        found.append(_qualify(hit, exact, value, min(wide, max(value / 4, 1.0))))
    return found


def _find_lists(text: str) -> list[Amount]:
    """Find numbers that share a sign with those behind them: "in 59 and 31 %"."""
    found = []
    for hit in re.finditer(
        rf"(?<!between )(?<!from ){_NUMBER}"
        rf"(?=(?:(?:,| and|, and| or| vs\.?| versus|/)\s?\d+(?:\.\d+)?)+{_SIGN})",
        text,
    ):
        value, off = read_number(hit[1]), 0.5 * 10.0 ** -count_decimals(hit[1]) + 1e-6
        found.append(Amount(*hit.span(), value - off, value + off, 0.0, hit[1]))
    return found


def _find_percentages(text: str) -> list[Amount]:
    """Find numbers without a sign: "the percentage of TCL1A positive cells is 62.2"."""
    found = []
    for hit in re.finditer(
        rf"\bpercentage\b[^%;]{{0,60}}?(?:\bis|\bwas|:|=)\s+{_NUMBER}(?!\s?%|[\d.]*\d)", text, re.IGNORECASE
    ):
        value, off = read_number(hit[1]), 0.5 * 10.0 ** -count_decimals(hit[1]) + 1e-6
        found.append(Amount(*hit.span(1), value - off, value + off, 0.0, hit[1]))
    return found


def _find_fractions(text: str) -> list[Amount]:
    pattern = (
        rf"(?:(?<!\w){_QUALIFIED})?(?<![\w-])(?:(?:(?P<n>{_COUNTS})[ -])?(?P<part>half"
        rf"|(?:third|quarter|fifth|sixth|seventh|eighth|ninth|tenth|twentieth)s?)"
        rf"|(?P<of>{_COUNTS}|\d{{1,2}})(?: cells?| times)? (?:in|out of) (?:every )?(?P<all>{_COUNTS}"
        rf"|\d{{1,3}}))(?![\w-])(?! (?:of )?(?:replicate|sample|day|donor|patient)){_AFTER}"
    )
    found = []
    for hit in re.finditer(pattern, text, re.IGNORECASE):
        if hit["part"] is not None:
            if hit["n"] is None and hit["part"].lower() != "half":
                continue
            over = _WORDS[(hit["n"] or "one").lower()]
            value = 100 * over / _PARTS[hit["part"].lower().removesuffix("s")]
        else:
            over, whole = (_WORDS.get(w.lower()) or int(w) for w in (hit["of"], hit["all"]))
            value = 100 * over / whole if whole else 200.0
        if value <= 100:
            wide = 5.0 if value > 15 else 3.0
            near = Amount(*hit.span(), value - wide, value + wide, 2.0)
            found.append(_qualify(hit, near, value, wide + 2.0))
    return found


def _find_counts(text: str) -> list[Amount]:
    pattern = rf"{_NUMBER}\s*(?:/|of(?: the| all| these)?|out of)\s*(\d[\d,]*)(?= (?:[\w+-]+ )?cells\b)"
    found = []
    for hit in re.finditer(pattern, text, re.IGNORECASE):
        part, whole = (read_number(group) for group in hit.groups())
        if 0 <= part <= whole and whole:
            found.append(Amount(*hit.span(), 100 * part / whole - 0.05, 100 * part / whole + 0.05))
    return found


def _find_quantifiers(text: str) -> list[Amount]:
    found: list[Amount] = []
    for pattern, (low, high, slack) in _QUANTIFIERS.items():
        hits = re.finditer(rf"(?<![\w-])(?:{pattern})", text, re.IGNORECASE)
        amounts = [Amount(*hit.span(), low, high, slack) for hit in hits]
        found += [a for a in amounts if not any(a.start < b.end and b.start < a.end for b in found)]
    return found


def _qualify(hit: re.Match[str], bare: Amount, value: float, wide: float) -> Amount:
    """Widen an amount by the words before it."""
    if hit["bit_over"]:
        return replace(bare, low=value - 0.5, high=value + 6, slack=2.0, text="")
    if hit["bit_under"]:
        return replace(bare, low=value - 6, high=value + 0.5, slack=2.0, text="")
    if hit["over"] or hit["more"]:
        return replace(bare, low=value - 1e-6, high=100.0, slack=0.0, text="")
    if hit["under"] or hit["fewer"]:
        return replace(bare, low=0.0, high=value + 1e-6, slack=0.0, text="")
    if hit["about"] or hit["so"]:
        return replace(bare, low=value - wide, high=value + wide, slack=0.5, text="")
    return bare
