"""Noise hides what it is told to hide, as often as it is told to."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.receptors.encoding.sequences import RESIDUES
from tcellflow.receptors.encoding.tokens import FIRST_RESIDUE, MASKED, PADDING
from tcellflow.training.receptors.corpus import TokenChains
from tcellflow.training.receptors.noise import add_noise
from tcellflow.training.receptors.options import NoiseOptions

NONE = NoiseOptions(mask=0, substitute=0, indel=0, hide_v=0, hide_j=0, hide_v_identity=0, drop_chain=0)


def make_chains(number=2_000, length=14, width=40):
    """Give random chains of one length."""
    random = np.random.default_rng(5)
    residues = np.zeros((number, width), np.uint8)
    residues[:, :length] = random.integers(FIRST_RESIDUE, FIRST_RESIDUE + 20, (number, length))
    genes = random.integers(1, 50, (2, number)).astype(np.uint8)
    return TokenChains(np.ones(number, np.uint8), residues, *genes)


def noised(chains, seed=0, **changes):
    """Noise chains in the ways named and no other."""
    options = NoiseOptions(**{**vars(NONE), **changes})
    return add_noise(chains, options, np.random.default_rng(seed))


def test_without_noise_a_view_is_the_chain():
    """No chance, no change, and nothing to be guessed."""
    chains = make_chains()
    view = noised(chains)
    for name in ("locus", "residues", "v_call", "j_call"):
        np.testing.assert_array_equal(getattr(view.chains, name), getattr(chains, name))
    assert (view.targets == -100).all()
    assert (view.keep_identity == 1).all()


def test_hidden_residues_are_asked_for():
    """The share of masked residues is the one asked for; each target is the residue that was there."""
    chains = make_chains()
    view = noised(chains, mask=0.2)
    is_masked = view.chains.residues == MASKED
    assert is_masked[:, :14].mean() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_array_equal(
        view.targets[is_masked], chains.residues[is_masked].astype(int) - FIRST_RESIDUE
    )
    assert (view.targets[~is_masked] == -100).all()


def test_exchanged_residues_are_others_and_mostly_similar():
    """An exchange never gives the same residue, and gives D for E far more often than D for W."""
    chains = make_chains()
    view = noised(chains, substitute=0.5)
    is_changed = view.targets != -100
    old, new = view.targets[is_changed], view.chains.residues[is_changed].astype(int) - FIRST_RESIDUE
    assert (old != new).all()
    assert is_changed[:, :14].mean() == pytest.approx(0.5, abs=0.01)
    chance = {one: np.mean(new[old == RESIDUES.index(one)] == RESIDUES.index("D")) for one in "EW"}
    assert chance["E"] > 5 * chance["W"]


def test_junctions_grow_and_shrink_in_their_middle():
    """A changed junction has one residue more or less, and keeps three residues at either end."""
    chains = make_chains()
    residues = noised(chains, indel=1).chains.residues
    lengths = (residues != PADDING).sum(1)
    assert set(lengths) == {13, 15}
    assert np.mean(lengths == 13) == pytest.approx(0.5, abs=0.05)
    np.testing.assert_array_equal(residues[:, :3], chains.residues[:, :3])
    for row, length in enumerate(lengths):
        np.testing.assert_array_equal(residues[row, length - 3 : length], chains.residues[row, 11:14])
        assert (residues[row, length:] == PADDING).all()


def test_short_and_longest_junctions_keep_their_length():
    """Nothing is taken from seven residues, and nothing put into a full row."""
    for chains in (make_chains(length=7), make_chains(length=40)):
        np.testing.assert_array_equal(noised(chains, indel=1).chains.residues, chains.residues)


def test_genes_are_hidden_independently():
    """V, J and the identity of V vanish as often as asked."""
    view = noised(make_chains(), hide_v=0.3, hide_j=0.5, hide_v_identity=0.2)
    is_hidden = [view.chains.v_call == 0, view.chains.j_call == 0, view.keep_identity == 0]
    assert [hidden.mean() for hidden in is_hidden] == pytest.approx([0.3, 0.5, 0.2], abs=0.04)
    assert np.mean(is_hidden[0] & is_hidden[1]) == pytest.approx(0.15, abs=0.03)


def test_the_generator_decides():
    """The same generator gives the same view, another one another."""
    chains = make_chains()
    one, same, other = (noised(chains, seed, mask=0.2, indel=0.1).chains.residues for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
