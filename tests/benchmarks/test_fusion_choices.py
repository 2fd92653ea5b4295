"""What other choices would do is told in pairs, and with what it costs where it costs most."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from benchmarks.fusion.choice_tables import tell_depth, tell_weights
from benchmarks.fusion.weights import SHIPPED, stretch


def _row(seed, narrow, accuracy):
    view = {"accuracy": accuracy, "label_ari": 0.9}
    return {"set": "one", "seed": seed, "narrow": narrow, "rna+adt": view, "rna": view, "adt": view}


def test_depths_are_compared_on_the_same_seeds():
    """A seed that was measured with one of them alone counts for neither."""
    rows = [_row(0, 0.0, 0.9), _row(0, 0.5, 0.92), _row(1, 0.0, 0.1)]
    *_, without, with_views = tell_depth(rows)
    assert without == "| one | 1 | 0% | .900 | .900 | .900 | .900 |  |  |"
    assert with_views == "| one | 1 | 50% | .920 | .900 | .920 | .920 |  |  |"


def test_lengths_are_told_with_their_worst_set():
    """A mean that is better may hide a loss."""
    rows = [
        {"set": name, "labels": "kinds", "lengths": lengths, "accuracy": accuracy, "ari": 0.5}
        for lengths, of in ((list(SHIPPED), (0.8, 0.8)), ([1.0, 1.0, 1.0], (0.9, 0.75)))
        for name, accuracy in zip("ab", of, strict=True)
    ]
    assert tell_weights(rows)[-1] == "| 1, 1, 1 | .825 | +.100 | -.050 | .500 | +.000 | +.000 |"


def test_each_part_is_stretched_by_its_own_length():
    """Parts begin where the widest ones would end."""
    widths = {"latent": 3, "rna": 2, "adt": 1}
    vectors = np.zeros((1, 64), np.float32)
    vectors[0, [0, 1, 2]], vectors[0, [24, 25]], vectors[0, 44] = 0.7, 1, 1
    sharp = SimpleNamespace(vectors=vectors)
    fused = SimpleNamespace(space=SimpleNamespace(widths=widths), sharp=sharp)
    found = stretch(fused, (1.4, 2.0, 3.0))[0]
    np.testing.assert_allclose(found[[0, 24, 44]], [1.4, 2, 3], rtol=1e-6)
    assert np.count_nonzero(found) == 6
