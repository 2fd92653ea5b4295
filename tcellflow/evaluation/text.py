"""Figures of merit of text beside a text that is right: overlap of words and letters.

Invariant: equal texts give 1, texts without a common word 0 (letters may still be shared).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def split_words(text: str) -> list[str]:
    """Split a text into words and numbers in lower case."""
    return re.findall(r"\w+", text.lower())


def bleu(found: str, wanted: str, most: int) -> float:
    """Give sentence BLEU with n-grams up to `most` and add-one smoothing above single words, 0-1.

    Notes
    -----
    Papineni et al. 2002, doi:10.3115/1073083.1073135; smoothed as by Lin and Och 2004,
    doi:10.3115/1220355.1220427.
    """
    own, other = split_words(found), split_words(wanted)
    if not own or not other:
        return float(own == other)
    logs = 0.0
    for n in range(1, most + 1):
        mine, theirs = _count_grams(own, n), _count_grams(other, n)
        extra = int(n > 1)
        hits = sum((mine & theirs).values()) + extra
        if not hits:
            return 0.0
        logs += math.log(hits / (sum(mine.values()) + extra))
    return math.exp(logs / most + min(0.0, 1 - len(other) / len(own)))


def rouge(found: str, wanted: str, n: int) -> float:
    """Give ROUGE-n as F1, 0-1 (Lin 2004)."""
    mine, theirs = _count_grams(split_words(found), n), _count_grams(split_words(wanted), n)
    return _f1(sum((mine & theirs).values()), sum(mine.values()), sum(theirs.values()))


def rouge_l(found: str, wanted: str) -> float:
    """Give ROUGE-L as F1 by the longest common subsequence of words, 0-1 (Lin 2004)."""
    own, other = split_words(found), split_words(wanted)
    row = [0] * (len(other) + 1)
    for word in own:
        before = row.copy()
        for i, theirs in enumerate(other, 1):
            row[i] = before[i - 1] + 1 if word == theirs else max(before[i], row[i - 1])
    return _f1(row[-1], len(own), len(other))


def letter_similarity(found: str, wanted: str) -> float:
    """Give one less the Levenshtein distance of letters over the longer text, 0-1."""
    longest = max(len(found), len(wanted))
    row = list(range(len(wanted) + 1))
    for i, letter in enumerate(found, 1):
        corner, row[0] = row[0], i
        for j, theirs in enumerate(wanted, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (letter != theirs))
    return 1 - row[-1] / longest if longest else 1.0


def _count_grams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _f1(common: int, own: int, other: int) -> float:
    return 2 * common / (own + other) if own + other else 1.0
