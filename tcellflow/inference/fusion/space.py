"""The space of a sample's vectors: turned numbers of the bundle, and axes of its own genes and proteins.

Invariant: a cell's place depends on the cell and on the space, so that further cells can be put into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from tcellflow.inference.fusion.axes import choose_rows, find_axes
from tcellflow.inference.fusion.standardise import (
    ENOUGH_CELLS,
    clr_by_protein,
    measure_centres,
    measure_rows,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.inference.fusion.axes import Axes

    Floats = NDArray[np.float64]

WIDTH: Final = 64
OWN_AXES: Final = 20
_LATENT_AXES: Final = 24
_LATENT_WEIGHT: Final = 0.7  # the length of its part of the vector; genes have 1
_PARTS: Final = ("latent", "rna", "adt")


@dataclass(frozen=True)
class GeneAxes:
    """Axes of genes: their symbols (F,) and the axes."""

    symbols: NDArray[np.object_]
    axes: Axes

    def place(self, symbols: NDArray[np.object_]) -> GeneAxes:
        """Give them for a matrix with other genes; what it lacks is left out."""
        return GeneAxes(symbols, self.axes.place(find_columns(self.symbols, symbols), len(symbols)))

    def project(self, logs: sparse.csr_matrix) -> Floats:
        """Give cells along the axes, weighted by the root of their spread, (B, k)."""
        return np.asarray(self.axes.project(logs) / np.sqrt(self.axes.spread))


@dataclass(frozen=True)
class ProteinAxes:
    """Axes of proteins: targets (T,), centres of their log-ratios (T,), and the axes."""

    targets: NDArray[np.object_]
    centres: Floats
    axes: Axes

    def place(self, targets: NDArray[np.object_]) -> ProteinAxes:
        """Give them for another panel; what it lacks is left out."""
        columns = find_columns(self.targets, targets)
        centres = np.zeros(len(targets))
        centres[columns[columns >= 0]] = self.centres[columns >= 0]
        return ProteinAxes(targets, centres, self.axes.place(columns, len(targets)))

    def project(self, counts: NDArray[np.floating], has_adt: NDArray[np.bool_]) -> Floats:
        """Give cells along the axes, (B, k); 0 without antibodies."""
        found = np.zeros((len(counts), len(self.axes.spread)))
        found[has_adt] = self.axes.project(sparse.csr_matrix(clr_by_protein(counts[has_adt], self.centres)))
        return found


@dataclass(frozen=True)
class SampleSpace:
    """Where the vectors of a sample lie.

    Parameters
    ----------
    rna, adt
        Axes of its own; None where it has none.
    middle, directions
        Of the bundle's vectors, (D,) and (D, 24); None where the vectors are the bundle's.
    lengths
        Root of the mean squared length of the three parts.
    """

    rna: GeneAxes | None
    adt: ProteinAxes | None
    middle: Floats | None
    directions: Floats | None
    lengths: tuple[float, float, float]

    @property
    def _gene_weights(self) -> Floats | float:
        """Lengths of the axes of genes, half by their share of signal: rare kinds lie along weak ones."""
        return 1.0 if self.rna is None else (1 + np.sqrt(self.rna.axes.signal)) / 2

    @property
    def _protein_length(self) -> float:
        """Length of the part of proteins: each axis counts as much as one of genes."""
        return 0.0 if self.adt is None else float(np.sqrt(len(self.adt.axes.spread) / OWN_AXES))

    @property
    def widths(self) -> dict[str, int]:
        """Numbers of the vector by origin."""
        if self.directions is None:
            return {"latent": WIDTH, "rna": 0, "adt": 0}
        own = (0 if part is None else len(part.axes.spread) for part in (self.rna, self.adt))
        return dict(zip(_PARTS, (self.directions.shape[1], *own), strict=True))

    def place_genes(self, along: Floats, has_rna: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Give cells along the axes of genes (B, k) as they lie in the vectors; NaN for those without."""
        there = has_rna & (self.rna is not None)
        return np.where(there[:, None], along * self._gene_weights, np.nan).astype(np.float32)

    def join(
        self, latent: NDArray[np.float32], own: tuple[Floats, Floats], has: tuple[NDArray[np.bool_], ...]
    ) -> NDArray[np.float32]:
        """Put the parts of vectors beside each other, each scaled by its length; zeros fill the rest.

        Parameters
        ----------
        latent
            The bundle's, (B, D); NaN where it was shown nothing.
        own
            Along the axes of genes, and of proteins, each (B, k).
        has
            Which cells have expression, and antibodies.
        """
        is_told = np.isfinite(latent).all(axis=1)
        has_rna, has_adt = has[0] & (self.rna is not None), has[1] & (self.adt is not None)
        is_known = is_told | has_rna | has_adt
        vectors = np.full((len(latent), WIDTH), np.nan, np.float32)
        vectors[is_known] = 0
        if self.middle is None or self.directions is None:
            vectors[is_told, : latent.shape[1]] = latent[is_told]
            return vectors
        turned = _turn(latent, self.middle, self.directions)
        parts = ((turned, is_told), (own[0] * self._gene_weights, has_rna), (own[1], has_adt))
        weights, first = (_LATENT_WEIGHT, 1.0, self._protein_length), 0
        for i, width in enumerate((_LATENT_AXES, OWN_AXES, OWN_AXES)):
            values, rows = parts[i]
            if self.lengths[i] > 0:
                at = np.ix_(rows, np.arange(first, first + values.shape[1]))
                vectors[at] = (weights[i] / self.lengths[i] * values[rows]).round(6)
            first += width
        return vectors


def learn_space(
    axes: tuple[GeneAxes | None, ProteinAxes | None],
    latent: NDArray[np.float32],
    own: tuple[Floats, Floats],
    has: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> SampleSpace:
    """Learn the space of a sample from all its cells; arguments as for `SampleSpace.join`."""
    if axes == (None, None):
        return SampleSpace(None, None, None, None, (0.0, 0.0, 0.0))
    is_known = np.isfinite(latent).all(axis=1)
    known = latent[is_known].astype(np.float64)
    if not known.size:
        width = latent.shape[1]
        lengths = (0.0, _measure(own[0][has[0]]), _measure(own[1][has[1]]))
        return SampleSpace(*axes, np.zeros(width), np.zeros((width, 0)), lengths)
    middle = known.mean(axis=0)
    centred = known - middle
    _, directions = np.linalg.eigh(np.einsum("nd,ne->de", centred, centred))
    directions = directions[:, ::-1][:, :_LATENT_AXES]
    directions = directions * np.sign(
        directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])]
    )
    turned = _turn(latent, middle, directions)
    lengths = (
        _measure(turned[is_known]),
        _measure(own[0][has[0]]),
        _measure(own[1][has[1]]),
    )
    return SampleSpace(*axes, middle, directions, lengths)


def find_protein_axes(
    targets: NDArray[np.object_], counts: NDArray[np.floating], has_adt: NDArray[np.bool_]
) -> ProteinAxes | None:
    """Find the axes of a sample's proteins; None with fewer than 200 cells, or where nothing varies.

    Parameters
    ----------
    targets
        Of the columns, (T,).
    counts
        Antibody counts, (B, T).
    has_adt
        Which cells have any.
    """
    measured = counts[has_adt]
    if len(measured) < ENOUGH_CELLS:
        return None
    centres = measure_centres(measured)
    ratios = clr_by_protein(measured, centres)
    fitted = sparse.csr_matrix(ratios[choose_rows(len(ratios))])
    axes = find_axes(fitted, np.arange(ratios.shape[1]), measure_rows(ratios), OWN_AXES)
    return None if axes is None else ProteinAxes(targets, centres, axes)


def find_columns(wanted: NDArray[np.object_], names: NDArray[np.object_]) -> NDArray[np.int64]:
    """Find the column of each wanted name, -1 without."""
    place = {str(name): column for column, name in enumerate(names)}
    return np.array([place.get(str(name), -1) for name in wanted], dtype=np.int64)


def _turn(latent: NDArray[np.float32], middle: Floats, directions: Floats) -> Floats:
    return np.asarray(np.einsum("nd,dk->nk", np.nan_to_num(latent.astype(np.float64) - middle), directions))


def _measure(values: Floats) -> float:
    return float(np.sqrt(np.square(values).sum(axis=1).mean())) if values.size else 0.0
