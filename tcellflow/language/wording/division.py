"""Where a sentence is cut into clauses, and which pieces stay together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tcellflow.language.wording.amounts import find_amounts
from tcellflow.language.wording.cues import BEFORE, ENDS_WITH, HARD, SAYS, SOFT
from tcellflow.language.wording.markers import find_markers

if TYPE_CHECKING:
    from tcellflow.language.statements import Vocabulary


def join_amounts(text: str) -> str:
    """Take the commas from around an amount: "a small fraction, around 15 %, retains CD14"."""
    for amount in find_amounts(text):
        before = re.search(r",\s*$", text[: amount.start])
        behind = re.match(r"\s*,(?!\s*\d)", text[amount.end :])
        if before is not None and behind is not None:
            end = amount.end + behind.end()
            text = f"{text[: before.start()]} {text[before.start() + 1 : end - 1]} {text[end:]}"
    return text


_RETOLD: Final = re.compile(
    r",\s*(?:which|that|who)\b[^,;]*\b(?:known|typical\w*|reported|previously|usually)\b[^,;]*,"
)
_APPOSED: Final = re.compile(  # "CD14, the defining surface molecule, was captured"
    r",\s*(?:(?:the|a|an|which)\s[a-z -]{3,60}|(?:encoding|(?:also )?(?:called|known as))\s[\w -]{2,60}),"
    r"(?=\s(?:is|was|are|were|could|can)\b)"
)
_OF_ANOTHER: Final = re.compile(
    r"\b(?:compared (?:with|to)|as opposed to|as against|versus|vs\.?|relative to|and not)"
    r"\s+\d[\d.,]*\s?%\s+(?:in|of|among|for)\b"
    r"(?![^,;.)]*\b(?:other|others|rest|else\w*|remaining|overall|whole|entire|all|total|background)\b)[^,;.)]*",
    re.IGNORECASE,
)
_OTHERWISE: Final = re.compile(  # said of the other cells
    r",?\s*\b(?:and|but)\s+(?:is|was|are|were)\s+otherwise\b[^,;.]*|\s*\b(?:and|but) otherwise\b[^,;.%]*"
)
_REMARK: Final = re.compile(
    r",\s*(?:[a-z]+ly|however|in fact|as expected|on the other hand|by contrast|of note|for example),"
)
_NONE_REACHED: Final = re.compile(
    r"\b(none|neither|no)\b([^.;%]*?)\b(reach(?:ed|es)?|exceed(?:ed|s)?)(?=\s+\d)", re.IGNORECASE
)
_TOGETHER: Final = re.compile(
    r",\s*(?:just like|like|as well as|along with|together with|similar to)(?=\s+[^,;]{2,60}(,)\s)"
)
_SET_AGAINST: Final = re.compile(
    r"\b(?:in contrast to|as opposed to|rather than|instead of|unlike)(?=\s[^,;]{2,40}, which\b)",
    re.IGNORECASE,
)


def drop_others(text: str) -> str:
    """Blank out the percents of another group: "25 % compared with 43 % of naive cells"."""
    return _OF_ANOTHER.sub(lambda hit: " " * len(hit.group()), text)


def join_asides(text: str) -> str:
    """Take out what is told in general, and join what stands between commas to what it goes with.

    Letters keep their places: "CST7, like PRF1, was detected" becomes "CST7  and PRF1  was detected".
    """
    text = _NONE_REACHED.sub(lambda hit: f"{' ' * len(hit[1])}{hit[2]}{'under'.ljust(len(hit[3]))}", text)
    for aside in (_RETOLD, _APPOSED, _OTHERWISE, _REMARK):
        text = aside.sub(lambda hit: " " * len(hit.group()), text)
    text = _SET_AGAINST.sub(lambda hit: "while".ljust(len(hit.group())), text)
    while (hit := _TOGETHER.search(text)) is not None:
        joined = " and".ljust(hit.end() - hit.start())
        text = f"{text[: hit.start()]}{joined}{text[hit.end() : hit.start(1)]} {text[hit.end(1) :]}"
    return text


def split_sentence(text: str) -> list[str]:
    """Cut a sentence into clauses, never inside brackets."""
    bracketed = [hit.span() for hit in re.finditer(r"\([^()]*\)", text)]
    places = {hit.start(): len(hit.group()) for hit in HARD.finditer(text)}
    starts, last = [0], 0
    soft = [hit for hit in SOFT.finditer(text) if "respectively" not in text[hit.start() :]]
    for hit in sorted([*HARD.finditer(text), *soft], key=lambda hit: hit.start()):
        at = hit.start()
        is_denied_too = hit.group().startswith("or ") and BEFORE.search(text[last:at]) is not None
        if is_denied_too or any(first < at < end for first, end in bracketed):
            continue
        if at in places or (SAYS.search(text[last:at]) and _has_capital(text[last:at])):
            starts.append(at)
            last = at
    return [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]


def join_endings(clauses: list[str], names: Vocabulary) -> list[str]:
    """Join what ends a list of markers to it: "CD79A, GZMK and PRF1, | remained undetectable"."""
    joined: list[str] = []
    for clause in clauses:
        is_ending = re.match(r"[,\s]|and\b", clause) and ENDS_WITH.search(clause)
        if joined and is_ending and not find_markers(clause, names)[0]:
            joined[-1] += clause
        else:
            joined.append(clause)
    return joined


def _has_capital(text: str) -> bool:
    return re.search(r"[A-Z]\w*[A-Z0-9]", text) is not None
