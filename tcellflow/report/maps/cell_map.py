"""The map section: where the cells lie, what each of them is, and what the map can be coloured by.

Invariant: places come from vectors that a step wrote; what colours them comes from the predictions, cell
by cell under the barcode. Nothing is called anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from tcellflow.graph.layout import LANDMARKS, lay_out_cells
from tcellflow.report.wording import FUNCTION_WORDS, LINEAGE_WORDS, name_protein
from tcellflow.vocabulary import STATE_NOT_T, STATE_UNRESOLVED, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from tcellflow.io.h5ad.latent import Latent
    from tcellflow.io.tables.fused_cells import FusedCells

OUTCOMES: Final = (*(str(state) for state in State), STATE_UNRESOLVED, STATE_NOT_T)
_SIDE: Final = 1_000  # whole units of the map in both directions
_NOT_CALLED: Final = "not called"
_NO_CELLS: Final = np.empty(0, object)
MOST_ON_MAP: Final = 10_000  # cells; more cannot be told apart, and the page must stay below 2 MB
_LABELS_SHOWN: Final = 8  # as many as there are colours
_STATES_LAYOUT: Final = ("States network", "whose vectors in the states network are alike")
_FUSED_LAYOUT: Final = ("Fused view", "whose fused vectors of expression and proteins are alike")


@dataclass(frozen=True)
class Shade:
    """A number of each cell that the map can be coloured by.

    Parameters
    ----------
    name
        What it is.
    values
        Whole percent of the way from low to high, one for each cell on the map; -1 where not known.
    low, high
        What 0 and 100 stand for.
    """

    name: str
    values: tuple[int, ...]
    low: float
    high: float


@dataclass(frozen=True)
class Grouping:
    """A class of each cell that the map can be coloured by.

    Parameters
    ----------
    name
        What the classes are.
    names
        Their names.
    values
        Index into the names, one for each cell on the map.
    """

    name: str
    names: tuple[str, ...]
    values: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Cells on the map in each class."""
        return tuple(np.bincount(self.values, minlength=len(self.names)).tolist())


@dataclass(frozen=True)
class Layout:
    """Places of the cells by one kind of vector.

    Parameters
    ----------
    name, meaning
        What it is called in the list of layouts, and what nearness means in it.
    places
        Whole numbers, shape (B, 2), from 0 to 1000; the second rises downwards.
    is_placed
        Shape (B,): whether a cell has such a vector; the places of others say nothing.
    n_landmarks
        Cells that were laid out; the others were put between them.
    """

    name: str
    meaning: str
    places: NDArray[np.intp]
    is_placed: NDArray[np.bool_]
    n_landmarks: int


@dataclass(frozen=True)
class CellMap:
    """Everything the map section shows.

    Parameters
    ----------
    n_cells
        Cells of the sample.
    barcodes
        Of the cells on the map.
    layouts
        At least one; the first is drawn.
    states
        Reported outcome of each cell.
    groupings, shades
        What else the map can be coloured by.
    clones
        Names of the clones on the map, in order of appearance.
    clone_of
        Index into the clones, one for each cell; -1 without a clone.
    """

    n_cells: int
    barcodes: tuple[str, ...]
    layouts: tuple[Layout, ...]
    states: Grouping
    groupings: tuple[Grouping, ...]
    shades: tuple[Shade, ...]
    clones: tuple[str, ...]
    clone_of: tuple[int, ...]

    @property
    def n_shown(self) -> int:
        """Cells on the map."""
        return len(self.barcodes)


def map_cells(
    latent: Latent | None, fused: FusedCells | None, predictions: pa.Table, proteins: Sequence[int] = ()
) -> CellMap:
    """Lay out the cells of a sample for the report's map, with what the predictions say of them.

    Parameters
    ----------
    latent
        Vectors of the states network; None = only fused ones are drawn.
    fused
        Fused vectors; None = only those of the states network are drawn.
    predictions
        Table of the contract `PREDICTIONS`; cells without a prediction are left out.
    proteins
        Indices of the fused proteins that the map can be coloured by.
    """
    columns = ["barcode", "state", "confidence", "lineage", "function", "clone_id"]
    calls = predictions.select(columns).to_pandas().set_index("barcode")
    found = latent.cell_ids if latent is not None else _choose(fused) if fused is not None else _NO_CELLS
    known = np.array([barcode in calls.index for barcode in found], bool)
    cells = calls.loc[found[known]]
    layouts, shades, groupings = [], [], []
    if latent is not None:
        layouts.append(_lay_out(_STATES_LAYOUT, latent.vectors[known]))
    if fused is not None:
        at = pd.Index(fused.cell_ids).get_indexer(cells.index)
        layouts.append(_lay_out_fused(fused, at))
        if fused.is_measured and layouts[-1].is_placed.all():
            layouts.reverse()  # what expression and proteins say together stands first
        shades = _shade_fused(fused, at, proteins)
        groupings = [*_group_labels(fused.labels, at), *_group_clusters(fused.clusters, at)]
    codes, names = cells["clone_id"].factorize()
    sizes = calls["clone_id"].map(calls["clone_id"].value_counts())
    return CellMap(
        n_cells=latent.n_cells if latent is not None else fused.n_cells if fused is not None else 0,
        barcodes=tuple(str(barcode) for barcode in cells.index),
        layouts=tuple(layouts),
        states=_group("State", cells["state"], {outcome: outcome for outcome in OUTCOMES}),
        groupings=(
            _group("Lineage", cells["lineage"], {str(k): word for k, word in LINEAGE_WORDS.items()}),
            _group("Function", cells["function"], {str(k): word for k, word in FUNCTION_WORDS.items()}),
            *groupings,
        ),
        shades=(
            _shade("Confidence", cells["confidence"].to_numpy(np.float64), 0.0, 1.0),
            _shade_sizes(sizes.loc[cells.index].to_numpy(np.float64)),
            *shades,
        ),
        clones=tuple(str(name) for name in names),
        clone_of=tuple(int(code) for code in codes),
    )


def _choose(fused: FusedCells) -> NDArray[np.object_]:
    """Give the cells at equal steps that are drawn where the states network left no vectors."""
    n_cells = len(fused.cell_ids)
    rows = np.linspace(0, n_cells - 1, min(n_cells, MOST_ON_MAP)).round().astype(np.intp)
    chosen: NDArray[np.object_] = fused.cell_ids[rows]
    return chosen


def _lay_out(kind: tuple[str, str], vectors: NDArray[np.float32]) -> Layout:
    is_placed = np.asarray(np.isfinite(vectors).all(axis=1))
    places = np.zeros((len(vectors), 2), np.intp)
    places[is_placed] = np.rint(_SIDE * lay_out_cells(vectors[is_placed])).astype(np.intp)
    return Layout(*kind, places, is_placed, min(int(is_placed.sum()), LANDMARKS))


def _lay_out_fused(fused: FusedCells, at: NDArray[np.intp]) -> Layout:
    """Take the places that fuse wrote; where it wrote none, lay out its vectors here."""
    is_there = at >= 0
    if not np.isfinite(fused.places).any():
        return _lay_out(_FUSED_LAYOUT, np.where(is_there[:, None], fused.vectors[at], np.nan))
    places = np.where(is_there[:, None], fused.places[at], np.nan)
    is_placed = np.asarray(np.isfinite(places).all(axis=1))
    whole = np.rint(_SIDE * np.nan_to_num(places)).astype(np.intp)
    return Layout(*_FUSED_LAYOUT, whole, is_placed, int(is_placed.sum()))


def _shade_fused(fused: FusedCells, at: NDArray[np.intp], proteins: Sequence[int]) -> list[Shade]:
    """Shade by the weight of expression, where there are proteins, too, and by levels of proteins."""

    def take(values: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.where(at >= 0, values[at], np.nan).astype(np.float64)

    shades = []
    has_both = (fused.w_rna > 0) & (fused.w_rna < 1)
    if has_both.any():
        shades.append(_shade("Weight of expression", take(fused.w_rna), 0.0, 1.0))
    for i in proteins:
        levels = take(fused.levels[:, i])
        if np.isfinite(levels).any():
            high = max(float(np.nanquantile(levels, 0.99)), 0.1)
            kind = "Protein" if fused.is_measured else "Protein, told by expression:"
            shades.append(_shade(f"{kind} {name_protein(fused.proteins[i])}", levels, 0.0, high))
    return shades


def _group_labels(labels: NDArray[np.object_], at: NDArray[np.intp]) -> list[Grouping]:
    of_cells = pd.Series(labels[at], dtype=object).mask(at < 0)
    counts = of_cells.value_counts()
    if counts.empty:
        return []
    names = sorted(counts.index, key=lambda name: (-counts[name], name))[:_LABELS_SHOWN]
    return [_group("Label of the fused view", of_cells, {name: name for name in names}, "other or unsure")]


def _group_clusters(clusters: NDArray[np.int32], at: NDArray[np.intp]) -> list[Grouping]:
    """Group by fuse's clusters, the largest first, as many as there are colours."""
    of_cells = pd.Series(np.where(at >= 0, clusters[at], -1)).astype(str)
    names = [str(number) for number in range(_LABELS_SHOWN) if (of_cells == str(number)).any()]
    if not names:
        return []
    return [_group("Cluster of the fused view", of_cells, {n: f"cluster {n}" for n in names}, "smaller ones")]


def _group(name: str, values: pd.Series, words: Mapping[str, str], otherwise: str = _NOT_CALLED) -> Grouping:
    """Give each cell the number of its class, in the order of the words; cells without one come last."""
    found = values.fillna("").astype(str).to_numpy(object)
    shown = [key for key in words if (found == key).any()]
    names = [words[key] for key in shown]
    numbers = np.full(len(found), len(shown))
    for number, key in enumerate(shown):
        numbers[found == key] = number
    if (numbers == len(shown)).any():
        names.append(otherwise)
    return Grouping(name, tuple(names), tuple(numbers.tolist()))


def _shade(name: str, values: NDArray[np.float64], low: float, high: float) -> Shade:
    shares = np.clip((values - low) / (high - low), 0, 1)
    percent = np.where(np.isnan(shares), -1, np.rint(100 * np.nan_to_num(shares))).astype(int)
    return Shade(name, tuple(percent.tolist()), low, high)


def _shade_sizes(sizes: NDArray[np.float64]) -> Shade:
    """Shade by the decimal logarithm of the clone's size; cells without a clone stay blank."""
    largest = np.nanmax(sizes) if np.isfinite(sizes).any() else 1.0
    shade = _shade("Clone size", np.log10(sizes), 0.0, max(float(np.log10(largest)), 0.3))
    return Shade(shade.name, shade.values, 1.0, float(max(largest, 2.0)))
