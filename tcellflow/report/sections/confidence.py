"""How sure the calls are: distributions of confidence, per state, and the least sure cells.

Invariant: confidence is shown for the cells that passed the T-cell gate, unresolved ones
included, so that abstaining cannot make a sample look surer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.report.figures import Histogram, Threshold
from tcellflow.report.wording import ABSTAIN_WORDS, NOTHING
from tcellflow.vocabulary import STATE_UNRESOLVED, AbstainReason, State

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

HIGH_CONFIDENCE: Final = 0.9
LOW_CONFIDENCE: Final = 0.5
_BINS: Final = 20
_LEAST_SHOWN: Final = 20
_QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class ConfidenceRow:
    """Confidence of the cells whose most probable state is this one.

    Parameters
    ----------
    state
        Name of the state.
    n_cells
        Cells, abstained ones included.
    n_unresolved
        Of these, left unresolved.
    mean
        Mean confidence.
    quantiles
        5th, 25th, 50th, 75th and 95th percentile.
    """

    state: str
    n_cells: int
    n_unresolved: int
    mean: float
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class UnsureCell:
    """One of the least confident cells.

    Parameters
    ----------
    barcode
        The cell.
    first, second
        Most and second most probable state.
    p_first, p_second
        Their probabilities.
    confidence
        How sure the call is.
    outcome
        The state reported, or why there is none.
    """

    barcode: str
    first: str
    p_first: float
    second: str
    p_second: float
    confidence: float
    outcome: str


@dataclass(frozen=True)
class ConfidenceSection:
    """Everything the page shows about confidence.

    Parameters
    ----------
    n_cells
        T cells with a confidence.
    n_high, n_low
        Of these, above 0.9 and below 0.5.
    mean
        Their mean; None without cells.
    rows
        One per most probable state that occurs.
    least_sure
        The cells with the lowest confidence, ties in input order.
    histogram
        Confidence of all cells.
    agreement
        Agreement of the ensemble; None for a single model.
    """

    n_cells: int
    n_high: int
    n_low: int
    mean: float | None
    rows: tuple[ConfidenceRow, ...]
    least_sure: tuple[UnsureCell, ...]
    histogram: Histogram
    agreement: Histogram | None


def summarise_confidence(
    predictions: pa.Table, cells: pd.DataFrame, passed: pd.Series, threshold: float | None = None
) -> ConfidenceSection:
    """Summarise the confidence of the calls for the report.

    Parameters
    ----------
    predictions
        Table of the contract ``predictions/1``.
    cells
        Its columns predicted_state, confidence, model_agreement, state, abstain_reason and barcode.
    passed
        Bool per row: the cell passed the T-cell gate.
    threshold
        Confidence below which no state is reported; None if unknown.

    Returns
    -------
    ConfidenceSection
        Counts, rows and figures.
    """
    scored = cells.loc[passed & cells["confidence"].notna() & cells["predicted_state"].notna()]
    values = scored["confidence"].to_numpy(np.float64)
    return ConfidenceSection(
        n_cells=len(scored),
        n_high=int((values > HIGH_CONFIDENCE).sum()),
        n_low=int((values < LOW_CONFIDENCE).sum()),
        mean=float(values.mean()) if len(values) else None,
        rows=_tell_confidences(scored),
        least_sure=_find_least_sure(predictions, scored),
        histogram=replace(
            _count_shares(values, "confidence", "Confidence of the most probable state"),
            thresholds=()
            if threshold is None
            else (Threshold(threshold, f"unresolved below {threshold:g}"),),
        ),
        agreement=_count_agreement(scored),
    )


def _tell_confidences(scored: pd.DataFrame) -> tuple[ConfidenceRow, ...]:
    rows = []
    for state in State:
        of_state = scored.loc[scored["predicted_state"] == state]
        values = of_state["confidence"].to_numpy(np.float64)
        if not len(values):
            continue
        rows.append(
            ConfidenceRow(
                state=state,
                n_cells=len(values),
                n_unresolved=int((of_state["state"] == STATE_UNRESOLVED).sum()),
                mean=float(values.mean()),
                quantiles=tuple(float(q) for q in np.quantile(values, _QUANTILES)),
            )
        )
    return tuple(rows)


def _find_least_sure(predictions: pa.Table, scored: pd.DataFrame) -> tuple[UnsureCell, ...]:
    order = np.argsort(scored["confidence"].to_numpy(), kind="stable")[:_LEAST_SHOWN]
    rows = scored.index.to_numpy()[order]
    probabilities = (
        predictions.select([f"prob_{state}" for state in State]).take(rows).to_pandas().to_numpy(np.float64)
    )
    names = list(State)
    cells: list[UnsureCell] = []
    for row, values in zip(rows, np.nan_to_num(probabilities, nan=-1.0), strict=True):
        cell = scored.loc[row]
        others, first = values.copy(), names.index(State(cell["predicted_state"]))
        others[first] = -1.0
        second = int(others.argmax())
        is_reported = cell["state"] in names
        cells.append(
            UnsureCell(
                barcode=str(cell["barcode"]),
                first=str(cell["predicted_state"]),
                p_first=float(values[first]) if values[first] >= 0 else float("nan"),
                second=names[second] if others[second] >= 0 else NOTHING,
                p_second=float(others[second]) if others[second] >= 0 else float("nan"),
                confidence=float(cell["confidence"]),
                outcome="reported" if is_reported else _tell_outcome(cell["abstain_reason"]),
            )
        )
    return tuple(cells)


def _tell_outcome(reason: object) -> str:
    words = f": {ABSTAIN_WORDS[AbstainReason(reason)]}" if isinstance(reason, str) else ""
    return f"unresolved{words}"


def _count_shares(values: np.ndarray, name: str, title: str) -> Histogram:
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    counts, _ = np.histogram(values, edges)
    return Histogram(
        name=name,
        title=title,
        unit=f"{name} (T cells)",
        edges=tuple(float(e) for e in edges),
        counts=tuple(int(c) for c in counts),
        percent=True,
    )


def _count_agreement(scored: pd.DataFrame) -> Histogram | None:
    values = scored["model_agreement"].dropna().to_numpy(np.float64)
    if not len(values):
        return None
    return _count_shares(values, "agreement", "Share of ensemble members that agree")
