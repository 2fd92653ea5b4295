"""Losses of the receptor encoder: other views are told apart, and receptors are sums of their chains."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from receptor_corpora import make_chains, make_pairs, write_table
from tcellflow.errors import InputError
from tcellflow.models.configurations import ReceptorEncoderConfig
from tcellflow.models.receptors import to_unit
from tcellflow.receptors.encoding.tokens import build_vocabulary
from tcellflow.receptors.encoding.vectors import pair_vectors
from tcellflow.training.receptors import task
from tcellflow.training.receptors.batches import BatchMaker, View
from tcellflow.training.receptors.corpus import read_corpus
from tcellflow.training.receptors.noise import NO_NOISE
from tcellflow.training.receptors.options import CorpusOptions, MixOptions, NoiseOptions, ReceptorTaskOptions
from tcellflow.training.receptors.task import ReceptorTask, build_encoder, contrast, encode_view

VOCABULARY = build_vocabulary()
OPTIONS = ReceptorTaskOptions(
    network=ReceptorEncoderConfig(width=16, layers=1, heads=2, feed_forward=32, dimension=8), batch_size=24
)


def random_vectors(seed, rows=6):
    """Give random unit vectors."""
    return functional.normalize(torch.randn(rows, 32, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_contrast_is_small_where_views_agree_and_large_where_they_do_not():
    """Equal views cost next to nothing, shuffled ones more than chance, unrelated ones about chance."""
    one = random_vectors(0)
    chance = math.log(2 * len(one) - 1)
    assert contrast(one, one, 0.05) < 0.01
    assert contrast(one, one.roll(1, 0), 0.05) > 2 * chance
    assert contrast(one, random_vectors(1), 10.0) == pytest.approx(chance, abs=0.05)


def test_contrast_is_symmetric_and_sharpened_by_its_temperature():
    """Both views play the same part, and a lower temperature asks for less distance."""
    one, other = random_vectors(0), functional.normalize(random_vectors(0) + 0.3 * random_vectors(1), dim=1)
    torch.testing.assert_close(contrast(one, other, 0.1), contrast(other, one, 0.1))
    assert contrast(one, other, 0.05) < contrast(one, other, 0.5)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """A small corpus to learn from, and one to validate with."""
    folder = tmp_path_factory.mktemp("corpus")
    chains = write_table(folder / "chains.parquet", make_chains(500, "TRA", 1), make_chains(900, "TRB", 2))
    pairs = write_table(folder / "pairs.parquet", make_pairs(400, 3))
    return read_corpus(CorpusOptions((chains,), (pairs,)), VOCABULARY)[:2]


def test_a_receptor_is_the_sum_of_its_chains(corpora):
    """Vectors of a view are those of the shipped rule for pairs, whatever the order of the chains."""
    network = build_encoder(VOCABULARY, OPTIONS).eval()
    clean, _ = BatchMaker(corpora[0], 12, MixOptions(0.5, 0, 0.25), NO_NOISE, 0).draw(0)
    chains = clean.noised.chains
    with torch.no_grad():
        encoded = encode_view(network, clean, 12)
        features = network(
            *(torch.from_numpy(array.astype(np.int64)) for array in vars(chains).values())
        ).features.numpy()
    arms = np.zeros((2, 12, 8), np.float32)
    arms[chains.locus, clean.receptor] = features
    np.testing.assert_allclose(encoded.vectors.numpy(), pair_vectors(*arms), atol=1e-5)
    single = np.flatnonzero((arms == 0).all(2).any(0))
    expected = to_unit(torch.from_numpy(arms.sum(0)[single]))
    torch.testing.assert_close(encoded.vectors[torch.from_numpy(single)], expected, atol=1e-5, rtol=0)


def test_short_chains_are_padded_to_no_long_one(corpora, monkeypatch):
    """Chains run in parts of like lengths, so that all parts together hold fewer places than one would."""
    view, _ = BatchMaker(corpora[0], 12, MixOptions(0.5, 0, 0.25), NO_NOISE, 0).draw(0)
    parts, run = [], task._encode_rows

    def spy(network, view, rows, longest):
        parts.append((rows.numpy(), longest))
        return run(network, view, rows, longest)

    monkeypatch.setattr(task, "_encode_rows", spy)
    with torch.no_grad():
        encode_view(build_encoder(VOCABULARY, OPTIONS).eval(), view, 12)
    lengths = (view.noised.chains.residues != 0).sum(1)
    assert sorted(np.concatenate([rows for rows, _ in parts])) == list(range(len(lengths)))
    for (one, longest), (other, _) in itertools.pairwise(parts):
        assert longest == lengths[one].max() <= lengths[other].min()


def test_only_hidden_residues_are_asked_for(corpora):
    """As many logits come back as residues were hidden, with those residues as truth."""
    network = build_encoder(VOCABULARY, OPTIONS)
    _, noised = BatchMaker(corpora[0], 12, MixOptions(), NoiseOptions(mask=0.3), 0).draw(0)
    encoded = encode_view(network, noised, 12)
    targets = noised.noised.targets
    asked = targets[targets >= 0]
    assert encoded.residue_logits.shape == (len(asked), 20)
    assert sorted(encoded.residues.tolist()) == sorted(asked.tolist())


def test_each_hidden_residue_meets_its_own_logits(corpora):
    """A network that is told the answer at every place has no residue loss: logits and truth match up."""
    _, noised = BatchMaker(corpora[0], 12, MixOptions(), NoiseOptions(mask=0.3), 0).draw(0)

    class Knowing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.locus = torch.nn.Embedding(2, 4)
            self.told = {
                (row.tobytes(), int(locus)): answer
                for row, locus, answer in zip(
                    noised.noised.chains.residues,
                    noised.noised.chains.locus,
                    noised.noised.targets,
                    strict=True,
                )
            }

        def forward(self, locus, residues, *_):
            full = functional.pad(residues, (0, 40 - residues.shape[1])).numpy().astype(np.uint8)
            answers = [self.told[row.tobytes(), int(arm)] for row, arm in zip(full, locus, strict=True)]
            answers = torch.from_numpy(np.stack(answers))[:, : residues.shape[1]].clamp(min=0)
            return type("E", (), {
                "features": torch.ones(len(locus), 4),
                "residue_logits": 50.0 * functional.one_hot(answers, 20),
            })  # fmt: skip

    encoded = encode_view(Knowing(), View(noised.noised, noised.receptor), 12)
    assert float(functional.cross_entropy(encoded.residue_logits, encoded.residues)) < 1e-6


def test_a_short_training_lowers_every_loss(corpora):
    """Sixty steps on a small corpus lower contrast, teacher and residue loss of validation."""
    task = ReceptorTask(*corpora, VOCABULARY, OPTIONS)
    before = task.validate()
    optimiser = torch.optim.Adam(task.network.parameters(), lr=5e-3)
    for step in range(60):
        optimiser.zero_grad()
        task.measure_loss(step)[0].backward()
        optimiser.step()
    after = task.validate()
    assert all(after[name] < before[name] for name in ("loss", "contrast", "teacher", "residue")), (
        before,
        after,
    )


def test_nothing_to_validate_with_is_refused(corpora):
    """A corpus of which nothing is kept back is an error."""
    learn, validation = corpora
    none = np.zeros(0, int)
    empty = type(validation)(*(chains.take(none) for chains in vars(validation).values()))
    with pytest.raises(InputError, match="too small"):
        ReceptorTask(learn, empty, VOCABULARY, OPTIONS)
