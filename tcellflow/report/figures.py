"""Figures drawn as inline SVG: bars, histograms and quartile strips.

Invariant: every text passes through `markupsafe` escaping; colours come from the page's style
sheet, so that light, dark and print need no second drawing; no figure is the only place where a
number can be read.
"""

from __future__ import annotations

import bisect
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence

# Units of the histogram's view box. 360 wide fills a phone at about one unit per pixel, so the
# lettering is never scaled below its nominal size.
_WIDTH: Final = 360
_LEFT: Final = 44
_RIGHT: Final = 18
_PLOT_TOP: Final = 26
_PLOT_HEIGHT: Final = 96
_MAX_TICKS: Final = 5  # gaps between ticks


@dataclass(frozen=True)
class Threshold:
    """A vertical line in a histogram.

    Parameters
    ----------
    value
        Where it stands, in the unit of the edges.
    label
        What it means, a few words.
    """

    value: float
    label: str


@dataclass(frozen=True)
class Histogram:
    """Counts over bins.

    Parameters
    ----------
    name
        Unique within the page; used for the ids of title and description.
    title
        What is counted.
    unit
        What the axis shows.
    edges
        Rising bin edges, one more than counts; any spacing, drawn with equal bin widths.
    counts
        Cells per bin.
    thresholds
        Lines to draw; those outside the edges are named in the description only.
    percent
        Whether edges are shares between 0 and 1, shown as percent.
    counted
        What is counted, in the plural.
    """

    name: str
    title: str
    unit: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    thresholds: tuple[Threshold, ...] = ()
    percent: bool = False
    counted: str = "cells"

    @property
    def total(self) -> int:
        """What is counted, in all bins."""
        return sum(self.counts)


def draw_bar(share: float, kind: str = "solid", colour: str = "") -> Markup:
    """Draw one horizontal bar as a figure that fills its column; its number stands beside it as text.

    Parameters
    ----------
    share
        Length between 0 and 1.
    kind
        "solid", or "hatched" for what rests on weaker evidence.
    colour
        Class of the style sheet's colour; the plain colour of bars if empty.

    Returns
    -------
    markupsafe.Markup
        An SVG hidden from screen readers, which read the number instead.
    """
    length = 100 * min(max(share, 0.0), 1.0)
    return Markup(
        '<svg class="bar" aria-hidden="true" focusable="false">'
        '<rect class="track" width="100%" height="100%"/>'
        '<rect class="{kind}" width="{length:.2f}%" height="100%"/></svg>'
    ).format(kind=f"{kind} {colour}".strip(), length=length)


def draw_strip(quantiles: Sequence[float]) -> Markup:
    """Draw a distribution as a figure with an axis from 0 to 1: whiskers, middle half and median.

    Parameters
    ----------
    quantiles
        The 5th, 25th, 50th, 75th and 95th percentiles, each between 0 and 1.

    Returns
    -------
    markupsafe.Markup
        An SVG hidden from screen readers, which read the numbers instead.
    """
    low, first, middle, third, high = (100 * q for q in quantiles)
    return Markup(
        '<svg class="strip" aria-hidden="true" focusable="false">'
        '<line class="grid" x1="50%" x2="50%" y1="0" y2="100%"/>'
        '<line class="axis" x1="0%" x2="100%" y1="50%" y2="50%"/>'
        '<line class="whisker" x1="{low:.2f}%" x2="{high:.2f}%" y1="50%" y2="50%"/>'
        '<rect class="solid" x="{first:.2f}%" width="{width:.2f}%" y="25%" height="50%"/>'
        '<line class="median" x1="{middle:.2f}%" x2="{middle:.2f}%" y1="10%" y2="90%"/></svg>'
    ).format(low=low, high=high, first=first, width=max(third - first, 0.5), middle=middle)


def draw_histogram(histogram: Histogram) -> Markup:
    """Draw a histogram as a figure with its axis, its tallest count and its thresholds.

    Parameters
    ----------
    histogram
        What to draw: edges rise, and are one more than the counts.

    Returns
    -------
    markupsafe.Markup
        An SVG with role "img", title and description.
    """
    parts = [_draw_columns(histogram), _draw_axis(histogram), _draw_thresholds(histogram)]
    lines = max(len(_visible(histogram)), 1)
    top = _PLOT_TOP - 13 * lines
    height = _PLOT_HEIGHT + _PLOT_TOP - top + 40
    return Markup(
        '<svg class="histogram" role="img" viewBox="0 {top} {width} {height}" '
        'aria-labelledby="{name}-title {name}-desc">'
        '<title id="{name}-title">{title}</title><desc id="{name}-desc">{desc}</desc>{body}</svg>'
    ).format(
        top=top,
        width=_WIDTH,
        height=height,
        name=histogram.name,
        title=histogram.title,
        desc=describe_histogram(histogram),
        body=Markup("").join(parts),
    )


def describe_histogram(histogram: Histogram) -> str:
    """Say in words what a figure, a histogram, shows.

    Parameters
    ----------
    histogram
        What is drawn.

    Returns
    -------
    str
        Cells, range, the fullest bin and the thresholds.
    """
    if not histogram.total:
        return f"No {histogram.counted}. Axis: {histogram.unit}."
    filled = [i for i, count in enumerate(histogram.counts) if count]
    peak = max(filled, key=lambda i: histogram.counts[i])
    low, high = histogram.edges[filled[0]], histogram.edges[filled[-1] + 1]
    text = (
        f"{histogram.total:,} {histogram.counted} between {_tick(low, histogram)} and "
        f"{_tick(high, histogram)} "
        f"({histogram.unit}); most of them, {histogram.counts[peak]:,}, between "
        f"{_tick(histogram.edges[peak], histogram)} and {_tick(histogram.edges[peak + 1], histogram)}."
    )
    lines = [f" {t.label}: {_tick(t.value, histogram)}." for t in histogram.thresholds]
    return text + "".join(lines)


def _x(position: float, histogram: Histogram) -> float:
    """Place a bin index (fractions allowed) on the x axis."""
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * position / len(histogram.counts)


def _draw_columns(histogram: Histogram) -> Markup:
    tallest = max(histogram.counts) or 1
    base = _PLOT_TOP + _PLOT_HEIGHT
    width = (_x(1, histogram) - _x(0, histogram)) * 0.92
    columns = [
        Markup('<rect class="solid" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"/>').format(
            _x(i, histogram), base - _PLOT_HEIGHT * count / tallest, width, _PLOT_HEIGHT * count / tallest
        )
        for i, count in enumerate(histogram.counts)
        if count
    ]
    return Markup("").join(columns)


def _draw_axis(histogram: Histogram) -> Markup:
    base = _PLOT_TOP + _PLOT_HEIGHT
    tallest = max(histogram.counts)
    parts = [
        Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            _LEFT, _WIDTH - _RIGHT, base, base
        ),
        Markup('<text class="tick" x="{}" y="{}" text-anchor="end">{:,}</text>').format(
            _LEFT - 6, _PLOT_TOP + 9, tallest
        ),
        Markup('<text class="tick" x="{}" y="{}" text-anchor="end">0</text>').format(_LEFT - 6, base),
    ]
    for value in choose_ticks(histogram.edges):
        x = _x(_position(value, histogram.edges), histogram)
        parts.append(
            Markup('<line class="axis" x1="{:.2f}" x2="{:.2f}" y1="{}" y2="{}"/>').format(
                x, x, base, base + 4
            )
        )
        parts.append(
            Markup('<text class="tick" x="{:.2f}" y="{}" text-anchor="middle">{}</text>').format(
                x, base + 17, _tick(value, histogram)
            )
        )
    parts.append(
        Markup('<text class="unit" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            (_LEFT + _WIDTH - _RIGHT) / 2, base + 34, histogram.unit
        )
    )
    return Markup("").join(parts)


def choose_ticks(edges: Sequence[float]) -> tuple[float, ...]:
    """Choose round numbers to write below the axis of a figure.

    Parameters
    ----------
    edges
        Rising bin edges; equal or growing widths.

    Returns
    -------
    tuple of float
        Two to six values inside the edges, far enough apart to be read.
    """
    low, high = edges[0], edges[-1]
    widths = [b - a for a, b in itertools.pairwise(edges)]
    if max(widths) <= 1.01 * min(widths):
        power = 10.0 ** math.floor(math.log10(high - low))
        # Of edges between whole numbers, as of lengths, a tick of 2.5 would name nothing that is counted.
        quarter = 0.2 if widths[0] == 1.0 else 0.25
        steps = (m * power for m in (0.1, 0.2, quarter, 0.5, 1.0, 2.0))
        step = next(step for step in steps if (high - low) / step <= _MAX_TICKS)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        return tuple(round(number * step, 10) for number in range(first, last + 1))
    powers = range(math.floor(math.log10(max(low, 1.0))), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = tuple(float(d * 10**p) for p in powers for d in digits if low <= d * 10**p <= high)
        if len(ticks) <= _MAX_TICKS + 1:
            break
    # Within one step of a decade no round number may lie: then the ends speak.
    return ticks if len(ticks) > 1 else (low, high)


def _visible(histogram: Histogram) -> list[Threshold]:
    return [t for t in histogram.thresholds if histogram.edges[0] <= t.value <= histogram.edges[-1]]


def _draw_thresholds(histogram: Histogram) -> Markup:
    parts = []
    for row, threshold in enumerate(_visible(histogram)):
        x = _x(_position(threshold.value, histogram.edges), histogram)
        y = _PLOT_TOP - 4 - 13 * row
        to_left = x > _WIDTH / 2
        parts.append(
            Markup('<line class="threshold" x1="{x:.2f}" x2="{x:.2f}" y1="{y}" y2="{base}"/>').format(
                x=x, y=y - 9, base=_PLOT_TOP + _PLOT_HEIGHT
            )
        )
        parts.append(
            Markup('<text class="note" x="{:.2f}" y="{}" text-anchor="{}">{}</text>').format(
                x + (-4 if to_left else 4), y, "end" if to_left else "start", threshold.label
            )
        )
    return Markup("").join(parts)


def _position(value: float, edges: Sequence[float]) -> float:
    """Turn a value into a bin index by interpolation inside its bin."""
    index = min(max(bisect.bisect_right(edges, value) - 1, 0), len(edges) - 2)
    return index + (value - edges[index]) / (edges[index + 1] - edges[index])


def _tick(value: float, histogram: Histogram) -> str:
    if histogram.percent:
        return f"{100 * value:.0f} %"
    for least, unit, mark in ((1_000_000, 1_000_000, "M"), (10_000, 1_000, "k")):
        if abs(value) >= least:
            return f"{value / unit:,.3g}{mark}"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3g}"
