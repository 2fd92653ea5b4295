"""Neighbours are exact, in one order, and the same for any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.graph.neighbours import find_nearest, find_neighbours, join_neighbours, to_whole_numbers


def make_points(n: int, width: int = 8, seed: int = 0) -> np.ndarray:
    return to_whole_numbers(np.random.default_rng(seed).normal(size=(n, width)))


def test_neighbours_are_those_of_a_full_search():
    """Every cell's neighbours are those that sorting all distances gives, ties by order."""
    points = np.concatenate([make_points(300), make_points(40), make_points(1).repeat(20, axis=0)])
    apart = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    nearest, squared = find_nearest(points, points, 9)
    for row, distances in enumerate(apart):
        order = np.lexsort((np.arange(len(points)), distances))[:9]
        assert nearest[row].tolist() == order.tolist()
        assert squared[row].tolist() == distances[order].tolist()


def test_a_point_is_not_its_own_neighbour():
    """Nor among equals."""
    points = np.concatenate([make_points(50), np.zeros((30, 8))])
    neighbours, _ = find_neighbours(points, 5)
    assert (neighbours != np.arange(80)[:, None]).all()
    assert all(len(set(row)) == 5 for row in neighbours.tolist())


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_no_neighbour(threads):
    """Blocks that run beside each other give the same."""
    points = make_points(900)
    for one, many in zip(
        find_neighbours(points, 15), find_neighbours(points, 15, threads=threads), strict=True
    ):
        assert one.tobytes() == many.tobytes()


def test_the_graph_is_symmetric():
    """Weights lie in 0-1, both ways alike; the nearest neighbour weighs 1."""
    graph = join_neighbours(*find_neighbours(make_points(200), 15)).tocsr()
    assert abs(graph - graph.T).max() == 0
    assert 0 < graph.data.min() <= graph.data.max() == 1
    assert graph.diagonal().sum() == 0
