"""Where a sentence is cut into clauses, and which pieces stay together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tcellflow.language.wording.amounts import find_amounts
from tcellflow.language.wording.cues import ENDS_WITH, HARD, SAYS, SOFT
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


def split_sentence(text: str) -> list[str]:
    """Cut a sentence into clauses, never inside brackets."""
    bracketed = [hit.span() for hit in re.finditer(r"\([^()]*\)", text)]
    places = {hit.start(): len(hit.group()) for hit in HARD.finditer(text)}
    starts, last = [0], 0
    for hit in sorted([*HARD.finditer(text), *SOFT.finditer(text)], key=lambda hit: hit.start()):
        at = hit.start()
        if any(first < at < end for first, end in bracketed):
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
