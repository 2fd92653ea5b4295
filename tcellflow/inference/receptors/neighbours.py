"""Nearest receptors and clusters of similar ones, exact, in blocks of bounded memory.

Invariant: distances are exact to `DECIMALS` and symmetric; equal distances keep the order of the
rows; block sizes and thread counts change no result.

The products of two blocks are taken in float32, which may be wrong in the last digits and differ
between machines. They only choose candidates, with a margin wider than their error; what is
reported is computed again in float64, one pair at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.sparse import coo_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]
    Indices = npt.NDArray[np.int64]
    Distances = npt.NDArray[np.float64]

DECIMALS: Final = 6
BLOCK_ROWS: Final = 2048  # a block of products has 16 MB
# Products of unit vectors in float32 are right to 1e-6 at the widths in use; rounding adds another.
_MARGIN = 1e-5
_GROUP = 32  # columns whose greatest product stands for all when the k-th greatest is bounded
_EXACT_PAIRS = 16_384  # pairs computed again at a time: below 200 MB at a width of 768


@dataclass(frozen=True)
class Neighbours:
    """Nearest rows of some rows.

    Parameters
    ----------
    row
        (E,) row numbers, ascending; up to k entries for each row.
    rank
        (E,) 1 = nearest.
    neighbour
        (E,) row numbers of the neighbours, never the row itself.
    distance
        (E,) cosine distances, 0 to 2, rounded to `DECIMALS`, ascending within a row.
    """

    row: Indices
    rank: Indices
    neighbour: Indices
    distance: Distances


def find_neighbours(vectors: Vectors, k: int) -> Iterator[Neighbours]:
    """Find the k nearest neighbours of every row.

    Parameters
    ----------
    vectors
        (N, D) float32, no row all zero; may be a memory map.
    k
        Neighbours per row, at least 1; rows have N - 1 at most.

    Yields
    ------
    Neighbours
        Of the next `BLOCK_ROWS` rows.
    """
    for first in range(0, len(vectors), BLOCK_ROWS):
        rows, columns = _find_candidates(vectors, first, k)
        distance = measure_pairs(vectors, rows, columns)
        order = np.lexsort((columns, distance, rows))
        rows, columns, distance = rows[order], columns[order], distance[order]
        rank = 1 + np.arange(len(rows)) - np.searchsorted(rows, rows)
        kept = rank <= k
        yield Neighbours(rows[kept], rank[kept], columns[kept], distance[kept])


def _find_candidates(vectors: Vectors, first: int, k: int) -> tuple[Indices, Indices]:
    """Find the pairs that may be among the k nearest of each row of a block, by row and column."""
    block = _unit(vectors[first : first + BLOCK_ROWS])
    found_rows, found_columns = np.empty(0, np.int64), np.empty(0, np.int64)
    products = np.empty(0, np.float32)
    best = np.full((len(block), k), -np.inf, np.float32)  # of each row, the k greatest bounds so far
    for start in range(0, len(vectors), BLOCK_ROWS):
        part = block @ _unit(vectors[start : start + BLOCK_ROWS]).T  # (rows, columns)
        if start == first:
            np.fill_diagonal(part, -np.inf)
        best = _raise_bounds(best, part, k)
        bound = best.min(axis=1) - _MARGIN
        at, of = np.nonzero((part >= bound[:, None]) & (part > -np.inf))
        kept = products >= bound[found_rows]
        found_rows = np.concatenate([found_rows[kept], at])
        found_columns = np.concatenate([found_columns[kept], of + start])
        products = np.concatenate([products[kept], part[at, of]])
    return found_rows + first, found_columns


def _raise_bounds(
    best: npt.NDArray[np.float32], part: npt.NDArray[np.float32], k: int
) -> npt.NDArray[np.float32]:
    """Keep the k greatest of the bounds and of the greatest products per group of columns."""
    whole = part.shape[1] // _GROUP * _GROUP
    groups = part[:, :whole].reshape(len(part), -1, _GROUP).max(axis=2)
    every = np.concatenate([best, groups, part[:, whole:]], axis=1)
    return np.ascontiguousarray(np.partition(every, every.shape[1] - k, axis=1)[:, -k:])


def find_clusters(vectors: Vectors, distance: float) -> Indices:
    """Cluster rows that are neighbours: connected by steps of at most a distance.

    Parameters
    ----------
    vectors
        (N, D) float32, no row all zero; may be a memory map.
    distance
        Greatest cosine distance of a step, 0 to 2, inclusive after rounding to `DECIMALS`.

    Returns
    -------
    numpy.ndarray
        (N,) cluster numbers from 0, in the order of their first rows (single linkage: connected
        components of the graph of near pairs).
    """
    labels = np.arange(len(vectors))
    for first in range(0, len(vectors), BLOCK_ROWS):
        block = _unit(vectors[first : first + BLOCK_ROWS])
        for start in range(first, len(vectors), BLOCK_ROWS):
            part = block @ _unit(vectors[start : start + BLOCK_ROWS]).T
            rows, columns = _near_pairs(vectors, part, (first, start), distance)
            labels = _join(labels, rows, columns)
    first_rows, numbers = np.unique(labels, return_index=True, return_inverse=True)[1:]
    return np.asarray(np.argsort(np.argsort(first_rows))[numbers], dtype=np.int64)


def _near_pairs(
    vectors: Vectors, part: npt.NDArray[np.float32], at: tuple[int, int], distance: float
) -> tuple[Indices, Indices]:
    rows, columns = np.nonzero(part >= 1 - distance - _MARGIN)
    is_close_call = part[rows, columns] <= 1 - distance + _MARGIN
    rows, columns = rows + at[0], columns + at[1]
    is_near = np.ones(len(rows), dtype=bool)
    is_near[is_close_call] = measure_pairs(vectors, rows[is_close_call], columns[is_close_call]) <= distance
    return rows[is_near], columns[is_near]


def _join(labels: Indices, rows: Indices, columns: Indices) -> Indices:
    ends = labels[rows], labels[columns]
    if (ends[0] == ends[1]).all():
        return labels
    n = len(labels)
    graph = coo_matrix((np.ones(len(rows), dtype=bool), ends), shape=(n, n))
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 (slow, and for clusters alone)

    return np.asarray(connected_components(graph, directed=False)[1][labels], dtype=np.int64)


def measure_pairs(vectors: Vectors, rows: Indices, columns: Indices) -> Distances:
    """Measure the cosine distances of pairs of rows, as between neighbours.

    Parameters
    ----------
    vectors
        (N, D) float32, no row all zero.
    rows, columns
        (E,) row numbers.

    Returns
    -------
    numpy.ndarray
        (E,) float64, 0 to 2, rounded to `DECIMALS`; the same for (i, j) and (j, i).
    """
    distances = np.empty(len(rows))
    for first in range(0, len(rows), _EXACT_PAIRS):
        some = slice(first, first + _EXACT_PAIRS)
        one, other = (vectors[index[some]].astype(np.float64) for index in (rows, columns))
        lengths = np.sqrt(np.square(one).sum(axis=1) * np.square(other).sum(axis=1))
        distances[some] = 1 - (one * other).sum(axis=1) / lengths
    return np.asarray(np.round(np.clip(distances, 0, 2), DECIMALS), dtype=np.float64)


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
    return np.asarray(vectors / lengths, dtype=np.float32)
