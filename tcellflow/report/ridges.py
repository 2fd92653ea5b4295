"""Ridge plots as inline SVG: the distribution of one number in several groups of cells, one above another.

Invariant: a group of few cells shows each cell as a stroke, never a curve that the cells do not carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from markupsafe import Markup

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEWEST: Final = 15  # cells below which single cells are drawn
_BINS: Final = 60
_SMOOTHING: Final = 1.6  # bins
_LEFT: Final = 84  # units of the view box, 360 wide as the histograms
_RIGHT: Final = 10
_WIDTH: Final = 360
_STEP: Final = 19
_TALLEST: Final = 27
_TOP: Final = 12


@dataclass(frozen=True)
class Ridge:
    """One group of cells.

    Parameters
    ----------
    label, colour
        Its name, and its class of the style sheet.
    n_cells
        Cells with a value.
    heights
        Smoothed density in equal bins, 0-1 of the highest; empty for few cells.
    marks
        Values of the cells, 0-1 of the range; empty for many.
    """

    label: str
    colour: str
    n_cells: int
    heights: tuple[float, ...]
    marks: tuple[float, ...]


@dataclass(frozen=True)
class Ridges:
    """One number in several groups of cells.

    Parameters
    ----------
    name
        Unique within the page; used for the ids of title and description.
    title, unit
        What is shown, and what the axis shows.
    low, high
        Range of the axis.
    rows
        Groups, the upper one first.
    medians
        Of each group, for the description; None without cells.
    """

    name: str
    title: str
    unit: str
    low: float
    high: float
    rows: tuple[Ridge, ...]
    medians: tuple[float | None, ...]


def shape_ridge(label: str, colour: str, values: NDArray[np.float32], low: float, high: float) -> Ridge:
    """Turn the values of a figure's group into its ridge; those that are not known are left out.

    Parameters
    ----------
    label, colour
        Name and class of the style sheet.
    values
        Shape (B,); NaN where not known.
    low, high
        Range of the axis; values outside lie at its ends.
    """
    known = values[np.isfinite(values)].astype(np.float64)
    shares = np.clip((known - low) / max(high - low, 1e-9), 0, 1)
    if len(shares) < _FEWEST:
        return Ridge(label, colour, len(shares), (), tuple(np.sort(shares).round(3).tolist()))
    counts, _ = np.histogram(shares, bins=_BINS, range=(0, 1))
    reach = np.arange(-6, 7)
    kernel = np.exp(-((reach / _SMOOTHING) ** 2) / 2)
    density = np.convolve(counts, kernel / kernel.sum(), mode="same")
    return Ridge(label, colour, len(shares), tuple((density / density.max()).round(3).tolist()), ())


def draw_ridges(ridges: Ridges) -> Markup:
    """Draw distributions of a number as a figure.

    Returns
    -------
    markupsafe.Markup
        An SVG with role "img", title and description.
    """
    base = _TOP + _TALLEST + _STEP * (len(ridges.rows) - 1)
    parts = [_draw_row(row, _TOP + _TALLEST + _STEP * number) for number, row in enumerate(ridges.rows)]
    for share in (0, 0.5, 1):
        value = ridges.low + share * (ridges.high - ridges.low)
        parts.append(
            Markup('<text class="tick" x="{x:g}" y="{y}" text-anchor="middle">{value:.1f}</text>').format(
                x=_x(share), y=base + 16, value=value
            )
        )
    parts.append(
        Markup('<text class="unit" x="{x:g}" y="{y}" text-anchor="middle">{unit}</text>').format(
            x=_x(0.5), y=base + 31, unit=ridges.unit
        )
    )
    return Markup(
        '<svg class="histogram ridges" role="img" viewBox="0 0 {width} {height}" '
        'aria-labelledby="{name}-title {name}-desc">'
        '<title id="{name}-title">{title}</title><desc id="{name}-desc">{desc}</desc>{body}</svg>'
    ).format(
        width=_WIDTH,
        height=base + 36,
        name=ridges.name,
        title=ridges.title,
        desc=_describe(ridges),
        body=Markup("").join(parts),
    )


def _describe(ridges: Ridges) -> str:
    """Say in words what the figure shows: cells and median of each group."""
    told = [
        f"{row.label} {'no cell with a value' if middle is None else f'{middle:.2f} ({row.n_cells:,} cells)'}"
        for row, middle in zip(ridges.rows, ridges.medians, strict=True)
    ]
    return f"Medians of {ridges.unit}: {', '.join(told)}."


def _x(share: float) -> float:
    return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * share, 1)


def _draw_row(row: Ridge, base: float) -> Markup:
    label = Markup('<text class="tick" x="{x}" y="{y:g}" text-anchor="end">{label}</text>').format(
        x=_LEFT - 6, y=base - 2, label=row.label
    )
    line = Markup('<line class="grid" x1="{a:g}" x2="{b:g}" y1="{y:g}" y2="{y:g}"/>').format(
        a=_x(0), b=_x(1), y=base
    )
    if row.heights:
        tops = [(_x((i + 0.5) / _BINS), base - _TALLEST * height) for i, height in enumerate(row.heights)]
        points = "".join(f"L{x:g} {y:.1f}" for x, y in tops)
        shape = Markup('<path class="ridge {colour}" d="M{a:g} {y:g}{points}L{b:g} {y:g}Z"/>').format(
            colour=row.colour, a=_x(0), b=_x(1), y=base, points=points
        )
    else:
        strokes = "".join(f"M{_x(mark):g} {base - 10:g}v9" for mark in row.marks)
        shape = Markup('<path class="strokes {colour}" d="{strokes}"/>').format(
            colour=row.colour, strokes=strokes or "M0 0"
        )
    # The page's script marks what is of a chosen state.
    return Markup('<g data-state="{label}">{body}</g>').format(label=row.label, body=label + line + shape)
