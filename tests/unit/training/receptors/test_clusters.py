"""Cluster distances of a trained encoder are those that one pair in a million undercuts."""

from __future__ import annotations

import numpy as np

from tcellflow.training.receptors.clusters import _find_distance


def draw_vectors(n):
    """Give n random directions."""
    vectors = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_one_pair_in_a_million_is_nearer():
    """Of 6,000 random directions up to 18 pairs are within the distance; a step further there are more."""
    vectors = draw_vectors(6_000)
    distance = _find_distance(vectors)

    def count_near(limit):
        return sum(int((1 - vectors[i] @ vectors[i + 1 :].T < limit).sum()) for i in range(len(vectors) - 1))

    assert 0 < distance < 0.2
    assert count_near(distance) <= 18 < count_near(distance + 0.005)


def test_few_receptors_tell_no_distance():
    """Two thousand receptors are two million pairs, too few for one in a million; none are none."""
    assert _find_distance(draw_vectors(2_000)) == 0
    assert _find_distance(draw_vectors(0)) == 0
