"""Heat maps as inline SVG.

Invariant: every cell of the picture carries its number as text, so that nothing is told by colour alone; what
is not known is left empty, never drawn as 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from tcellflow.vocabulary import REPORTED_STATES

_WIDTH: Final = 54  # least units of the view box
_HEIGHT: Final = 17
_LETTER: Final = 5.6
_CAPITAL: Final = 2.0  # what a capital takes beyond that
_LIGHT_TEXT: Final = 0.55  # from this strength on the number stands on a dark ground


@dataclass(frozen=True)
class HeatMap:
    """Numbers in rows and columns.

    Parameters
    ----------
    name
        Unique within the page; used for the ids of title and description.
    title, description
        What a screen reader says of the picture.
    columns, rows
        Their names.
    strengths
        One row of values between 0 and 1 for each row; None where not known.
    texts
        What stands in each cell; of the shape of `strengths`.
    slanted
        Whether names of columns are too long to stand level.
    """

    name: str
    title: str
    description: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    strengths: tuple[tuple[float | None, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    slanted: bool = False


def draw_heat(heat: HeatMap) -> Markup:
    """Draw numbers in rows and columns as a figure.

    Returns
    -------
    markupsafe.Markup
        An SVG with role "img", title and description.
    """
    left = round(max(map(_measure, heat.rows), default=0)) + 12
    longest = max(map(_measure, heat.columns), default=0)
    top = round(longest * 0.71) + 18 if heat.slanted else 22
    overhang = round(longest * 0.71) if heat.slanted else 0
    wide = _WIDTH if heat.slanted else max(_WIDTH, round(longest) + 8)
    width, height = left + wide * len(heat.columns) + overhang, top + _HEIGHT * len(heat.rows)
    parts = [
        Markup(
            '<svg class="heat" viewBox="0 0 {width} {height}" width="{width}" role="img" '
            'aria-labelledby="{name}-title {name}-desc">'
            '<title id="{name}-title">{title}</title><desc id="{name}-desc">{desc}</desc>'
        ).format(width=width, height=height, name=heat.name, title=heat.title, desc=heat.description)
    ]
    for i, column in enumerate(heat.columns):
        x = left + wide * (i + 0.5)
        drawn = _slant(column, x, top - 8) if heat.slanted else _write(column, x, top - 8, "middle")
        if column in REPORTED_STATES:  # the page's script marks what is of a chosen state
            drawn = Markup('<g data-state="{state}">{body}</g>').format(state=column, body=drawn)
        parts.append(drawn)
    for j, row in enumerate(heat.rows):
        y = top + _HEIGHT * j
        parts.append(_write(row, left - 6, y + 12, "end"))
        for i, (strength, text) in enumerate(zip(heat.strengths[j], heat.texts[j], strict=True)):
            if strength is not None:
                parts.append(_draw_cell(strength, text, left + wide * i, y, wide))
    return Markup("").join([*parts, Markup("</svg>")])


def _measure(text: str) -> float:
    """Guess how wide a text is, in pixels: capitals are wider than other letters in every font."""
    n_capitals = sum(letter.isupper() for letter in text)
    return _LETTER * len(text) + _CAPITAL * n_capitals


def _draw_cell(strength: float, text: str, x: float, y: float, wide: int) -> Markup:
    ground = Markup(
        '<rect class="solid" x="{x}" y="{y}" width="{width}" height="{height}" '
        'fill-opacity="{strength:.2f}"/>'
    ).format(x=x, y=y, width=wide - 2, height=_HEIGHT - 2, strength=strength)
    return ground + _write(
        text, x + wide / 2 - 1, y + 12, "middle", "on" if strength >= _LIGHT_TEXT else "off"
    )


def _write(text: str, x: float, y: float, anchor: str, kind: str = "off") -> Markup:
    return Markup('<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{text}</text>').format(
        kind=kind, x=x, y=y, anchor=anchor, text=text
    )


def _slant(text: str, x: float, y: float) -> Markup:
    return Markup('<text class="off" transform="translate({x:g} {y:g}) rotate(-45)">{text}</text>').format(
        x=x, y=y, text=text
    )
