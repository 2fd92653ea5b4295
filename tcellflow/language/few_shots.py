"""Few-shot types: a typer that has learnt from a few labelled cells what its candidates look like here.

Invariant: what is learnt from n cells weighs n cells; without labelled cells the typer is the zero-shot one.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from tcellflow.language.typing import CellTyper

PRIOR: Final = 3_000.0  # molecules that a profile told in words counts for
_HABIT: Final = 1_000.0  # molecules of one gene that a difference between sample and profiles must outweigh


def teach(
    typer: CellTyper, taken: sparse.csr_matrix, labels: NDArray[np.int64], measured: NDArray[np.bool_]
) -> CellTyper:
    """Teach a typer with labelled cells.

    Parameters
    ----------
    typer
        Tells the candidates by words; it is left as it is.
    taken
        Counts of the labelled cells, as `CellTyper.take` gives them, shape (B, genes).
    labels
        Place of each cell's label among the candidates, shape (B,).
    measured
        Which genes the labelled cells measure, shape (genes,); of the others nothing is learnt.

    Returns
    -------
    CellTyper
        Profiles of candidates with labelled cells moved towards these, and all profiles by what the sample
        shows of each gene whatever the type; a candidate that nothing told gets a profile of its own.
    """
    if not len(labels):
        return typer
    taught = copy.copy(typer)
    taught.logs, taught.leaf_of, taught.prior = _add_untold(typer, taken, labels)
    owned = taught.leaf_of[:, labels].T > 0  # (B, leaves)
    fit = np.where(owned, taught.fit(taken), 0) + 1e-12 * owned
    fit /= fit.sum(axis=1, keepdims=True)
    seen = np.asarray(taken.T @ fit)[measured]  # (genes, leaves)
    molecules = seen.sum(axis=0)
    shares = np.exp(taught.logs)
    mass = shares[measured].sum(axis=0)
    own = shares[measured] / mass
    habit = (seen.sum(axis=1) + _HABIT) / ((own * molecules).sum(axis=1) + _HABIT)
    moved = own * habit[:, None]
    moved /= moved.sum(axis=0)
    shares[measured] = (seen + PRIOR * moved) / (molecules + PRIOR) * mass
    taught.logs = np.log(shares)
    return taught


def _add_untold(
    typer: CellTyper, taken: sparse.csr_matrix, labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give profiles, owners and priors, for an untold candidate those of what its cells resemble."""
    untold = [i for i in np.unique(labels) if not typer.leaf_of[:, i].any()]
    fit = typer.fit(taken)
    alike = np.array([fit[labels == i].mean(axis=0) for i in untold]).reshape(len(untold), fit.shape[1])
    owners = np.zeros((len(untold), typer.leaf_of.shape[1]))
    owners[np.arange(len(untold)), untold] = 1
    return (
        np.hstack([typer.logs, np.log(np.exp(typer.logs) @ alike.T)]),
        np.vstack([typer.leaf_of, owners]),
        np.concatenate([typer.prior, np.zeros(len(untold))]),
    )
