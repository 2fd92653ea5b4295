"""The section of RNA against protein: what each tells of the states, and how well they agree.

Invariant: levels are those that fuse wrote; where no protein was measured the section says that expression
alone tells them. Shares and medians are over the cells drawn, whose number is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.report.heat import HeatMap
from tcellflow.report.maps.cell_map import OUTCOMES
from tcellflow.report.maps.scatter import colour_class
from tcellflow.report.ridges import Ridges, shape_ridge
from tcellflow.report.wording import name_protein

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from tcellflow.contracts.fuse import Fuse
    from tcellflow.io.tables.fused_cells import FusedCells

_RIDGES_SHOWN: Final = 9
_PROTEINS_SHOWN: Final = 40
_LABELS_SHOWN: Final = 15
_FEWEST: Final = 3  # cells for which a correlation is told
_QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class WeightRow:
    """How much expression weighs in the vectors of one state's cells.

    Parameters
    ----------
    state
        Its name in the files.
    n_cells
        Cells with expression and proteins.
    quantiles
        The 5th, 25th, 50th, 75th and 95th percentiles of the weight of expression, 0-1.
    """

    state: str
    n_cells: int
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class Agreement:
    """How well expression tells the measured level of a protein.

    Parameters
    ----------
    protein
        Its name.
    correlation
        Pearson's, over cells; None where one side does not vary.
    measured, expected
        Mean levels, measured and as expression tells them.
    foreground
        Share of cells above background, 0-1: mean probability; None where not told.
    """

    protein: str
    correlation: float | None
    measured: float
    expected: float
    foreground: float | None


@dataclass(frozen=True)
class FusionSection:
    """Everything the section shows.

    Parameters
    ----------
    n_cells, n_drawn
        Cells of the sample, and those that are drawn here.
    is_measured
        Whether levels of proteins were measured.
    n_proteins
        Proteins with a level.
    weights
        Weight of expression by state; empty without cells that have both.
    ridges
        The proteins that tell the states apart best.
    levels
        Median level of each protein in each state; None without predictions or proteins.
    agreement
        Expression against measurement, best agreement first.
    labels
        Labels of the fusion bundle against states; None without labels or predictions.
    n_labelled
        Drawn cells with a label.
    unused
        Antibodies that were not used, with the reason.
    """

    n_cells: int
    n_drawn: int
    is_measured: bool
    n_proteins: int
    weights: tuple[WeightRow, ...]
    ridges: tuple[Ridges, ...]
    levels: HeatMap | None
    agreement: tuple[Agreement, ...]
    labels: HeatMap | None
    n_labelled: int
    unused: tuple[tuple[str, str], ...]


def summarise_fusion(
    fused: FusedCells | None, predictions: pa.Table | None, account: Fuse | None
) -> FusionSection | None:
    """Summarise what fuse wrote for the report; None where it did not run.

    Parameters
    ----------
    fused
        What it says of cells.
    predictions
        Table of the contract `PREDICTIONS`: states to group cells by; None = all cells are one group.
    account
        Its figures; None without fuse.json.
    """
    if fused is None:
        return None
    states = _find_states(fused, predictions)
    shown = [outcome for outcome in OUTCOMES if (states == outcome).any()]
    told = np.asarray(np.isfinite(fused.levels).any(axis=0))
    order = [i for i in rank_proteins(fused, predictions) if told[i]]
    return FusionSection(
        n_cells=fused.n_cells,
        n_drawn=len(fused.cell_ids),
        is_measured=fused.is_measured,
        n_proteins=int(told.sum()),
        weights=_tell_weights(fused, states, shown),
        ridges=tuple(
            ridges for i in order[:_RIDGES_SHOWN] if (ridges := _draw_protein(fused, i, states, shown))
        ),
        levels=_tell_levels(fused, order[:_PROTEINS_SHOWN], states, shown),
        agreement=_compare(fused),
        labels=_cross_labels(fused, states, shown),
        n_labelled=sum(label is not None for label in fused.labels),
        unused=_tell_unused(account, [name_protein(fused.proteins[i]) for i in np.flatnonzero(~told)]),
    )


def _find_states(fused: FusedCells, predictions: pa.Table | None) -> NDArray[np.object_]:
    if predictions is None:
        return np.full(len(fused.cell_ids), "", object)
    calls: pd.Series = predictions.select(["barcode", "state"]).to_pandas().set_index("barcode")["state"]
    return np.asarray(calls.reindex(fused.cell_ids).fillna("").to_numpy(object))


def _tell_weights(fused: FusedCells, states: NDArray[np.object_], shown: list[str]) -> tuple[WeightRow, ...]:
    # A cell without one of the two has a weight of 0 or 1 by definition: that is no finding.
    has_both = (fused.w_rna > 0) & (fused.w_rna < 1)
    rows = []
    for state in shown:
        weights = fused.w_rna[(states == state) & has_both]
        if len(weights):
            rows.append(WeightRow(state, len(weights), tuple(np.quantile(weights, _QUANTILES).tolist())))
    return tuple(rows)


def rank_proteins(fused: FusedCells, predictions: pa.Table | None) -> list[int]:
    """Order proteins for the report: first those whose variance lies between states rather than inside."""
    states = _find_states(fused, predictions)
    groups = [states == state for state in sorted(set(states) - {""})]
    scores = []
    for column in fused.levels.T.astype(np.float64):
        known = np.isfinite(column)
        total = column[known].var() * known.sum() if known.any() else 0.0
        inside = sum(
            column[known & group].var() * (known & group).sum() for group in groups if (known & group).any()
        )
        scores.append(1 - inside / total if total > 0 else 0.0)
    return sorted(range(len(scores)), key=lambda i: (-scores[i], i))


def _draw_protein(fused: FusedCells, i: int, states: NDArray[np.object_], shown: list[str]) -> Ridges | None:
    values = fused.levels[:, i]
    known = values[np.isfinite(values)]
    if not len(known) or not shown:
        return None
    # The uppermost thousandth of the cells would squeeze all others together.
    high = max(float(np.quantile(known, 0.999)), 0.1)
    groups = [values[states == state] for state in shown]
    medians = tuple(
        float(np.median(told)) if len(told := group[np.isfinite(group)]) else None for group in groups
    )
    return Ridges(
        name=f"ridge{i}",
        title=name_protein(fused.proteins[i]),
        unit="log1p counts above background" if fused.is_measured else "log1p counts told by expression",
        low=0.0,
        high=high,
        rows=tuple(
            shape_ridge(state, colour_class(state), group, 0.0, high)
            for state, group in zip(shown, groups, strict=True)
        ),
        medians=medians,
    )


def _tell_levels(
    fused: FusedCells, order: list[int], states: NDArray[np.object_], shown: list[str]
) -> HeatMap | None:
    if not shown or not order:
        return None
    means = np.full((len(order), len(shown)), np.nan)
    for column, state in enumerate(shown):
        for row, i in enumerate(order):
            values = fused.levels[states == state, i]
            values = values[np.isfinite(values)]
            means[row, column] = values.mean() if len(values) else np.nan
    highest = np.nanmax(means, axis=1, keepdims=True, initial=0.1)
    strengths = np.clip(means / highest, 0, 1)
    return HeatMap(
        name="levels",
        title="Proteins by state",
        description="Mean level of each protein in each state, the ground scaled to the highest of its row",
        columns=tuple(shown),
        rows=tuple(name_protein(fused.proteins[i]) for i in order),
        strengths=tuple(tuple(None if np.isnan(v) else float(v) for v in row) for row in strengths),
        texts=tuple(tuple("" if np.isnan(v) else f"{v + 0.0:.1f}" for v in row) for row in means.round(1)),
    )


def _compare(fused: FusedCells) -> tuple[Agreement, ...]:
    rows = []
    for i, protein in enumerate(fused.proteins if fused.is_measured else ()):
        known = np.isfinite(fused.levels[:, i]) & np.isfinite(fused.expected[:, i])
        measured = fused.levels[known, i].astype(np.float64)
        expected = fused.expected[known, i].astype(np.float64)
        if len(measured) < _FEWEST:
            continue
        varies = measured.std() > 0 and expected.std() > 0
        above = fused.foreground[:, i]
        above = above[np.isfinite(above)]
        rows.append(
            Agreement(
                protein=name_protein(protein),
                correlation=float(np.corrcoef(measured, expected)[0, 1]) if varies else None,
                measured=float(measured.mean()),
                expected=float(expected.mean()),
                foreground=float(above.mean()) if len(above) else None,
            )
        )
    rows.sort(key=lambda row: -2.0 if row.correlation is None else row.correlation, reverse=True)
    return tuple(rows[:_PROTEINS_SHOWN])


def _cross_labels(fused: FusedCells, states: NDArray[np.object_], shown: list[str]) -> HeatMap | None:
    names = [label for label in fused.labels if label is not None]
    if not names or not shown:
        return None
    found, counts = np.unique(np.array(names, str), return_counts=True)
    order = np.lexsort((found, -counts))[:_LABELS_SHOWN]
    labels = [str(found[i]) for i in order]
    table = np.array(
        [[int(((fused.labels == label) & (states == state)).sum()) for state in shown] for label in labels]
    )
    whole = np.maximum(table.sum(axis=1, keepdims=True), 1)
    return HeatMap(
        name="fused-labels",
        title="Labels of the fused view against states",
        description="Cells with each label and each state; the ground is the share of the label's cells",
        columns=tuple(shown),
        rows=tuple(labels),
        strengths=tuple(tuple(float(v) for v in row) for row in table / whole),
        texts=tuple(tuple(f"{v:,}" if v else "" for v in row) for row in table.tolist()),
    )


def _tell_unused(account: Fuse | None, without_level: list[str]) -> tuple[tuple[str, str], ...]:
    groups: dict[str, Sequence[str]] = {"no level above background can be told": without_level}
    if account is not None:
        groups |= {
            "not learnt by the bundle": account.panel.not_learnt,
            "target not known": account.panel.unknown,
            "isotype controls": account.panel.isotypes,
            "the same count in every cell": account.panel.constant,
        }
    return tuple((reason, ", ".join(names)) for reason, names in groups.items() if names)
