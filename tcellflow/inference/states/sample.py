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
from tcellflow.inference.states.abstention import choose_rules, decide_verdicts, list_prediction_sets
from tcellflow.inference.states.checks import check_coverage, check_library_size, check_molecules
from tcellflow.inference.states.clones import find_clones, pool_lineages
from tcellflow.inference.states.confidence import choose_least_probability, measure_sample
from tcellflow.inference.states.prior_shift import check_shares, estimate_correction, measure_shift
from tcellflow.states.axes import STATES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.genes.panel import PanelAlignment
    from tcellflow.inference.states.abstention import Rules, Verdicts
    from tcellflow.inference.states.calls import StateCalls
    from tcellflow.inference.states.clones import CloneCells
    from tcellflow.inference.states.options import CallOptions
    from tcellflow.inference.states.predictor import Progress, StatePredictor
    from tcellflow.inference.states.prior_shift import PriorCorrection
    from tcellflow.inference.states.sources import CellFacts, CellSource
    from tcellflow.io.tables.receptor_vectors import ReceptorVectors
    from tcellflow.provenance import JsonValue
    from tcellflow.states.trust import Discord

_LOG = logging.getLogger(__name__)


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
    n_panel_genes
        Genes of the panel with any expression, shape (B,).
    verdicts
        What is reported.
    clones
        Which cells are one clone.
    programmes
        In the order of `Programme`, 0-1, shape (B, P), float32; NaN = not measurable, or no T cell.
    shift
        How far the sample lies from the bundle's cells, JSON-ready.
    warnings
        What the user should know.
    correction, lineage_pooled, prediction_sets
        None where not asked for.
    """

    predictor: StatePredictor
    panel: PanelAlignment
    facts: CellFacts
    inputs: NDArray[np.object_]
    calls: StateCalls
    raw: StateCalls
    rules: Rules
    n_panel_genes: NDArray[np.int64]
    verdicts: Verdicts
    clones: CloneCells
    programmes: NDArray[np.float32]
    shift: dict[str, JsonValue]
    warnings: tuple[str, ...]
    correction: PriorCorrection | None = None
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
    """Call the states of all cells of a sample, block by block, then judge them together.

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
        predictor.check_weighable()
    panel = align_panel(source.gene_names, predictor.genes, predictor.bundle.panel.weights)
    warnings = [
        *check_coverage(panel, source, predictor.bundle.description.name),
        *check_library_size(source),
        *check_molecules(source),
        *_tell_gate(predictor),
        *_tell_unused_input(predictor, vectors),
    ]
    for warning in warnings:
        _LOG.warning("%s", warning)
    called = predictor.call_cells(source, panel, vectors, chains=facts.receptors, progress=progress)
    calls, discord = called.calls, None
    if predictor.reads_programmes:
        is_single = facts.is_t_cell & ~facts.is_doublet & (called.n_panel_genes > 0)
        discord = measure_sample(calls.agrees[is_single], calls.state_probabilities[is_single])
        calls = calls.in_sample(discord)
        if options.set_coverage is not None:
            least = choose_least_probability(options.set_coverage, discord.sample)
            rules = replace(rules, least_probability=least)
    verdicts = decide_verdicts(calls, facts, called.n_panel_genes, rules)
    sample = SampleCalls(
        predictor=predictor,
        panel=panel,
        facts=facts,
        inputs=called.inputs,
        calls=calls,
        raw=calls,
        rules=rules,
        n_panel_genes=called.n_panel_genes,
        verdicts=verdicts,
        clones=find_clones(facts.clone_id, verdicts),
        # NK and myeloid cells show programmes that are not theirs
        programmes=np.where(facts.is_t_cell[:, None], called.programmes, np.float32(np.nan)),
        shift=measure_shift(
            calls.ood_score,
            called.network_states,
            verdicts.is_usable | verdicts.is_ood,
            details.reliability,
        )
        | _tell_discord(discord),
        warnings=tuple(warnings),
    )
    if options.correct_priors:
        sample = _correct_priors(sample, source, vectors, progress)
    return _add_what_was_asked(sample, options)


def _tell_discord(discord: Discord | None) -> dict[str, JsonValue]:
    if discord is None:
        return {"parts": None, "parts_by_state": None}
    by_state: dict[str, JsonValue] = {
        str(state): round(float(of), 6) for state, of in zip(STATES, discord.by_state, strict=True)
    }
    return {"parts": round(discord.sample, 6), "parts_by_state": by_state}


def _correct_priors(
    sample: SampleCalls, source: CellSource, vectors: ReceptorVectors | None, progress: Progress
) -> SampleCalls:
    """Call the cells once more, with the class shares estimated from the first time."""
    usable, n_ood = sample.verdicts.is_usable, int(sample.verdicts.is_ood.sum())
    reliability = sample.predictor.bundle.states.reliability
    correction = estimate_correction(
        sample.raw.state_probabilities[usable],
        reliability,
        threshold=sample.rules.threshold,
        n_ood=n_ood,
    )
    if correction.weights is None:
        refusal = f"the class shares were not corrected: {correction.refusal}"
        _LOG.warning("%s", refusal)
        return replace(sample, correction=correction, warnings=(*sample.warnings, refusal))
    predictor = sample.predictor.weighted(correction.weights)
    calls = predictor.call_cells(source, sample.panel, vectors, progress=progress).calls
    return replace(
        sample,
        predictor=predictor,
        calls=calls,
        verdicts=decide_verdicts(calls, sample.facts, sample.n_panel_genes, sample.rules),
        correction=correction,
    )


def _add_what_was_asked(sample: SampleCalls, options: CallOptions) -> SampleCalls:
    if options.pool_lineage:
        sample = replace(sample, lineage_pooled=pool_lineages(sample.clones, sample.calls))
    if sample.rules.least_probability is not None:
        # the coverage was measured on probabilities that nothing corrected
        sets = list_prediction_sets(sample.raw.state_probabilities, sample.rules.least_probability)
        sample = replace(sample, prediction_sets=sets)
    return sample


def _tell_gate(predictor: StatePredictor) -> list[str]:
    """Tell that trust was not measured where the gates tell Effector."""
    if predictor.effector_by != "gate":
        return []
    return [
        (
            "trust in calls was measured where the cytotoxic programme tells Effector: with --effector-by "
            "gate the share of wrong calls may differ from the target risk"
        )
    ]


def _tell_unused_input(predictor: StatePredictor, vectors: ReceptorVectors | None) -> list[str]:
    """Tell that a bundle could use receptors but gets none."""
    if predictor.receptor_input is None or vectors is not None:
        return []
    return [
        (
            f"the bundle {predictor.bundle.description.name} can use receptors, but none were given "
            "(--receptors and --embeddings): every state comes from expression alone"
        )
    ]
