"""The cells of one cohort: counts under approved symbols, receptors, and what is known of each cell.

Invariant: row i of every array is the same cell; a cell without a label is kept, with every state open.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from scipy import sparse

from tcellflow.errors import InputError
from tcellflow.genes.symbols import harmonise_genes
from tcellflow.io.files.text_tables import open_text_table
from tcellflow.io.matrices.opening import open_matrix
from tcellflow.io.matrices.source import split_features
from tcellflow.training.cohorts.manifest import COLUMNS, CohortEntry
from tcellflow.training.cohorts.truth import read_truth, take_truth

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.training.cohorts.chains import CellChains
    from tcellflow.training.cohorts.truth import CellTruth

_LOG = logging.getLogger(__name__)
_SHOWN: Final = 20
_LEAST_SHARED: Final = 0.5  # of a table's cells must be in the matrix


@dataclass(frozen=True)
class Cohort:
    """The cells of one cohort.

    Parameters
    ----------
    entry
        Its description.
    cell_ids
        Names of the B cells.
    symbols
        Gene symbols, shape (G,); none where there are receptors alone.
    counts
        Shape (B, G), float32, as in the file.
    library
        Library size of each cell, shape (B,), float64, > 0.
    truth
        What is known of the cells.
    chains
        Their chains; None where there are none or nobody asked for them.
    """

    entry: CohortEntry
    cell_ids: NDArray[np.object_]
    symbols: NDArray[np.object_]
    counts: sparse.csr_matrix
    library: NDArray[np.float64]
    truth: CellTruth
    chains: CellChains | None = None

    @property
    def has_expression(self) -> bool:
        """Whether any gene was measured."""
        return len(self.symbols) > 0


def take_cells(cohort: Cohort, rows: NDArray[np.intp]) -> Cohort:
    """Select cells of a cohort.

    Parameters
    ----------
    cohort
        B cells.
    rows
        Row numbers.

    Returns
    -------
    Cohort
        These.
    """
    return replace(
        cohort,
        cell_ids=cohort.cell_ids[rows],
        counts=cohort.counts[rows],
        library=cohort.library[rows],
        truth=take_truth(cohort.truth, rows),
        chains=None if cohort.chains is None else cohort.chains.take(rows),
    )


def read_cohort(entry: CohortEntry) -> Cohort:
    """Read the cells of a cohort with expression.

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
    table = read_cell_table(entry, source.obs, source.barcodes)
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
    whole = Cohort(
        entry,
        table["cell_id"].to_numpy(dtype=object),
        genes.symbols,
        counts,
        library,
        read_truth(table, entry),
    )
    return take_cells(whole, np.flatnonzero(library > 0))


def read_receptor_cohort(entry: CohortEntry) -> Cohort:
    """Read the cells of a cohort that has receptors and no expression.

    Parameters
    ----------
    entry
        Its description; it names a table.

    Returns
    -------
    Cohort
        The cells of the table, over no gene.

    Raises
    ------
    InputError
        If the table cannot be read or lacks a column.
    """
    table = read_cell_table(entry, None, None)
    n_cells = len(table)
    return Cohort(
        entry,
        table["cell_id"].to_numpy(dtype=object),
        np.empty(0, dtype=object),
        sparse.csr_matrix(np.empty((n_cells, 0), np.float32)),
        np.ones(n_cells),
        read_truth(table, entry),
    )


def read_cell_table(
    entry: CohortEntry, obs: pd.DataFrame | None, barcodes: NDArray[np.object_] | None
) -> pd.DataFrame:
    """Read what is known about the cells of a cohort.

    Parameters
    ----------
    entry
        Its description.
    obs, barcodes
        Columns and names of the cells beside the counts; None where there are none.

    Returns
    -------
    DataFrame
        A row per cell, all text: `COLUMNS` under their own names, and the columns of labels.

    Raises
    ------
    InputError
        If the table cannot be read, lacks a column, names a cell twice, or has no cell of a label that the
        entry explains.
    """
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
            f"there are: {', '.join(map(str, frame.columns[:_SHOWN]))}",
            where=where,
            mend="mend the manifest: 'columns' renames columns, 'label', 'labels' and 'split' name them",
        )
    chosen = frame.assign(
        **{wanted[own]: frame[own] for own in wanted if own in frame and wanted[own] != own}
    )
    for name in COLUMNS:
        if name not in chosen:
            chosen[name] = ""
    if chosen["cell_id"].duplicated().any():
        raise InputError("a cell is named twice", where=where, mend="give every cell one row")
    _check_labels(chosen, entry)
    return chosen[list(dict.fromkeys([*COLUMNS, *labels]))]


def _check_labels(table: pd.DataFrame, entry: CohortEntry) -> None:
    """Refuse labels that no cell has, which are misspelt; say how many cells each of the others has."""
    for column in entry.labels:
        counts = table[column.column].value_counts()
        absent = [label for label in column.meanings if label not in counts]
        if absent:
            held = ", ".join(map(repr, counts.index[:_SHOWN]))
            raise InputError(
                f"no cell of {entry.name} has the label {', '.join(map(repr, absent))}; "
                f"the column {column.column} holds: {held}",
                where=entry.cells or entry.counts,
                mend="mend 'map', or leave the label out",
            )
        told = [f"{label} {counts[label]:,}" for label in counts.index if label in column.meanings]
        others = int(counts.sum() - sum(counts[label] for label in column.meanings))
        if told:
            _LOG.info(
                "%s, %s (%s): %s; not in the map %s", entry.name, column.column, column.evidence,
                ", ".join(told), f"{others:,}",
            )  # fmt: skip
        if others and column.meanings and (table["kind"] == "").all():
            _LOG.warning(
                "%s: the %s cells that are not in the map count as T cells too; if some are none, name a "
                "column of kinds ('columns' and 'kinds' of the manifest)",
                entry.name,
                f"{others:,}",
            )


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
