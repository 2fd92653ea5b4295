"""Vectors of cells drawn half-way to their nearest cells, which takes noise off them.

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
        """Draw them half-way to the mean of their 15 nearest cells.

        Parameters
        ----------
        among
            Cells of a sample, these or others; neighbours are at most 20,000 evenly spaced ones of a kind.
        threads
            That look for neighbours.

        Returns
        -------
        ndarray
            (B, D), float32. Cells of a kind of which `among` has fewer than 200 stay where they are.
        """
        found = self.vectors.copy()
        is_known = np.isfinite(self.vectors).all(axis=1)
        is_other = np.isfinite(among.vectors).all(axis=1)
        for kind in np.unique(self.kinds[is_known]):
            others = among.vectors[is_other & (among.kinds == kind)].astype(np.float64)
            if len(others) < ENOUGH_CELLS:
                continue
            farthest = float(np.abs(others).max())
            others = others[choose_rows(len(others))]
            points = to_whole_numbers(others, farthest)
            rows = np.flatnonzero(is_known & (self.kinds == kind))
            for block in np.split(rows, np.arange(_ROWS, len(rows), _ROWS)):
                own = self.vectors[block].astype(np.float64)
                nearest, squared = find_nearest(
                    to_whole_numbers(own, farthest), points, N_NEAREST + 1, threads=threads
                )
                is_same = squared[:, :1] == 0
                nearest = np.where(is_same, nearest[:, 1:], nearest[:, :-1])
                drawn = (1 - _SHARE) * own + _SHARE * others[nearest].mean(axis=1)
                found[block] = drawn.round(6)
        return found
