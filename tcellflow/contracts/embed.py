"""The contract of embed.json: which chains and cells embed-tcr gave vectors.

Invariant: embedded chains and the others, per reason, add up to the chains given.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from tcellflow.contracts.entries import Count, Counts, Document, Entries, Text
from tcellflow.vocabulary import ChainPairing


class EmbeddedCells(Entries):
    """Cells with vectors."""

    total: Count = Field(description="cells of the receptors table")
    with_alpha_vector: Count = Field(description="cells with an alpha vector")
    with_beta_vector: Count = Field(description="cells with a beta vector")
    with_pair_vector: Count = Field(description="cells with a pair vector")
    pairing: dict[ChainPairing, Count] = Field(description="cells by pairing, those that occur")


class EmbeddedChains(Entries):
    """Chains with vectors."""

    total: Count = Field(description="chains given")
    embedded: Count = Field(description="chains with a vector")
    not_embedded: Counts = Field(description="chains without one, by reason")


class DistinctVectors(Entries):
    """Distinct vectors by kind."""

    tra: Count = Field(description="alpha chains")
    trb: Count = Field(description="beta chains")
    pair: Count = Field(description="pairs")


class Clusters(Entries):
    """Clusters of similar receptors."""

    total: Count = Field(description="clusters")
    with_similar_receptors: Count = Field(description="clusters of two or more receptors")


class Embed(Document):
    """Content of ``<s>.embed.json``."""

    contract: ClassVar[str] = "embed"
    version: ClassVar[int] = 1
    meaning: ClassVar[str] = "Which chains and cells have vectors, and why the others have none."

    backend: Text = Field(description="encoder")
    dimension: Count = Field(description="width of a vector")
    pooling: Text = Field(description="how residues become one vector")
    cells: EmbeddedCells = Field(description="cells with vectors")
    chains: EmbeddedChains = Field(description="chains with vectors")
    unique: DistinctVectors = Field(description="distinct vectors by kind")
    truncated_junctions: Count = Field(description="junctions cut in the middle")
    clusters: Clusters | None = Field(default=None, description="only with --neighbours")
