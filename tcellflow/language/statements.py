"""What a text can say of cells: single statements, and the names that it may use.

Invariant: a statement holds what was written, not whether it is true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

Kind = Literal[
    "gene", "cells", "share", "state", "lineage", "programme", "protein", "type", "paired", "v", "junction",
    "donors", "molecules", "genes", "unknown_entity", "loose_number",
]  # fmt: skip
Field = Literal["pct", "beside", "none"]


@dataclass(frozen=True)
class Statement:
    """One thing that a sentence says.

    Parameters
    ----------
    kind
        What it is about.
    subject
        Gene, state, programme, antibody, segment, or type as written.
    is_there
        Whether it is said to be there.
    value
        The number given; None without.
    decimals
        Of the number, as written.
    field
        Which number of a gene: its own percent, or the one beside it.
    types
        Types of the panel that a type stands for; a term of the ontology stands for those under it.
    """

    kind: Kind
    subject: str
    is_there: bool = True
    value: float | None = None
    decimals: int = 0
    field: Field = "none"
    types: frozenset[str] = frozenset()


class Vocabulary:
    """The names that a sample's text may use.

    Parameters
    ----------
    genes
        Symbols that the matrix measures.
    known_genes
        All approved symbols.
    programmes, states, lineages, proteins
        Names of the sample.
    """

    def __init__(
        self,
        genes: Container[str],
        known_genes: Container[str],
        *,
        programmes: Sequence[str] = (),
        states: Sequence[str] = (),
        lineages: Sequence[str] = (),
        proteins: Sequence[str] = (),
    ) -> None:
        self.genes = genes
        self.known_genes = known_genes
        self.programmes = tuple(programmes)
        self.states = tuple(states)
        self.lineages = tuple(lineages)
        self.proteins = tuple(proteins)
