"""The words of types, and the contrast between groups of cells and words.

Invariant: a term above or below the right one is neither right nor wrong.
"""

from __future__ import annotations

import re
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from tcellflow.language.ontology import read_ontology

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from torch import Tensor

_WORD: Final = re.compile(r"[a-z0-9]+")
_NAME_ALONE: Final = 0.4  # of the texts; the others go on with the definition
_FAR: Final = -1e4


class TermTexts:
    """Names and definitions of terms of the Cell Ontology, as hashed words and pairs of words.

    Parameters
    ----------
    terms
        Ids that are told apart.
    buckets
        Of the hash.
    """

    def __init__(self, terms: Collection[str], buckets: int) -> None:
        self._ontology = read_ontology()
        self._terms = frozenset(terms)
        self._buckets = buckets

    def define(self, term: str) -> str:
        """Give name and definition of a term."""
        known = self._ontology.terms[term]
        return f"{known.name}. {known.definition}"

    def draw(self, term: str, rng: np.random.Generator) -> str:
        """Draw one of the texts that name a term."""
        known = self._ontology.terms[term]
        names = (known.name, *known.synonyms)
        name = names[int(rng.integers(len(names)))]
        return name if rng.random() < _NAME_ALONE else f"{name}. {known.definition}"

    def join(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Give the hashed words of all texts in a row, and where each begins."""
        hashed = [self._hash(text) for text in texts]
        starts = np.cumsum([0, *(len(one) for one in hashed[:-1])])
        return torch.tensor([word for one in hashed for word in one]), torch.from_numpy(starts)

    def relate(self, terms: Sequence[str], names: Sequence[str]) -> Tensor:
        """Say how each group's term stands to each name: 1 the same, 0 another, -1 above or below it."""
        above = self._ontology.above

        def relate(one: str, other: str) -> int:
            if one == other:
                return 1
            return -1 if one in above(other) or other in above(one) else 0

        return torch.tensor([[relate(one, other) for other in names] for one in terms])

    def _hash(self, text: str) -> list[int]:
        words = _WORD.findall(text.lower())
        parts = words + [f"{a} {b}" for a, b in pairwise(words)]
        return [zlib.crc32(part.encode()) % self._buckets for part in parts] or [0]


def contrast(scores: Tensor, relation: Tensor) -> Tensor:
    """Give the loss of scores (groups, names), both ways; several groups may have one name.

    Parameters
    ----------
    scores
        The higher the likelier.
    relation
        From `TermTexts.relate`, on the same device.
    """
    counted = scores.masked_fill(relation < 0, _FAR)
    right = scores.masked_fill(relation != 1, _FAR)
    by_group = counted.logsumexp(1) - right.logsumexp(1)
    by_name = counted.logsumexp(0) - right.logsumexp(0)
    return (by_group.mean() + by_name.mean()) / 2
