"""Groups of near receptors, so that no test receptor has a twin among the references.

Two receptors are joined when their junctions (of a pair: both of them) are at most one residue apart
by exchange, loss or gain; groups are the connected components.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def group_receptors(arms: Sequence[NDArray[np.object_]]) -> NDArray[np.int64]:
    """Find the group of each of N receptors, given the (N,) junctions of each of their chains."""
    near: csr_matrix | None = None
    for junctions in arms:
        distinct, number = np.unique(junctions.astype(str), return_inverse=True)
        owner = _matrix(np.arange(len(number)), number, (len(number), len(distinct)))
        of_receptors = owner @ join_near(distinct.tolist()) @ owner.T
        near = of_receptors if near is None else near.multiply(of_receptors)
    return np.asarray(connected_components(near, directed=False)[1], np.int64)


def join_near(junctions: Sequence[str]) -> csr_matrix:
    """Give the (M, M) matrix of M distinct junctions that is 1 where two are at most one edit apart."""
    keys: dict[object, int] = {}
    wildcards: list[tuple[int, int]] = []
    wholes: list[tuple[int, int]] = []
    shortened: list[tuple[int, int]] = []
    for row, junction in enumerate(junctions):
        wholes.append((row, keys.setdefault(junction, len(keys))))
        for place in range(len(junction)):
            both = junction[:place], junction[place + 1 :]
            wildcards.append((row, keys.setdefault(both, len(keys))))
            shortened.append((row, keys.setdefault("".join(both), len(keys))))
    shape = (len(junctions), len(keys))
    by_wildcard, by_whole, by_shortened = (
        _matrix(*np.array(entries).T, shape) for entries in (wildcards, wholes, shortened)
    )
    gained = by_shortened @ by_whole.T
    return ((by_wildcard @ by_wildcard.T + gained + gained.T) > 0).astype(np.int32)


def _matrix(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> csr_matrix:
    return csr_matrix((np.ones(len(rows), np.int32), (rows, columns)), shape=shape)
