"""A vote within clusters of similar cells: noise of single cells averages out, small groups can drown.

Invariant: the same cells in the same order give the same clusters, whatever the threads; a vote
never changes a call, it stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.states.axes import STATES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.inference.states.calls import StateCalls

CELLS_PER_CLUSTER: Final = 15  # many small clusters: a rare state should fill one of its own
MOST_CLUSTERS: Final = 1_000
_FITTED_CELLS: Final = 20_000  # centres are fitted on so many cells, then every cell is assigned
_ROUNDS: Final = 25
_BLOCK_ROWS: Final = 4_096
_DECIMALS: Final = 3  # of the latent: what lies beyond differs between processors


@dataclass(frozen=True)
class ClusterVote:
    """The vote on B cells.

    Parameters
    ----------
    cluster
        Cluster of each cell, from 0, shape (B,), int32; -1 where the cell took no part.
    state
        Most frequent predicted state of the cluster, shape (B,), object; None where it took no part.
    share
        Share of the cluster's cells with that state, shape (B,), float32; NaN where it took no part.
    """

    cluster: NDArray[np.int32]
    state: NDArray[np.object_]
    share: NDArray[np.float32]


def vote_in_clusters(calls: StateCalls, takes_part: NDArray[np.bool_], *, seed: int = 0) -> ClusterVote:
    """Let similar cells vote on their state, cluster by cluster.

    Parameters
    ----------
    calls
        Calls of B cells; cells are similar where their latents are near each other.
    takes_part
        Which cells vote and are voted on, shape (B,).
    seed
        Of the first centres.

    Returns
    -------
    ClusterVote
        One result per cell. Of equally frequent states the one with the larger sum of probabilities.

    Notes
    -----
    k-means (Lloyd) with spread first centres (Arthur and Vassilvitskii 2007), about
    `CELLS_PER_CLUSTER` cells per cluster and at most `MOST_CLUSTERS` clusters.
    """
    n = len(calls)
    cluster = np.full(n, -1, np.int32)
    state = np.full(n, None, dtype=object)
    share = np.full(n, np.nan, np.float32)
    rows = np.flatnonzero(takes_part)
    if rows.size:
        of_rows = cluster_cells(calls.latent[rows], seed=seed)
        winner, winner_share = _count_votes(
            of_rows, calls.predicted_state[rows], calls.state_probabilities[rows]
        )
        cluster[rows] = of_rows
        state[rows] = winner[of_rows]
        share[rows] = winner_share[of_rows]
    return ClusterVote(cluster, state, share)


def cluster_cells(latent: NDArray[np.float32], *, seed: int = 0) -> NDArray[np.int32]:
    """Cluster cells into many small groups, which vote on their state.

    Parameters
    ----------
    latent
        Shape (B, D), B >= 1.
    seed
        Of the first centres.

    Returns
    -------
    ndarray
        Cluster of each cell, from 0, shape (B,), int32.
    """
    n_clusters = int(np.clip(round(len(latent) / CELLS_PER_CLUSTER), 1, MOST_CLUSTERS))
    fitted = np.linspace(0, len(latent) - 1, min(len(latent), _FITTED_CELLS)).round().astype(np.int64)
    points = _round(latent[fitted])
    centres = _spread_centres(points, n_clusters, np.random.default_rng(seed))
    nearest = _assign(points, centres)
    for _ in range(_ROUNDS):
        centres = _average(points, nearest, centres)
        before, nearest = nearest, _assign(points, centres)
        if np.array_equal(before, nearest):
            break
    every = [
        _assign(_round(latent[start : start + _BLOCK_ROWS]), centres)
        for start in range(0, len(latent), _BLOCK_ROWS)
    ]
    return np.concatenate(every).astype(np.int32)


def _round(latent: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.round(latent.astype(np.float64), _DECIMALS), dtype=np.float64)


def _spread_centres(
    points: NDArray[np.float64], n_clusters: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Draw cells as first centres, each with a chance that grows with its distance to those before."""
    chosen = [int(generator.integers(len(points)))]
    distance = np.square(points - points[chosen[0]]).sum(axis=1)
    while len(chosen) < n_clusters and distance.max() > 0:  # fewer where cells are alike
        # by searching the cumulative sum, a difference in the last bit moves no draw
        cumulative = np.cumsum(distance)
        drawn = int(np.searchsorted(cumulative, generator.random() * cumulative[-1], side="right"))
        chosen.append(min(drawn, len(points) - 1))
        distance = np.minimum(distance, np.square(points - points[chosen[-1]]).sum(axis=1))
    return points[chosen]


def _assign(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    lengths = np.square(centres).sum(axis=1)
    nearest = [
        (lengths - 2 * points[start : start + _BLOCK_ROWS] @ centres.T).argmin(axis=1)
        for start in range(0, len(points), _BLOCK_ROWS)
    ]
    return np.concatenate(nearest)


def _average(
    points: NDArray[np.float64], nearest: NDArray[np.int64], centres: NDArray[np.float64]
) -> NDArray[np.float64]:
    counts = np.bincount(nearest, minlength=len(centres))
    sums = np.zeros_like(centres)
    np.add.at(sums, nearest, points)
    is_empty = counts == 0  # a centre without cells stays where it is
    return np.where(is_empty[:, None], centres, sums / np.maximum(counts, 1)[:, None])


def _count_votes(
    cluster: NDArray[np.int32], states: NDArray[np.object_], probabilities: NDArray[np.float32]
) -> tuple[NDArray[np.object_], NDArray[np.float32]]:
    """Give the winner of each cluster and its share of the votes."""
    n_clusters = int(cluster.max()) + 1
    code = {str(state): number for number, state in enumerate(STATES)}
    votes = np.zeros((n_clusters, len(STATES)))
    np.add.at(votes, (cluster, np.fromiter((code[s] for s in states), np.int64, len(states))), 1)
    sums = np.zeros_like(votes)
    np.add.at(sums, cluster, probabilities)
    total = np.maximum(votes.sum(axis=1), 1)
    best = (votes + sums / (total + 1)[:, None] * 0.5).argmax(axis=1)  # less than one vote
    names = np.array([str(state) for state in STATES], dtype=object)
    return names[best], (votes.max(axis=1) / total).astype(np.float32)
