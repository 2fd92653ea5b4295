"""The map section: where the cells lie, what each of them is, and what the map can be coloured by.

Invariant: places come from vectors that a step wrote; what colours them comes from the predictions, cell
by cell under the barcode. Nothing is called anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.graph.layout import LANDMARKS, lay_out_cells
from tcellflow.report.wording import FUNCTION_WORDS, LINEAGE_WORDS
from tcellflow.vocabulary import STATE_NOT_T, STATE_UNRESOLVED, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from tcellflow.io.h5ad.latent import Latent

OUTCOMES: Final = (*(str(state) for state in State), STATE_UNRESOLVED, STATE_NOT_T)
_SIDE: Final = 1_000  # whole units of the map in both directions
_NOT_CALLED: Final = "not called"


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
class CellMap:
    """Everything the map section shows.

    Parameters
    ----------
    n_cells
        Cells of the sample.
    n_landmarks
        Cells that were laid out; the others were put between them.
    barcodes
        Of the cells on the map.
    places
        Whole numbers, shape (B, 2), from 0 to 1000; the second rises downwards.
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
    n_landmarks: int
    barcodes: tuple[str, ...]
    places: NDArray[np.intp]
    states: Grouping
    groupings: tuple[Grouping, ...]
    shades: tuple[Shade, ...]
    clones: tuple[str, ...]
    clone_of: tuple[int, ...]

    @property
    def n_shown(self) -> int:
        """Cells on the map."""
        return len(self.barcodes)


def map_cells(latent: Latent, predictions: pa.Table) -> CellMap:
    """Lay out the cells of a sample for the report's map, with what the predictions say of them.

    Parameters
    ----------
    latent
        Vectors of cells; those without a prediction are left out.
    predictions
        Table of the contract `PREDICTIONS`.
    """
    columns = ["barcode", "state", "confidence", "lineage", "function", "clone_id"]
    calls = predictions.select(columns).to_pandas().set_index("barcode")
    known = np.array([barcode in calls.index for barcode in latent.cell_ids], bool)
    cells = calls.loc[latent.cell_ids[known]]
    vectors = latent.vectors[known]
    places = np.rint(_SIDE * lay_out_cells(vectors)).astype(np.intp)
    codes, names = cells["clone_id"].factorize()
    sizes = calls["clone_id"].map(calls["clone_id"].value_counts())
    return CellMap(
        n_cells=latent.n_cells,
        n_landmarks=min(len(cells), LANDMARKS),
        barcodes=tuple(str(barcode) for barcode in cells.index),
        places=places,
        states=_group("State", cells["state"], {outcome: outcome for outcome in OUTCOMES}),
        groupings=(
            _group("Lineage", cells["lineage"], {str(k): word for k, word in LINEAGE_WORDS.items()}),
            _group("Function", cells["function"], {str(k): word for k, word in FUNCTION_WORDS.items()}),
        ),
        shades=(
            _shade("Confidence", cells["confidence"].to_numpy(np.float64), 0.0, 1.0),
            _shade_sizes(sizes.loc[cells.index].to_numpy(np.float64)),
        ),
        clones=tuple(str(name) for name in names),
        clone_of=tuple(int(code) for code in codes),
    )


def _group(name: str, values: pd.Series, words: Mapping[str, str]) -> Grouping:
    """Give each cell the number of its class, in the order of the words; cells without one come last."""
    found = values.fillna("").astype(str).to_numpy(object)
    shown = [key for key in words if (found == key).any()]
    names = [words[key] for key in shown]
    numbers = np.full(len(found), len(shown))
    for number, key in enumerate(shown):
        numbers[found == key] = number
    if (numbers == len(shown)).any():
        names.append(_NOT_CALLED)
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
