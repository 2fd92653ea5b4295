"""The map drawn as inline SVG, and told to the page's script.

Invariant: the drawing needs no script; the script's data are JSON in which no sign can end the element that
holds it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import numpy as np
from markupsafe import Markup

from tcellflow.vocabulary import STATE_NOT_T, STATE_UNRESOLVED, State

if TYPE_CHECKING:
    from tcellflow.report.maps.cell_map import CellMap, Layout

_MARGIN: Final = 20
_SIDE: Final = 1_000
# Class of the style sheet that colours each outcome, the same everywhere on the page.
_COLOURS: Final[dict[str, str]] = {str(state): f"s{number}" for number, state in enumerate(State)} | {
    STATE_UNRESOLVED: "s7",
    STATE_NOT_T: "s8",
}


def colour_class(outcome: str) -> str:
    """Name the style sheet's class of a figure's colour for a reported outcome; empty for anything else."""
    return _COLOURS.get(outcome, "")


def draw_map(drawn: CellMap) -> Markup:
    """Draw the map as a figure: one path for each state, the least telling ones below.

    Parameters
    ----------
    drawn
        At least one cell.

    Returns
    -------
    markupsafe.Markup
        An SVG with role "img", title and description.
    """
    first = drawn.layouts[0]
    numbers = np.where(first.is_placed, np.array(drawn.states.values, int), -1)
    heights = first.places[first.is_placed, 1] if first.is_placed.any() else np.zeros(1, int)
    order = sorted(
        range(len(drawn.states.names)),
        key=lambda i: (drawn.states.names[i] in set(State), -drawn.states.counts[i]),
    )
    size = "big" if drawn.n_shown < 1_500 else "mid" if drawn.n_shown < 5_000 else "fine"
    paths = [
        Markup('<path class="dots {}" d="{}"/>').format(
            colour_class(drawn.states.names[i]),
            "".join(f"M{x} {y}h0" for x, y in first.places[numbers == i].tolist()),
        )
        for i in order
    ]
    top = int(heights.min()) - _MARGIN
    height = int(heights.max()) + _MARGIN - top
    return Markup(
        '<svg id="map-plot" class="map {size}" role="img" viewBox="{left} {top} {side} {height}" '
        'aria-labelledby="map-title map-desc"><title id="map-title">Map of the cells</title>'
        '<desc id="map-desc">{desc}</desc><g>{body}</g></svg>'
    ).format(
        size=size,
        left=-_MARGIN,
        top=top,
        side=_SIDE + 2 * _MARGIN,
        height=max(height, 2 * _MARGIN),
        desc=describe_map(drawn),
        body=Markup("").join(paths),
    )


def describe_map(drawn: CellMap) -> str:
    """Say in words what a figure, the map, shows: how many cells of each state."""
    told = [
        f"{name} {count:,}"
        for name, count in zip(drawn.states.names, drawn.states.counts, strict=True)
        if count
    ]
    return f"{drawn.n_shown:,} cells, near each other where their vectors are alike. {', '.join(told)}."


def tell_script(drawn: CellMap) -> Markup:
    """Tell the page's script what is on the map, for hovering, selecting and searching.

    Returns
    -------
    markupsafe.Markup
        JSON without any sign that HTML reads as markup.
    """
    content = {
        "barcodes": drawn.barcodes,
        "layouts": [
            {"name": layout.name, "meaning": layout.meaning, "x": _place(layout, 0), "y": _place(layout, 1)}
            for layout in drawn.layouts
        ],
        "clones": drawn.clones,
        "cloneOf": drawn.clone_of,
        "groupings": [
            {"name": group.name, "names": group.names, "values": group.values}
            for group in (drawn.states, *drawn.groupings)
        ],
        "shades": [
            {"name": shade.name, "values": shade.values, "low": shade.low, "high": shade.high}
            for shade in drawn.shades
        ],
        "colours": [colour_class(name) for name in drawn.states.names],
    }
    text = json.dumps(content, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 - no sign of markup is left


def _place(layout: Layout, axis: int) -> list[int | None]:
    """Give one coordinate of each cell; null for a cell without such a vector."""
    pairs = zip(layout.places[:, axis].tolist(), layout.is_placed.tolist(), strict=True)
    return [place if is_placed else None for place, is_placed in pairs]
