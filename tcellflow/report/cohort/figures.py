"""Pictures of a cohort: the states of every sample as one bar, and the programmes of every sample.

Invariant: bars are shares of the T cells in the order of the states; a sample without T cells has an empty
one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from markupsafe import Markup

from tcellflow.report.heat import HeatMap
from tcellflow.report.maps.scatter import colour_class
from tcellflow.states.programme_names import name_programme
from tcellflow.vocabulary import STATE_UNRESOLVED, Programme, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tcellflow.report.cohort.samples import CohortSample

_LABELS: Final = 170  # units of the view box
_BARS: Final = 560
_STEP: Final = 16
_NAME_SHOWN: Final = 28  # letters
_SAMPLES_SHOWN: Final = 60  # in the heat map; every one has its bar


def draw_composition(samples: Sequence[CohortSample]) -> Markup:
    """Draw the figure of a cohort's report: a stacked bar for each sample, in the order of the table."""
    outcomes = [*(str(state) for state in State), STATE_UNRESOLVED]
    parts = [_draw_bar(sample, outcomes, _STEP * number) for number, sample in enumerate(samples)]
    height = _STEP * len(samples)
    return Markup(
        '<svg class="heat stacked" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        'aria-labelledby="composition-title composition-desc">'
        '<title id="composition-title">States of each sample</title><desc id="composition-desc">'
        "Shares of the T cells by state, one bar for each sample; the numbers are in the table below.</desc>"
        "{body}</svg>"
    ).format(width=_LABELS + _BARS, height=max(height, _STEP), body=Markup("").join(parts))


def _draw_bar(sample: CohortSample, outcomes: list[str], y: int) -> Markup:
    counts = (*sample.states, sample.n_unresolved)
    name = sample.name if len(sample.name) <= _NAME_SHOWN else f"{sample.name[: _NAME_SHOWN - 1]}\u2026"
    parts = [
        Markup('<text class="off" x="{x}" y="{y}" text-anchor="end">{name}</text>').format(
            x=_LABELS - 6, y=y + 11, name=name
        )
    ]
    reached = 0.0
    for outcome, count in zip(outcomes, counts, strict=True):
        wide = _BARS * count / sample.n_t_cells if sample.n_t_cells else 0.0
        if wide:
            parts.append(
                Markup(
                    '<rect class="solid {colour}" x="{x:.1f}" y="{y}" width="{wide:.1f}" height="12"/>'
                ).format(colour=colour_class(outcome), x=_LABELS + reached, y=y + 1, wide=wide)
            )
        reached += wide
    return Markup("").join(parts)


def compare_programmes(samples: Sequence[CohortSample]) -> HeatMap | None:
    """Put the programmes of samples side by side for the cohort's report; None for fewer than two."""
    shown = [sample for sample in samples if sample.programmes][:_SAMPLES_SHOWN]
    names = [name for name in Programme if any(s.programmes.get(name) is not None for s in shown)]
    if len(shown) < 2 or not names:
        return None
    values = np.array([[_as_float(s.programmes.get(name)) for s in shown] for name in names])
    return HeatMap(
        name="cohort-programmes",
        title="Programmes of the samples",
        description="Mean strength of each programme over the T cells of each sample",
        columns=tuple(s.name[:_NAME_SHOWN] for s in shown),
        rows=tuple(name_programme(name) for name in names),
        strengths=tuple(tuple(None if np.isnan(v) else float(v) for v in row) for row in values),
        texts=tuple(tuple("" if np.isnan(v) else f"{v:.2f}" for v in row) for row in values),
        slanted=True,
    )


def _as_float(value: float | None) -> float:
    return np.nan if value is None else value
