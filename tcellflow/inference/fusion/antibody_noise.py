"""Antibody counts without what is not of the cell: the spread of the background, and what stains all alike.

Invariant: what is taken away was learnt from the whole sample (or a reference), never from a block of it;
what is told of proteins (imputed, foreground, denoised) is always told of the counts as they were measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import InputError
from tcellflow.inference.fusion.background import Groups, fit_groups, share_of_high
from tcellflow.inference.fusion.standardise import ENOUGH_CELLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.vocabulary import AdtNorm

    Floats = NDArray[np.float64]
    Names = NDArray[np.object_]

_LEAST_SPREAD: Final = 1e-6


@dataclass(frozen=True)
class AntibodyNoise:
    """What is taken off the counts of T proteins before they are compared.

    Parameters
    ----------
    kind
        ``mixture``: cells of the background group all get its mean. ``dsb``: the mean of the background is
        taken off, and, along a slope of each protein, what all antibodies of a cell share.
    targets
        Of the proteins, shape (T,).
    groups
        Background and signal of each protein; None where nobody can tell.
    slopes
        Log counts of each protein per unit of what a cell's antibodies share, shape (T,).
    isotypes
        Mean and deviation of log1p counts of the isotype controls, by raw name.
    """

    kind: AdtNorm
    targets: Names
    groups: tuple[Groups | None, ...]
    slopes: Floats
    isotypes: dict[str, tuple[float, float]]

    def remove(
        self, targets: Names, counts: NDArray[np.floating], isotypes: tuple[Names, NDArray[np.floating]]
    ) -> NDArray[np.float32]:
        """Give counts (B, T) of cells without noise; a target that was not learnt stays as it is.

        Parameters
        ----------
        targets
            Of the columns.
        counts
            As they were measured.
        isotypes
            Raw names of the isotype controls and their counts (B, I).
        """
        logs = np.log1p(counts.astype(np.float64))
        place = {str(name): i for i, name in enumerate(self.targets)}
        at = [place.get(str(name)) for name in targets]
        groups = [None if i is None else self.groups[i] for i in at]
        high = _tell_high(logs, groups)
        if self.kind == "mixture":
            for column, group in enumerate(groups):
                if group is not None:
                    share = high[:, column]
                    logs[:, column] = share * logs[:, column] + (1 - share) * group.mean[0]
        else:
            shared = _measure_shared(logs, groups, high, isotypes, self.isotypes)
            for column, group in enumerate(groups):
                i = at[column]
                if i is not None:
                    logs[:, column] -= self.slopes[i] * shared
                if group is not None:
                    logs[:, column] = np.maximum(logs[:, column] - group.mean[0], 0)
        return np.expm1(np.maximum(logs, 0)).astype(np.float32)


def learn_noise(
    kind: AdtNorm,
    targets: Names,
    counts: NDArray[np.floating],
    isotypes: tuple[Names, NDArray[np.floating]],
    *,
    where: object,
) -> AntibodyNoise:
    """Learn what is noise in the antibody counts of a sample, without empty droplets.

    Parameters
    ----------
    kind
        ``mixture`` or ``dsb``.
    targets
        Of the columns, (T,).
    counts
        Of the cells that have antibodies, (B, T).
    isotypes
        Raw names of the isotype controls and their counts in these cells, (B, I).
    where
        File concerned, for errors.

    Returns
    -------
    AntibodyNoise
        The sample's.

    Raises
    ------
    InputError
        If fewer than 200 cells have antibodies.

    Notes
    -----
    ``dsb`` follows Mulè et al. 2022 (doi:10.1038/s41467-022-29356-8) in its form without empty droplets: the
    background of a protein is the lower of two groups of cells. What a cell's antibodies share is the mean of
    its standardised isotype controls and its background proteins; slopes are fitted on the background alone.
    """
    if len(counts) < ENOUGH_CELLS:
        raise InputError(
            f"{len(counts)} cells have antibodies, and background is told from {ENOUGH_CELLS} on",
            where=where,
            mend="leave --adt-norm out, which centres log-ratios",
        )
    logs = np.log1p(counts.astype(np.float64))
    groups = [fit_groups(logs[:, column]) for column in range(logs.shape[1])]
    scales = {}
    for name, values in zip(isotypes[0], np.log1p(isotypes[1].astype(np.float64)).T, strict=True):
        if values.std() > _LEAST_SPREAD:
            scales[str(name)] = (float(values.mean()), float(values.std()))
    slopes = np.zeros(len(targets))
    if kind == "dsb":
        high = _tell_high(logs, groups)
        shared = _measure_shared(logs, groups, high, isotypes, scales)
        for column, group in enumerate(groups):
            weight = 1 - high[:, column] if group is not None else np.ones(len(logs))
            total = max(float(weight.sum()), _LEAST_SPREAD)
            apart = shared - (weight * shared).sum() / total
            power = float((weight * apart**2).sum())
            if power > _LEAST_SPREAD:
                slopes[column] = float((weight * apart * logs[:, column]).sum()) / power
    return AntibodyNoise(kind, targets, tuple(groups), slopes, scales)


def _tell_high(logs: Floats, groups: list[Groups | None]) -> Floats:
    """Give the probability of signal, (B, T); 0 where nobody can tell."""
    high = np.zeros(logs.shape)
    for column, group in enumerate(groups):
        if group is not None:
            high[:, column] = share_of_high(logs[:, column], group)
    return high


def _measure_shared(
    logs: Floats,
    groups: list[Groups | None],
    high: Floats,
    isotypes: tuple[Names, NDArray[np.floating]],
    scales: dict[str, tuple[float, float]],
) -> Floats:
    """Measure what the antibodies of each cell share, (B,): mean of isotypes and of its background."""
    low, weight = np.zeros(len(logs)), np.zeros(len(logs))
    for column, group in enumerate(groups):
        if group is not None:
            share = 1 - high[:, column]
            low += share * (logs[:, column] - group.mean[0]) / group.spread[0]
            weight += share
    parts = [low / np.maximum(weight, 1)]
    for name, values in zip(isotypes[0], isotypes[1].T, strict=True):
        if str(name) in scales:
            mean, deviation = scales[str(name)]
            parts.append((np.log1p(values.astype(np.float64)) - mean) / deviation)
    return np.asarray(np.sum(parts, axis=0) / len(parts))
