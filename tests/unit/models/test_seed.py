"""The seed network has the published size, and what is missing says nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tcellflow.models.configurations import SeedConfig
from tcellflow.models.seed import SeedEnsemble, SeedNetwork, SeedReceptors
from tcellflow.training.states.predictions import collapse
from tcellflow.training.states.seed import joint_cells

SMALL = SeedConfig(genes=10, chain=6, vj=5, width=8, heads=2)


def build(config):
    return SeedNetwork(config, torch.zeros(config.genes), torch.ones(config.genes)).eval()


@pytest.mark.parametrize(("width", "parameters"), [(512, 14_924_423), (384, 9_220_743)])
def test_the_number_of_parameters_is_that_of_the_blocks(width, parameters):
    """Layers and widths are those of the specification, to the last bias."""
    with torch.device("meta"):
        network = SeedNetwork(SeedConfig(width=width), torch.zeros(3_000), torch.ones(3_000))
    assert sum(value.numel() for value in network.parameters()) == parameters


@pytest.mark.parametrize("there", [(0, 0, 0), (0, 1, 0), (1, 0, 1)])
def test_missing_chains_and_genes_say_nothing(there):
    """The vectors under a mask can be anything, also if all are missing; those in sight count."""
    network = build(SMALL)
    generator = torch.Generator().manual_seed(0)
    expression = torch.rand(4, SMALL.genes, generator=generator)
    chains = torch.rand(4, 2, SMALL.chain, generator=generator)
    vj = torch.rand(4, SMALL.vj, generator=generator) if there[2] else torch.zeros(4, SMALL.vj)
    is_there = torch.tensor([there] * 4, dtype=torch.float32)
    hidden = chains.clone()
    for chain in range(2):
        if not there[chain]:
            hidden[:, chain] = 7.0
    present = torch.ones(1, SMALL.genes)
    one, latent = network(expression, present, SeedReceptors(chains, vj, is_there))
    other, _ = network(expression, present, SeedReceptors(hidden, vj, is_there))
    without, _ = network(expression, present)
    assert torch.isfinite(one).all()
    assert latent.shape == (4, 4 * SMALL.width)
    torch.testing.assert_close(one, other)
    assert torch.allclose(one, without) == (there == (0, 0, 0))
    if there[1]:
        chains[:, 1] += 1
        assert not torch.allclose(one, network(expression, present, SeedReceptors(chains, vj, is_there))[0])


def test_the_ensemble_averages_logits():
    """The answer that counts is the softmax of the members' mean logits, whatever words it is said in."""
    members = [build(SMALL) for _ in range(3)]
    whole = SeedEnsemble(members, joint_cells()).eval()
    expression, present = torch.rand(4, SMALL.genes), torch.ones(1, SMALL.genes)
    mean = sum(member(expression, present)[0] for member in members) / 3
    logits = whole(expression, present)
    joint, cycle = (whole.summarise(part).detach().numpy() for part in (logits.joint, logits.cycle))
    np.testing.assert_allclose(collapse(joint, cycle[:, 0]), mean.softmax(1).detach().numpy(), rtol=1e-4)
