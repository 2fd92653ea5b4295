"""All cells of a sample called: block by block through a bundle, then judged together.

Invariant: a call depends on its cell alone; whatever looks at the whole sample (shares of classes,
clones, neighbours) stands beside the raw calls, which are kept.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.genes.panel import align_panel
from tcellflow.inference.states.abstention import choose_rules
from tcellflow.inference.states.calls import join_calls
from tcellflow.inference.states.checks import (
    check_coverage,
    check_library_size,
    check_mapping,
    check_receptors,
)
from tcellflow.inference.states.clones import find_clones, pool_lineages
from tcellflow.inference.states.cluster_vote import vote_in_clusters
from tcellflow.inference.states.prior_shift import check_shares, estimate_correction, measure_shift
from tcellflow.inference.states.sources import gather_blocks
from tcellflow.inference.states.verdicts import CellEvidence, decide_verdicts, list_prediction_sets

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tcellflow.genes.panel import PanelAlignment
    from tcellflow.inference.states.abstention import Rules
    from tcellflow.inference.states.calls import StateCalls
    from tcellflow.inference.states.clones import CloneCells
    from tcellflow.inference.states.cluster_vote import ClusterVote
    from tcellflow.inference.states.predictor import StatePredictor
    from tcellflow.inference.states.prior_shift import PriorCorrection
    from tcellflow.inference.states.receptor_block import ReceptorBlock
    from tcellflow.inference.states.sources import CellFacts, CellSource
    from tcellflow.inference.states.verdicts import Verdicts
    from tcellflow.io.tables.receptor_vectors import ReceptorVectors
    from tcellflow.provenance import JsonValue

    Progress = Callable[[int, int], None]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class CallOptions:
    """What is asked of a sample's calls beyond the calls.

    Parameters
    ----------
    target_risk
        Accepted share of wrong calls, 0-1; the bundle's default if not given.
    set_coverage
        Coverage of the prediction sets, 0-1; no sets if not given.
    correct_priors
        Whether the class shares are estimated for the sample.
    pool_lineage
        Whether each cell is told the lineage of its clone.
    vote
        Whether similar cells vote.
    """

    target_risk: float | None = None
    set_coverage: float | None = None
    correct_priors: bool = False
    pool_lineage: bool = False
    vote: bool = False


@dataclass(frozen=True)
class SampleCalls:
    """The calls of a sample's B cells and all that was judged with them.

    Parameters
    ----------
    predictor
        What called them, corrected shares included.
    panel
        The bundle's genes within the sample.
    facts
        What was known of the cells beforehand.
    inputs
        Modalities of each call, e.g. ``gex+trb``, shape (B,), object.
    calls
        The calls.
    raw
        The calls before the class shares were corrected; the same as `calls` where they were not.
    rules
        By which calls abstain.
    verdicts
        What is reported.
    clones
        Which cells are one clone.
    shift
        How far the sample lies from the bundle's cells, JSON-ready.
    warnings
        What the user should know.
    correction, vote, lineage_pooled, prediction_sets
        None where not asked for.
    """

    predictor: StatePredictor
    panel: PanelAlignment
    facts: CellFacts
    inputs: NDArray[np.object_]
    calls: StateCalls
    raw: StateCalls
    rules: Rules
    evidence: CellEvidence
    verdicts: Verdicts
    clones: CloneCells
    shift: dict[str, JsonValue]
    warnings: tuple[str, ...]
    correction: PriorCorrection | None = None
    vote: ClusterVote | None = None
    lineage_pooled: NDArray[np.object_] | None = None
    prediction_sets: NDArray[np.object_] | None = None


def call_sample(
    predictor: StatePredictor,
    source: CellSource,
    facts: CellFacts,
    options: CallOptions,
    *,
    vectors: ReceptorVectors | None = None,
    progress: Progress = lambda _done, _total: None,
) -> SampleCalls:
    """Call all cells of a sample.

    Parameters
    ----------
    predictor
        The bundle.
    source
        The cells.
    facts
        What is known of them.
    options
        What is asked.
    vectors
        Receptor vectors of the cells, for bundles that take them.
    progress
        Called with (done, total) cells.

    Returns
    -------
    SampleCalls
        One call per cell, in order.

    Raises
    ------
    InputError
        If the sample measures less than 25 % of the panel, or is not log-normalised.
    OptionsError
        If the bundle cannot do what is asked.
    """
    details = predictor.bundle.states
    rules = choose_rules(details, target_risk=options.target_risk, set_coverage=options.set_coverage)
    if options.correct_priors:  # what cannot be is told before any work is done
        check_shares(details.reliability)
        predictor.weighted(np.ones(7))
    panel = align_panel(source.gene_names, predictor.genes, predictor.bundle.panel.weights)
    warnings = [
        *check_coverage(panel, source, predictor.bundle.description.name),
        *check_library_size(source),
        *check_mapping(predictor.effector_memory_as),
        *check_receptors(predictor, vectors),
    ]
    for warning in warnings:
        _LOG.warning("%s", warning)
    called = _call_blocks(predictor, panel, source, vectors, progress)
    evidence = CellEvidence(facts.is_t_cell, facts.is_doublet, called.n_panel_genes)
    verdicts = decide_verdicts(called.calls, evidence, rules)
    sample = SampleCalls(
        predictor=predictor,
        panel=panel,
        facts=facts,
        inputs=called.inputs,
        calls=called.calls,
        raw=called.calls,
        rules=rules,
        evidence=evidence,
        verdicts=verdicts,
        clones=find_clones(facts.clone_id, verdicts),
        shift=measure_shift(called.calls, verdicts.is_usable | verdicts.is_strange, details.reliability),
        warnings=tuple(warnings),
    )
    if options.correct_priors:
        sample = _correct_priors(sample, source, vectors, progress)
    return _add_what_was_asked(sample, options)


def _correct_priors(
    sample: SampleCalls, source: CellSource, vectors: ReceptorVectors | None, progress: Progress
) -> SampleCalls:
    """Call the cells once more, with the class shares estimated from the first time."""
    usable, n_strange = sample.verdicts.is_usable, int(sample.verdicts.is_strange.sum())
    reliability = sample.predictor.bundle.states.reliability
    correction = estimate_correction(
        sample.raw.state_probabilities[usable],
        reliability,
        threshold=sample.rules.threshold,
        n_strange=n_strange,
    )
    if correction.weights is None:
        refusal = f"the class shares were not corrected: {correction.refusal}"
        _LOG.warning("%s", refusal)
        return replace(sample, correction=correction, warnings=(*sample.warnings, refusal))
    predictor = sample.predictor.weighted(correction.weights)
    calls = _call_blocks(predictor, sample.panel, source, vectors, progress).calls
    return replace(
        sample,
        predictor=predictor,
        calls=calls,
        verdicts=decide_verdicts(calls, sample.evidence, sample.rules),
        correction=correction,
    )


def _add_what_was_asked(sample: SampleCalls, options: CallOptions) -> SampleCalls:
    if options.vote:
        sample = replace(sample, vote=vote_in_clusters(sample.calls, sample.verdicts.is_usable))
    if options.pool_lineage:
        sample = replace(sample, lineage_pooled=pool_lineages(sample.clones, sample.calls))
    if sample.rules.least_probability is not None:
        # the coverage was measured on the bundle's own probabilities
        sets = list_prediction_sets(sample.raw.state_probabilities, sample.rules.least_probability)
        sample = replace(sample, prediction_sets=sets)
    return sample


@dataclass(frozen=True)
class _Called:
    """What one pass over the cells gives."""

    calls: StateCalls
    n_panel_genes: NDArray[np.int64]
    inputs: NDArray[np.object_]


def _call_blocks(
    predictor: StatePredictor,
    panel: PanelAlignment,
    source: CellSource,
    vectors: ReceptorVectors | None,
    progress: Progress,
) -> _Called:
    parts = [predictor.predict(np.zeros((0, predictor.genes.size), np.float32), panel.present)]
    n_panel_genes, inputs = [np.zeros(0, np.int64)], [np.zeros(0, dtype=object)]
    done = 0
    for expression, chains in gather_blocks(panel, source, vectors):
        parts.append(predictor.predict(expression, panel.present, chains))
        n_panel_genes.append(np.count_nonzero(expression, axis=1).astype(np.int64))
        inputs.append(_name_inputs(len(expression), chains))
        done += len(expression)
        progress(done, source.n_obs)
    return _Called(join_calls(parts), np.concatenate(n_panel_genes), np.concatenate(inputs))


def _name_inputs(n_cells: int, chains: ReceptorBlock | None) -> NDArray[np.object_]:
    names = np.full(n_cells, "gex", dtype=object)
    if chains is not None:
        names = names + np.where(chains.has_tra, "+tra", "") + np.where(chains.has_trb, "+trb", "")
    return names
