"""Noise on receptors: two noised views of one receptor are what the encoder must find alike.

Invariant: noise depends on the generator that is handed over alone; a junction keeps its padding at
the end and at least its first and last residue's places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.receptors.encoding.sequences import RESIDUES
from tcellflow.receptors.encoding.tokens import FIRST_RESIDUE, MASKED, PADDING, UNKNOWN_GENE
from tcellflow.training.receptors.corpus import TokenChains
from tcellflow.training.receptors.options import NoiseOptions

if TYPE_CHECKING:
    import numpy.typing as npt

NOT_ASKED: Final = -100  # the class that torch's cross-entropy ignores
# BLOSUM62 (Henikoff and Henikoff 1992), rows and columns in the order of RESIDUES.
_BLOSUM62_ROWS: Final = """
4 0 -2 -1 -2 0 -2 -1 -1 -1 -1 -2 -1 -1 -1 1 0 0 -3 -2
0 9 -3 -4 -2 -3 -3 -1 -3 -1 -1 -3 -3 -3 -3 -1 -1 -1 -2 -2
-2 -3 6 2 -3 -1 -1 -3 -1 -4 -3 1 -1 0 -2 0 -1 -3 -4 -3
-1 -4 2 5 -3 -2 0 -3 1 -3 -2 0 -1 2 0 0 -1 -2 -3 -2
-2 -2 -3 -3 6 -3 -1 0 -3 0 0 -3 -4 -3 -3 -2 -2 -1 1 3
0 -3 -1 -2 -3 6 -2 -4 -2 -4 -3 0 -2 -2 -2 0 -2 -3 -2 -3
-2 -3 -1 0 -1 -2 8 -3 -1 -3 -2 1 -2 0 0 -1 -2 -3 -2 2
-1 -1 -3 -3 0 -4 -3 4 -3 2 1 -3 -3 -3 -3 -2 -1 3 -3 -1
-1 -3 -1 1 -3 -2 -1 -3 5 -2 -1 0 -1 1 2 0 -1 -2 -3 -2
-1 -1 -4 -3 0 -4 -3 2 -2 4 2 -3 -3 -2 -2 -2 -1 1 -2 -1
-1 -1 -3 -2 0 -3 -2 1 -1 2 5 -2 -2 0 -1 -1 -1 1 -1 -1
-2 -3 1 0 -3 0 1 -3 0 -3 -2 6 -2 0 0 1 0 -3 -4 -2
-1 -3 -1 -1 -4 -2 -2 -3 -1 -3 -2 -2 7 -1 -2 -1 -1 -2 -4 -3
-1 -3 0 2 -3 -2 0 -3 1 -2 0 0 -1 5 1 0 -1 -2 -2 -1
-1 -3 -2 0 -3 -2 0 -3 2 -2 -1 0 -2 1 5 -1 -1 -3 -3 -2
1 -1 0 0 -2 0 -1 -2 0 -2 -1 1 -1 0 -1 4 1 -2 -3 -2
0 -1 -1 -1 -2 -2 -2 -1 -1 -1 -1 0 -1 -1 -1 1 5 0 -2 -2
0 -1 -3 -2 -1 -3 -3 3 -2 1 1 -3 -2 -2 -3 -2 0 4 -3 -1
-3 -2 -4 -3 1 -2 -2 -3 -3 -2 -1 -4 -4 -2 -3 -3 -2 -3 11 2
-2 -2 -3 -2 3 -3 2 -1 -2 -1 -1 -2 -3 -1 -2 -2 -2 -1 2 7
"""
BLOSUM62: Final = np.array([row.split() for row in _BLOSUM62_ROWS.strip().splitlines()], float)


def _substitution_steps() -> npt.NDArray[np.float64]:
    """Give (20, 20) cumulative chances of what replaces each residue; a residue never replaces itself."""
    # a half-bit score s says that the exchange is 2^(s/2) times as frequent as chance
    chances = np.exp2(BLOSUM62 / 2)
    np.fill_diagonal(chances, 0)
    steps: npt.NDArray[np.float64] = np.cumsum(chances, axis=1)
    return steps / steps[:, -1:]


_STEPS: Final = _substitution_steps()


NO_NOISE: Final = NoiseOptions(
    mask=0, substitute=0, indel=0, hide_v=0, hide_j=0, hide_v_identity=0, drop_chain=0
)


@dataclass(frozen=True)
class NoisedChains:
    """One view of N chains.

    Parameters
    ----------
    chains
        The noised chains.
    targets
        (N, L) int64 residue number, 0 to 19, where a residue was hidden or exchanged, else -100.
    keep_identity
        (N,) float32 0 where the V gene's identity is hidden.
    """

    chains: TokenChains
    targets: npt.NDArray[np.int64]
    keep_identity: npt.NDArray[np.float32]


def add_noise(chains: TokenChains, options: NoiseOptions, random: np.random.Generator) -> NoisedChains:
    """Add noise to receptors: make one noised view.

    Returns
    -------
    NoisedChains
        The view, and what was hidden in it.
    """
    original = _shift_centres(chains.residues, options.indel, random)
    is_real = original != PADDING
    chance = random.random(original.shape, np.float32)
    is_masked = is_real & (chance < options.mask)
    is_exchanged = is_real & ~is_masked & (chance < options.mask + options.substitute)
    residues = original.copy()
    residues[is_masked] = MASKED
    old = original[is_exchanged].astype(np.int64) - FIRST_RESIDUE
    residues[is_exchanged] = (random.random((len(old), 1)) > _STEPS[old]).sum(1) + FIRST_RESIDUE
    targets = np.where(is_masked | is_exchanged, original.astype(np.int64) - FIRST_RESIDUE, NOT_ASKED)
    hidden = random.random((3, len(chains)))
    view = TokenChains(
        locus=chains.locus,
        residues=residues,
        v_call=np.where(hidden[0] < options.hide_v, np.uint8(UNKNOWN_GENE), chains.v_call),
        j_call=np.where(hidden[1] < options.hide_j, np.uint8(UNKNOWN_GENE), chains.j_call),
    )
    return NoisedChains(view, targets, (hidden[2] >= options.hide_v_identity).astype(np.float32))


def _shift_centres(
    residues: npt.NDArray[np.uint8], chance: float, random: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Take a residue out of, or put one into, the central part of some junctions."""
    lengths = (residues != PADDING).sum(1)
    is_changed = random.random(len(residues)) < chance
    is_longer = random.random(len(residues)) < 0.5
    width = residues.shape[1]
    # at least 8 residues, so that three on either side stay; longest ones cannot grow
    rows = np.flatnonzero(is_changed & (lengths >= 8) & (lengths < width))
    place = random.integers(3, lengths[rows] - 3)[:, None]
    step = np.where(is_longer[rows], -1, 1)[:, None]
    columns = np.arange(width)[None]
    # behind the place every residue comes from one further on (loss) or one before (gain)
    source = np.where(columns >= place + (step < 0), columns + step, columns)
    padded = np.pad(residues[rows], ((0, 0), (0, 1)), constant_values=PADDING)
    changed = np.take_along_axis(padded, source, axis=1)
    gained = np.flatnonzero(is_longer[rows])
    new = random.integers(FIRST_RESIDUE, FIRST_RESIDUE + len(RESIDUES), len(gained))
    changed[gained, place[gained, 0]] = new
    shifted = residues.copy()
    shifted[rows] = changed
    return shifted
