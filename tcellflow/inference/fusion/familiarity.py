"""How far a cell is from those that a bundle learnt from.

Invariant: a score depends on the cell's vector alone, and on which modalities it was made from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.io.bundles.fusion import read_familiar_vectors
from tcellflow.vocabulary import FusedInputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.io.bundles.fusion import FamiliarityEntry

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Familiarity:
    """What vectors of known cells look like.

    Parameters
    ----------
    centres
        Of groups of known cells, (K, D).
    whitening
        Turns differences from a centre into numbers of unit variance, (D, D).
    quantiles
        Distances of cells that were not learnt from, rising, by `FusedInputs` without "none".
    """

    centres: Floats
    whitening: Floats
    quantiles: Mapping[str, tuple[float, ...]]

    def measure(self, latent: NDArray[np.floating]) -> Floats:
        """Give the distance of vectors (B, D) from the nearest centre, (B,)."""
        # summed in order, not by a library that shares products among threads
        turned = np.einsum("bd,de->be", latent.astype(np.float64), self.whitening)
        centres = np.einsum("kd,de->ke", self.centres, self.whitening)
        nearest = np.full(len(turned), np.inf)
        for centre in centres:
            nearest = np.minimum(nearest, np.square(turned - centre).sum(axis=1))
        return np.asarray(np.sqrt(nearest))

    def score(self, latent: NDArray[np.floating], inputs: NDArray[np.object_]) -> NDArray[np.float32]:
        """Give the share of cells not learnt from that lie nearer than each of B, (B,); NaN without vector.

        Parameters
        ----------
        latent
            (B, D).
        inputs
            `FusedInputs` of each, (B,).
        """
        found = np.full(len(latent), np.nan)
        for kind in (FusedInputs.BOTH, FusedInputs.RNA, FusedInputs.ADT):
            rows = np.flatnonzero(inputs == kind)
            known = self.quantiles.get(str(kind), ())
            if rows.size and known:
                share = np.linspace(0, 1, len(known))
                found[rows] = np.interp(self.measure(latent[rows]), known, share)
        return found.astype(np.float32)


def name_modalities(has_rna: NDArray[np.bool_], has_adt: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Name what each of B cells has, as `FusedInputs`, (B,)."""
    both = np.where(has_adt, FusedInputs.BOTH, FusedInputs.RNA)
    found = np.where(has_rna, both, np.where(has_adt, FusedInputs.ADT, FusedInputs.NONE))
    return np.array([str(value) for value in found], dtype=object)


def read_familiarity(folder: Path, entry: FamiliarityEntry | None) -> Familiarity | None:
    """Read what a bundle says of known cells; None where it says nothing.

    Raises
    ------
    BundleError
        If the file is no such table.
    """
    if entry is None:
        return None
    centres, whitening = read_familiar_vectors(folder, entry)
    return Familiarity(centres, whitening, entry.quantiles)


def fit_familiarity(
    latent: NDArray[np.floating], group: NDArray[np.integer], others: Mapping[str, NDArray[np.floating]]
) -> Familiarity:
    """Learn what vectors of known cells look like.

    Parameters
    ----------
    latent, group
        Of cells that were learnt from, in any view, (n, D) and (n,).
    others
        Vectors of cells that were not learnt from, by `FusedInputs`, each (m, D).

    Returns
    -------
    Familiarity
        With one covariance for all groups, a tenth of whose mean is added to each direction.

    Notes
    -----
    Mahalanobis distance to the nearest class (Lee et al. 2018, arXiv:1807.03888).
    """
    wide = latent.astype(np.float64)
    names = np.unique(group)
    centres = np.stack([wide[group == name].mean(axis=0) for name in names])
    apart = wide - centres[np.searchsorted(names, group)]
    covariance = apart.T @ apart / len(apart)
    covariance += 0.1 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    powers, axes = np.linalg.eigh(covariance)
    found = Familiarity(centres, axes / np.sqrt(powers), {})
    quantiles = {
        kind: tuple(np.quantile(found.measure(values), np.linspace(0, 1, 101)).round(6).tolist())
        for kind, values in others.items()
        if len(values) > 1
    }
    return Familiarity(centres, found.whitening, quantiles)
