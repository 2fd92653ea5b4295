"""Intervals of told proteins are as wide as the sample shows that they must be."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.inference.fusion.intervals import measure_widths


def make(times, n=2_000):
    """Counts whose logarithms miss what is told by so many times the deviation."""
    rng = np.random.default_rng(0)
    told = np.full((n, 1), 5.0, np.float32)
    deviation = np.full((n, 1), 0.2, np.float32)
    counts = np.expm1(told + deviation * times * rng.normal(size=(n, 1)))
    return told, deviation, counts


@pytest.mark.parametrize("times", [0.5, 1.0, 2.5])
def test_the_width_is_found_again(times):
    """The share of cells inside is 90 % afterwards."""
    told, deviation, counts = make(times)
    (width,) = measure_widths(told, deviation, counts, np.array([0]))
    assert width == pytest.approx(times, rel=0.05)
    inside = np.abs(np.log1p(counts) - told) < 1.645 * width * deviation
    assert inside.mean() == pytest.approx(0.9, abs=0.002)


def test_widths_stay_within_reason():
    """A protein that is told worse than by four deviations is said to be as bad as that."""
    assert measure_widths(*make(40.0), np.array([0])) == 4
    assert measure_widths(*make(0.01), np.array([0])) == 0.25


def test_what_was_not_measured_stays():
    """So do proteins of few cells, and cells of which nothing is told have no say."""
    told, deviation, counts = make(3.0)
    assert measure_widths(told, deviation, counts, np.array([-1])) == 1
    told[199:] = np.nan
    assert measure_widths(told, deviation, counts, np.array([0])) == 1
