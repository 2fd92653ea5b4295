"""Which terms a name that means none of them is likest: by words, acronyms, letters, definitions.

Invariant: likeness only suggests; nothing is called by a term that was merely like its name.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tcellflow.language.ontology import Term

_ONE_FORM: Final = {  # what immunologists write for the words of the ontology
    "lymphocyte": "cell", "\u03b3\u03b4": "gamma delta", "gammadelta": "gamma delta", "gd": "gamma delta",
    "\u03b1\u03b2": "alpha beta", "\u03b4": "delta", "\u03b3": "gamma", "il": "interleukin",
    "ifn": "interferon", "nkt": "nk t cell", "treg": "regulatory t cell", "reg": "regulatory",
    "high": "positive", "hi": "positive", "neg": "negative", "pos": "positive", "na\u00efve": "naive",
    "itreg": "induced regulatory t cell", "ntreg": "natural regulatory t cell", "suppressor": "regulatory",
    "killer": "cytotoxic", "ctl": "cytotoxic t cell", "tfh": "follicular helper t cell",
    "tscm": "stem memory t cell", "tcm": "central memory t cell", "tem": "effector memory t cell",
    "temra": "effector memory cd45ra positive t cell terminally differentiated",
    "trm": "resident memory t cell", "tex": "exhausted t cell", "mait": "mucosal associated invariant t cell",
    "iel": "intraepithelial t cell", "dn": "double negative", "dp": "double positive",
    "sp": "single positive", "gzmk": "granzyme k", "gzmb": "granzyme b", "tn": "double negative",
    "dc": "dendritic cell", "mdsc": "myeloid suppressor cell", "hsc": "hematopoietic stem cell",
    "thymocyte": "thymocyte immature t cell", "thymic": "thymus",
}  # fmt: skip
_IDLE: Final = frozenset({"of", "the", "a", "an", "and", "or", "that", "is", "in", "with", "by", "to", "any"})
_LONGEST_RUN: Final = 5  # words behind one acronym
_ACRONYM, _IN_DEFINITION = 0.9, 0.5  # worth of a word that is an acronym, or of the definition alone


@dataclass(frozen=True)
class Weights:
    """What each kind of likeness counts, chosen on the ontology's terms that are no T cells.

    Parameters
    ----------
    asked
        Share of the asked words that the term has.
    own
        Share of the words of the term's name that were asked.
    letters
        Groups of three letters shared with the name.
    """

    asked: float = 1.0
    own: float = 0.3
    letters: float = 0.8


class Likeness:
    """Ranks terms by how like a name they are; synonyms count only where the terms hold them.

    Parameters
    ----------
    terms
        To choose from.
    weights
        Of the kinds of likeness.
    """

    def __init__(self, terms: Iterable[Term], weights: Weights | None = None) -> None:
        self._weights = Weights() if weights is None else weights
        self._names: list[tuple[str, frozenset[str], frozenset[str], dict[str, float]]] = []
        for term in terms:
            told = list(read_words(term.definition))
            for name in (term.name, *term.synonyms):
                words = list(read_words(name))
                worth = dict.fromkeys(told, _IN_DEFINITION)
                worth |= dict.fromkeys([*_find_acronyms(words), *_find_acronyms(told)], _ACRONYM)
                worth |= dict.fromkeys(words, 1.0)
                self._names.append((term.cl_id, frozenset(words), _letters(words), worth))
        seen = Counter(word for _, words, _, _ in self._names for word in words)
        self._n, self._seen = len(self._names), seen

    def rank(self, name: str, most: int = 5) -> list[str]:
        """Give the ids of the likest terms, likest first; none for a name without words."""
        words = frozenset(read_words(name))
        letters = _letters(list(read_words(name)))
        if not words:
            return []
        best: dict[str, float] = {}
        for cl_id, own, own_letters, worth in self._names:
            value = self._compare(words, letters, own, own_letters, worth)
            best[cl_id] = max(best.get(cl_id, 0.0), value)
        return sorted(best, key=lambda cl_id: (-best[cl_id], cl_id))[:most]

    def _compare(
        self,
        words: frozenset[str],
        letters: frozenset[str],
        own: frozenset[str],
        own_letters: frozenset[str],
        worth: dict[str, float],
    ) -> float:
        asked = sum(self._rarity(w) * worth.get(w, 0.0) for w in words) / sum(map(self._rarity, words))
        shared = sum(self._rarity(w) for w in own & words) / max(sum(map(self._rarity, own)), 1e-9)
        spelt = 2 * len(letters & own_letters) / max(len(letters) + len(own_letters), 1)
        return self._weights.asked * asked + self._weights.own * shared + self._weights.letters * spelt

    def _rarity(self, word: str) -> float:
        return math.log(1 + self._n / (1 + self._seen[word]))


def read_words(name: str) -> Iterable[str]:
    """Read the words of a name in one form: marks of polarity in words, ``Th9`` as a helper, no plurals."""
    text = re.sub(r"\bt\((\w+)\)", r"t\1", name.lower())
    text = re.sub(r"(?<=\w)\+", " positive ", text)
    text = re.sub(r"(?<=\w)[-\u2212](?=[\s,.;)]|$)", " negative ", text)
    text = re.sub(r"(?<=cd\d)[-\u2212](?=cd\d)", " negative ", text)
    text = re.sub(r"\bth[- ]?(\d+)\b", r"t helper \1", text)
    text = re.sub(r"\b(dn|dp|tn)(\d)", r"\1 \2", text).replace("natural killer", "nk")
    for raw in re.findall(r"[^\W_]+", text):
        word = raw[:-1] if len(raw) > 3 and raw.endswith("s") and not raw.endswith("ss") else raw
        for part in _ONE_FORM.get(word, word).split():
            if part not in _IDLE:
                yield part


def _find_acronyms(words: list[str]) -> set[str]:
    """Make the acronyms of every run of words: double negative gives dn."""
    return {
        "".join(word[0] for word in words[i : i + length])
        for length in range(2, _LONGEST_RUN + 1)
        for i in range(len(words) - length + 1)
    }


def _letters(words: list[str]) -> frozenset[str]:
    return frozenset(f" {word} "[i : i + 3] for word in words for i in range(len(word)))
