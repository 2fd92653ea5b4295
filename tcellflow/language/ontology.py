"""The Cell Ontology: live terms, their names and parents, and which term a name means.

Invariant: every id given is live in the packaged release; a name that means several terms means none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

import pyarrow.parquet as pq

RELEASE: Final = "cell-ontology fd61b954"
CELL: Final = "CL:0000000"
_WORDS: Final = {
    "cells": "cell", "lymphocyte": "cell", "lymphocytes": "cell", "monocytes": "monocyte",
    "platelets": "platelet",
    "natural": "nk", "killer": "", "thymocytes": "thymocyte", "macrophages": "macrophage",
    "tcells": "t cell", "bcells": "b cell", "mono": "monocyte", "monos": "monocyte",
    "dcs": "dendritic cell", "dc": "dendritic cell", "cdc": "conventional dendritic cell",
    "pdc": "plasmacytoid dendritic cell", "pdcs": "plasmacytoid dendritic cell", "treg": "regulatory t cell",
    "tregs": "regulatory t cell", "mait": "mait cell", "nkt": "nkt cell", "hspc": "hematopoietic stem cell",
    "hsc": "hematopoietic stem cell", "th1": "helper 1 t cell", "th2": "helper 2 t cell",
    "th17": "helper 17 t cell", "tfh": "follicular helper t cell", "gdt": "gamma delta t cell",
    "γδ": "gamma delta", "gd": "gamma delta", "αβ": "alpha beta", "centre": "center",
    "haematopoietic": "hematopoietic", "positive": "", "derived": "", "thymus": "", "human": "", "alpha": "",
    "beta": "", "the": "", "of": "", "a": "", "an": "", "and": "", "blood": "", "peripheral": "",
    "treated": "", "progenitors": "progenitor", "mk": "megakaryocyte", "rbc": "erythrocyte",
    "neutrophils": "neutrophil", "basophils": "basophil", "eosinophils": "eosinophil",
    "fibroblasts": "fibroblast", "plasmablasts": "plasmablast", "erythrocytes": "erythrocyte",
    "megakaryocytes": "megakaryocyte",
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
        self._names: dict[tuple[str, ...], set[str]] = {}
        for term in terms:
            self._names.setdefault(spell(term.name), set()).add(term.cl_id)
        for term in terms:
            for name in term.synonyms:
                key = spell(name)
                if not self._names.get(key):
                    self._names.setdefault(key, set())
        for term in terms:
            for name in term.synonyms:
                key = spell(name)
                if not any(spell(self.terms[cl_id].name) == key for cl_id in self._names[key]):
                    self._names[key].add(term.cl_id)

    def find(self, name: str) -> str | None:
        """Find the term that a name or id means; None where none or several are meant."""
        if name in self.terms:
            return name
        found = self._names.get(spell(name), set())
        return next(iter(found)) if len(found) == 1 else None

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
