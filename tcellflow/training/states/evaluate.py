"""`evaluate`: labelled cells and a bundle in, the figures of a bundle's card out; free of torch.

Invariant: calls are those that `predict` makes of the same cells; which are T cells is taken from labels.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tcellflow.errors import InputError, OptionsError
from tcellflow.evaluation.calls import measure_calls, measure_reported, measure_states
from tcellflow.genes.panel import align_panel
from tcellflow.inference.states.abstention import choose_rules, decide_verdicts
from tcellflow.inference.states.checks import check_coverage, check_library_size, check_molecules
from tcellflow.inference.states.confidence import measure_sample
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.inference.states.sources import CellFacts, MatrixCells
from tcellflow.states.axes import STATES
from tcellflow.training.cohorts.cells import read_cohort, take_cells
from tcellflow.training.cohorts.manifest import read_manifest
from tcellflow.vocabulary import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from scipy import sparse

    from tcellflow.training.cohorts.cells import Cohort
    from tcellflow.training.cohorts.manifest import CohortEntry

_LOG = logging.getLogger(__name__)
_COUNTS_PER_CELL: Final = 10_000
FIGURES_VERSION: Final = "evaluation/1"


@dataclass(frozen=True)
class EvaluateStatesOptions:
    """What to judge, and by which cells.

    Parameters
    ----------
    manifest
        YAML file of cohorts, as for training.
    bundle
        Name or folder of a states bundle.
    cohorts
        Names of the cohorts to judge by; none = all that have labels.
    ensemble
        Whether the bundle's ensemble is judged.
    target_risk
        Accepted share of wrong calls; None = the bundle's default.
    threads
        CPU threads.
    """

    manifest: Path
    bundle: str = "states"
    cohorts: frozenset[str] = frozenset()
    ensemble: bool = False
    target_risk: float | None = None
    threads: int | None = None


def evaluate_states(
    options: EvaluateStatesOptions, *, on_cohort: Callable[[int, int], None] = lambda _done, _total: None
) -> dict[str, Any]:
    """Measure the figures of a states bundle on labelled cells.

    Parameters
    ----------
    options
        What to judge.
    on_cohort
        Called with (cohorts done, cohorts in all).

    Returns
    -------
    dict
        JSON-ready: bundle, target risk and, for each cohort, figures of the calls, of each state, of what is
        reported, and of the network alone.

    Raises
    ------
    InputError
        If the manifest or a cohort cannot be used, or no T cell of a cohort has a label of one state.
    OptionsError
        If a named cohort is not in the manifest, or the bundle cannot keep the risk.
    BundleError
        If there is no such bundle, or it has another task.
    """
    entries = _choose_cohorts(read_manifest(options.manifest), options.cohorts)
    predictor = StatePredictor(
        options.bundle, threads=options.threads, device="cpu", ensemble=options.ensemble
    )
    description = predictor.bundle.description
    rules = choose_rules(predictor.bundle.states, target_risk=options.target_risk)
    learnt = {str(c.get("name")) for c in description.document.get("training", ()) if isinstance(c, dict)}
    found = []
    for done, entry in enumerate(entries):
        cohort = _take_labelled(read_cohort(entry))
        if entry.name in learnt:
            _LOG.warning(
                "%s learnt from a cohort called %s: figures of cells learnt from are no measurement",
                description.name, entry.name,
            )  # fmt: skip
        figures = _judge(predictor, cohort, options)
        found.append({"cohort": entry.name, "was_learnt_from": entry.name in learnt, **figures})
        on_cohort(done + 1, len(entries))
    return {
        "contract": FIGURES_VERSION,
        "bundle": {
            "name": description.name, "version": description.version, "sha256": predictor.bundle.sha256,
        },
        "ensemble": options.ensemble,
        "target_risk": rules.target_risk,
        "cohorts": found,
    }  # fmt: skip


def _choose_cohorts(entries: Sequence[CohortEntry], asked: frozenset[str]) -> list[CohortEntry]:
    unknown = sorted(asked - {entry.name for entry in entries})
    if unknown:
        raise OptionsError(
            f"no cohort is called {', '.join(unknown)}",
            where="--cohort",
            mend="name cohorts of the manifest: " + ", ".join(entry.name for entry in entries),
        )
    chosen = [entry for entry in entries if entry.name in asked or not asked]
    usable = [entry for entry in chosen if entry.counts is not None and entry.labels]
    left_out = [entry.name for entry in chosen if entry not in usable]
    if asked and left_out:
        raise OptionsError(
            f"{', '.join(left_out)} cannot be judged: it has no counts, or no labels",
            where="--cohort",
            mend="name cohorts with counts and labels",
        )
    if not usable:
        raise OptionsError(
            "no cohort of the manifest has counts and labels",
            where="--manifest",
            mend="name a matrix under 'counts' and a column with its map under 'labels'",
        )
    return usable


def _take_labelled(cohort: Cohort) -> Cohort:
    """Take the T cells of which somebody but a teacher told one state."""
    truth = cohort.truth
    rows = np.flatnonzero(truth.is_t & (truth.state != "") & (truth.evidence != Evidence.TEACHER))
    if not rows.size:
        raise InputError(
            f"no T cell of {cohort.entry.name} has a label that stands for one state",
            where=cohort.entry.cells or cohort.entry.counts or cohort.entry.name,
            mend="map labels to one of " + ", ".join(STATES) + " (state: Naive), or to function and cycle",
        )
    return take_cells(cohort, rows)


def _judge(predictor: StatePredictor, cohort: Cohort, options: EvaluateStatesOptions) -> dict[str, Any]:
    source = MatrixCells(_normalise(cohort), cohort.symbols, cohort.library)
    panel = align_panel(source.gene_names, predictor.genes, predictor.bundle.panel.weights)
    for warning in (
        *check_coverage(panel, source, predictor.bundle.description.name),
        *check_library_size(source),
        *check_molecules(source),
    ):
        _LOG.warning("%s", warning)
    called = predictor.call_cells(source, panel)
    calls = called.calls
    if predictor.reads_programmes:
        calls = calls.in_sample(measure_sample(calls.agrees, calls.state_probabilities))
    n_cells = len(calls)
    nothing = np.full(n_cells, None, dtype=object)
    facts = CellFacts(cohort.cell_ids, nothing, nothing, np.ones(n_cells, bool), np.zeros(n_cells, bool))
    rules = choose_rules(predictor.bundle.states, target_risk=options.target_risk)
    is_reported = ~decide_verdicts(calls, facts, called.n_panel_genes, rules).is_abstained
    names = np.array([str(state) for state in STATES], dtype=object)
    truth = np.array([str(state) for state in cohort.truth.state], dtype=object)
    states = np.array([str(state) for state in calls.predicted_state], dtype=object)
    of_network = names[called.network_states.argmax(axis=1)]
    return {
        "calls": measure_calls(truth, states, calls.confidence),
        "reported": measure_reported(truth, states, is_reported),
        "states": measure_states(truth, states, list(names)),
        "network": measure_calls(truth, of_network, called.network_states.max(axis=1)),
    }


def _normalise(cohort: Cohort) -> sparse.csr_matrix:
    logs = cohort.counts.copy()
    logs.data *= np.repeat(_COUNTS_PER_CELL / cohort.library, np.diff(logs.indptr)).astype(np.float32)
    np.log1p(logs.data, out=logs.data)
    return logs


def write_figures(document: dict[str, Any]) -> str:
    """Write the figures of a states bundle as text, in Markdown."""
    bundle = document["bundle"]
    lines = [
        f"# {bundle['name']} {bundle['version']} on labelled cells",
        "",
        (
            f"States as `predict` calls them, of cells that the labels name T cells. Target risk "
            f"{document['target_risk']:g}. In brackets: 95 % of cells drawn anew."
        ),
        "",
        "| cohort | cells | accuracy | macro-F1 | calibration error | reported | wrong of these |",
        "|---|---|---|---|---|---|---|",
    ]
    for found in document["cohorts"]:
        calls, reported = found["calls"], found["reported"]
        lines.append(
            f"| {found['cohort']} | {calls['cells']:,} | {_interval(calls['accuracy'])} "
            f"| {_interval(calls['macro_f1'])} | {calls['calibration_error']:.3f} "
            f"| {_share(reported['coverage'])} | {_share(reported['risk'])} |"
        )
    for found in document["cohorts"]:
        lines += ["", *_tell_cohort(found)]
    return "\n".join(lines) + "\n"


def _tell_cohort(found: dict[str, Any]) -> list[str]:
    lines = [f"## {found['cohort']}", ""]
    if found["was_learnt_from"]:
        lines += ["**The bundle learnt from a cohort of this name: this is no measurement.**", ""]
    lines += ["| state | cells | called | precision | recall | F1 | its cells were called |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for row in found["states"]:
        shown = ", ".join(f"{state} {n:,}" for state, n in row["called_as"].items())
        figures = " | ".join("" if row[k] is None else f"{row[k]:.3f}" for k in ("precision", "recall", "f1"))
        lines.append(f"| {row['state']} | {row['cells']:,} | {row['called']:,} | {figures} | {shown} |")
    network = found["network"]
    lines += [
        "",
        (
            f"The network alone, as on the bundle's card: macro-F1 {_interval(network['macro_f1'])}, "
            f"calibration error {network['calibration_error']:.3f}."
        ),
        "",
        "| confidence of at least | coverage | risk |",
        "|---|---|---|",
    ]
    curve = [point for point in found["calls"]["curve"] if round(point["threshold"] * 100) % 10 == 0]
    lines += [f"| {p['threshold']:g} | {_share(p['coverage'])} | {_share(p['risk'])} |" for p in curve]
    return lines


def _interval(values: list[float]) -> str:
    return f"{values[0]:.3f} ({values[1]:.3f}-{values[2]:.3f})"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
