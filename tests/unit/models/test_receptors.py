"""The receptor encoder looks at one chain at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tcellflow.models.configurations import ReceptorEncoderConfig
from tcellflow.models.receptors import to_unit
from tcellflow.receptors.encoding.sequences import ChainSequences
from tcellflow.receptors.encoding.tokens import build_vocabulary
from tcellflow.training.receptors.options import ReceptorTaskOptions
from tcellflow.training.receptors.task import build_encoder

TINY = ReceptorEncoderConfig(width=16, layers=2, heads=2, feed_forward=32, dimension=8)
ROWS = [
    ("TRB", "CASSIRSSYEQYF", "TRBV19", "TRBJ2-7"),
    ("TRA", "CAGGGSQGNLIF", "TRAV27", "TRAJ42"),
    ("TRB", "CSVGTGGTNEKLFF", "TRBV29-1", None),
    ("TRB", "C" + "ASGRT" * 7 + "EQYF", None, None),
]


@pytest.fixture(scope="module")
def network():
    """A tiny encoder with random weights, its V identities too."""
    encoder = build_encoder(build_vocabulary(), ReceptorTaskOptions(network=TINY)).eval()
    with torch.no_grad():
        encoder.genes.v_identity.normal_(generator=torch.Generator().manual_seed(1))
    return encoder


def encode(network, rows, pad=0):
    """Encode (locus, junction, v, j) rows, with more padding than needed."""
    chains = ChainSequences(*(np.array(column, dtype=object) for column in zip(*rows, strict=True)))
    tokens = build_vocabulary().tokenise(chains)
    tokens["residues"] = np.pad(tokens["residues"], ((0, 0), (0, pad)))
    with torch.no_grad():
        return network(**{name: torch.from_numpy(array) for name, array in tokens.items()})


def test_neighbours_and_padding_do_not_matter(network):
    """A chain has the same features alone, among longer chains, and with extra padding."""
    together = encode(network, ROWS, pad=5)
    for row, chain in enumerate(ROWS):
        alone = encode(network, [chain])
        torch.testing.assert_close(together.features[row], alone.features[0], atol=1e-5, rtol=0)
        length = len(chain[1])
        torch.testing.assert_close(
            together.residue_logits[row, :length], alone.residue_logits[0], atol=1e-5, rtol=0
        )


def test_order_does_not_matter(network):
    """Chains in reverse order have the same features in reverse order."""
    forward, backward = encode(network, ROWS).features, encode(network, ROWS[::-1]).features
    torch.testing.assert_close(forward, backward.flip(0), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "other",
    [
        ("TRB", "CASSIRSSYEQYF", "TRBV6-5", "TRBJ2-7"),
        ("TRB", "CASSIRSSYEQYF", None, "TRBJ2-7"),
        ("TRB", "CASSIRSSYEQYF", "TRBV19", "TRBJ1-1"),
        ("TRB", "CASSRISSYEQYF", "TRBV19", "TRBJ2-7"),
        ("TRA", "CASSIRSSYEQYF", "TRBV19", "TRBJ2-7"),
    ],
    ids=["V", "no V", "J", "order of residues", "locus"],
)
def test_every_part_of_a_chain_counts(network, other):
    """Another gene, locus or order of residues gives another vector."""
    one, two = encode(network, [ROWS[0]]).features, encode(network, [other]).features
    assert (to_unit(one) - to_unit(two)).norm() > 1e-3


def test_a_family_is_the_mean_of_its_members(network):
    """A V gene known by its family alone stands between the genes of the family."""
    vocabulary = build_vocabulary()
    family = [name for name in vocabulary.v_calls if name.startswith("TRBV4-")]
    numbers = torch.tensor([vocabulary.v_calls.index(name) + 1 for name in ["TRBV4", *family]])
    with torch.no_grad():
        of_v, _ = network.genes(numbers, torch.zeros_like(numbers), None)
    torch.testing.assert_close(of_v[0], of_v[1:].mean(0), atol=1e-5, rtol=0)


def test_without_its_identity_a_v_gene_is_its_loops(network):
    """TRBV6-2 and TRBV6-3, whose loops are equal, differ by their identities alone."""
    vocabulary = build_vocabulary()
    numbers = torch.tensor([vocabulary.v_calls.index(name) + 1 for name in ("TRBV6-2", "TRBV6-3")])
    with torch.no_grad():
        of_v, _ = network.genes(numbers, torch.zeros(2, dtype=torch.long), None)
        loops, _ = network.genes(numbers, torch.zeros(2, dtype=torch.long), torch.zeros(2))
    assert (of_v[0] - of_v[1]).norm() > 0.1
    torch.testing.assert_close(loops[0], loops[1], atol=1e-6, rtol=0)


def test_the_encoder_is_small():
    """The default encoder has fewer than a million parameters."""
    encoder = build_encoder(build_vocabulary(), ReceptorTaskOptions())
    assert sum(value.numel() for value in encoder.parameters()) < 1_000_000
