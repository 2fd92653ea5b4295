"""Receptor vectors on their way into a model of T-cell states.

Invariant: a missing chain is a row of NaN here and a zero with a mask in the model, never a vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.errors import InputError

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

    def take(self, rows: slice | NDArray[np.intp]) -> ReceptorBlock:
        """Select cells.

        Parameters
        ----------
        rows
            A slice or row numbers.

        Returns
        -------
        ReceptorBlock
            Their vectors.
        """
        return ReceptorBlock(self.tra[rows], self.trb[rows])

    def as_inputs(self, dimension: int) -> dict[str, NDArray[np.float32]]:
        """Give what a model takes: vectors with zeros for missing chains, and masks.

        Parameters
        ----------
        dimension
            D as the model expects it.

        Returns
        -------
        dict
            ``tra``, ``trb`` of shape (B, D) and ``has_tra``, ``has_trb`` of shape (B, 1), float32.

        Raises
        ------
        InputError
            If the vectors have another width.
        """
        arrays: dict[str, NDArray[np.float32]] = {}
        for name, vectors, has in (("tra", self.tra, self.has_tra), ("trb", self.trb, self.has_trb)):
            if vectors.shape[1] != dimension:
                raise InputError(
                    f"the receptor vectors have {vectors.shape[1]} columns; the bundle expects {dimension}",
                    where="receptors",
                    mend="embed the receptors with the encoder that the bundle names",
                )
            arrays[name] = np.where(has[:, None], vectors, np.float32(0))
            arrays[f"has_{name}"] = has[:, None].astype(np.float32)
        return arrays


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
