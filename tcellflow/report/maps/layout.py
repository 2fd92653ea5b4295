"""Places on a plane for cells that have vectors, by UMAP's graph and objective, bounded in time.

Invariant: the same vectors give the same places, whatever the number of threads: distances are taken between
whole numbers, so that no order of summing can change which cells are neighbours.

umap-learn is not used: it compiles itself for longer than a whole report may take, and nothing at run time
needs it otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.intp]

LANDMARKS: Final = 2_000  # cells that are laid out; all others are put between them
_COMPONENTS: Final = 30
_NEIGHBOURS: Final = 15
_BETWEEN: Final = 5  # landmarks that place a cell
_EPOCHS: Final = 300
_NEGATIVES: Final = 8
# Of the curve 1 / (1 + a d^2b) that joins places for a least distance of 0.1 (McInnes et al. 2018).
_A, _B = 1.577, 0.895
_GRID: Final = 4_096  # whole numbers that the widest component spans to either side
_BISECTIONS: Final = 40
_BLOCK: Final = 2_048


def lay_out_cells(vectors: NDArray[np.float32]) -> Floats:
    """Give each cell a place between 0 and 1 in both directions, near cells with similar vectors.

    Parameters
    ----------
    vectors
        Finite, shape (B, D).

    Returns
    -------
    numpy.ndarray
        Shape (B, 2).

    Notes
    -----
    Graph and objective are those of UMAP (McInnes, Healy & Melville 2018, arXiv:1802.03426) with 15
    neighbours and least distance 0.1, for up to `LANDMARKS` cells taken at equal steps; their gradient is
    summed over all edges in every epoch instead of sampled. Further cells take the mean place of their five
    nearest landmarks, weighted by nearness.
    """
    n_cells = len(vectors)
    if n_cells < 3:
        return np.linspace(0.25, 0.75, n_cells)[:, None] * np.ones((1, 2))
    points = _reduce(vectors)
    chosen = np.unique(np.linspace(0, n_cells - 1, min(n_cells, LANDMARKS)).round().astype(np.intp))
    places = _optimise(_join_neighbours(points[chosen]), _start(points[chosen]))
    if len(chosen) < n_cells:
        places = _place_between(points, points[chosen], places)
    return _fit_square(places)


def _reduce(vectors: NDArray[np.float32]) -> Floats:
    """Give the principal components as whole numbers, the first at most `_GRID` from 0."""
    centred = vectors.astype(np.float64)
    centred -= centred.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :_COMPONENTS]
    # An eigenvector has no sign of its own: let its largest entry be positive.
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    scores = centred @ axes
    return np.asarray(np.rint(scores * (_GRID / max(np.abs(scores).max(), 1e-12))))


def _nearest(points: Floats, among: Floats, k: int) -> tuple[Integers, Floats]:
    """Give the k nearest of the others and their squared distances, nearest first, ties by order."""
    squares = (among**2).sum(axis=1)
    neighbours = np.empty((len(points), k), np.intp)
    distances = np.empty((len(points), k))
    for start in range(0, len(points), _BLOCK):
        block = points[start : start + _BLOCK]
        found = (block**2).sum(axis=1)[:, None] - 2 * block @ among.T + squares
        # The order among equals is that of the cells: whole numbers leave room for it behind the point.
        keyed = found + np.arange(len(among)) / (2 * len(among))
        nearest = (
            np.argpartition(keyed, k - 1, axis=1)[:, :k] if k < len(among) else np.argsort(keyed, axis=1)
        )
        order = np.argsort(np.take_along_axis(keyed, nearest, axis=1), axis=1)
        nearest = np.take_along_axis(nearest, order, axis=1)
        neighbours[start : start + len(block)] = nearest
        distances[start : start + len(block)] = np.take_along_axis(found, nearest, axis=1)
    return neighbours, distances


def _join_neighbours(points: Floats) -> sparse.coo_matrix:
    """Give UMAP's fuzzy graph: weights 0-1 between neighbours, symmetric."""
    k = min(_NEIGHBOURS, len(points) - 1)
    neighbours, squared = _nearest(points, points, k + 1)
    distances = np.sqrt(squared)
    own = neighbours == np.arange(len(points))[:, None]
    # Among cells of equal vectors a cell may not find itself: then its farthest neighbour goes.
    own[~own.any(axis=1), -1] = True
    neighbours = neighbours[~own].reshape(len(points), k)
    weights = _weigh(distances[~own].reshape(len(points), k))
    rows = np.repeat(np.arange(len(points)), k)
    one_way = sparse.csr_matrix((weights.ravel(), (rows, neighbours.ravel())), shape=(len(points),) * 2)
    both = one_way.multiply(one_way.T)
    return sparse.coo_matrix(one_way + one_way.T - both)


def _weigh(distances: Floats) -> Floats:
    """Turn distances into weights that sum to log2(k) for each cell, the nearest one weighing 1."""
    target = max(np.log2(distances.shape[1]), 0.5)
    excess = distances - distances[:, :1]
    low, high = np.zeros(len(distances)), np.full(len(distances), max(excess.max(), 1.0) * 1e3)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        is_wide = np.exp(-excess / np.maximum(middle, 1e-9)[:, None]).sum(axis=1) > target
        high, low = np.where(is_wide, middle, high), np.where(is_wide, low, middle)
    return np.asarray(np.exp(-excess / np.maximum(high, 1e-9)[:, None]))


def _start(points: Floats) -> Floats:
    """Begin with the first two components, so that the map keeps their large shape."""
    first = points[:, :2] if points.shape[1] > 1 else np.column_stack([points, points])
    generator = np.random.default_rng(0)
    return np.asarray(10 * first / max(np.abs(first).max(), 1.0) + generator.normal(0, 0.05, first.shape))


def _optimise(graph: sparse.coo_matrix, places: Floats) -> Floats:
    """Pull joined cells together and push random ones apart, ever more gently."""
    generator = np.random.default_rng(0)
    n_cells = len(places)
    rows, columns, weights = graph.row, graph.col, graph.data
    pushed = np.repeat(np.arange(n_cells), _NEGATIVES)
    # Each pull of an edge comes with five pushes on average, as in UMAP.
    force = np.repeat(5 * np.bincount(rows, weights, n_cells) / _NEGATIVES, _NEGATIVES)
    for epoch in range(_EPOCHS):
        step = 0.25 * (1 - epoch / _EPOCHS)
        apart = places[rows] - places[columns]
        squared = (apart**2).sum(axis=1) + 1e-9
        pull = -2 * _A * _B * squared ** (_B - 1) / (1 + _A * squared**_B) * weights
        others = generator.integers(0, n_cells, len(pushed))
        away = places[pushed] - places[others]
        squared = (away**2).sum(axis=1)
        push = np.where(pushed == others, 0, 2 * _B / ((0.001 + squared) * (1 + _A * squared**_B)) * force)
        for axis in range(2):
            moves = np.bincount(rows, np.clip(pull * apart[:, axis], -4, 4), n_cells)
            moves += np.bincount(pushed, np.clip(push * away[:, axis], -4, 4), n_cells)
            places[:, axis] += step * np.clip(moves, -4, 4)
    return places


def _place_between(points: Floats, landmarks: Floats, places: Floats) -> Floats:
    neighbours, squared = _nearest(points, landmarks, min(_BETWEEN, len(landmarks)))
    weights = 1 / (squared + 1)  # a landmark itself lies at distance 0, all others at least 1 away
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray((places[neighbours] * weights[:, :, None]).sum(axis=1))


def _fit_square(places: Floats) -> Floats:
    low, high = places.min(axis=0), places.max(axis=0)
    return np.asarray(0.5 + (places - (low + high) / 2) / max((high - low).max(), 1e-9))
