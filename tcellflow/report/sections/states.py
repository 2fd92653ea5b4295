"""The states section: what was called, how surely, on what evidence, and what was left uncalled.

Invariant: a cell counts as a state only where the state is reported; abstained cells appear as
such, and every share is of the cells that passed the T-cell gate unless it says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.evaluation.intervals import score_interval
from tcellflow.report.listing import count_values, sort_counts
from tcellflow.report.sections.confidence import ConfidenceSection, summarise_confidence
from tcellflow.report.wording import (
    ABSTAIN_MEANINGS,
    ABSTAIN_WORDS,
    EVIDENCE_MEANINGS,
    FUNCTION_WORDS,
    LINEAGE_WORDS,
    STRONG_EVIDENCE,
    write_inputs,
)
from tcellflow.vocabulary import (
    STATE_NOT_T,
    STATE_UNRESOLVED,
    AbstainReason,
    Cycle,
    Evidence,
    Function,
    GeneSide,
    Lineage,
    State,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from tcellflow.contracts.metrics import Metrics

_LINEAGES: Final[dict[str, str]] = {value.value: words for value, words in LINEAGE_WORDS.items()}
_FUNCTIONS: Final[dict[str, str]] = {value.value: words for value, words in FUNCTION_WORDS.items()}
_COLUMNS: Final = (
    "barcode",
    "predicted_state",
    "confidence",
    "model_agreement",
    "state",
    "state_evidence",
    "abstain_reason",
    "is_t_cell",
    "lineage",
    "function",
    "cycle",
    "inputs",
    "panel_coverage",
)


@dataclass(frozen=True)
class StateRow:
    """One state.

    Parameters
    ----------
    state
        Its name in the files.
    n_cells
        Cells reported as this state.
    low, high
        95 % interval of their share of the T cells, 0-1; None without T cells.
    expected
        Mean probability of the state over the T cells, 0-1; None where metrics.json is not given.
    evidence
        Kind of truth the class was learnt from; None where neither cells nor bundle say.
    meaning
        What that kind means.
    is_strong
        Whether the truth was measured on cells rather than taken from markers or a model.
    """

    state: str
    n_cells: int
    low: float | None
    high: float | None
    expected: float | None
    evidence: Evidence | None
    meaning: str
    is_strong: bool


@dataclass(frozen=True)
class ReasonRow:
    """Why cells got no state.

    Parameters
    ----------
    reason
        The reason in words.
    n_cells
        How many.
    meaning
        What it means.
    """

    reason: str
    n_cells: int
    meaning: str


@dataclass(frozen=True)
class AxisTable:
    """Reported cells by lineage and function.

    Parameters
    ----------
    functions
        Column names, only those that occur.
    rows
        Lineage and its counts per function; only lineages that occur.
    totals
        Cells per function.
    """

    functions: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    totals: tuple[int, ...]

    @property
    def largest(self) -> int:
        """The fullest entry of the table, at least 1."""
        return max((number for _, numbers in self.rows for number in numbers), default=1) or 1


@dataclass(frozen=True)
class GenesOfState:
    """The genes that were named behind most calls of one state.

    Parameters
    ----------
    state
        Its name in the files.
    speak_for, speak_against
        Genes, most frequent first.
    """

    state: str
    speak_for: tuple[str, ...]
    speak_against: tuple[str, ...]


@dataclass(frozen=True)
class AbstentionRule:
    """When a call abstains for low confidence.

    Parameters
    ----------
    threshold
        Confidence below which no state is reported, 0-1; None if unknown.
    target_risk
        Share of wrong calls it aims at, 0-1; None if unknown.
    dataset
        Data set on which it was set; empty if unknown.
    """

    threshold: float | None
    target_risk: float | None
    dataset: str


@dataclass(frozen=True)
class CallSection:
    """Everything the states section shows.

    Parameters
    ----------
    n_cells
        Cells in the predictions table.
    n_t_cells
        Cells that passed the T-cell gate.
    n_reported, n_unresolved
        T cells with and without a reported state.
    n_cycling
        Reported cells that are cycling.
    states, reasons
        Rows of the tables.
    axes
        Lineage by function.
    confidence
        How sure the calls are.
    abstention
        When calls abstain.
    classes
        Finest classes of the bundle with their T cells, largest first; empty where it has none.
    inputs
        Which data the calls used, in words, with cells.
    coverage
        Weighted share of the bundle's genes that the sample measured; None if unknown.
    shift
        Distance of the sample from the bundle's cells, 0-1; None if unknown.
    discord
        Share of T cells on which network and marker genes disagree, 0-1; None where a network decides alone.
    whole
        Names and values about the sample as a whole.
    genes
        Genes behind the calls; empty where they were not asked for.
    """

    n_cells: int
    n_t_cells: int
    n_reported: int
    n_unresolved: int
    n_cycling: int
    states: tuple[StateRow, ...]
    reasons: tuple[ReasonRow, ...]
    axes: AxisTable
    confidence: ConfidenceSection
    abstention: AbstentionRule
    classes: tuple[tuple[str, int], ...]
    inputs: tuple[tuple[str, int], ...]
    coverage: float | None
    shift: float | None
    discord: float | None
    whole: tuple[tuple[str, str], ...]
    genes: tuple[GenesOfState, ...]


def summarise_calls(predictions: pa.Table, metrics: Metrics | None = None) -> CallSection:
    """Summarise the calls of states of one sample for the report: counts, tables and figures.

    Parameters
    ----------
    predictions
        Table of the contract `PREDICTIONS`.
    metrics
        Figures of the same run; None without metrics.json.
    """
    cells = predictions.select(list(_COLUMNS)).to_pandas()
    passed = cells["state"] != STATE_NOT_T
    rule = AbstentionRule(None, None, "")
    if metrics:
        asked = metrics.abstention
        rule = AbstentionRule(asked.threshold, asked.target_risk, asked.dataset)
    reported = cells.loc[cells["state"].isin(list(State))]
    return CallSection(
        n_cells=len(cells),
        n_t_cells=int(passed.sum()),
        n_reported=len(reported),
        n_unresolved=int((cells["state"] == STATE_UNRESOLVED).sum()),
        n_cycling=int((reported["cycle"] == Cycle.CYCLING).sum()),
        states=_tell_states(cells, metrics, int(passed.sum())),
        reasons=_tell_reasons(cells),
        axes=_cross_axes(reported),
        confidence=summarise_confidence(predictions, cells, passed, rule.threshold),
        abstention=rule,
        classes=sort_counts(metrics.latent_classes) if metrics else (),
        inputs=tuple((write_inputs(used), n) for used, n in count_values(cells["inputs"])),
        coverage=_read_coverage(cells),
        shift=metrics.shift.score if metrics else None,
        discord=metrics.shift.parts if metrics else None,
        whole=_tell_whole_sample(metrics) if metrics else (),
        genes=_tell_genes_of_states(metrics) if metrics else (),
    )


def _tell_whole_sample(metrics: Metrics) -> tuple[tuple[str, str], ...]:
    """Tell distance from the bundle's cells, corrected shares and votes: what was asked for and measured."""
    rows = []
    distances = {
        "how strange the cells are": metrics.shift.ood,
        "how sure the calls are": metrics.shift.confidence,
        "shares of the states": metrics.shift.states,
    }
    told = [f"{words} {value:.2f}" for words, value in distances.items() if value is not None]
    if told:
        dataset = metrics.shift.dataset or "the bundle's cells"
        rows.append((f"Distance from {dataset} (0 alike, 1 apart)", ", ".join(told)))
    if metrics.prior_correction and metrics.prior_correction.shares:
        shares = metrics.prior_correction.shares
        told = [f"{state} {100 * shares[state]:.1f} %" for state in State if state in shares]
        rows.append(("Shares of the states, estimated; the calls are corrected by them", ", ".join(told)))
    if metrics.voted_states and metrics.n_clusters:
        told = [f"{state} {number:,}" for state, number in sort_counts(metrics.voted_states) if number]
        rows.append(
            (f"States after a vote in {metrics.n_clusters:,} groups of similar cells", ", ".join(told))
        )
    return tuple(rows)


def _tell_genes_of_states(metrics: Metrics) -> tuple[GenesOfState, ...]:
    """Tell which genes spoke for and against the calls of each state; empty where none were asked for."""
    genes = metrics.frequent_genes or {}
    return tuple(
        GenesOfState(state, genes[state].get(GeneSide.FOR, ()), genes[state].get(GeneSide.AGAINST, ()))
        for state in State
        if state in genes
    )


def _read_coverage(cells: pd.DataFrame) -> float | None:
    values = cells["panel_coverage"].dropna().to_numpy(np.float64)
    return float(values[0]) if len(values) and (values == values[0]).all() else None


def _tell_states(cells: pd.DataFrame, metrics: Metrics | None, n_t_cells: int) -> tuple[StateRow, ...]:
    rows = []
    means = (metrics.mean_state_probabilities if metrics else None) or {}
    for state in State:
        # The cells' own column speaks first; the bundle's list fills in for classes without a cell.
        kinds = [*cells.loc[cells["predicted_state"] == state, "state_evidence"].dropna().unique()]
        if metrics and state in metrics.bundle.evidence:
            kinds.append(metrics.bundle.evidence[state])
        evidence = Evidence(kinds[0]) if kinds else None
        n_cells = int((cells["state"] == state).sum())
        low, high = score_interval(n_cells, n_t_cells) if n_t_cells else (None, None)
        rows.append(
            StateRow(
                state=state,
                n_cells=n_cells,
                low=low,
                high=high,
                expected=means.get(state),
                evidence=evidence,
                meaning=EVIDENCE_MEANINGS[evidence] if evidence else "",
                is_strong=evidence in STRONG_EVIDENCE,
            )
        )
    return tuple(rows)


def _tell_reasons(cells: pd.DataFrame) -> tuple[ReasonRow, ...]:
    return tuple(
        ReasonRow(ABSTAIN_WORDS[AbstainReason(reason)], count, ABSTAIN_MEANINGS[AbstainReason(reason)])
        for reason, count in count_values(cells["abstain_reason"])
    )


def _cross_axes(reported: pd.DataFrame) -> AxisTable:
    lineages = reported["lineage"].fillna("").to_numpy(object)
    functions = reported["function"].fillna("").to_numpy(object)
    shown_functions = [f for f in (*Function, "") if (functions == f).any()]
    shown_lineages = [name for name in (*Lineage, "") if (lineages == name).any()]
    rows = tuple(
        (
            _name(lineage, _LINEAGES),
            tuple(int(((lineages == lineage) & (functions == f)).sum()) for f in shown_functions),
        )
        for lineage in shown_lineages
    )
    return AxisTable(
        functions=tuple(_name(f, _FUNCTIONS) for f in shown_functions),
        rows=rows,
        totals=tuple(int((functions == f).sum()) for f in shown_functions),
    )


def _name(value: str, words: dict[str, str]) -> str:
    return words.get(value) or value or "not called"
