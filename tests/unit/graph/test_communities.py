"""Groups that were put in are found, numbered by size, and the same every time."""

from __future__ import annotations

import numpy as np

from tcellflow.graph.communities import find_communities
from tcellflow.graph.neighbours import find_neighbours, join_neighbours, to_whole_numbers


def make_graph(sizes=(60, 200, 100)):
    rng = np.random.default_rng(1)
    group = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = rng.normal(0, 6, (len(sizes), 10))
    points = to_whole_numbers(centres[group] + rng.normal(size=(len(group), 10)))
    return join_neighbours(*find_neighbours(points, 15)), group


def test_groups_are_found_and_numbered_by_size():
    """The largest group is 0."""
    graph, group = make_graph()
    found = find_communities(graph, 0.3, 0)
    assert np.bincount(found).tolist() == [200, 100, 60]
    assert (np.array([2, 0, 1])[group] == found).all()


def test_a_higher_resolution_gives_more_groups():
    """And the same seed the same groups, whatever was drawn before."""
    graph, _ = make_graph()
    many = find_communities(graph, 4.0, 0)
    assert many.max() > find_communities(graph, 0.3, 0).max()
    np.random.default_rng(5).normal(size=3)
    assert (find_communities(graph, 4.0, 0) == many).all()
