"""Tables with one row per cell: which column names the cell, and chains in fixed sets of columns (slots).

Invariant: a slot becomes a contig row if any of its genes or sequences is filled; nothing is read
into an empty slot.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd

from tcellflow.errors import InputError
from tcellflow.io.contigs.airr import NO_ANCHORS_WARNING, with_best_count
from tcellflow.io.contigs.loci import standard_loci
from tcellflow.io.files.text_tables import show_columns
from tcellflow.io.files.text_values import parse_booleans, parse_counts
from tcellflow.receptors.anchors import lacks_anchors
from tcellflow.receptors.contigs import COUNT_COLUMNS, DropReason, RawChains, make_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tcellflow.io.files.text_tables import TextTable

# "" is the column of row names that R writes without a name
CELL_COLUMNS: Final = ("cell_id", "barcode", "Barcode", "cell_name", "cell", "Cell", "index", "")
_GENES = ("v_call", "d_call", "j_call", "c_call")
Anchored = bool | Literal["by content"]


@dataclass(frozen=True)
class ChainSlot:
    """The columns of one chain; empty where the table has none.

    Parameters
    ----------
    v_call, d_call, j_call, c_call
        Columns of gene names.
    residues, nucleotides
        Columns of the CDR3, with or without anchors.
    umi_count, duplicate_count, consensus_count
        Columns of counts.
    productive
        Column of the flag; without it a chain is productive unless its CDR3 has a stop codon.
    locus
        Column of the locus.
    fixed_locus
        Locus of all chains of the slot; without it and ``locus``, gene names decide.
    """

    v_call: str = ""
    d_call: str = ""
    j_call: str = ""
    c_call: str = ""
    residues: str = ""
    nucleotides: str = ""
    umi_count: str = ""
    duplicate_count: str = ""
    consensus_count: str = ""
    productive: str = ""
    locus: str = ""
    fixed_locus: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the table's columns it may use."""
        names = (getattr(self, field.name) for field in fields(self) if field.name != "fixed_locus")
        return tuple(name for name in names if name)


def read_slots(
    frame: pd.DataFrame,
    slots: Sequence[ChainSlot],
    *,
    cell_ids: pd.Series,
    layout: str,
    where: Path,
    anchored: Anchored,
) -> RawChains:
    """Turn a per-cell table with chains in slots into contig rows, cell by cell.

    Parameters
    ----------
    frame
        Columns of the slots, None = missing; absent columns are missing throughout.
    slots
        The chains of a cell, in order.
    cell_ids
        (cells,) names, None = missing.
    layout
        What the file was recognised as.
    where
        Named in errors as the place.
    anchored
        Whether the CDR3 columns hold the anchors.

    Returns
    -------
    RawChains
        One row per filled slot.

    Raises
    ------
    InputError
        If a flag or count holds an impossible value.
    """
    parts = [_read_slot(frame, slot, number, cell_ids, where) for number, slot in enumerate(slots)]
    rows = pd.concat(parts).sort_values(["cell", "slot"], kind="stable", ignore_index=True)
    rows = rows.drop(columns=["cell", "slot"])
    if anchored == "by content":
        is_t_cell = ~rows["locus"].astype(str).str.startswith("IG")
        anchored = not lacks_anchors(rows.loc[is_t_cell, "junction_aa"])
    if not anchored:
        nothing = np.full(len(rows), None, dtype=object)
        rows = rows.assign(anchored=False, cdr3=rows["junction"], junction=nothing)
    rows = with_best_count(rows)
    warnings = (NO_ANCHORS_WARNING,) if not anchored and len(rows) else ()
    raw = RawChains(layout=layout, where=str(where), rows=rows, rows_read=len(rows), warnings=warnings)
    return raw.without(DropReason.NO_CELL, rows["cell_id"].isna().to_numpy())


def _read_slot(
    frame: pd.DataFrame, slot: ChainSlot, number: int, cell_ids: pd.Series, where: Path
) -> pd.DataFrame:
    def column(name: str) -> pd.Series:
        return frame[name] if name and name in frame else pd.Series([None] * len(frame), dtype=object)

    texts = {name: column(getattr(slot, name)) for name in _GENES}
    texts |= {"junction_aa": column(slot.residues), "junction": column(slot.nucleotides)}
    filled = np.logical_or.reduce([values.notna().to_numpy() for values in texts.values()])
    columns: dict[str, Any] = {name: values[filled].to_numpy() for name, values in texts.items()}
    columns["cell_id"] = cell_ids[filled].to_numpy()
    for name in COUNT_COLUMNS:
        columns[name] = parse_counts(column(getattr(slot, name))[filled], where=where)
    if slot.productive and slot.productive in frame:
        columns["productive"] = parse_booleans(frame[slot.productive][filled], where=where)[0]
    else:
        columns["productive"] = ~texts["junction_aa"][filled].astype(str).str.contains("*", regex=False)
    if slot.fixed_locus:
        columns["locus"] = np.full(int(filled.sum()), slot.fixed_locus, dtype=object)
    elif slot.locus and slot.locus in frame:
        columns["locus"] = standard_loci(frame[slot.locus][filled])
    rows = make_rows(columns, int(filled.sum()))
    return rows.assign(cell=np.flatnonzero(filled), slot=number)


def cell_names(frame: pd.DataFrame, table: TextTable) -> pd.Series:
    """Find the cell names of a per-cell table among its `CELL_COLUMNS`.

    Returns
    -------
    pandas.Series
        The first such column; gaps are filled from the next ones (R keeps names as row names).

    Raises
    ------
    InputError
        If there is none.
    """
    found = [frame[name] for name in CELL_COLUMNS if name in frame]
    if not found:
        raise InputError(
            f"no column names the cells; the file has {show_columns(table.columns)}",
            where=table.path,
            mend="add a column cell_id with the barcodes",
        )
    names = found[0]
    for other in found[1:]:
        names = names.where(names.notna(), other)
    return names
