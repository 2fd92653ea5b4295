"""Batches of receptors: which ones are seen at a step, and the two views of each.

Invariant: a batch depends on the seed and the step alone, so training goes on after a stop as if
there had been none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.training.receptors.corpus import Corpus, TokenChains
from tcellflow.training.receptors.noise import NO_NOISE, NoisedChains, add_noise

if TYPE_CHECKING:
    import numpy.typing as npt

    from tcellflow.training.receptors.options import MixOptions, NoiseOptions

_BOTH, _ALPHA_ONLY, _BETA_ONLY = 0, 1, 2


@dataclass(frozen=True)
class View:
    """One noised view of R receptors as N chains.

    Parameters
    ----------
    noised
        N chains, at least one of each receptor.
    receptor
        (N,) number of the receptor each chain belongs to.
    """

    noised: NoisedChains
    receptor: npt.NDArray[np.int64]


class BatchMaker:
    """Draws batches from a corpus.

    Parameters
    ----------
    corpus
        Where receptors come from.
    size
        Receptors R of a batch.
    mix
        Their kinds.
    noise
        Strength of the noise.
    seed
        Seed of all batches.
    """

    def __init__(self, corpus: Corpus, size: int, mix: MixOptions, noise: NoiseOptions, seed: int) -> None:
        self._corpus = corpus
        self.size = size
        self._noise = noise
        self._seed = seed
        self._counts = _count_kinds(corpus, size, mix)

    def draw(self, step: int) -> tuple[View, View]:
        """Draw the batch of a step.

        Returns
        -------
        tuple of View
            The R receptors as they are, and a noised view of them.
        """
        random = np.random.default_rng([self._seed, step])
        chains, receptor = self._draw_chains(random)
        keep_alpha, keep_beta = self._keep_chains(random)
        rows = np.flatnonzero(np.where(chains.locus == 0, keep_alpha[receptor], keep_beta[receptor]))
        noised = View(add_noise(chains.take(rows), self._noise, random), receptor[rows])
        return View(add_noise(chains, NO_NOISE, random), receptor), noised

    def _draw_chains(self, random: np.random.Generator) -> tuple[TokenChains, npt.NDArray[np.int64]]:
        natural, mixed, alphas, betas = self._counts
        corpus = self._corpus
        pairs = random.integers(0, max(len(corpus.pair_alphas), 1), natural)
        drawn = [corpus.pair_alphas.take(pairs), corpus.pair_betas.take(pairs)]
        for source, number in ((corpus.alphas, mixed + alphas), (corpus.betas, mixed + betas)):
            drawn.append(source.take(random.integers(0, max(len(source), 1), number)))
        every = np.arange(self.size)
        receptor = [every[:natural], every[:natural], every[natural : natural + mixed + alphas]]
        receptor.append(np.concatenate([every[natural : natural + mixed], every[natural + mixed + alphas :]]))
        parts = (
            np.concatenate([getattr(part, name) for part in drawn])
            for name in ("locus", "residues", "v_call", "j_call")
        )
        return TokenChains(*parts), np.concatenate(receptor)

    def _keep_chains(self, random: np.random.Generator) -> tuple[npt.NDArray[np.bool_], ...]:
        """Tell for each receptor whether its alpha and its beta are in a view; single chains always are."""
        n_pairs = self._counts[0] + self._counts[1]
        chance = random.random(self.size)
        chance[n_pairs:] = 1
        half = self._noise.drop_chain / 2
        return chance >= half, (chance < half) | (chance >= 2 * half)


def _count_kinds(corpus: Corpus, size: int, mix: MixOptions) -> tuple[int, int, int, int]:
    """Turn shares into numbers of receptors; kinds that the corpus lacks give way to those it has."""
    has_alphas, has_betas = bool(len(corpus.alphas)), bool(len(corpus.betas))
    natural = int(size * mix.natural_pairs) if len(corpus.pair_alphas) else 0
    mixed = int(size * mix.random_pairs) if has_alphas and has_betas else 0
    alphas = int(size * mix.alphas) if has_alphas else 0
    rest = size - natural - mixed - alphas
    if has_betas:
        return natural, mixed, alphas, rest
    if has_alphas:
        return natural, mixed, alphas + rest, 0
    return size, 0, 0, 0
