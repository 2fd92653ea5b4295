"""The nearest of many points, exactly, and the graph that joins them.

Invariant: the same points give the same neighbours, whatever the number of threads and the size of a block:
distances are taken between whole numbers, so that no order of summing can change which points are near.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.intp]

_GRID: Final = 4_096  # whole numbers that the widest component spans to either side
_BISECTIONS: Final = 40
_MOST_ROWS, _LEAST_ROWS = 256, 32  # of a block
_BLOCK_DISTANCES: Final = 2**23  # what a block may hold: 64 MiB


def to_whole_numbers(scores: Floats, farthest: float | None = None) -> Floats:
    """Round points (B, D) to a grid on which `farthest`, their own farthest from 0 if None, is 4,096 away."""
    span = np.abs(scores).max() if farthest is None else farthest
    return np.asarray(np.rint(scores * (_GRID / max(span, 1e-12))))


def find_nearest(points: Floats, among: Floats, k: int, *, threads: int = 1) -> tuple[Integers, Floats]:
    """Find the k nearest of the others, and their squared distances.

    Parameters
    ----------
    points, among
        Whole numbers, (n, D) and (m, D).
    k
        At most m.
    threads
        Blocks in work at a time.

    Returns
    -------
    tuple of numpy.ndarray
        Rows of `among` and squared distances, each (n, k); nearest first, ties in the order of `among`.
    """
    squares = (among**2).sum(axis=1)
    turned = np.ascontiguousarray(-2 * among.T)
    # The order among equals is that of the rows: whole numbers leave room for it behind the point.
    order_of = np.arange(len(among)) / (2 * len(among))
    neighbours = np.empty((len(points), k), np.intp)
    distances = np.empty((len(points), k))
    rows = int(np.clip(_BLOCK_DISTANCES // max(len(among), 1), _LEAST_ROWS, _MOST_ROWS))

    def search(start: int) -> None:
        block = points[start : start + rows]
        keyed = block @ turned
        keyed += (block**2).sum(axis=1)[:, None]
        keyed += squares
        keyed += order_of
        nearest = (
            np.argpartition(keyed, k - 1, axis=1)[:, :k] if k < len(among) else np.argsort(keyed, axis=1)
        )
        found = np.take_along_axis(keyed, nearest, axis=1)
        order = np.argsort(found, axis=1)
        nearest = np.take_along_axis(nearest, order, axis=1)
        neighbours[start : start + len(block)] = nearest
        distances[start : start + len(block)] = np.rint(
            np.take_along_axis(found, order, axis=1) - order_of[nearest]
        )

    with ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(search, range(0, len(points), rows)))  # raises what a block raised
    return neighbours, distances


def find_neighbours(points: Floats, k: int, *, threads: int = 1) -> tuple[Integers, Floats]:
    """Find the k nearest other points of each, and their squared distances, as `find_nearest`; k < n."""
    neighbours, squared = find_nearest(points, points, k + 1, threads=threads)
    own = neighbours == np.arange(len(points))[:, None]
    # Among equal points one may not find itself: then its farthest neighbour goes.
    own[~own.any(axis=1), -1] = True
    shape = (len(points), k)
    return neighbours[~own].reshape(shape), squared[~own].reshape(shape)


def join_neighbours(neighbours: Integers, squared: Floats) -> sparse.coo_matrix:
    """Join points with their neighbours by UMAP's fuzzy graph.

    Parameters
    ----------
    neighbours, squared
        As `find_neighbours` gives them, (n, k).

    Returns
    -------
    scipy.sparse.coo_matrix
        Weights 0-1 between neighbours, (n, n), symmetric.

    Notes
    -----
    McInnes, Healy & Melville 2018, arXiv:1802.03426.
    """
    n, k = neighbours.shape
    weights = _weigh(np.sqrt(squared))
    rows = np.repeat(np.arange(n), k)
    one_way = sparse.csr_matrix((weights.ravel(), (rows, neighbours.ravel())), shape=(n, n))
    both = one_way.multiply(one_way.T)
    return sparse.coo_matrix(one_way + one_way.T - both)


def _weigh(distances: Floats) -> Floats:
    """Turn distances into weights that sum to log2(k) for each point, the nearest one weighing 1."""
    target = max(np.log2(distances.shape[1]), 0.5)
    excess = distances - distances[:, :1]
    low, high = np.zeros(len(distances)), np.full(len(distances), max(excess.max(), 1.0) * 1e3)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        is_wide = np.exp(-excess / np.maximum(middle, 1e-9)[:, None]).sum(axis=1) > target
        high, low = np.where(is_wide, middle, high), np.where(is_wide, low, middle)
    return np.asarray(np.exp(-excess / np.maximum(high, 1e-9)[:, None]))
