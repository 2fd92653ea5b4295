"""Smoothing over similar cells: each cell's probabilities averaged over its nearest neighbours.

Invariant: the same cells in the same order give the same neighbours; a cell is its own first neighbour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    Floats = NDArray[np.float32]

_AXES: Final = 20
_LARGEST: Final = 3_000  # cells that are compared all with all; larger samples are halved first
_BLOCK: Final = 512
_FITTED: Final = 20_000
_DECIMALS: Final = 3


def place_cells(counts: sparse.csr_matrix) -> Floats:
    """Place cells by their principal components, shape (B, at most 20), of log-normalised counts (B, G)."""
    totals = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)
    logs = counts.astype(np.float32)
    scale = float(np.median(totals)) if totals.size else 1.0
    logs.data = np.log1p(logs.data * np.repeat(scale / totals, np.diff(logs.indptr)).astype(np.float32))
    fitted = logs[
        np.unique(np.linspace(0, logs.shape[0] - 1, min(logs.shape[0], _FITTED)).astype(int))
    ].toarray()
    mean = fitted.mean(axis=0)
    _, vectors = np.linalg.eigh(((fitted - mean).T @ (fitted - mean)).astype(np.float64))
    axes = vectors[:, -_AXES:].astype(np.float32)
    axes *= np.where(axes.sum(axis=0) < 0, -1, 1)
    return np.asarray(np.round(logs @ axes - mean @ axes, _DECIMALS), dtype=np.float32)


def smooth(values: Floats, places: Floats, k: int) -> Floats:
    """Average values (B, C) over the k nearest cells of each, itself among them."""
    smoothed = values.copy()
    for rows in _split(places, np.arange(len(places))):
        own = places[rows]
        length = np.square(own).sum(axis=1)
        n = min(k, len(rows))
        for first in range(0, len(rows), _BLOCK):
            part = slice(first, first + _BLOCK)
            distance = length - 2 * own[part] @ own.T
            distance[np.arange(distance.shape[0]), np.arange(first, first + distance.shape[0])] = -np.inf
            nearest = np.argpartition(distance, n - 1, axis=1)[:, :n]
            smoothed[rows[part]] = values[rows[nearest]].mean(axis=1)
    return smoothed


def _split(places: Floats, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Halve cells along the axis on which they differ most until every part is small enough."""
    if len(rows) <= _LARGEST:
        return [rows] if len(rows) else []
    along = places[rows][:, np.argmax(places[rows].var(axis=0))]
    order = rows[np.argsort(along, kind="stable")]
    half = len(order) // 2
    return [*_split(places, np.sort(order[:half])), *_split(places, np.sort(order[half:]))]
