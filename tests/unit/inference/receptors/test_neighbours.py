"""Neighbours and clusters are those of the whole distance matrix."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from tcellflow.inference.receptors import neighbours
from tcellflow.inference.receptors.neighbours import find_clusters, find_neighbours, measure_pairs


def make_vectors(n: int = 700, width: int = 12, seed: int = 0) -> np.ndarray:
    """Random directions of any length in groups of near ones, some of them equal."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n // 7 + 1, width))
    vectors = centres[rng.integers(0, len(centres), n)] + rng.normal(0, 0.2, (n, width))
    vectors *= rng.uniform(0.5, 3, (n, 1))
    if n > 60:
        vectors[[3, 40, 41]] = vectors[2]
        vectors[50] = 2 * vectors[60]
    return vectors.astype(np.float32)


def measure_all(vectors: np.ndarray) -> np.ndarray:
    """The whole matrix of rounded distances."""
    rows, columns = np.indices((len(vectors), len(vectors))).reshape(2, -1)
    return measure_pairs(vectors, rows, columns).reshape(len(vectors), -1)


def collect(vectors: np.ndarray, k: int) -> tuple[np.ndarray, ...]:
    """All fields of all blocks."""
    parts = list(find_neighbours(vectors, k))
    return tuple(
        np.concatenate([getattr(part, name) for part in parts] or [np.empty(0)])
        for name in ("row", "rank", "neighbour", "distance")
    )


@pytest.fixture(params=[64, 100, 2048])
def block_rows(request, monkeypatch):
    """Several block sizes, so that borders fall everywhere."""
    monkeypatch.setattr(neighbours, "BLOCK_ROWS", request.param)
    return request.param


@pytest.mark.parametrize("k", [1, 5, 90])
def test_neighbours_are_those_of_the_whole_matrix(block_rows, k):
    """Each row has its k nearest others, nearest first, ties in row order."""
    vectors = make_vectors()
    distances = measure_all(vectors)
    np.fill_diagonal(distances, np.inf)
    expected = np.argsort(distances, axis=1, kind="stable")[:, :k]
    row, rank, neighbour, distance = collect(vectors, k)
    assert row.tolist() == np.repeat(np.arange(len(vectors)), k).tolist()
    assert rank.tolist() == np.tile(np.arange(1, k + 1), len(vectors)).tolist()
    np.testing.assert_array_equal(neighbour.reshape(-1, k), expected)
    np.testing.assert_array_equal(distance.reshape(-1, k), np.take_along_axis(distances, expected, 1))


@pytest.mark.parametrize(("n", "entries"), [(0, 0), (1, 0), (2, 2), (4, 12)])
def test_few_rows_have_few_neighbours(n, entries):
    """Without k others, a row has as many neighbours as there are."""
    row, _, neighbour, _ = collect(make_vectors(n), 5)
    assert len(row) == entries
    assert (row != neighbour).all()


@pytest.mark.parametrize("distance", [0.0, 0.05, 0.3, 2.0])
def test_clusters_are_the_connected_components(block_rows, distance):
    """Clusters are the components of the graph of near pairs, numbered by their first rows."""
    vectors = make_vectors()
    expected = connected_components(measure_all(vectors) <= distance, directed=False)[1]
    labels = find_clusters(vectors, distance)
    first = [int(np.flatnonzero(labels == label)[0]) for label in range(labels.max() + 1)]
    assert first == sorted(first)
    assert len({*zip(labels, expected, strict=True)}) == labels.max() + 1 == expected.max() + 1


def test_a_pair_exactly_at_the_distance_is_near():
    """The distance is inclusive, however the product of the two was rounded."""
    angle = np.arccos(1 - 0.25)
    vectors = np.array([[1, 0], [np.cos(angle), np.sin(angle)], [-1, 0]], np.float32)
    assert measure_pairs(vectors, np.array([0]), np.array([1])).tolist() == [0.25]
    assert find_clusters(vectors, 0.25).tolist() == [0, 0, 1]
    assert find_clusters(vectors, 0.249999).tolist() == [0, 1, 2]


def test_no_rows_have_no_clusters():
    """No vectors give no labels."""
    assert find_clusters(np.empty((0, 4), np.float32), 0.1).shape == (0,)


def test_distances_are_symmetric_and_bounded():
    """A distance is the same both ways, 0 to itself and at most 2, whatever the lengths."""
    vectors = make_vectors(80)
    vectors[7] = -5 * vectors[6]
    distances = measure_all(vectors)
    np.testing.assert_array_equal(distances, distances.T)
    assert (np.diag(distances) == 0).all()
    assert distances[6, 7] == distances.max() == 2


@pytest.mark.parametrize("k", [1, 7])
def test_ties_below_the_precision_of_products_go_by_row(block_rows, k):
    """Products of float32 scatter where distances are equal to the last digit kept: none may be lost."""
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=64) + rng.normal(0, 1e-5, (300, 64))
    vectors = vectors.astype(np.float32)
    distances = measure_all(vectors)
    np.fill_diagonal(distances, np.inf)
    expected = np.argsort(distances, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(collect(vectors, k)[2].reshape(-1, k), expected)
