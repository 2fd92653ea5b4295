"""Fused cells as a graph: groups and places on a map.

Invariant: the same vectors and options give the same groups and places, whatever the number of threads; a
cell without a vector has neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.graph.communities import find_communities
from tcellflow.graph.layout import fit_square, lay_out_graph, place_between
from tcellflow.graph.neighbours import find_nearest, find_neighbours, join_neighbours, to_whole_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

N_NEIGHBOURS: Final = 15
SEED: Final = 0
MOST_CELLS: Final = 200_000  # that a graph holds
LANDMARKS: Final = 50_000  # of a sample of more
_VOTERS: Final = 5  # landmarks that tell the group of a cell


@dataclass(frozen=True)
class CellGraph:
    """Groups and places of B cells.

    Parameters
    ----------
    cluster
        Shape (B,), the largest 0; -1 without a vector. None if not asked for.
    places
        Shape (B, 2), 0-1; NaN without a vector. None if not asked for.
    n_landmarks
        Cells that the graph holds; None = all.
    resolution
        Of the groups.
    """

    cluster: Integers | None
    places: Floats | None
    n_landmarks: int | None
    resolution: float

    @property
    def sizes(self) -> tuple[int, ...]:
        """Cells of each group."""
        known = self.cluster[self.cluster >= 0] if self.cluster is not None else np.empty(0, np.int64)
        return tuple(np.bincount(known).tolist()) if known.size else ()


def draw_graph(
    vectors: NDArray[np.float32],
    *,
    clusters: bool = True,
    umap: bool = True,
    resolution: float = 1.0,
    threads: int = 1,
    most_cells: int = MOST_CELLS,
    landmarks: int = LANDMARKS,
) -> CellGraph:
    """Find groups of cells with near vectors, and places on a map.

    Parameters
    ----------
    vectors
        Shape (B, D); NaN for cells without one.
    clusters, umap
        What is wanted.
    resolution
        Of the groups, as for `find_communities`.
    threads
        That look for neighbours.
    most_cells
        From more cells than these on, `landmarks` evenly spaced ones make the graph.
    landmarks
        How many; further cells take group and place from their five nearest ones.

    Returns
    -------
    CellGraph
        A row per cell.
    """
    known = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    points = to_whole_numbers(vectors[known].astype(np.float64)) if known.size else np.zeros((0, 1))
    n, n_landmarks = len(points), None
    chosen = np.arange(n)
    if n > most_cells:
        n_landmarks = landmarks
        chosen = np.linspace(0, n - 1, landmarks).round().astype(np.int64)
    group, places = _draw(
        points[chosen], clusters=clusters, umap=umap, resolution=resolution, threads=threads
    )
    if n_landmarks is not None:
        group = None if group is None else _vote(points, points[chosen], group, threads)
        places = None if places is None else place_between(points, points[chosen], places)
    cluster = None
    if group is not None:
        cluster = np.full(len(vectors), -1, np.int64)
        cluster[known] = group
    wide = None
    if places is not None:
        wide = np.full((len(vectors), 2), np.nan)
        wide[known] = fit_square(places).round(6) if n else places
    return CellGraph(cluster, wide, n_landmarks, resolution)


def _draw(
    points: Floats, *, clusters: bool, umap: bool, resolution: float, threads: int
) -> tuple[Integers | None, Floats | None]:
    n = len(points)
    if n < 3:  # too few for a graph
        line = np.linspace(0.25, 0.75, n)[:, None] * np.ones((1, 2))
        return (np.zeros(n, np.int64) if clusters else None), (line if umap else None)
    graph = join_neighbours(*find_neighbours(points, min(N_NEIGHBOURS, n - 1), threads=threads))
    return (
        find_communities(graph, resolution, SEED) if clusters else None,
        lay_out_graph(graph, points) if umap else None,
    )


def _vote(points: Floats, landmarks: Floats, group: Integers, threads: int) -> Integers:
    """Give each point the group of most of its nearest landmarks, of equals that of the nearest."""
    nearest, _ = find_nearest(points, landmarks, min(_VOTERS, len(landmarks)), threads=threads)
    told = group[nearest]
    votes = (told[:, :, None] == told[:, None, :]).sum(axis=2)
    return np.asarray(told[np.arange(len(told)), votes.argmax(axis=1)])
