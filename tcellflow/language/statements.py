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
Field = Literal["pct", "beside", "none", "more", "less", "top", "marker", "overall"]


@dataclass(frozen=True)
class Statement:
    """One thing that a sentence says.

    Parameters
    ----------
    kind
        What it is about.
    subject
        Gene (or genes, joined by ``|``, any of which may be meant), state, programme, antibody, segment,
        or type as written.
    is_there
        Whether it is said to be there.
    value
        The number given; None without.
    decimals
        Of the number, as written.
    field
        Which number of a gene: its own percent, the one beside it, or that of all cells; or that there is
        more or less of it than elsewhere, that it is the most frequent of its kind, or that it marks
        the group.
    types
        Types of the panel that a type stands for; a term of the ontology stands for those under it.
    low, high
        Percent that is said, from and to; None where no amount is said.
    slack
        How far beyond them it cannot be told whether it is wrong, percent.
    """

    kind: Kind
    subject: str
    is_there: bool = True
    value: float | None = None
    decimals: int = 0
    field: Field = "none"
    types: frozenset[str] = frozenset()
    low: float | None = None
    high: float | None = None
    slack: float = 0.0


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
    segments
        Whether V segments are known of its cells.
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
        segments: bool = False,
    ) -> None:
        self.genes = genes
        self.known_genes = known_genes
        self.programmes = tuple(programmes)
        self.states = tuple(states)
        self.lineages = tuple(lineages)
        self.proteins = tuple(proteins)
        self.segments = segments
