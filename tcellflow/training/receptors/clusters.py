"""The distance below which two receptors of a trained encoder are linked in a cluster.

Invariant: at most one of a million pairs of unrelated receptors is nearer; where too few receptors are there
to tell, only receptors of one and the same vector are linked.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from tcellflow.receptors.encoding.vectors import pair_vectors
from tcellflow.vocabulary import EmbeddingKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.models.receptors import ReceptorEncoder
    from tcellflow.training.receptors.corpus import Corpus, TokenChains

_RATE: Final = 1e-6  # of pairs of unrelated receptors that are linked
_MOST: Final = 6_000  # receptors of a kind; 18 million pairs
_LEAST_PAIRS: Final = 10 / _RATE  # so that the rate is measured by ten pairs or more
_AT_ONCE: Final = 512
_STEPS: Final = 200  # of a cosine distance: it is rounded down to half a hundredth


def measure_distances(network: ReceptorEncoder, corpus: Corpus, *, seed: int = 0) -> dict[str, float]:
    """Measure the cluster distances of a trained receptor encoder.

    Parameters
    ----------
    network
        The encoder, on the CPU.
    corpus
        Receptors that are taken to be unrelated: most of any large corpus are. Alphas and betas of different
        cells stand for pairs where none are given.
    seed
        Of the receptors that are drawn.

    Returns
    -------
    dict
        Greatest cosine distance of a step within a cluster by kind (`EmbeddingKind`).
    """
    rng = np.random.default_rng(seed)
    alphas = _embed(network, _draw(corpus.alphas, corpus.pair_alphas, rng))
    betas = _embed(network, _draw(corpus.betas, corpus.pair_betas, rng))
    n_pairs = min(len(corpus.pair_betas), _MOST)
    if n_pairs:
        rows = np.sort(rng.choice(len(corpus.pair_betas), n_pairs, replace=False))
        paired = (
            _embed(network, corpus.pair_alphas.take(rows)),
            _embed(network, corpus.pair_betas.take(rows)),
        )
    else:
        n_pairs = min(len(alphas), len(betas))
        paired = (alphas[:n_pairs], betas[:n_pairs])
    nothing = np.zeros_like
    return {
        str(EmbeddingKind.PAIR): _find_distance(pair_vectors(*paired)),
        str(EmbeddingKind.TRB): _find_distance(pair_vectors(betas, nothing(betas))),
        str(EmbeddingKind.TRA): _find_distance(pair_vectors(alphas, nothing(alphas))),
    }


def _draw(singles: TokenChains, of_pairs: TokenChains, rng: np.random.Generator) -> TokenChains:
    chains = singles if len(singles) else of_pairs
    return chains.take(np.sort(rng.choice(len(chains), min(len(chains), _MOST), replace=False)))


def _embed(network: ReceptorEncoder, chains: TokenChains) -> NDArray[np.float32]:
    """Give the features of chains, (N, D)."""
    network.eval()
    parts = [np.zeros((0, network.config.dimension), np.float32)]
    with torch.no_grad():
        for start in range(0, len(chains), _AT_ONCE):
            some = chains.take(np.arange(start, min(start + _AT_ONCE, len(chains))))
            longest = int((some.residues > 0).sum(axis=1).max())
            arrays = (some.locus, some.residues[:, :longest], some.v_call, some.j_call)
            encoding = network(*(torch.from_numpy(array.astype(np.int64)) for array in arrays))
            parts.append(encoding.features.float().numpy())
    return np.concatenate(parts)


def _find_distance(vectors: NDArray[np.float32]) -> float:
    """Find the largest distance that links no more pairs of distinct vectors than the rate."""
    vectors = np.unique(vectors, axis=0)
    n_pairs = len(vectors) * (len(vectors) - 1) / 2
    if n_pairs < _LEAST_PAIRS:
        return 0.0
    edges = np.arange(_STEPS + 1) / _STEPS
    counts = np.zeros(_STEPS)
    for start in range(0, len(vectors), 1_000):
        distances = 1 - vectors[start : start + 1_000] @ vectors.T
        above = np.triu_indices(len(distances), start + 1, len(vectors))
        counts += np.histogram(np.maximum(distances[above], 0), edges)[0]
    n_allowed = math.floor(n_pairs * _RATE)
    return float(edges[int(np.searchsorted(np.cumsum(counts), n_allowed, side="right"))])
