"""How far a cell is from those that a bundle learnt from.

Invariant: a score depends on the cell's vector alone, and on which modalities it was made from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.io.bundles.fusion import read_familiar_vectors
from tcellflow.vocabulary import FusedInputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.io.bundles.fusion import FamiliarityEntry

    Floats = NDArray[np.float64]


# Share of the mean variance that is added to each direction, within groups and of all cells.
_RIDGE: Final = 0.1
_WHOLE_RIDGE: Final = 0.001


@dataclass(frozen=True)
class Familiarity:
    """What vectors of known cells look like, of cells shown with the same modalities.

    Parameters
    ----------
    centres
        Of groups of known cells, (K, D).
    whitening
        Turns differences from a centre into numbers of unit variance, (D, D).
    middle, whole_whitening
        The same of all known cells as one group, (D,) and (D, D).
    quantiles
        Distances of cells that were not learnt from, rising.
    """

    centres: Floats
    whitening: Floats
    middle: Floats
    whole_whitening: Floats
    quantiles: tuple[float, ...]

    def measure(self, latent: NDArray[np.floating]) -> Floats:
        """Give how much farther vectors (B, D) are from any group than from known cells as a whole, (B,)."""
        # summed in order, not by a library that shares products among threads
        wide = latent.astype(np.float64)
        turned = np.einsum("bd,de->be", wide, self.whitening)
        nearest = np.full(len(turned), np.inf)
        for centre in np.einsum("kd,de->ke", self.centres, self.whitening):
            nearest = np.minimum(nearest, np.square(turned - centre).sum(axis=1))
        whole = np.einsum("bd,de->be", wide - self.middle, self.whole_whitening)
        return np.asarray(nearest - np.square(whole).sum(axis=1))

    def stack(self) -> Floats:
        """Give all vectors as a bundle stores them, (K + 2 D + 1, D)."""
        return np.concatenate([self.centres, self.whitening, self.middle[None], self.whole_whitening])


def score_strangeness(
    known: Mapping[str, Familiarity], latent: NDArray[np.floating], inputs: NDArray[np.object_]
) -> NDArray[np.float32]:
    """Give the share of cells not learnt from that lie nearer to known cells, (B,); NaN without a vector.

    Parameters
    ----------
    known
        By `FusedInputs`.
    latent
        (B, D).
    inputs
        `FusedInputs` of each, (B,).
    """
    found = np.full(len(latent), np.nan)
    for kind, familiarity in known.items():
        rows = np.flatnonzero(inputs == kind)
        if rows.size:
            share = np.linspace(0, 1, len(familiarity.quantiles))
            found[rows] = np.interp(familiarity.measure(latent[rows]), familiarity.quantiles, share)
    return found.astype(np.float32)


def name_modalities(has_rna: NDArray[np.bool_], has_adt: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Name what each of B cells has, as `FusedInputs`, (B,)."""
    both = np.where(has_adt, FusedInputs.BOTH, FusedInputs.RNA)
    found = np.where(has_rna, both, np.where(has_adt, FusedInputs.ADT, FusedInputs.NONE))
    return np.array([str(value) for value in found], dtype=object)


def read_familiarity(folder: Path, entry: FamiliarityEntry | None) -> dict[str, Familiarity]:
    """Read what a bundle says of known cells, by `FusedInputs`; empty where it says nothing.

    Raises
    ------
    BundleError
        If the file is no such table.
    """
    if entry is None:
        return {}
    vectors, first, found = read_familiar_vectors(folder, entry), 0, {}
    width = vectors.shape[1]
    for kind, view in entry.views.items():
        part = vectors[first : first + view.centres + 2 * width + 1]
        centres, whitening, middle, whole = np.split(part, np.cumsum([view.centres, width, 1]))
        found[kind] = Familiarity(centres, whitening, middle[0], whole, view.quantiles)
        first += len(part)
    return found


def fit_familiarity(
    latent: NDArray[np.floating], group: NDArray[np.integer], others: NDArray[np.floating]
) -> Familiarity:
    """Learn what vectors of known cells look like, of cells shown with the same modalities.

    Parameters
    ----------
    latent, group
        Of cells that were learnt from, (n, D) and (n,).
    others
        Vectors of cells that were not, (m, D), two or more.

    Returns
    -------
    Familiarity
        With one covariance for all groups.

    Notes
    -----
    Relative Mahalanobis distance (Ren et al. 2021, arXiv:2106.09022). The plain one finds T cells of a tumour
    stranger than the tumour's own cells, which the network puts in the midst of all groups.
    """
    wide = latent.astype(np.float64)
    names = np.unique(group)
    centres = np.stack([wide[group == name].mean(axis=0) for name in names])
    middle = wide.mean(axis=0)
    inside = _whiten(wide - centres[np.searchsorted(names, group)], _RIDGE)
    found = Familiarity(centres, inside, middle, _whiten(wide - middle, _WHOLE_RIDGE), ())
    quantiles = np.quantile(found.measure(others), np.linspace(0, 1, 101)).round(4)
    return replace(found, quantiles=tuple(quantiles.tolist()))


def _whiten(apart: Floats, ridge: float) -> Floats:
    covariance = apart.T @ apart / len(apart)
    covariance += ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    powers, axes = np.linalg.eigh(covariance)
    return np.asarray(axes / np.sqrt(powers))
