"""Batches are drawn by seed and step, and both views are of the same receptors."""

from __future__ import annotations

import numpy as np
import pytest

from receptor_corpora import make_chains, make_pairs, write_table
from tcellflow.receptors.encoding.tokens import build_vocabulary
from tcellflow.training.receptors.batches import BatchMaker
from tcellflow.training.receptors.corpus import Corpus, read_corpus
from tcellflow.training.receptors.noise import NO_NOISE
from tcellflow.training.receptors.options import CorpusOptions, MixOptions, NoiseOptions

MIX = MixOptions(natural_pairs=0.25, random_pairs=0.25, alphas=0.25)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A small corpus of chains and pairs."""
    folder = tmp_path_factory.mktemp("corpus")
    chains = write_table(folder / "chains.parquet", make_chains(200, "TRA", 1), make_chains(300, "TRB", 2))
    pairs = write_table(folder / "pairs.parquet", make_pairs(100, 3))
    return read_corpus(CorpusOptions((chains,), (pairs,)), build_vocabulary())[0]


def kinds_of(view, receptors):
    """Tell for each receptor whether an alpha and a beta is in a view."""
    has = np.zeros((2, receptors), int)
    np.add.at(has, (view.noised.chains.locus, view.receptor), 1)
    assert has.max() == 1
    return has.astype(bool)


def test_a_batch_has_the_kinds_asked_for(corpus):
    """Half of 400 receptors are pairs, a quarter alphas, the rest betas."""
    clean, _ = BatchMaker(corpus, 400, MIX, NO_NOISE, 0).draw(0)
    has_alpha, has_beta = kinds_of(clean, 400)
    assert (has_alpha & has_beta).sum() == 200
    assert (has_alpha & ~has_beta).sum() == 100
    assert (has_beta & ~has_alpha).sum() == 100


def test_natural_pairs_stay_together(corpus):
    """The chains of a pair of the corpus are of one row."""
    partner = {
        alpha.tobytes(): beta.tobytes()
        for alpha, beta in zip(corpus.pair_alphas.residues, corpus.pair_betas.residues, strict=True)
    }
    clean, _ = BatchMaker(corpus, 40, MixOptions(1, 0, 0), NO_NOISE, 0).draw(0)
    residues, locus = clean.noised.chains.residues, clean.noised.chains.locus
    for receptor in range(40):
        alpha, beta = (residues[(clean.receptor == receptor) & (locus == arm)][0] for arm in (0, 1))
        assert partner[alpha.tobytes()] == beta.tobytes()


def test_a_view_loses_one_chain_of_some_pairs_and_never_both(corpus):
    """As many pairs as asked for lose a chain, alphas and betas alike; single chains stay."""
    _, noised = BatchMaker(corpus, 4_000, MIX, NoiseOptions(drop_chain=0.4), 0).draw(0)
    has = kinds_of(noised, 4_000)
    assert has.any(axis=0).all()
    pairs = has[:, :2_000]
    assert [np.mean(~arm) for arm in pairs] == pytest.approx([0.2, 0.2], abs=0.03)


def test_seed_and_step_decide(corpus):
    """The same seed and step give the same batch whatever was drawn before; others give others."""
    maker = BatchMaker(corpus, 64, MIX, NoiseOptions(), 5)
    later = maker.draw(7)
    maker.draw(3)
    again = BatchMaker(corpus, 64, MIX, NoiseOptions(), 5).draw(7)
    for one, other in zip(later, again, strict=True):
        np.testing.assert_array_equal(one.noised.chains.residues, other.noised.chains.residues)
    for different, step in ((maker, 8), (BatchMaker(corpus, 64, MIX, NoiseOptions(), 6), 7)):
        other = different.draw(step)[0].noised.chains.residues
        assert (
            other.shape != later[0].noised.chains.residues.shape
            or (other != later[0].noised.chains.residues).any()
        )


@pytest.mark.parametrize("present", ["alphas", "betas", "pairs"])
def test_a_corpus_of_one_kind_fills_the_batch(corpus, present):
    """What the corpus lacks gives way to what it has."""
    none = np.zeros(0, int)
    parts = {"alphas": corpus.alphas.take(none), "betas": corpus.betas.take(none)}
    parts |= {"pair_alphas": corpus.pair_alphas.take(none), "pair_betas": corpus.pair_betas.take(none)}
    for name in (present,) if present != "pairs" else ("pair_alphas", "pair_betas"):
        parts[name] = getattr(corpus, name)
    clean, _ = BatchMaker(Corpus(**parts), 50, MIX, NO_NOISE, 0).draw(0)
    has = kinds_of(clean, 50)
    assert has[0].all() == (present != "betas")
    assert has[1].all() == (present != "alphas")
