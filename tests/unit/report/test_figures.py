"""Figures: valid SVG, readable without sight, harmless with hostile text."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from tcellflow.report.figures import (
    Histogram,
    Threshold,
    choose_ticks,
    describe_histogram,
    draw_bar,
    draw_histogram,
    draw_strip,
)

GENES = Histogram(
    name="genes",
    title="Genes per cell",
    unit="genes",
    edges=(0.0, 200.0, 400.0, 800.0),
    counts=(2, 10, 4),
    thresholds=(Threshold(300.0, "300: fewer removed"),),
)


def test_histogram_is_an_image_with_title_and_description() -> None:
    """A screen reader hears title, range, peak and threshold."""
    svg = ET.fromstring(draw_histogram(GENES))
    assert svg.get("role") == "img"
    named = svg.get("aria-labelledby", "").split()
    assert [child.get("id") for child in svg[:2]] == named
    assert svg[0].text == "Genes per cell"
    assert svg[1].text == describe_histogram(GENES)
    assert "16 cells between 0 and 800" in describe_histogram(GENES)
    assert "10, between 200 and 400" in describe_histogram(GENES)
    assert "300: fewer removed" in describe_histogram(GENES)


def test_column_heights_follow_counts() -> None:
    """The tallest column fills the plot and the others are in proportion."""
    columns = ET.fromstring(draw_histogram(GENES)).findall("rect[@class='solid']")
    heights = [float(column.get("height", "")) for column in columns]
    assert heights == pytest.approx([96 * 0.2, 96.0, 96 * 0.4], abs=0.01)


def test_threshold_stands_inside_its_bin() -> None:
    """300 lies in the middle of the second bin (200 to 400), also where bins differ in width."""
    svg = ET.fromstring(draw_histogram(GENES))
    line = svg.find("line[@class='threshold']")
    assert line is not None
    columns = [float(c.get("x", "")) for c in svg.findall("rect[@class='solid']")]
    assert float(line.get("x1", "")) == pytest.approx((columns[1] + columns[2]) / 2, abs=0.01)


def test_threshold_outside_the_axis_is_named_only() -> None:
    """A cut beyond the drawn range has no line, but the description tells it."""
    far = replace(GENES, thresholds=(Threshold(5000.0, "5000: most"),))
    assert "threshold" not in draw_histogram(far)
    assert "5000: most: 5,000." in describe_histogram(far)


def test_hostile_text_is_escaped() -> None:
    """Markup in a title, unit or threshold stays text."""
    bad = replace(
        GENES, title="<script>1</script>", unit='"><img src=x>', thresholds=(Threshold(300, "<b>"),)
    )
    drawn = draw_histogram(bad)
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert "<b>" not in drawn
    assert ET.fromstring(drawn)[0].text == "<script>1</script>"


def test_empty_histogram_is_still_valid() -> None:
    """No cells draw an axis without columns and say so."""
    empty = replace(GENES, counts=(0, 0, 0))
    ET.fromstring(draw_histogram(empty))
    assert describe_histogram(empty) == "No cells. Axis: genes."


def test_bars_and_strips_stay_inside_their_column() -> None:
    """A share beyond 0 and 1 cannot draw outside the bar, and both are silent for screen readers."""
    bar = ET.fromstring(draw_bar(1.7, "hatched"))
    assert bar[1].get("width") == "100.00%"
    assert bar[1].get("class") == "hatched"
    strip = ET.fromstring(draw_strip((0.1, 0.2, 0.5, 0.8, 0.9)))
    assert bar.get("aria-hidden") == strip.get("aria-hidden") == "true"
    box = strip.find("rect")
    assert box is not None
    assert (box.get("x"), box.get("width")) == ("20.00%", "60.00%")


@pytest.mark.parametrize(
    ("edges", "ticks"),
    [
        (tuple(i / 20 for i in range(21)), (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (tuple(2.5 * i for i in range(13)), (0.0, 10.0, 20.0, 30.0)),
        ((539.0, 1000.0, 2000.0, 4500.0, 15315.0), (1000.0, 2000.0, 5000.0, 10000.0)),
        ((0.0, 1.0, 3.0, 9.0), (1.0, 2.0, 3.0, 5.0, 7.0)),
        ((41.0, 43.0, 48.0), (41.0, 48.0)),
    ],
)
def test_ticks_are_round_numbers(edges: tuple[float, ...], ticks: tuple[float, ...]) -> None:
    """The axis is labelled with few round numbers, whether bins are equal or grow."""
    assert choose_ticks(edges) == ticks
