"""The cells of one cohort: counts under approved symbols, and what is known of each cell.

Invariant: row i of every array is the same cell; a cell without a label is kept, with every state open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from scipy import sparse

from tcellflow.errors import InputError
from tcellflow.genes.symbols import harmonise_genes
from tcellflow.io.matrix import open_matrix, split_features
from tcellflow.io.text_tables import open_text_table
from tcellflow.training.cohort_manifest import COLUMNS, T_CELL, CohortEntry
from tcellflow.training.label_maps import Meaning, find_state, possible_joint

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.vocabulary import Evidence

UNKNOWN_CYCLE: Final = -1
_LEAST_SHARED: Final = 0.5  # of a table's cells must be in the matrix


@dataclass(frozen=True)
class CellTruth:
    """What is known of B cells.

    Parameters
    ----------
    is_t
        Shape (B,), bool.
    kind
        ``T``, or the kind of other cell, shape (B,), object.
    joint
        Joint cells of lineage and function that are possible, shape (B, 54), bool.
    cycle
        1 cycling, 0 resting, -1 not known, shape (B,), int8.
    state
        The one possible state, "" where several are, shape (B,), object.
    evidence
        How the state was found, "" where it is open, shape (B,), object.
    label
        The labels of the cell joined by " + ", shape (B,), object.
    donor, clone
        Names, shape (B,), object. A cohort without donors is one donor; "" = clone not known.
    """

    is_t: NDArray[np.bool_]
    kind: NDArray[np.object_]
    joint: NDArray[np.bool_]
    cycle: NDArray[np.int8]
    state: NDArray[np.object_]
    evidence: NDArray[np.object_]
    label: NDArray[np.object_]
    donor: NDArray[np.object_]
    clone: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.is_t)


@dataclass(frozen=True)
class Cohort:
    """The cells of one cohort with expression.

    Parameters
    ----------
    entry
        Its description.
    cell_ids
        Names of the B cells.
    symbols
        Gene symbols, shape (G,).
    counts
        Shape (B, G), float32, as in the file.
    library
        Library size of each cell, shape (B,), float64, > 0.
    truth
        What is known of the cells.
    """

    entry: CohortEntry
    cell_ids: NDArray[np.object_]
    symbols: NDArray[np.object_]
    counts: sparse.csr_matrix
    library: NDArray[np.float64]
    truth: CellTruth


def read_cohort(entry: CohortEntry) -> Cohort:
    """Read a cohort with expression.

    Parameters
    ----------
    entry
        Its description; it names counts.

    Returns
    -------
    Cohort
        The cells that are in the matrix and in its table, if it has one.

    Raises
    ------
    InputError
        If a file is damaged, a column is missing, hardly any cell of the table is in the matrix, or a
        library size is no positive number.
    """
    if entry.counts is None:
        raise InputError(
            f"{entry.name} has no counts", where=entry.name, mend="name its matrix under 'counts'"
        )
    source = open_matrix(entry.counts, slot=entry.slot)
    split = split_features(source)
    names, ids = source.features.names[split.genes], source.features.ids[split.genes]
    genes = harmonise_genes(ids, names, where=entry.counts)
    table = _read_cells(entry, source.obs, source.barcodes)
    place = {barcode: row for row, barcode in enumerate(source.barcodes)}
    rows = np.array([place.get(name, -1) for name in table["cell_id"]], dtype=np.int64)
    found = rows >= 0
    if found.mean() < _LEAST_SHARED:
        raise InputError(
            f"{int(found.sum())} of {len(rows)} cells are in the matrix",
            where=entry.cells or entry.counts,
            mend="give cell_id as the matrix spells it",
        )
    table, rows = table[found].reset_index(drop=True), rows[found]
    columns = np.flatnonzero(split.genes)
    matrix = sparse.vstack([block[:, columns] for block in source.blocks()]).tocsr()[rows]
    counts = genes.merge_columns(sparse.csr_matrix(matrix)).astype(np.float32)
    library = _read_library(table["library_size"], counts, entry)
    kept = np.flatnonzero(library > 0)
    return Cohort(
        entry,
        table["cell_id"].to_numpy(dtype=object)[kept],
        genes.symbols,
        counts[kept],
        library[kept],
        read_truth(table.iloc[kept].reset_index(drop=True), entry),
    )


def read_cells_table(entry: CohortEntry) -> pd.DataFrame:
    """Read the table of a cohort that has receptors and no expression.

    Parameters
    ----------
    entry
        Its description; it names a table.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS` and the columns of labels, as text; "" where missing.

    Raises
    ------
    InputError
        If it cannot be read or lacks a column.
    """
    return _read_cells(entry, None, None)


def read_truth(table: pd.DataFrame, entry: CohortEntry) -> CellTruth:
    """Read what is known of cells.

    Parameters
    ----------
    table
        `COLUMNS` and the columns of labels, as text.
    entry
        What the labels mean.

    Returns
    -------
    CellTruth
        One row per row of the table. Where several columns speak about an axis the first one counts.
    """
    combined = _Combined.of(len(table))
    for column in entry.labels:
        texts = table[column.column].to_numpy(dtype=object)
        for text in sorted(set(texts) & set(column.meanings)):
            combined.add(np.flatnonzero(texts == text), text, column.meanings[text], column.evidence)
    kinds = table["kind"].replace("", T_CELL).to_numpy(dtype=object)
    is_t = kinds == T_CELL
    donor, clone = (table[name].to_numpy(dtype=object) for name in ("donor", "clone"))
    donor = np.where(donor == "", entry.name, donor).astype(object)
    states = np.full(len(table), "", dtype=object)
    for row in np.flatnonzero(is_t & (combined.evidence != "")):
        states[row] = find_state(combined.joint[row], bool(combined.cycle[row] == 1)) or ""
    return CellTruth(
        is_t=is_t,
        kind=kinds,
        joint=combined.joint,
        cycle=combined.cycle,
        state=states,
        evidence=np.where(states == "", "", combined.evidence).astype(object),
        label=combined.label,
        donor=donor,
        clone=np.where(clone == "", "", donor + "/" + clone).astype(object),
    )


@dataclass
class _Combined:
    joint: NDArray[np.bool_]
    cycle: NDArray[np.int8]
    evidence: NDArray[np.object_]
    label: NDArray[np.object_]
    has_lineage: NDArray[np.bool_]
    has_function: NDArray[np.bool_]

    @staticmethod
    def of(n_cells: int) -> _Combined:
        return _Combined(
            np.tile(possible_joint(), (n_cells, 1)),
            np.full(n_cells, UNKNOWN_CYCLE, np.int8),
            np.full(n_cells, "", dtype=object),
            np.full(n_cells, "", dtype=object),
            np.zeros(n_cells, bool),
            np.zeros(n_cells, bool),
        )

    def add(self, rows: NDArray[np.int64], text: str, meaning: Meaning, evidence: Evidence) -> None:
        """Add what a label says about the axes that nothing has spoken about yet."""
        if meaning.lineages:
            self._restrict(rows, self.has_lineage, Meaning(lineages=meaning.lineages))
        if meaning.functions:
            new = self._restrict(rows, self.has_function, Meaning(functions=meaning.functions))
            self.evidence[new] = str(evidence)
        if meaning.is_cycling is not None:
            open_rows = rows[self.cycle[rows] == UNKNOWN_CYCLE]
            self.cycle[open_rows] = int(meaning.is_cycling)
            if meaning.is_cycling:
                self.evidence[open_rows] = str(evidence)
        self.label[rows] = [f"{seen} + {text}" if seen else text for seen in self.label[rows]]

    def _restrict(
        self, rows: NDArray[np.int64], is_told: NDArray[np.bool_], axis: Meaning
    ) -> NDArray[np.int64]:
        """Leave what one axis allows, where nothing spoke about it yet and a better label allows it."""
        allowed = axis.mark_joint()
        new = rows[~is_told[rows]]
        new = new[(self.joint[new] & allowed).any(axis=1)]
        self.joint[new] &= allowed
        is_told[new] = True
        return new


def _read_cells(
    entry: CohortEntry, obs: pd.DataFrame | None, barcodes: NDArray[np.object_] | None
) -> pd.DataFrame:
    wanted = {own: name for name, own in entry.columns.items()}
    labels = [column.column for column in entry.labels]
    where = entry.cells or entry.counts
    if entry.cells is not None:
        frame = _read_table(entry.cells)
    else:
        frame = pd.DataFrame({"cell_id": barcodes}) if obs is None else obs.assign(cell_id=barcodes)
        frame = _as_text(frame.reset_index(drop=True))
    renamed = [own for name, own in entry.columns.items() if own != name or name == "cell_id"]
    missing = [name for name in dict.fromkeys([*renamed, *labels]) if name not in frame]
    if missing:
        raise InputError(
            f"there is no column {', '.join(missing)} about the cells; "
            f"there are: {', '.join(map(str, frame.columns[:20]))}",
            where=where,
            mend="mend 'columns' or 'labels' of the cohort",
        )
    chosen = frame.assign(
        **{wanted[own]: frame[own] for own in wanted if own in frame and wanted[own] != own}
    )
    for name in COLUMNS:
        if name not in chosen:
            chosen[name] = ""
    if chosen["cell_id"].duplicated().any():
        raise InputError("a cell is named twice", where=where, mend="give every cell one row")
    return chosen[list(dict.fromkeys([*COLUMNS, *labels]))]


def _read_table(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return _as_text(pq.read_table(path).to_pandas())
    table = open_text_table(path)
    return _as_text(table.read(table.columns))


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(frame.astype(object).where(frame.notna(), "").astype(str))


def _read_library(texts: pd.Series, counts: sparse.csr_matrix, entry: CohortEntry) -> NDArray[np.float64]:
    sums = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    sizes = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64)
    bad = (texts != "").to_numpy() & ~(sizes > 0)
    if bad.any():
        first = texts.iloc[int(np.argmax(bad))]
        raise InputError(
            f"library sizes are no positive numbers ({int(bad.sum())}; first: {first})",
            where=entry.cells or entry.counts,
            mend="give each cell the sum of its counts over all genes, or leave the field empty",
        )
    return np.where(np.isnan(sizes), sums, np.maximum(sizes, sums))
