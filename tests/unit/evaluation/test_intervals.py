"""Intervals hold the figure they belong to, and the same figures give the same interval."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.evaluation.intervals import (
    CELL_BOOTSTRAPS,
    as_interval,
    bootstrap,
    draw_weights,
    macro_mean,
    resample_cells,
    write_tables,
)


def test_weights_count_every_cell_once_first():
    """The first row is the sample itself; every other draws as many cells."""
    weights = draw_weights(50, seed=1)
    assert weights.shape == (1 + CELL_BOOTSTRAPS, 50)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 50).all()
    np.testing.assert_array_equal(weights, draw_weights(50, seed=1))


def test_an_interval_is_the_value_and_two_percentiles():
    """The first number is the value, the others cut 2.5 % off the resampled ones."""
    assert as_interval(np.concatenate([[0.5], np.linspace(0, 1, 1001)])) == [0.5, 0.025, 0.975]


def test_cells_are_resampled_together():
    """Each figure has the interval of its own resamples, with the value of all cells first."""
    values = np.arange(100.0)
    [mean, half] = resample_cells(
        100, lambda rows: np.array([values[rows].mean(), values[rows].mean() / 2]), seed=0
    )
    assert mean[0] == 49.5
    assert 40 < mean[1] < mean[0] < mean[2] < 60
    np.testing.assert_allclose(half, np.array(mean) / 2, atol=1e-4)


def test_means_are_taken_within_epitopes_first():
    """An epitope with many draws counts as much as one with few; without any it does not count."""
    values = np.array([[1.0, 3.0], [5.0, np.nan], [np.nan, np.nan]])
    assert macro_mean(values) == 3.5
    assert np.isnan(macro_mean(values[2:]))
    interval = bootstrap(np.array([[0.0, 0.2], [0.4, 0.6], [0.8, 1.0]]))
    assert interval.mean == pytest.approx(0.5)
    assert interval.low < 0.5 < interval.high
    assert np.isnan(bootstrap(values[2:]).low)


def test_tables_compare_every_row_with_ours():
    """Means of all rows, and the others' differences from ours."""
    figures = {"ours": np.full((3, 2, 1), 0.75), "theirs": np.full((3, 2, 1), 0.5)}
    text, numbers = write_tables("1-NN", figures, [5], "ours")
    assert "| ours | .750 |" in text
    assert "| theirs | -.250 [-.250, -.250] |" in text
    assert numbers["theirs"]["5"] == [0.5, 0.5, 0.5, -0.25, -0.25, -0.25]
