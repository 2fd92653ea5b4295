"""Signal and background of antibodies: more counts never mean less signal."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.inference.fusion.background import Groups, find_signal, share_of_high


@pytest.mark.parametrize("spread", [(0.2, 1.0), (1.0, 0.2), (0.5, 0.5)])
@pytest.mark.parametrize("mean", [(1.0, 4.0), (4.0, 1.0)])
def test_the_probability_never_falls(mean, spread):
    """Whichever group is broader, and also while the groups are still being found."""
    groups = Groups(np.array([0.7, 0.3]), np.array(mean), np.array(spread))
    found = share_of_high(np.linspace(0, 8, 500), groups)
    steps = np.diff(found) * (1 if mean[1] > mean[0] else -1)
    assert (steps >= -1e-12).all()
    assert 0 <= found.min() < 0.5 < found.max() <= 1


@pytest.mark.parametrize("spread", [(0.15, 0.8), (0.8, 0.3)])
def test_levels_rise_with_counts_and_are_never_negative(spread):
    """Counts of a protein that a part of the cells has."""
    rng = np.random.default_rng(0)
    high = rng.random(3_000) < 0.3
    logs = np.where(high, rng.normal(5, spread[1], 3_000), rng.normal(1.5, spread[0], 3_000))
    counts = np.rint(np.expm1(np.maximum(logs, 0)))[:, None]
    signal = find_signal(counts, np.ones(3_000, bool))
    order = np.argsort(counts[:, 0], kind="stable")
    for values in (signal.foreground[order, 0], signal.denoised[order, 0]):
        assert (np.diff(values) >= -1e-6).all()
        assert values.min() >= 0
    assert ((signal.foreground[:, 0] > 0.5) == high).mean() > 0.98
