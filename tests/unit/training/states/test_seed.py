"""What the members of the seed network are taught."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.training.states.seed import balance_states


def test_states_that_cells_have_count_the_same_and_others_nothing():
    """Else label smoothing would pull every cell to a state without cells, with the weight of all cells."""
    truth = np.array([0] * 60 + [3] * 30 + [6] * 10)
    weights = balance_states(truth)
    sums = weights * np.bincount(truth, minlength=7)
    assert sums[[0, 3, 6]] == pytest.approx(100 / 3)
    assert not weights[[1, 2, 4, 5]].any()
