"""AIRR rearrangement tables: tab-separated as the standard wants, or any CSV in its words.

Invariant: ``junction_aa`` is taken with its anchors; a whole file without them is recognised, warned of and
handed on as such. ``cdr3``, ``cdr3_aa`` and clone columns are never read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tcellflow.io.contigs.loci import standard_loci
from tcellflow.io.files.text_tables import check_columns
from tcellflow.io.files.text_values import find_denied, parse_booleans, parse_counts
from tcellflow.receptors.anchors import lacks_anchors
from tcellflow.receptors.contigs import COUNT_COLUMNS, DropReason, RawChains, make_rows
from tcellflow.receptors.translation import translate

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from tcellflow.io.files.text_tables import TextTable

LAYOUT: Final = "AIRR rearrangement table"
REQUIRED: Final = (
    "cell_id",
    "productive",
    ("locus", "v_call", "j_call", "c_call"),
    ("junction_aa", "junction"),
)
_TEXTS: Final = (
    "cell_id",
    "sequence_id",
    "locus",
    "v_call",
    "d_call",
    "j_call",
    "c_call",
    "junction_aa",
    "junction",
    "donor",
)
# is_cell: Cell Ranger's airr_rearrangement.tsv; putative_cell and dominant: BD Rhapsody's AIRR files
_CELL_FLAGS: Final = {
    "is_cell": DropReason.NOT_A_CELL,
    "putative_cell": DropReason.NOT_A_CELL,
    "high_confidence": DropReason.LOW_CONFIDENCE,
    "dominant": DropReason.NOT_DOMINANT,
}
NO_ANCHORS_WARNING: Final = (
    "the junctions lack their anchors (C ... F/W); they are restored from the germline where it leaves "
    "no choice, the others are not embedded"
)


def is_airr_table(columns: frozenset[str]) -> bool:
    """Recognise a table in AIRR words, even if columns are missing, so that the error can name them."""
    signs = {"cell_id", "sequence_id", "v_call", "j_call", "junction", "junction_aa", "productive", "locus"}
    return len(signs & columns) >= 3


def read_airr_table(table: TextTable) -> RawChains:
    """Read the contigs of cells from an AIRR rearrangement table, or a plain table in AIRR words.

    Raises
    ------
    InputError
        If columns are missing or hold impossible values.
    """
    check_columns(table, REQUIRED, layout=LAYOUT)
    frame = table.read({*_TEXTS, *COUNT_COLUMNS, *_CELL_FLAGS, "productive"})
    return collect_airr(frame, layout=LAYOUT, where=table.path)


def collect_airr(frame: pd.DataFrame, *, layout: str, where: Path) -> RawChains:
    """Turn a table in AIRR words into contig rows.

    Parameters
    ----------
    frame
        Columns in AIRR words, None = missing; ``cell_id`` and ``productive`` are there.
    layout
        What the file was recognised as.
    where
        Named in errors as the place.

    Returns
    -------
    RawChains
        Contigs of cells; whether they have anchors is judged for the whole file.

    Raises
    ------
    InputError
        If a flag or count holds an impossible value.
    """
    columns: dict[str, Any] = {name: frame[name] for name in _TEXTS if name in frame}
    columns |= {name: parse_counts(frame[name], where=where) for name in COUNT_COLUMNS if name in frame}
    columns["productive"] = parse_booleans(frame["productive"], where=where)[0]
    if "locus" in frame:
        columns["locus"] = standard_loci(frame["locus"])
    rows = _mark_anchors(with_best_count(make_rows(columns, len(frame))))
    warnings = () if rows["anchored"].all() else (NO_ANCHORS_WARNING,)
    raw = RawChains(layout=layout, where=str(where), rows=rows, rows_read=len(rows), warnings=warnings)
    flags = [(reason, name) for name, reason in _CELL_FLAGS.items() if name in frame]
    return raw.without_each(
        [
            (DropReason.NO_CELL, rows["cell_id"].isna().to_numpy()),
            *((reason, find_denied(frame[name], where=where)) for reason, name in flags),
        ]
    )


def with_best_count(rows: pd.DataFrame) -> pd.DataFrame:
    """Fill ``umi_count`` of an AIRR table from the best count the file has.

    Returns
    -------
    pandas.DataFrame
        ``umi_count``, else ``duplicate_count`` (its name before AIRR 1.4), else ``consensus_count``,
        decided for the whole file so that ranks compare like with like.
    """
    for name in COUNT_COLUMNS:
        if rows[name].notna().any():
            return rows.assign(umi_count=rows[name])
    return rows


def _mark_anchors(rows: pd.DataFrame) -> pd.DataFrame:
    junctions = rows["junction_aa"]
    if junctions.isna().all():
        junctions = rows["junction"].map(translate, na_action="ignore")
    is_t_cell = ~rows["locus"].astype(str).str.startswith("IG")
    if not lacks_anchors(junctions[is_t_cell & rows["productive"]]):
        return rows
    nothing = np.full(len(rows), None, dtype=object)
    return rows.assign(anchored=False, cdr3=rows["junction"], junction=nothing)
