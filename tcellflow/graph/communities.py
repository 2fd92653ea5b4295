"""Groups of a graph, by Leiden.

Invariant: the same graph and seed give the same groups, and these are numbered by size.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

_MOST_ROUNDS: Final = 10


def find_communities(graph: sparse.coo_matrix, resolution: float, seed: int) -> NDArray[np.int64]:
    """Find the groups of a graph whose weights inside exceed those of chance the most.

    Parameters
    ----------
    graph
        Symmetric weights, (n, n).
    resolution
        Above 1 groups are smaller, below 1 larger.
    seed
        Of the order in which nodes are looked at.

    Returns
    -------
    numpy.ndarray
        Group of each node, (n,): 0 is the largest, and of two as large the one with the first node.

    Notes
    -----
    Leiden (Traag, Waltman & van Eck 2019, doi:10.1038/s41598-019-41695-z) on modularity, ten rounds.
    """
    import igraph  # noqa: PLC0415 (only this step needs it)

    upper = graph.row < graph.col
    edges = np.column_stack([graph.row[upper], graph.col[upper]])
    whole = igraph.Graph(n=graph.shape[0], edges=edges)
    igraph.set_random_number_generator(random.Random(seed))  # noqa: S311 (no secrets)
    try:
        found = whole.community_leiden(
            objective_function="modularity",
            weights=graph.data[upper].tolist(),
            resolution=resolution,
            n_iterations=_MOST_ROUNDS,
        )
    finally:
        igraph.set_random_number_generator(random)
    return _number_by_size(np.asarray(found.membership, dtype=np.int64))


def _number_by_size(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first, group, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    place = np.empty(len(sizes), np.int64)
    place[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return place[group]
