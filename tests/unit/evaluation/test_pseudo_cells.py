"""Made cells beside real ones."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.evaluation.pseudo_cells import mean_discrepancy, tell_apart, vote


@pytest.fixture
def rng():
    """Give seeded numbers."""
    return np.random.default_rng(0)


def test_cells_of_one_kind_cannot_be_told_apart(rng):
    """The same distribution gives about one half and almost no distance; another is told."""
    real, same = rng.normal(size=(200, 5)), rng.normal(size=(200, 5))
    assert tell_apart(real, same, seed=0) == pytest.approx(0.5, abs=0.12)
    assert tell_apart(real, same + 2, seed=0) > 0.99
    assert mean_discrepancy(real, same) < 0.02 < mean_discrepancy(real, same + 2)


def test_the_nearest_cells_vote():
    """Each asked cell gets the class around it; ties go to the smaller class."""
    known = np.array([[0.0], [0.1], [5.0], [5.1]])
    classes = np.array([0, 0, 1, 1])
    assert vote(known, classes, np.array([[0.0], [5.0]]), 2).tolist() == [0, 1]
    assert vote(known, classes, np.array([[5.0]]), 4).tolist() == [0]
