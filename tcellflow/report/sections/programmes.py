"""The programmes of a sample's states as a picture: one row per programme, one column per state.

Invariant: every cell of the picture carries its number as text, so that nothing is told by colour alone; what
no cell can measure is left empty, never drawn as 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcellflow.report.heat import HeatMap, draw_heat
from tcellflow.states.programme_names import name_programme
from tcellflow.vocabulary import Programme, State

if TYPE_CHECKING:
    from markupsafe import Markup

    from tcellflow.contracts.metrics import Metrics


@dataclass(frozen=True)
class ProgrammeSection:
    """Mean strength of each programme in each state.

    Parameters
    ----------
    states
        States with cells, and how many T cells are called each.
    programmes
        Programmes that can be measured in any of them.
    values
        Means, one row per programme and one value per state; None where no cell can be measured.
    kinds
        Cells by kind of help and kind of unconventional T cell, only those that occur.
    """

    states: tuple[tuple[str, int], ...]
    programmes: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    kinds: tuple[tuple[str, int], ...]


def summarise_programmes(metrics: Metrics | None) -> ProgrammeSection | None:
    """Gather the programmes of a sample's states for the report; None where no file tells them."""
    if metrics is None or metrics.programmes is None:
        return None
    called = [(state, n) for state in State if (n := metrics.predicted_states.get(state, 0))]
    means = metrics.programmes.states
    rows = [
        (str(name), tuple(means[state][name] for state, _ in called))
        for name in Programme
        if any(means[state][name] is not None for state, _ in called)
    ]
    kinds: dict[str, int] = {}
    for of_kind in (metrics.helpers, metrics.unconventional):
        kinds |= {} if of_kind is None else {name_programme(kind): n for kind, n in of_kind.items()}
    return ProgrammeSection(
        tuple((str(state), n) for state, n in called),
        tuple(name for name, _ in rows),
        tuple(values for _, values in rows),
        tuple((kind, n) for kind, n in kinds.items() if n),
    )


def draw_programmes(section: ProgrammeSection) -> Markup:
    """Draw the section's picture: one row per programme, one column per state."""
    return draw_heat(
        HeatMap(
            name="programmes",
            title="Programmes by state",
            description="Mean strength of each programme in each state",
            columns=tuple(state for state, _ in section.states),
            rows=tuple(name_programme(name) for name in section.programmes),
            strengths=section.values,
            texts=tuple(
                tuple("" if value is None else f"{value:.2f}" for value in row) for row in section.values
            ),
        )
    )
