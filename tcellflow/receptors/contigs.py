"""Contig rows as every reader hands them on, whatever the file looked like.

Invariant: rows read = rows kept + rows dropped, each dropped row under exactly one reason, in the
reader and in everything that works on its rows afterwards.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from tcellflow.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

MULTI_LOCUS: Final = "Multi"  # a contig whose segments belong to several loci, in 10x words

STRING_COLUMNS: Final = (
    "cell_id",
    "sequence_id",
    "locus",
    "v_call",
    "d_call",
    "j_call",
    "c_call",
    "junction_aa",
    "junction",
    "cdr3",
    "donor",
)
COUNT_COLUMNS: Final = ("umi_count", "duplicate_count", "consensus_count")
FLAG_COLUMNS: Final = ("productive", "anchored")


class DropReason(StrEnum):
    """Why a contig is no usable chain; the first that applies, in this order."""

    NO_CELL = "no_cell_barcode"
    NOT_A_CELL = "not_a_cell"
    LOW_CONFIDENCE = "low_confidence"
    NOT_DOMINANT = "not_dominant"
    REPEATED = "repeated_row"
    OTHER_SAMPLE = "other_sample"
    NOT_IN_EXPRESSION = "cell_not_in_expression_data"
    MULTI_LOCUS = "segments_of_several_loci"
    IMMUNOGLOBULIN = "immunoglobulin"
    UNKNOWN_LOCUS = "unknown_locus"
    NOT_PRODUCTIVE = "not_productive"
    NO_JUNCTION = "no_junction"
    NOT_TRANSLATED = "stop_or_unknown_residue"
    SAME_CHAIN = "same_chain_of_the_cell"
    CELL_FILTERED = "cell_removed_by_quality_control"


REASON_MEANINGS: Final[dict[DropReason, str]] = {
    DropReason.NO_CELL: "the row names no cell",
    DropReason.NOT_A_CELL: "the barcode was not called a cell",
    DropReason.LOW_CONFIDENCE: "the pipeline has low confidence in the contig",
    DropReason.NOT_DOMINANT: "another contig of this cell and chain type is dominant (BD Rhapsody)",
    DropReason.REPEATED: "the same contig of the same cell was read before",
    DropReason.OTHER_SAMPLE: "it is of another sample of the table (--tcr-sample)",
    DropReason.NOT_IN_EXPRESSION: "the cell is not in the expression data",
    DropReason.MULTI_LOCUS: "its segments belong to several loci",
    DropReason.IMMUNOGLOBULIN: "it is an immunoglobulin chain",
    DropReason.UNKNOWN_LOCUS: "neither the file nor the gene names tell its locus",
    DropReason.NOT_PRODUCTIVE: "it is not productive, or not known to be",
    DropReason.NO_JUNCTION: "it has no junction (CDR3 with anchors)",
    DropReason.NOT_TRANSLATED: "its junction holds a stop codon, a frame shift or an unknown residue",
    DropReason.SAME_CHAIN: "the cell has this chain from another contig; their molecules are summed",
    DropReason.CELL_FILTERED: "the cell was removed by quality control",
}


@dataclass(frozen=True)
class RawChains:
    """Contig rows of one or several files, before any chain is chosen.

    Parameters
    ----------
    layout
        What the file was recognised as, e.g. ``10x contig table``.
    where
        The file or files.
    rows
        One row per contig: `STRING_COLUMNS` (object, None = missing), `COUNT_COLUMNS` (float64, NaN =
        missing, at least 0) and `FLAG_COLUMNS` (bool). ``umi_count`` holds the best count the file
        has. ``anchored`` is False where junctions lack C...F/W; then ``cdr3`` holds their nucleotides
        and ``junction`` is empty.
    rows_read
        Contigs in the file.
    dropped
        Contigs dropped so far, per reason.
    warnings
        What the user should know, as sentences.
    """

    layout: str
    where: str
    rows: pd.DataFrame
    rows_read: int
    dropped: Mapping[DropReason, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def cell_ids(self) -> npt.NDArray[np.object_]:
        """Give the distinct cells.

        Returns
        -------
        numpy.ndarray
            Object array of names, in order of appearance.
        """
        return np.asarray(pd.unique(self.rows["cell_id"]), dtype=object)

    def without(self, reason: DropReason, mask: npt.NDArray[np.bool_]) -> RawChains:
        """Drop rows for one reason.

        Parameters
        ----------
        reason
            Why.
        mask
            (rows,) True where the row goes.

        Returns
        -------
        RawChains
            The other rows, the tally brought up to date.
        """
        if not mask.any():
            return self
        dropped = Counter(self.dropped)
        dropped[reason] += int(mask.sum())
        return replace(self, rows=self.rows[~mask].reset_index(drop=True), dropped=dict(dropped))

    def without_each(self, faults: Sequence[tuple[DropReason, npt.NDArray[np.bool_]]]) -> RawChains:
        """Drop every row that has a fault, and count it for the first of its faults.

        Parameters
        ----------
        faults
            Reason and (rows,) mask, the masks over the rows as they are now.

        Returns
        -------
        RawChains
            The rows without any fault, the tally brought up to date.
        """
        raw, kept = self, np.ones(len(self.rows), dtype=bool)
        for reason, mask in faults:
            raw = raw.without(reason, mask[kept])
            kept &= ~mask
        return raw

    def renamed(self, names: Mapping[str, str]) -> RawChains:
        """Rename cells to their names in the expression data.

        Parameters
        ----------
        names
            Name in this file to name in the expression data; cells without an entry are dropped.

        Returns
        -------
        RawChains
            Rows of named cells; the others are counted as not in the expression data.
        """
        renamed = self.rows["cell_id"].map(names)
        absent = renamed.isna().to_numpy()
        kept = self.without(DropReason.NOT_IN_EXPRESSION, absent)
        return replace(kept, rows=kept.rows.assign(cell_id=renamed[~absent].to_numpy(dtype=object)))


def as_texts(values: Any) -> npt.NDArray[np.object_]:
    """Give a column of texts of contigs as an object array.

    Returns
    -------
    numpy.ndarray
        str, or None where missing.
    """
    texts = np.array(values, dtype=object)
    texts[pd.isna(texts)] = None
    return texts


def make_rows(columns: Mapping[str, Any], n_rows: int) -> pd.DataFrame:
    """Assemble contig rows; columns that a file does not have are filled as missing.

    Parameters
    ----------
    columns
        Some of `STRING_COLUMNS`, `COUNT_COLUMNS` and `FLAG_COLUMNS`, each (n_rows,).
    n_rows
        Number of rows.

    Returns
    -------
    pandas.DataFrame
        All columns in their fixed order; unless given, ``anchored`` is True and ``productive`` False.
    """
    rows: dict[str, npt.NDArray[Any]] = {}
    for name in STRING_COLUMNS:
        rows[name] = as_texts(columns.get(name, np.full(n_rows, None, dtype=object)))
    for name in COUNT_COLUMNS:
        values = columns.get(name, np.full(n_rows, np.nan))
        rows[name] = np.asarray(values, dtype=np.float64)
    rows["productive"] = np.asarray(columns.get("productive", np.zeros(n_rows)), dtype=bool)
    rows["anchored"] = np.asarray(columns.get("anchored", np.ones(n_rows)), dtype=bool)
    return pd.DataFrame(rows)


def join_raw_chains(parts: Sequence[RawChains]) -> RawChains:
    """Join the contigs of several files of one sample, e.g. one file per chain.

    Parameters
    ----------
    parts
        At least one.

    Returns
    -------
    RawChains
        All rows in the order given; contigs that are repeated word for word are counted once.

    Raises
    ------
    InputError
        If one contig of one cell has different content in two places.
    """
    rows = pd.concat([part.rows for part in parts], ignore_index=True) if len(parts) > 1 else parts[0].rows
    dropped: Counter[DropReason] = Counter()
    for part in parts:
        dropped.update(part.dropped)
    joined = RawChains(
        layout=" + ".join(dict.fromkeys(part.layout for part in parts)),
        where=", ".join(part.where for part in parts),
        rows=rows,
        rows_read=sum(part.rows_read for part in parts),
        dropped=dict(dropped),
        warnings=tuple(dict.fromkeys(warning for part in parts for warning in part.warnings)),
    )
    return drop_repeated(joined)


def drop_repeated(raw: RawChains) -> RawChains:
    """Keep one of several identical rows of a contig; refuse contigs that contradict each other.

    Parameters
    ----------
    raw
        Rows; those without a ``sequence_id`` are never taken for repeated.

    Returns
    -------
    RawChains
        Rows with distinct (cell_id, sequence_id) among T-cell and among B-cell chains.

    Raises
    ------
    InputError
        If two rows share cell and contig name but differ in content: two samples under one barcode.
    """
    rows = raw.rows
    named = rows["sequence_id"].notna().to_numpy()
    # the T- and B-cell libraries of a sample count their contigs each from 1
    is_b_cell = (rows["locus"].astype(str) + rows["v_call"].astype(str)).str.contains("IG[HKL]")
    keys = rows[["cell_id", "sequence_id"]].assign(library=is_b_cell)
    repeated = named & keys.duplicated().to_numpy()
    if not repeated.any():
        return raw
    content = rows[[column for column in rows.columns if column != "anchored"]]
    contradicts = repeated & ~content.duplicated().to_numpy()
    if contradicts.any():
        first = rows[contradicts].iloc[0]
        raise InputError(
            f"{int(contradicts.sum())} contigs occur again with different content "
            f"(first: contig {first['sequence_id']} of cell {first['cell_id']}): "
            "several samples share their barcodes",
            where=raw.where,
            mend="give one file per sample, or make the barcodes of the samples distinct",
        )
    return raw.without(DropReason.REPEATED, repeated)
