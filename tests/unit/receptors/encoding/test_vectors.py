"""The vector of a pair is the sum of its chains at unit length."""

from __future__ import annotations

import numpy as np

from tcellflow.receptors.encoding.vectors import pair_vectors


def test_a_pair_is_the_sum_of_its_chains_at_unit_length():
    """Both chains count as much as their features are long; an absent chain changes nothing."""
    alpha = np.array([[3, 0], [3, 0], [0, 0], [0, 0]], np.float32)
    beta = np.array([[0, 4], [0, 0], [0, 2], [0, 0]], np.float32)
    expected = [[0.6, 0.8], [1, 0], [0, 1], [0, 0]]
    np.testing.assert_allclose(pair_vectors(alpha, beta), expected, rtol=1e-6)
