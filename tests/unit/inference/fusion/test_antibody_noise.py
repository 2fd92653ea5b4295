"""What is not of a cell is taken off its antibody counts."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.errors import InputError
from tcellflow.inference.fusion.antibody_noise import learn_noise

TARGETS = np.array(["CD4", "CD8A", "CD19"], dtype=object)
CONTROLS = np.array(["IgG1"], dtype=object)


@pytest.fixture
def sample():
    """600 cells of two kinds whose antibodies all share a factor of the cell."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=600)
    is_high = rng.random((600, 3)) < [0.6, 0.4, 0.3]
    logs = np.where(is_high, 5.5, 2.5) + 0.5 * shared[:, None] + rng.normal(size=(600, 3)) * 0.2
    controls = np.rint(np.exp(1.5 + 0.5 * shared + rng.normal(size=600) * 0.2))[:, None]
    return np.rint(np.exp(logs)), controls, shared, is_high


@pytest.mark.parametrize("has_controls", [True, False])
def test_dsb_takes_off_what_a_cells_antibodies_share(sample, has_controls):
    """Within the cells that show a protein, the shared factor is gone, with isotype controls or without."""
    counts, controls, shared, is_high = sample
    isotypes = (CONTROLS, controls) if has_controls else (CONTROLS[:0], controls[:, :0])
    noise = learn_noise("dsb", TARGETS, counts, isotypes, where="test")
    found = np.log1p(noise.remove(TARGETS, counts, isotypes))
    for column in range(3):
        rows = is_high[:, column]
        before = np.corrcoef(np.log1p(counts[rows, column]), shared[rows])[0, 1]
        after = np.corrcoef(found[rows, column], shared[rows])[0, 1]
        assert before > 0.85
        assert abs(after) < 0.6
        assert found[rows, column].mean() > found[~rows, column].mean() + 2


def test_a_mixture_takes_off_the_spread_of_the_background(sample):
    """Background cells become alike, the others stay as they are."""
    counts, controls, _, is_high = sample
    noise = learn_noise("mixture", TARGETS, counts, (CONTROLS, controls), where="test")
    found = noise.remove(TARGETS, counts, (CONTROLS, controls))
    for column in range(3):
        rows = is_high[:, column]
        assert np.log1p(found[~rows, column]).std() < 0.3 * np.log1p(counts[~rows, column]).std()
        assert np.corrcoef(found[rows, column], counts[rows, column])[0, 1] > 0.95


def test_other_panels_of_new_cells_keep_what_was_learnt(sample):
    """An order of its own changes nothing, and an antibody that nobody learnt from stays as it is."""
    counts, controls, _, _ = sample
    noise = learn_noise("mixture", TARGETS, counts, (CONTROLS, controls), where="test")
    whole = noise.remove(TARGETS, counts, (CONTROLS, controls))
    names = np.array(["CD8A", "CD56"], dtype=object)
    found = noise.remove(names, counts[:5, [1, 2]], (CONTROLS[:0], controls[:5, :0]))
    assert np.array_equal(found[:, 0], whole[:5, 1])
    np.testing.assert_allclose(found[:, 1], counts[:5, 2], rtol=1e-5)


def test_too_few_cells_are_refused(sample):
    """Background is told from 200 cells on."""
    counts, controls, _, _ = sample
    with pytest.raises(InputError, match="199 cells"):
        learn_noise("dsb", TARGETS, counts[:199], (CONTROLS, controls[:199]), where="test")
