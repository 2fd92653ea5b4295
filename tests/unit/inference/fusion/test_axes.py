"""Axes of a sample's own genes say how much of what they show is signal."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from tcellflow.inference.fusion.axes import find_axes
from tcellflow.inference.fusion.standardise import measure_rows


def find(values, n_axes=6):
    return find_axes(
        sparse.csr_matrix(values), np.arange(values.shape[1]), measure_rows(values), n_axes
    ).signal


def test_noise_has_no_signal():
    """All axes of independent numbers lie within what chance gives."""
    assert find(np.random.default_rng(0).normal(5, 1, size=(2_000, 300))).max() < 0.05


def test_groups_have_signal():
    """An axis between two groups is nearly all signal, the others none."""
    rng = np.random.default_rng(1)
    values = rng.normal(5, 1, size=(2_000, 300))
    values[:600, :60] += 2
    signal = find(values)
    assert signal[0] > 0.8
    assert signal[1:].max() < 0.1


def test_fewer_cells_show_less():
    """The same difference between groups is less sure in few cells."""
    rng = np.random.default_rng(2)
    values = rng.normal(5, 1, size=(2_000, 300))
    values[::3, :30] += 1
    many, few = find(values)[0], find(values[:200])[0]
    assert few < many - 0.1
