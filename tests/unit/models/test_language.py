"""The language network: what is not measured changes nothing, and one token at a time says the same."""

from __future__ import annotations

import pytest
import torch

from tcellflow.models.configurations import LanguageConfig
from tcellflow.models.text_decoder import LanguageNetwork

CONFIG = LanguageConfig(genes=30, kinds=5, tokens=40, width=32, deviating=6, queries=4, longest=32)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return LanguageNetwork(CONFIG).eval()


def draw(rows=7, batch=2):
    torch.manual_seed(1)
    mask = (torch.rand(batch, CONFIG.genes) < 0.7).float()
    kinds = torch.randint(1, CONFIG.kinds + 1, (batch, rows))
    genes = torch.randint(0, CONFIG.genes + 1, (batch, rows))
    return torch.randn(batch, CONFIG.genes), mask, kinds, genes, torch.randn(batch, rows, CONFIG.numbers)


@torch.no_grad()
def test_a_masked_gene_changes_nothing(network):
    """The value of a gene that was not measured leaves queries and memory bit-equal."""
    values, mask, *rows = draw()
    changed = torch.where(mask > 0, values, values + 100)
    for one, other in zip(
        network.encoder(values, mask, *rows), network.encoder(changed, mask, *rows), strict=True
    ):
        assert torch.equal(one, other)


@torch.no_grad()
def test_padded_rows_change_nothing(network):
    """Rows of kind 0 behind a plan leave the words that are told unchanged."""
    memory = draw()
    kinds, genes, numbers = memory[2:]
    longer = (
        torch.zeros(2, 3, dtype=torch.long),
        torch.randint(0, 31, (2, 3)),
        torch.randn(2, 3, CONFIG.numbers),
    )
    padded = tuple(torch.cat([a, b], 1) for a, b in zip((kinds, genes, numbers), longer, strict=True))
    tokens, filled = torch.randint(0, 40, (2, 5)), torch.randint(0, 8, (2, 5))
    found = [tell(network, one, tokens, filled) for one in (memory, (*memory[:2], *padded))]
    torch.testing.assert_close(found[0][0], found[1][0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[0][1], found[1][1][:, :, :7], atol=1e-5, rtol=1e-4)


def tell(network, memory, tokens, filled):
    _, kept, bias = network.encoder(*memory)
    scores, pointed, _ = network.decoder(
        tokens, filled, network.start(len(tokens)), kept, network.decoder.keep(kept), bias
    )
    return scores, pointed


@torch.no_grad()
def test_one_token_at_a_time_says_the_same(network):
    """With what was kept of earlier tokens, scores and pointers are those of the whole text."""
    memory = draw()
    tokens, filled = torch.randint(0, 40, (2, 9)), torch.randint(0, 8, (2, 9))
    scores, pointed = tell(network, memory, tokens, filled)
    _, kept, bias = network.encoder(*memory)
    past = network.start(2)
    for t in range(9):
        step = network.decoder(
            tokens[:, t : t + 1], filled[:, t : t + 1], past, kept, network.decoder.keep(kept), bias
        )
        past = step[2]
        torch.testing.assert_close(step[0][:, 0], scores[:, t], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(step[1][:, 0], pointed[:, t], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_token_knows_nothing_of_those_behind_it(network):
    """Changing the last token leaves all before it bit-equal."""
    memory = draw()
    tokens, filled = torch.randint(0, 40, (2, 9)), torch.zeros(2, 9, dtype=torch.long)
    other = tokens.clone()
    other[:, -1] = (other[:, -1] + 1) % 40
    assert torch.equal(
        tell(network, memory, tokens, filled)[0][:, :-1], tell(network, memory, other, filled)[0][:, :-1]
    )
