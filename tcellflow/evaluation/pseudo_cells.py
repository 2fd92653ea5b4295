"""Figures of merit of made cells beside real ones: nearest neighbours, told apart or not, distance.

Invariant: every figure can be taken of real cells against real cells too, which is its ceiling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.evaluation.classification import auroc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_RIDGE: Final = 1.0
_STEPS: Final = 25


def vote(known: Floats, classes: NDArray[np.int64], asked: Floats, k: int) -> NDArray[np.int64]:
    """Give the class that most of the k nearest known cells have, of every cell asked.

    Parameters
    ----------
    known, asked
        Shapes (N, D) and (B, D).
    classes
        Of the known cells, shape (N,), from 0; ties go to the smaller.
    k
        Neighbours that vote.
    """
    distance = np.square(known).sum(axis=1) - 2 * asked @ known.T
    nearest = np.argpartition(distance, min(k, len(known)) - 1, axis=1)[:, :k]
    votes = np.zeros((len(asked), int(classes.max()) + 1), dtype=np.int64)
    np.add.at(votes, (np.arange(len(asked))[:, None], classes[nearest]), 1)
    return np.asarray(votes.argmax(axis=1))


def tell_apart(real: Floats, made: Floats, *, seed: int) -> float:
    """Give the AUROC of a logistic regression that tells made cells (B, D) from real ones on cells left out.

    Half of the cells fit it; .5 is what cells that cannot be told apart get.
    """
    rng = np.random.default_rng(seed)
    x = np.concatenate([real, made])
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)
    x = np.hstack([x, np.ones((len(x), 1))])
    y = np.concatenate([np.zeros(len(real)), np.ones(len(made))])
    order = rng.permutation(len(x))
    fitted, asked = order[::2], order[1::2]
    weights = np.zeros(x.shape[1])
    ridge = _RIDGE * np.eye(x.shape[1])
    for _ in range(_STEPS):  # Newton's method on the penalised log likelihood
        p = 1 / (1 + np.exp(-np.clip(x[fitted] @ weights, -30, 30)))
        slope = x[fitted].T @ (p - y[fitted]) + _RIDGE * weights
        curve = (x[fitted] * (p * (1 - p))[:, None]).T @ x[fitted] + ridge
        weights -= np.linalg.solve(curve, slope)
    scores = x[asked] @ weights
    return auroc(scores[y[asked] == 0], scores[y[asked] == 1])


def mean_discrepancy(first: Floats, second: Floats) -> float:
    """Give the maximum mean discrepancy of two groups of cells, (N, D) and (M, D), RBF of median width.

    Notes
    -----
    Gretton et al. 2012, JMLR 13: the biased estimate of its square, so never below 0.
    """
    both = np.concatenate([first, second])
    lengths = np.square(both).sum(axis=1)
    squared = np.maximum(lengths[:, None] + lengths - 2 * both @ both.T, 0)
    kernel = np.exp(-squared / max(float(np.median(squared[squared > 0])), 1e-12))
    n = len(first)
    return float(kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean())
