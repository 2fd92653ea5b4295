"""Labelled cells from which annotate learns: a column of the same file, a table, or another expression file.

Invariant: a cell without a label teaches nothing; a label is taken as it is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import sparse

from tcellflow.errors import InputError
from tcellflow.genes.panel import align_panel
from tcellflow.ingest.cell_reader import open_cells
from tcellflow.language.candidates import name_candidates
from tcellflow.language.few_shots import teach

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tcellflow.ingest.cell_reader import CellReader
    from tcellflow.language.candidates import Candidate
    from tcellflow.language.typing import CellTyper

TABLES: Final = (".tsv", ".csv", ".txt")


@dataclass(frozen=True)
class Support:
    """Labelled cells.

    Parameters
    ----------
    reader
        The cells.
    labels
        Label of each, "" = none.
    where
        File and column, for messages.
    """

    reader: CellReader
    labels: pd.Series[str]
    where: str

    @property
    def names(self) -> list[str]:
        """Distinct labels, in alphabetical order."""
        return sorted(set(self.labels) - {""})


def open_support(path: Path | None, column: str, reader: CellReader, cells: Path) -> Support:
    """Open labelled cells.

    Parameters
    ----------
    path
        Table with ``cell_id`` and the column, or an expression file with the column in obs; None = the cells
        annotated.
    column
        Where the labels are.
    reader, cells
        The cells annotated.

    Raises
    ------
    InputError
        If there is no such column, no cell has a label, or a table names other cells.
    """
    source = reader
    if path is None:
        table, where = reader.obs, f"{cells}, obs"
    elif path.suffix in TABLES:
        table, where = _read_table(path, reader), str(path)
    else:
        source = open_cells(path)
        table, where = source.obs, f"{path}, obs"
    if column not in table:
        raise InputError(
            f"there is no column {column!r}", where=where,
            mend="choose from: " + (", ".join(map(str, table.columns[:20])) or "none"),
        )  # fmt: skip
    values = table[column].astype(object)
    labels = values.where(values.notna(), "").astype(str).str.strip()
    return Support(source, labels.reset_index(drop=True), f"{where}, column {column!r}")


def _read_table(path: Path, reader: CellReader) -> pd.DataFrame:
    separator = "," if path.suffix == ".csv" else "\t"
    try:
        table = pd.read_csv(path, sep=separator, dtype=str, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(
            f"it is no table of text: {error}", where=path, mend="save it as UTF-8 with tabs or commas"
        ) from error
    if "cell_id" not in table or table["cell_id"].duplicated().any():
        raise InputError(
            "there is no column 'cell_id' with each cell once", where=path, mend="give one row per cell"
        )
    table = table.set_index("cell_id")
    if not table.index.isin(reader.cell_ids).any():
        raise InputError(
            "none of its cells is among the cells annotated", where=path, mend="give cells of this file"
        )
    return table.reindex(reader.cell_ids)


def join_candidates(given: Sequence[Candidate], support: Support) -> tuple[Candidate, ...]:
    """Join candidates with the labels of cells that are none of them.

    Raises
    ------
    InputError
        As `tcellflow.language.candidates.name_candidates`.
    """
    known = {candidate.label for candidate in given}
    named = name_candidates(support.names, support.where)
    return (*given, *(candidate for candidate in named if candidate.label not in known))


def learn(typer: CellTyper, support: Support) -> CellTyper:
    """Teach a typer with labelled cells."""
    place = {candidate.label: i for i, candidate in enumerate(typer.candidates)}
    at = np.array([place.get(label, -1) for label in support.labels], dtype=np.int64)
    alignment = align_panel(support.reader.gene_names, typer.genes)
    parts, row = [sparse.csr_matrix(np.zeros((0, typer.n_genes), np.float32))], 0
    for counts, _ in support.reader.counts():
        parts.append(sparse.csr_matrix(alignment.gather(counts))[at[row : row + counts.shape[0]] >= 0])
        row += counts.shape[0]
    return teach(typer, sparse.csr_matrix(sparse.vstack(parts)), at[at >= 0], np.asarray(alignment.present))
