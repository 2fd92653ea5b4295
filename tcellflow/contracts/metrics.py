"""The contract of metrics.json: the figures of one sample's predictions.

Invariant: every class is listed, also where it has no cell; what only an option fills is absent without it.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tcellflow.contracts.entries import Count, Counts, Document, Entries, Flag, Number, Share, Text
from tcellflow.vocabulary import AbstainReason, Evidence, GeneSide, Helper, Programme, State, Unconventional

StateCounts = dict[State, Count]
Entropy = Annotated[float, Field(strict=True, ge=0)]


class PanelFigures(Entries):
    """How much of the bundle's gene panel the sample measured."""

    n_genes: Count = Field(description="genes of the panel")
    n_measured: Count = Field(description="of these, measured")
    coverage: Share = Field(description="weighted share of the panel that was measured")


class AbstentionRules(Entries):
    """When a call abstained."""

    target_risk: Share = Field(description="share of wrong calls aimed at")
    threshold: Number = Field(description="confidence below which no state is reported")
    ood_threshold: Share | None = Field(
        description="percentile of the training cells above which a cell is out-of-distribution; null without"
    )
    dataset: Text = Field(description="data that risks were measured on")


class Shift(Entries):
    """Distance of the sample from the bundle's cells, 0 alike to 1 apart; null where nothing compares."""

    score: Share | None = Field(description="ood, or confidence where the bundle has no such score")
    ood: Share | None = Field(description="largest difference of the cumulative out-of-distribution scores")
    confidence: Share | None = Field(description="largest difference of the cumulative confidences")
    states: Share | None = Field(description="half the summed differences of the state shares")
    parts: Share | None = Field(
        default=None,
        description="share of single T cells that network and marker genes call differently, drawn towards "
        "that of a typical sample; trust falls with it; null where a network alone decides",
    )
    parts_by_state: dict[State, Share] | None = Field(
        default=None,
        description="the same of the cells called each state, drawn towards that of the sample",
    )
    dataset: Text | None = Field(description="what the sample is compared with")


class PriorShares(Entries):
    """What became of --correct-priors."""

    applied: Flag = Field(description="whether the probabilities were corrected")
    refusal: Text | None = Field(description="why not; null where they were")
    shares: dict[State, Share] | None = Field(description="estimated shares; null where refused")


class ProgrammeMeans(Entries):
    """Mean strength of each programme; null where no cell can be measured."""

    all: dict[Programme, Share | None] = Field(description="over T cells")
    states: dict[State, dict[Programme, Share | None]] = Field(description="over those called each state")
    measured: dict[Programme, Share] = Field(description="share of T cells in which it can be measured")


class Source(Entries):
    """One data set behind the bundle; what the bundle does not state is absent."""

    name: Text | None = Field(default=None, description="data set")
    licence: Text | None = Field(default=None, description="its licence")
    paper: Text | None = Field(default=None, description="its paper")
    source: Text | None = Field(default=None, description="where it was taken from")


class BundleAccount(Entries):
    """The bundle of the calls."""

    name: Text = Field(description="name")
    version: Text = Field(description="version")
    sha256: Text = Field(description="digest of its bundle.json")
    summary: Text = Field(description="what it is, in one line")
    intended_use: Text = Field(description="what it may be used for")
    licence: Text = Field(description="its licence")
    limits: tuple[Text, ...] = Field(description="what it is not good for, as sentences")
    evidence: dict[State, Evidence] = Field(description="kind of truth behind each state")
    training: tuple[Source, ...] = Field(description="data it learnt from")


class Metrics(Document):
    """Content of ``<s>.metrics.json``."""

    contract: ClassVar[str] = "metrics"
    version: ClassVar[int] = 2
    meaning: ClassVar[str] = "The figures of one sample's predictions."

    n_cells: Count = Field(description="cells")
    n_t_cells: Count = Field(description="cells that passed the T-cell gate")
    n_clones: Count = Field(description="clones")
    predicted_states: StateCounts = Field(description="T cells by most probable state")
    states: Counts = Field(description="cells by reported state, Unresolved and Not_T among them")
    abstained: dict[AbstainReason, Count] = Field(description="cells without a state, by reason")
    inputs: Counts = Field(description="cells by the data that their calls used")
    mean_confidence: Share | None = Field(description="over T cells; null without any")
    mean_state_probabilities: dict[State, Share] | None = Field(description="over T cells; null without any")
    panel: PanelFigures = Field(description="gene panel of the bundle")
    abstention: AbstentionRules = Field(description="when a call abstained")
    shift: Shift = Field(description="distance from the bundle's cells")
    prior_correction: PriorShares | None = Field(description="null without --correct-priors")
    bundle: BundleAccount = Field(description="the bundle of the calls")
    unused_inputs: tuple[Text, ...] = Field(description="inputs given that the bundle does not take")
    frequent_genes: dict[State, dict[GeneSide, tuple[Text, ...]]] | None = Field(
        default=None, description="genes behind the calls of each state; only with --evidence-genes"
    )
    voted_states: StateCounts | None = Field(
        default=None, description="cells by state after a vote; only in version 1, with --vote"
    )
    n_clusters: Count | None = Field(
        default=None, description="groups that voted; only in version 1, with --vote"
    )
    latent_classes: Counts | None = Field(
        default=None, description="T cells by the bundle's finest class; only where it has such classes"
    )
    effector_by: Literal["programme", "gate"] | None = Field(
        default=None, description="what tells Effector; null where the bundle decides alone"
    )
    helpers: dict[Helper, Count] | None = Field(
        default=None, description="T cells called Th_effector, by their strongest helper programme"
    )
    unconventional: dict[Unconventional, Count] | None = Field(
        default=None, description="unconventional T cells by kind"
    )
    programmes: ProgrammeMeans | None = Field(default=None, description="programmes of the sample's T cells")
