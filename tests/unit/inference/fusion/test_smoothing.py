"""Vectors are drawn towards cells that were measured alike, the same within a sample and put into it anew."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.inference.fusion import smoothing
from tcellflow.inference.fusion.smoothing import N_NEAREST, SharpVectors, ToldByGenes


def make(n=600, seed=0, kinds=None):
    vectors = np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float32)
    return SharpVectors(vectors, np.zeros(n, np.int64) if kinds is None else kinds)


def test_a_cell_goes_half_way_to_the_mean_of_the_others():
    """Against distances that are computed one by one."""
    cells = make()
    found = cells.smooth(cells)
    for row in (0, 17, 599):
        apart = np.linalg.norm(cells.vectors - cells.vectors[row], axis=1)
        nearest = np.argsort(apart)[1 : N_NEAREST + 1]
        wanted = (cells.vectors[row] + cells.vectors[nearest].mean(axis=0)) / 2
        np.testing.assert_allclose(found[row], wanted, atol=2e-6)


def test_noise_goes_and_groups_stay():
    """Cells of two groups come nearer to their own middle and not to each other."""
    rng = np.random.default_rng(1)
    middle = np.repeat([[0.0] * 8, [3.0] * 8], 300, axis=0)
    cells = SharpVectors((middle + rng.normal(size=middle.shape)).astype(np.float32), np.zeros(600, np.int64))
    found = cells.smooth(cells)
    spread = lambda v: np.linalg.norm(v - middle, axis=1).mean()  # noqa: E731
    assert spread(found) < 0.8 * spread(cells.vectors)
    assert np.linalg.norm(found[:300].mean(axis=0) - found[300:].mean(axis=0)) > 8


@pytest.mark.parametrize(("threads", "rows"), [(2, 1_000), (1, 7)])
def test_threads_and_blocks_move_no_bit(monkeypatch, threads, rows):
    """The order of summing is fixed."""
    cells = make()
    whole = cells.smooth(cells)
    monkeypatch.setattr(smoothing, "_ROWS", rows)
    assert cells.smooth(cells, threads=threads).tobytes() == whole.tobytes()


def test_cells_put_into_the_sample_anew_lie_where_they_lay():
    """A copy of a cell is not its neighbour."""
    cells = make()
    some = SharpVectors(cells.vectors[40:60], cells.kinds[40:60])
    assert some.smooth(cells).tobytes() == cells.smooth(cells)[40:60].tobytes()


def test_cells_measured_otherwise_are_no_neighbours():
    """Each kind is by itself, a kind of few cells stays where it is, and nothing stays nothing."""
    kinds = np.repeat([1, 2, 3], [300, 250, 50])
    cells = make(kinds=kinds)
    cells.vectors[5] = np.nan
    found = cells.smooth(cells)
    alone = SharpVectors(cells.vectors[300:550], kinds[300:550])
    assert found[300:550].tobytes() == alone.smooth(alone).tobytes()
    assert found[550:].tobytes() == cells.vectors[550:].tobytes()
    assert np.isnan(found[5]).all()
    assert np.isfinite(np.delete(found, 5, axis=0)).all()


def test_neighbours_of_many_cells_are_a_part_of_them(monkeypatch):
    """Evenly spaced ones stand for all; cells beside them are drawn to them as well."""
    monkeypatch.setattr(smoothing, "choose_rows", lambda n: np.arange(0, n, 3))
    cells = make()
    found = cells.smooth(cells)
    nearest = np.argsort(np.linalg.norm(cells.vectors[::3] - cells.vectors[1], axis=1))[:N_NEAREST]
    wanted = (cells.vectors[1] + cells.vectors[::3][nearest].mean(axis=0)) / 2
    np.testing.assert_allclose(found[1], wanted, atol=2e-6)


def test_what_is_told_is_averaged_over_the_same_cells():
    """Levels of proteins follow the places of genes; what nobody told stays so."""
    places = make()
    levels = np.random.default_rng(3).normal(size=(600, 2)).astype(np.float32)
    levels[:, 1] = np.nan
    told = ToldByGenes(places, levels)
    found = told.average(told)
    apart = np.linalg.norm(places.vectors - places.vectors[9], axis=1)
    nearest = np.argsort(apart)[1 : N_NEAREST + 1]
    assert found[9, 0] == pytest.approx((levels[9, 0] + levels[nearest, 0].mean()) / 2, abs=2e-6)
    assert np.isnan(found[:, 1]).all()
    few = ToldByGenes(SharpVectors(places.vectors[:9], places.kinds[:9]), levels[:9])
    assert few.average(told).tobytes() == found[:9].tobytes()


def test_without_axes_of_genes_nothing_is_averaged():
    """There is no place by which cells could be near."""
    levels = np.ones((300, 2), np.float32)
    nowhere = ToldByGenes(SharpVectors(np.zeros((300, 0), np.float32), np.zeros(300, np.int64)), levels)
    assert nowhere.average(nowhere).tobytes() == levels.tobytes()
