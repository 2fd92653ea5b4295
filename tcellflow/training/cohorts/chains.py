"""The chains of cells that are learnt from: one vector for each distinct chain, with its genes and without.

Invariant: a missing chain is a zero behind a mask of 0, never a vector.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MISSING: Final = -1


@dataclass(frozen=True)
class CellChains:
    """Chains of B cells.

    Parameters
    ----------
    vectors
        Of N distinct chains, shape (N, D), float32.
    tra, trb
        Row of each cell's alpha and beta chain among them, shape (B, 2), intp: as the file names its genes,
        and without V and J gene; -1 = missing.
    digest
        Digest of the distinct chains and of what embedded them.
    """

    vectors: NDArray[np.float32]
    tra: NDArray[np.intp]
    trb: NDArray[np.intp]
    digest: str

    def __len__(self) -> int:
        return len(self.tra)

    @property
    def dimension(self) -> int:
        """Width D of a chain's vector."""
        return int(self.vectors.shape[1])

    @property
    def is_there(self) -> NDArray[np.bool_]:
        """Which cells have an alpha and a beta chain, shape (B, 2)."""
        return np.asarray(np.stack([self.tra[:, 0], self.trb[:, 0]], axis=1) != MISSING)

    def take(self, rows: NDArray[np.intp]) -> CellChains:
        """Select cells.

        Returns
        -------
        CellChains
            They, over the same vectors.
        """
        return replace(self, tra=self.tra[rows], trb=self.trb[rows])

    def show(
        self,
        rows: NDArray[np.intp],
        *,
        kept: NDArray[np.bool_] | None = None,
        nameless: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float32]:
        """Give what a network is shown of some cells.

        Parameters
        ----------
        rows
            Row numbers, R of them.
        kept
            Which chains are shown, shape (R, 2); all if not given.
        nameless
            Cells whose chains are shown without V and J gene, shape (R,); none if not given.

        Returns
        -------
        ndarray
            Shape (R, 2D + 2), float32: alpha and beta vector, 0 where missing, and one mask each.
        """
        version = 0 if nameless is None else nameless.astype(np.intp)
        table = np.zeros((len(rows), 2 * self.dimension + 2), np.float32)
        for arm, chains in enumerate((self.tra, self.trb)):
            row_of = chains[rows, version]
            is_shown = row_of != MISSING
            if kept is not None:
                is_shown &= kept[:, arm]
            columns = slice(arm * self.dimension, (arm + 1) * self.dimension)
            table[is_shown, columns] = self.vectors[row_of[is_shown]]
            table[is_shown, 2 * self.dimension + arm] = 1
        return table

    def fingerprint(self) -> dict[str, Any]:
        """Tell these cells' chains from others, for checkpoints.

        Returns
        -------
        dict
            Plain values.
        """
        places = np.concatenate([self.tra, self.trb]).astype("<i8").tobytes()
        return {"vectors": self.digest, "cells": hashlib.sha256(places).hexdigest()}


def join_chains(parts: Sequence[CellChains | None], sizes: Sequence[int]) -> CellChains | None:
    """Join the chains of several cohorts.

    Parameters
    ----------
    parts
        Of each cohort, over the same vectors; None where it has no receptors.
    sizes
        Cells of each cohort.

    Returns
    -------
    CellChains or None
        Of all their cells; None where no cohort has receptors.
    """
    some = next((part for part in parts if part is not None), None)
    if some is None:
        return None
    nothing = [np.full((size, 2), MISSING, dtype=np.intp) for size in sizes]
    tra = [none if part is None else part.tra for part, none in zip(parts, nothing, strict=True)]
    trb = [none if part is None else part.trb for part, none in zip(parts, nothing, strict=True)]
    return replace(some, tra=np.concatenate(tra), trb=np.concatenate(trb))
