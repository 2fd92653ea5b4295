"""The Cell Ontology: live terms, their names and parents, and which term a name means.

Invariant: every id given is live in the packaged release; a name that means several terms means none.

A name is first compared by all of its words, then by its telling words alone: "T lymphocyte" is a T cell,
though without alpha and beta "alpha-beta T cell" has the same telling words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable

RELEASE: Final = "cell-ontology fd61b954"
CELL: Final = "CL:0000000"
_WORDS: Final = {
    "cells": "cell", "lymphocyte": "cell", "lymphocytes": "cell", "monocytes": "monocyte",
    "platelets": "platelet",
    "natural": "nk", "killer": "", "thymocytes": "thymocyte", "macrophages": "macrophage",
    "tcells": "t cell", "bcells": "b cell", "mono": "monocyte", "monos": "monocyte",
    "dcs": "dendritic cell", "dc": "dendritic cell", "cdc": "conventional dendritic cell",
    "pdc": "plasmacytoid dendritic cell", "pdcs": "plasmacytoid dendritic cell", "treg": "regulatory t cell",
    "tregs": "regulatory t cell", "mait": "mait cell", "nkt": "nk t", "hspc": "hematopoietic stem cell",
    "hsc": "hematopoietic stem cell", "th1": "helper 1 t cell", "th2": "helper 2 t cell",
    "th17": "helper 17 t cell", "tfh": "follicular helper t cell", "gdt": "gamma delta t cell",
    "γδ": "gamma delta", "gd": "gamma delta", "αβ": "alpha beta", "centre": "center",
    "haematopoietic": "hematopoietic", "positive": "", "derived": "", "thymus": "", "human": "", "alpha": "",
    "beta": "", "the": "", "of": "", "a": "", "an": "", "and": "", "blood": "", "peripheral": "",
    "treated": "", "progenitors": "progenitor", "mk": "megakaryocyte", "rbc": "erythrocyte",
    "neutrophils": "neutrophil", "basophils": "basophil", "eosinophils": "eosinophil",
    "fibroblasts": "fibroblast", "plasmablasts": "plasmablast", "erythrocytes": "erythrocyte",
    "megakaryocytes": "megakaryocyte", "gammadelta": "gamma delta", "il": "interleukin", "ifn": "interferon",
}  # fmt: skip
_SAME: Final = {
    "cells": "cell", "lymphocyte": "cell", "lymphocytes": "cell", "thymocytes": "thymocyte",
    "monocytes": "monocyte", "macrophages": "macrophage", "nkt": "nk t", "il": "interleukin",
    "ifn": "interferon", "gammadelta": "gamma delta",
}  # fmt: skip


@dataclass(frozen=True)
class Term:
    """One live term of the Cell Ontology.

    Parameters
    ----------
    cl_id
        ``CL:`` and seven digits.
    name, definition
        As the ontology words them.
    synonyms
        Other names.
    parents
        Ids of the terms right above.
    """

    cl_id: str
    name: str
    synonyms: tuple[str, ...]
    parents: tuple[str, ...]
    definition: str


class Ontology:
    """The terms of the Cell Ontology, with what lies above each.

    Parameters
    ----------
    terms
        All live terms.
    """

    def __init__(self, terms: tuple[Term, ...]) -> None:
        self.terms = {term.cl_id: term for term in terms}
        self._above: dict[str, frozenset[str]] = {}
        self._exact = _index(terms, _spell_all)
        self._names = _index(terms, spell)

    def find(self, name: str) -> str | None:
        """Find the term that a name or id means; None where none or several are meant."""
        if name in self.terms:
            return name
        for found in (self._exact.get(_spell_all(name), set()), self._names.get(spell(name), set())):
            if len(found) == 1:
                return next(iter(found))
        return None

    def above(self, cl_id: str) -> frozenset[str]:
        """Give a term and all terms above it."""
        if cl_id not in self._above:
            term = self.terms[cl_id]
            self._above[cl_id] = frozenset({cl_id}).union(*(self.above(p) for p in term.parents))
        return self._above[cl_id]

    def path(self, cl_id: str) -> tuple[str, ...]:
        """Give one way from the root to a term, ids, root first."""
        way = [cl_id]
        while parents := self.terms[way[-1]].parents:
            way.append(max(parents, key=lambda p: (len(self.above(p)), p)))
        return tuple(reversed(way))


def spell(name: str) -> tuple[str, ...]:
    """Reduce a name to its telling words, in alphabetical order: ``CD4+ T cells`` to ``cd4 cell t``."""
    text = re.sub(r"[^\w]+|_", " ", name.lower())
    words = " ".join(_WORDS.get(word, word) for word in text.split()).split()
    return tuple(sorted(set(words)))


def _spell_all(name: str) -> tuple[str, ...]:
    """Reduce a name to all of its words, each in one form."""
    text = re.sub(r"[^\w]+|_", " ", name.lower().replace("natural killer", "nk"))
    return tuple(sorted(" ".join(_SAME.get(word, word) for word in text.split()).split()))


def _index(
    terms: tuple[Term, ...], reduce: Callable[[str], tuple[str, ...]]
) -> dict[tuple[str, ...], set[str]]:
    """Index terms by their names and, where these are no other term's name, by their synonyms."""
    names: dict[tuple[str, ...], set[str]] = {}
    for term in terms:
        names.setdefault(reduce(term.name), set()).add(term.cl_id)
    found = {key: set(ids) for key, ids in names.items()}
    for term in terms:
        for name in term.synonyms:
            key = reduce(name)
            if key not in names:
                found.setdefault(key, set()).add(term.cl_id)
    return found


@lru_cache(maxsize=1)
def read_ontology() -> Ontology:
    """Read the packaged Cell Ontology."""
    with (files("tcellflow") / "data" / "cell_ontology.parquet").open("rb") as file:
        rows = pq.read_table(file).to_pylist()
    return Ontology(
        tuple(
            Term(
                row["cl_id"],
                row["name"],
                tuple(filter(None, row["synonyms"].split("|"))),
                tuple(filter(None, row["parents"].split("|"))),
                row["definition"],
            )
            for row in rows
        )
    )
