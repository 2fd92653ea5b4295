"""The programmes of a sample's states as a picture: one row per programme, one column per state.

Invariant: every cell of the picture carries its number as text, so that nothing is told by colour alone; what
no cell can measure is left empty, never drawn as 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from tcellflow.vocabulary import Programme, State

if TYPE_CHECKING:
    from tcellflow.contracts.metrics import Metrics

_LABELS: Final = 170  # units of the view box
_WIDTH: Final = 54
_HEIGHT: Final = 17
_TOP: Final = 22
_LIGHT_TEXT: Final = 0.55  # from this strength on the number stands on a dark ground


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
        kinds |= {} if of_kind is None else {str(kind): n for kind, n in of_kind.items()}
    return ProgrammeSection(
        tuple((str(state), n) for state, n in called),
        tuple(name for name, _ in rows),
        tuple(values for _, values in rows),
        tuple((kind, n) for kind, n in kinds.items() if n),
    )


def draw_programmes(section: ProgrammeSection) -> Markup:
    """Draw the section as inline SVG."""
    n_rows, n_columns = len(section.programmes), len(section.states)
    size = {"width": _LABELS + _WIDTH * n_columns, "height": _TOP + _HEIGHT * n_rows}
    parts = [
        Markup(
            '<svg class="heat" viewBox="0 0 {width} {height}" role="img" '
            'aria-labelledby="programmes-title programmes-desc">'
            '<title id="programmes-title">Programmes by state</title><desc id="programmes-desc">'
            "Mean strength of each programme in each state</desc>"
        ).format(**size)
    ]
    for i, (state, _) in enumerate(section.states):
        parts.append(_write(state, _LABELS + _WIDTH * (i + 0.5), _TOP - 8, "middle"))
    for j, (name, values) in enumerate(zip(section.programmes, section.values, strict=True)):
        y = _TOP + _HEIGHT * j
        parts.append(_write(name.replace("_", " "), _LABELS - 6, y + 12, "end"))
        parts += [
            _draw_cell(value, _LABELS + _WIDTH * i, y) for i, value in enumerate(values) if value is not None
        ]
    return Markup("").join([*parts, Markup("</svg>")])


def _draw_cell(value: float, x: float, y: float) -> Markup:
    ground = Markup(
        '<rect class="solid" x="{x}" y="{y}" width="{width}" height="{height}" fill-opacity="{value:.2f}"/>'
    ).format(x=x, y=y, width=_WIDTH - 2, height=_HEIGHT - 2, value=value)
    kind = "on" if value >= _LIGHT_TEXT else "off"
    return ground + _write(f"{value:.2f}", x + _WIDTH / 2 - 1, y + 12, "middle", kind)


def _write(text: str, x: float, y: float, anchor: str, kind: str = "off") -> Markup:
    return Markup('<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{text}</text>').format(
        kind=kind, x=x, y=y, anchor=anchor, text=text
    )
