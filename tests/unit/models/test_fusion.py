"""What is masked changes nothing, whatever is missing is answered, and both modalities are heard."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tcellflow.models.configurations import FusionConfig, TokenConfig
from tcellflow.models.fusion import FusionBasis, FusionInference, FusionNetwork
from tcellflow.training.export import GraphSpec, export_onnx

G, P, K = 23, 5, 3
MIXERS = ("ttt", "ttt-set", "attention", "none")
FUSIONS = ("hand-over", "attention", "add", "none")


def make_network(mixer=None, fusion="hand-over", components=4, **changes):
    patches = torch.full((6, 4), G)
    patches.flatten()[:G] = torch.arange(G)
    loadings = torch.linalg.qr(torch.randn(G, 6, generator=torch.Generator().manual_seed(0)))[0]
    basis = FusionBasis(loadings, torch.ones(6), patches, torch.tensor([0, 0, 1, 1, 2, 2]))
    tokens = None
    if mixer is not None:
        tokens = TokenConfig(mixer, fusion, width=16, heads=2, batch=4, **changes)
    torch.manual_seed(1)
    config = FusionConfig(G, P, K, components, width=24, latent=8, tokens=tokens)
    return FusionNetwork(config, basis).eval()


def make_view(rows=4, seed=0):
    rng = torch.Generator().manual_seed(seed)
    genes, proteins = torch.randn(rows, G, generator=rng), torch.randn(rows, P, generator=rng)
    gene_mask = (torch.rand(rows, G, generator=rng) < 0.7).float()
    protein_mask = (torch.rand(rows, P, generator=rng) < 0.7).float()
    gene_mask[:, 0], protein_mask[:, 0] = 1, 1
    return [genes, gene_mask, proteins, protein_mask]


def outputs(network, view):
    with torch.no_grad():
        return [part for part in network(*view) if part is not None]


NETWORKS = [(None, "none", 4), *((mixer, "hand-over", 4) for mixer in MIXERS), ("ttt", "hand-over", 0)]
NETWORKS += [("ttt", fusion, 0) for fusion in FUSIONS[1:]]


@pytest.mark.parametrize(("mixer", "fusion", "components"), NETWORKS)
def test_a_masked_value_changes_no_bit(mixer, fusion, components):
    """The published lineage leaks masked genes through a dense layer in front of the mask."""
    network = make_network(mixer, fusion, components)
    view = make_view()
    changed = [part.clone() for part in view]
    changed[0][view[1] == 0] = 77.0
    changed[2][view[3] == 0] = -55.0
    for one, other in zip(outputs(network, view), outputs(network, changed), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("mixer", "fusion", "components"), NETWORKS)
def test_a_changed_protein_and_a_changed_gene_change_the_vector(mixer, fusion, components):
    """In the published lineage the second stage reads RNA twice and proteins never."""
    network = make_network(mixer, fusion, components)
    view = make_view()
    before = network(*view).latent
    for part in (0, 2):
        changed = [value.clone() for value in view]
        changed[part][:, 0] += 1
        assert (network(*changed).latent - before).abs().max() > 1e-5


@pytest.mark.parametrize(("mixer", "components"), [(None, 4), *((m, 4) for m in MIXERS), ("ttt", 0)])
def test_any_modality_may_be_missing(mixer, components):
    """Weights are 0 for what is absent, sum to 1 for what is there, and every number is finite."""
    network = make_network(mixer, components=components)
    view = make_view()
    view[1][0], view[3][1] = 0, 0
    view[1][2], view[3][2] = 0, 0
    out = network(*view)
    assert all(torch.isfinite(part).all() for part in out if part is not None)
    weights = out.weights.detach()
    assert weights[0, 0] == 0
    assert weights[1, 1] == 0
    torch.testing.assert_close(weights.sum(1), torch.tensor([1.0, 1.0, 0.0, 1.0]))


def test_the_first_token_is_no_summary():
    """In a causal layer it would have seen nothing: a change in the last patch moves the vector."""
    network = make_network("ttt", components=0)
    view = make_view()
    view[1][:] = 1
    before = network(*view).latent
    view[0][:, G - 1] += 1
    assert (network(*view).latent - before).abs().max() > 1e-5


def test_order_counts_with_ttt_and_not_for_the_set():
    """Patches that change places together with their weights are another sequence, but the same set."""
    for mixer, fusion, counts in (
        ("ttt", "hand-over", True),
        ("ttt-set", "hand-over", False),
        ("attention", "attention", False),
    ):
        network, other = make_network(mixer, fusion, 0), make_network(mixer, fusion, 0)
        order = torch.tensor([3, 1, 5, 0, 2, 4])
        tokens = other.tokens.genes
        for name in ("values", "missing", "position"):
            getattr(tokens, name).data = getattr(tokens, name).data[order]
        tokens.patches, tokens.chromosome = tokens.patches[order], tokens.chromosome[order]
        view = make_view()
        gap = (network(*view).latent - other(*view).latent).abs().max()
        assert (gap > 1e-4) == counts, mixer


def test_without_tokens_weight_the_network_is_the_plain_one():
    """A weight of 0 leaves the perceptron on components and proteins."""
    network, plain = make_network("ttt"), make_network()
    plain.load_state_dict({k: v for k, v in network.state_dict().items() if k in plain.state_dict()})
    network.token_weight.data.zero_()
    view = make_view()
    assert torch.equal(network(*view).latent, plain(*view).latent)


def test_missing_genes_are_made_up_for():
    """A component of which half is measured is scaled up, so that it keeps its size."""
    network = make_network()
    genes = network.plain.loadings[:, :1].T * 3.0
    whole = network.plain.project(genes, torch.ones(1, G))
    mask = torch.ones(1, G)
    mask[0, :8] = 0
    part = network.plain.project(genes * mask, mask)
    torch.testing.assert_close(part[0, 0], whole[0, 0])


def test_a_guess_stands_in_for_proteins_that_are_not_there():
    """The third published stage: weights of the guess matter for cells without proteins alone."""
    network = make_network("ttt", components=0, guesses_adt=True)
    view = make_view()
    view[3][0] = 0
    before = network(*view).latent
    network.tokens.guess.weight.data += 0.1
    moved = (network(*view).latent - before).abs().amax(1)
    assert moved[0] > 1e-5
    assert (moved[1:] == 0).all()


def test_a_network_of_nothing_is_refused():
    """Neither components nor tokens."""
    with pytest.raises(ValueError, match="components or tokens"):
        make_network(components=0)


@pytest.mark.slow
@pytest.mark.parametrize(("mixer", "components"), [(None, 4), *((m, 4) for m in MIXERS), ("ttt", 0)])
def test_the_graph_says_what_the_network_says(mixer, components):
    """Within 1e-4 at any number of cells, with a modality missing."""
    network = make_network(mixer, components=components, **({"guesses_adt": True} if not components else {}))
    whole = FusionInference(network, 1.3, torch.full((P,), 1.1))
    names = ("genes", "gene_mask", "proteins", "protein_mask")
    spec = GraphSpec(
        dict.fromkeys(names, ("batch", None)),
        ("latent", "class_probabilities", "protein_mean", "protein_sd", "weights"),
        is_unrolled=mixer is not None,
    )
    examples = []
    for rows in (6, 1, 9):
        view = make_view(rows)
        view[1][0] = 0
        examples.append(dict(zip(names, (np.ascontiguousarray(part) for part in view), strict=True)))
    _, difference = export_onnx(whole, spec, examples)
    assert difference <= 1e-4
