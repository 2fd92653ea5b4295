"""Labelled cells in memory, and the form of a figure: its value beside controls and ceiling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray
    from scipy import sparse

    from tcellflow.language.candidates import Candidate
    from tcellflow.provenance import JsonValue

SEEDS: Final = (0, 1, 2)
Figure: TypeAlias = "dict[str, JsonValue]"


@dataclass(frozen=True)
class LabelledCells:
    """Cells with true labels.

    Parameters
    ----------
    counts
        Shape (B, genes), CSR.
    library
        Counts over all genes, shape (B,).
    genes
        Symbols, shape (genes,).
    labels
        True label of each cell, shape (B,).
    candidates
        What cells may be called; every label is one.
    """

    counts: sparse.csr_matrix
    library: NDArray[np.float64]
    genes: NDArray[np.object_]
    labels: NDArray[np.object_]
    candidates: tuple[Candidate, ...]

    @cached_property
    def names(self) -> list[str]:
        """Labels that have cells, in alphabetical order."""
        return sorted(set(self.labels))

    @cached_property
    def truth(self) -> NDArray[np.int64]:
        """Place of each cell's label among the candidates, shape (B,)."""
        place = {candidate.label: i for i, candidate in enumerate(self.candidates)}
        return np.array([place[label] for label in self.labels], dtype=np.int64)

    def halve(self, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Halve the cells within each label at random: two sorted arrays of rows."""
        rng = np.random.default_rng(seed)
        halves: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
        for name in self.names:
            rows = rng.permutation(np.flatnonzero(self.labels == name))
            halves[0].append(rows[::2])
            halves[1].append(rows[1::2])
        return np.sort(np.concatenate(halves[0])), np.sort(np.concatenate(halves[1]))


def make_figure(
    value: float | Iterable[float],
    controls: Mapping[str, float | Iterable[float]] | None = None,
    ceiling: float | Iterable[float] | None = None,
) -> Figure:
    """Lay out a figure: the mean over seeds where there are several, rounded to four decimals."""
    figure: Figure = {"value": _mean(value)}
    if controls:
        figure["controls"] = {name: _mean(control) for name, control in controls.items()}
    if ceiling is not None:
        figure["ceiling"] = _mean(ceiling)
    return figure


def _mean(value: float | Iterable[float]) -> float:
    return round(float(value if isinstance(value, int | float) else np.mean(list(value))), 4)
