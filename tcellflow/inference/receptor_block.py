"""Receptor vectors on their way into a model of T-cell states.

Invariant: a missing chain is a row of NaN here and a zero with a mask in the model, never a vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ReceptorBlock:
    """Receptor vectors of B cells.

    Parameters
    ----------
    tra, trb
        Vectors of the alpha and beta chain, shape (B, D), float32; NaN rows where a chain is missing.
    """

    tra: NDArray[np.float32]
    trb: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.tra)

    @property
    def has_tra(self) -> NDArray[np.bool_]:
        """Which cells have an alpha vector, shape (B,)."""
        return ~np.isnan(self.tra[:, 0])

    @property
    def has_trb(self) -> NDArray[np.bool_]:
        """Which cells have a beta vector, shape (B,)."""
        return ~np.isnan(self.trb[:, 0])

    def take(self, rows: slice) -> ReceptorBlock:
        """Select cells.

        Parameters
        ----------
        rows
            Which.

        Returns
        -------
        ReceptorBlock
            Their vectors.
        """
        return ReceptorBlock(self.tra[rows], self.trb[rows])


def no_receptors(n_cells: int, dimension: int) -> ReceptorBlock:
    """Give the vectors of cells without any receptor.

    Parameters
    ----------
    n_cells, dimension
        B and D.

    Returns
    -------
    ReceptorBlock
        NaN everywhere.
    """
    nothing = np.full((n_cells, dimension), np.nan, np.float32)
    return ReceptorBlock(nothing, nothing)
