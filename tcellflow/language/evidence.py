"""What the matrix says of genes in groups of cells: detected, expected, present, absent or not to be told.

Invariant: absence is earned. A gene is absent only where cells of this depth would have shown it (power at
least `LEAST_POWER`); a gene that the matrix lacks is not measured, never absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import pdtr, pdtrc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.genes.panel import CsrBlock
    from tcellflow.language.panel import Profiles

LEAST_POWER: Final = 0.9
_GRID: Final = np.geomspace(50, 1e6, 60)
_SIZE: Final = 2.0  # spread of one gene among cells of one kind, negative binomial
_PART: Final = 0.5  # of the share where the gene is expressed: an average is no minimum
_NOISE: Final = 4e-6  # share of an absent gene: ambient RNA
_LEAST_PCT: Final = 5.0
# Of the share where a gene is expressed; below it lies what leaks from the cells that express it.
_LEAST_PART: Final = 0.04
_LEAKING: Final = 0.4  # this part of the types has no more of a gene than what leaks
_MOST_PART: Final = 0.05  # of the share where a gene is expressed, which may leak
_SURE: Final = 1e-3
_LEAST_CELLS: Final = 3
_LARGE: Final = 20  # cells of a group that other groups are measured by
_MOST_LEAK: Final = 10.0  # percent of cells in which a gene may be seen that is called absent


class Presence(StrEnum):
    """What can be told about a gene in a group."""

    PRESENT = "present"
    ABSENT = "absent"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class GeneFact:
    """One gene in one group of cells.

    Parameters
    ----------
    presence
        What can be told.
    pct, elsewhere
        Percent of the group's cells, and of all other cells, that show it; the latter NaN without others.
    expected
        Percent that would show it if it were expressed as where it is.
    noise
        Percent that would show it by ambient RNA alone.
    power
        Chance that its absence could be told, 0-1.
    log_odds
        Of detection in the group against elsewhere, nats; NaN without others.
    """

    presence: Presence
    pct: float
    elsewhere: float
    expected: float
    noise: float
    power: float
    log_odds: float


class GeneEvidence:
    """Counts detections of every gene in groups of cells, block by block; then answers.

    Parameters
    ----------
    genes
        Symbols of the matrix, in column order.
    groups
        Group of each cell, one array per level, shape (levels, B), int64; -1 = none. Groups are numbered
        across levels.
    n_groups
        Number of groups.
    profiles
        Where genes are known to be expressed, and how much leaks.
    """

    def __init__(
        self,
        genes: Sequence[str] | NDArray[np.object_],
        groups: NDArray[np.int64],
        n_groups: int,
        profiles: Profiles,
    ) -> None:
        self.place = {str(gene): i for i, gene in enumerate(genes)}
        self._groups = groups
        self._row = 0
        shape = (n_groups + 1, len(self.place))  # the last is the whole sample
        self._detected = np.zeros(shape, dtype=np.int64)
        self._molecules = np.zeros(shape)
        self._depths = np.zeros((n_groups + 1, _GRID.size))
        self._library = np.zeros(n_groups + 1)
        leak = np.quantile(profiles.logs, _LEAKING, axis=0)
        logs = profiles.logs.max(axis=0)
        self._known = {
            str(gene): (float(np.exp(logs[i])), float(np.exp(leak[i])))
            for i, gene in enumerate(profiles.genes)
        }

    def add(self, counts: CsrBlock, library: NDArray[np.float64]) -> None:
        """Count a block of cells (B, genes)."""
        rows = slice(self._row, self._row + counts.shape[0])
        self._row = rows.stop
        depth = np.abs(np.log(_GRID)[None, :] - np.log(np.maximum(library, 1))[:, None]).argmin(axis=1)
        every = np.full(counts.shape[0], len(self._detected) - 1)
        for of_cells in (*self._groups[:, rows], every):
            for group in np.unique(of_cells[of_cells >= 0]):
                own = of_cells == group
                part = counts[own]
                shown = part.data > 0
                self._detected[group] += np.bincount(part.indices[shown], minlength=len(self.place))
                self._molecules[group] += np.bincount(part.indices, part.data, minlength=len(self.place))
                self._library[group] += float(library[own].sum())
                self._depths[group] += np.bincount(depth[own], minlength=_GRID.size)

    def n_cells(self, group: int) -> int:
        """Count the cells of a group; -1 is the whole sample."""
        return int(self._depths[group].sum())

    def measure_expression(self, group: int) -> NDArray[np.float64]:
        """Give log1p(molecules per 10,000) of every gene over all cells of a group (-1: the whole sample)."""
        rates: NDArray[np.float64] = np.log1p(1e4 * self._molecules[group] / max(self._library[group], 1))
        return rates

    def known_share(self, gene: str) -> float:
        """Give the share of molecules a gene has in the known type with most of it; 0 where none is known."""
        return self._known.get(gene, (0.0, 0.0))[0]

    def of(self, group: int, gene: str) -> GeneFact | None:
        """Give the facts of one gene in one group (-1: the whole sample); None where it is not measured."""
        at = self.place.get(gene)
        n = self.n_cells(group)
        if at is None or n == 0:
            return None
        seen, others = int(self._detected[group, at]), self.n_cells(-1) - n
        seen_elsewhere = int(self._detected[-1, at]) - seen
        positive, leak = self._known.get(gene, (self._highest(at), _NOISE))
        noise = self._expect(group, max(min(leak, positive * _MOST_PART), _NOISE))
        expected = self._expect(group, positive * _PART)
        limit = _quantile(expected)
        power = float(pdtr(limit, noise)) if limit >= 0 else 0.0
        pct = 100 * seen / n
        share = self._molecules[group, at] / max(self._library[group], 1)
        is_present = (
            seen >= _LEAST_CELLS
            and pct >= _LEAST_PCT
            and share >= _LEAST_PART * positive
            and float(pdtrc(seen - 1, noise)) < _SURE
        )
        is_absent = (
            not is_present
            and power >= LEAST_POWER
            and seen <= limit
            and pct <= min(200 * noise / n + 1, _MOST_LEAK)
        )
        presence = Presence.PRESENT if is_present else Presence.ABSENT if is_absent else Presence.UNDECIDED
        odds = np.nan
        if others:
            inside, outside = (
                (seen + 0.5) / (n - seen + 0.5),
                (seen_elsewhere + 0.5) / (others - seen_elsewhere + 0.5),
            )
            odds = float(np.log(inside / outside))
        elsewhere = 100 * seen_elsewhere / others if others else np.nan
        return GeneFact(presence, pct, elsewhere, 100 * expected / n, 100 * noise / n, power, odds)

    def _highest(self, at: int) -> float:
        """Give the share of a gene in the large group that has most of it."""
        large = (self._depths.sum(axis=1) >= _LARGE) & (self._library > 0)
        return float((self._molecules[large, at] / self._library[large]).max(initial=10 * _NOISE))

    def _expect(self, group: int, share: float) -> float:
        """Give the number of the group's cells that show a gene with this share of their molecules."""
        return float(self._depths[group] @ (1 - (1 + _GRID * share / _SIZE) ** -_SIZE))


def _quantile(expected: float) -> float:
    """Give the most detections that are improbably few (5 %) where so many are expected; -1 if none is."""
    if float(pdtr(0, expected)) > 0.05:
        return -1.0
    # the inverse in k is searched, for pdtri inverts in the mean
    low, high = 0, int(expected) + 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if float(pdtr(middle, expected)) <= 0.05 else (low, middle - 1)
    return float(low)
