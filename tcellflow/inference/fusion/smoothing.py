"""What is known of cells drawn half-way to their nearest cells, which takes noise off it.

Invariant: a cell goes towards cells that were measured as it was, and never towards itself: put into a sample
anew, it comes to lie where it lay within it. Blocks and threads move no bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.graph.neighbours import find_nearest, to_whole_numbers
from tcellflow.inference.fusion.axes import choose_rows
from tcellflow.inference.fusion.standardise import ENOUGH_CELLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_NEAREST: Final = 15
_SHARE: Final = 0.5  # of the way
_ROWS: Final = 1_000  # of a block


@dataclass(frozen=True)
class SharpVectors:
    """Vectors before they are drawn towards each other.

    Parameters
    ----------
    vectors
        (B, D), float32; NaN where nothing was measured.
    kinds
        Which cells were measured alike, (B,), whole numbers.
    """

    vectors: NDArray[np.float32]
    kinds: NDArray[np.int64]

    def smooth(self, among: SharpVectors, *, threads: int = 1) -> NDArray[np.float32]:
        """Draw them half-way to the mean of their 15 nearest cells; arguments as for `average`."""
        return self.average(self.vectors, among, among.vectors, threads=threads)

    def average(
        self,
        values: NDArray[np.float32],
        among: SharpVectors,
        others: NDArray[np.float32],
        *,
        threads: int = 1,
    ) -> NDArray[np.float32]:
        """Draw what is known of the cells half-way to its mean over the 15 cells nearest by these vectors.

        Parameters
        ----------
        values
            Of these cells, (B, K).
        among
            Cells of a sample, these or others; neighbours are at most 20,000 evenly spaced ones of a kind.
        others
            Values of those, (M, K).
        threads
            That look for neighbours.

        Returns
        -------
        ndarray
            (B, K), float32. Cells without a vector, and cells of a kind of which `among` has fewer than 200,
            keep what they have.
        """
        found = values.copy()
        if not self.vectors.shape[1]:
            return found
        is_known = np.isfinite(self.vectors).all(axis=1)
        is_other = np.isfinite(among.vectors).all(axis=1)
        for kind in np.unique(self.kinds[is_known]):
            there = np.flatnonzero(is_other & (among.kinds == kind))
            if len(there) < ENOUGH_CELLS:
                continue
            farthest = float(np.abs(among.vectors[there]).max())
            there = there[choose_rows(len(there))]
            points = to_whole_numbers(among.vectors[there].astype(np.float64), farthest)
            known = others[there].astype(np.float64)
            rows = np.flatnonzero(is_known & (self.kinds == kind))
            for block in np.split(rows, np.arange(_ROWS, len(rows), _ROWS)):
                own = to_whole_numbers(self.vectors[block].astype(np.float64), farthest)
                nearest, squared = find_nearest(own, points, N_NEAREST + 1, threads=threads)
                is_same = squared[:, :1] == 0
                nearest = np.where(is_same, nearest[:, 1:], nearest[:, :-1])
                drawn = (1 - _SHARE) * values[block].astype(np.float64) + _SHARE * known[nearest].mean(axis=1)
                found[block] = drawn.round(6)
        return found


@dataclass(frozen=True)
class ToldByGenes:
    """What is told of the proteins of cells, and where their genes put them.

    Neighbours are of genes alone: by vectors that hold proteins, a cell's own value would choose whom it is
    averaged with.

    Parameters
    ----------
    places
        Of the cells, along axes of genes.
    levels
        (B, P), float32; NaN where nothing is told.
    """

    places: SharpVectors
    levels: NDArray[np.float32]

    def average(self, among: ToldByGenes, *, threads: int = 1) -> NDArray[np.float32]:
        """Draw levels half-way to their mean over the cells nearest by genes, as `SharpVectors.average`."""
        return self.places.average(self.levels, among.places, among.levels, threads=threads)
