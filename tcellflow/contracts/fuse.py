"""The contract of fuse.json: the figures of one sample's fused vectors.

Invariant: antibodies that were used and those that were not add up to the panel.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from tcellflow.contracts.entries import Count, Counts, Document, Entries, Flag, Number, Share, Text


class FusedPanel(Entries):
    """What the sample measured of what the bundle knows."""

    coverage_rna: Share = Field(description="weighted share of the bundle's genes")
    coverage_adt: Share = Field(description="share of the bundle's proteins")
    used: tuple[Text, ...] = Field(description="proteins that the bundle's network read")
    not_learnt: tuple[Text, ...] = Field(description="proteins that the bundle has not learnt")
    unknown: tuple[Text, ...] = Field(description="antibodies whose target is not known")
    isotypes: tuple[Text, ...] = Field(description="isotype controls, which are not used")
    hashtags: tuple[Text, ...] = Field(default=(), description="sample hashtags, which are not used")
    constant: tuple[Text, ...] = Field(description="proteins with the same count in every cell")


class FusedGraph(Entries):
    """The graph of nearest vectors behind clusters and map."""

    n_neighbours: Count = Field(description="nearest vectors of each cell that it is joined with")
    resolution: Number = Field(description="of Leiden's modularity: more gives more clusters")
    seed: Count = Field(description="of Leiden and of the map")
    n_landmarks: Count | None = Field(
        description="cells in the graph, all others taking after the nearest of these; null = all cells"
    )
    clusters: tuple[Count, ...] = Field(description="cells of each cluster; empty if not asked for")
    has_umap: Flag = Field(description="whether cells have places on a map")


class FusedRefit(Entries):
    """Maps from genes to the sample's own proteins, fitted on the sample."""

    n_cells: Count = Field(description="cells that were fitted")
    correlation: dict[Text, Number] = Field(
        description="of each protein's log counts and what is told of cells that the map had not seen"
    )


class Fuse(Document):
    """Content of ``<s>.fuse.json``."""

    contract: ClassVar[str] = "fuse"
    version: ClassVar[int] = 2
    meaning: ClassVar[str] = "The figures of one sample's fused vectors."

    n_cells: Count = Field(description="cells")
    inputs: Counts = Field(description="cells by what their vectors were made from")
    is_own_rna: Flag = Field(description="whether expression was standardised by the sample itself")
    is_own_adt: Flag = Field(description="whether proteins were standardised by the sample itself")
    axes: Counts = Field(description="numbers of the vector by origin: latent, rna, adt")
    mean_weight_rna: Share | None = Field(description="over cells with both; null without any")
    panel: FusedPanel = Field(description="what was measured")
    labels: Counts = Field(description="cells by label, abstained ones apart; empty without labels")
    n_abstained: Count = Field(description="cells without a single label")
    graph: FusedGraph | None = Field(
        default=None, description="null where neither clusters nor map were asked for; since version 2"
    )
    adt_norm: Text = Field(
        default="clr",
        description="what was taken off antibody counts before comparing them; clr: nothing",
    )
    refit: FusedRefit | None = Field(default=None, description="null without --refit")
    ood_share: Share | None = Field(
        default=None, description="cells with ood_score above 0.99; null if not known; since version 2"
    )
