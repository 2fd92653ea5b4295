"""Places on a plane for cells that have vectors, by UMAP's graph and objective, bounded in time.

Invariant: the same vectors give the same places, whatever the number of threads.

umap-learn is not used: it compiles itself for longer than a whole report may take, and nothing at run time
needs it otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.graph.neighbours import find_nearest, find_neighbours, join_neighbours, to_whole_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    Floats = NDArray[np.float64]

LANDMARKS: Final = 2_000  # cells that are laid out; all others are put between them
_COMPONENTS: Final = 30
_NEIGHBOURS: Final = 15
_BETWEEN: Final = 5  # landmarks that place a cell
_EPOCHS: Final = 300
_NEGATIVES: Final = 8
# Of the curve 1 / (1 + a d^2b) that joins places for a least distance of 0.1 (McInnes et al. 2018).
_A, _B = 1.577, 0.895


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
    nearest = find_neighbours(points[chosen], min(_NEIGHBOURS, len(chosen) - 1))
    places = lay_out_graph(join_neighbours(*nearest), points[chosen])
    if len(chosen) < n_cells:
        places = place_between(points, points[chosen], places)
    return fit_square(places)


def _reduce(vectors: NDArray[np.float32]) -> Floats:
    """Give the principal components as whole numbers."""
    centred = vectors.astype(np.float64)
    centred -= centred.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :_COMPONENTS]
    # An eigenvector has no sign of its own: let its largest entry be positive.
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return to_whole_numbers(centred @ axes)


def lay_out_graph(graph: sparse.coo_matrix, points: Floats) -> Floats:
    """Lay out the cells of a graph, cells that are joined beside each other.

    Parameters
    ----------
    graph
        As `join_neighbours` gives it, (B, B).
    points
        Of the cells, (B, D); the first two columns are where they start from.

    Returns
    -------
    numpy.ndarray
        Places of any size, (B, 2).
    """
    return _optimise(graph, _start(points))


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


def place_between(points: Floats, landmarks: Floats, places: Floats) -> Floats:
    """Give points (B, D) the mean place of their five nearest landmarks, weighted by nearness, (B, 2)."""
    neighbours, squared = find_nearest(points, landmarks, min(_BETWEEN, len(landmarks)))
    weights = 1 / (squared + 1)  # a landmark itself lies at distance 0, all others at least 1 away
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray((places[neighbours] * weights[:, :, None]).sum(axis=1))


def fit_square(places: Floats) -> Floats:
    """Shift and scale places (B, 2) into the unit square, as large as it allows."""
    low, high = places.min(axis=0), places.max(axis=0)
    return np.asarray(0.5 + (places - (low + high) / 2) / max((high - low).max(), 1e-9))
