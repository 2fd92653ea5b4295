"""Quality control of cells: what is measured, what is removed, and the tally of both.

Invariant: every removed cell is counted under exactly one reason (the first that applies), and
a threshold that does not suit the matrix is lowered or left out with a note, never in silence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.cells.normalise import sum_rows
from tcellflow.errors import InputError, OptionsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    from tcellflow.provenance import JsonValue

DEFAULT_MIN_GENES: Final = 200
DEFAULT_MAX_PCT_MT: Final = 20.0
# 200 of the 10,000 and more genes that a whole-transcriptome matrix shows: the same 2 % are asked
# of targeted panels and cut-down matrices, where 200 would remove most cells (100 % of a 397-gene
# panel, 51 % of a 1,764-gene one).
_MIN_GENES_SHARE: Final = 0.02
MT_PREFIX: Final = "MT-"
_MT_MRNA_GENES: Final = frozenset(
    {"MT-ATP6", "MT-ATP8", "MT-CO1", "MT-CO2", "MT-CO3", "MT-CYB", "MT-ND1"}
    | {"MT-ND2", "MT-ND3", "MT-ND4", "MT-ND4L", "MT-ND5", "MT-ND6"}
)
# Whole matrices show 12 or 13 of the 13.
_MIN_MT_GENES: Final = 10
# No targeted panel is as large: where none of the genes below is known, the names are of another kind.
_MANY_GENES: Final = 10_000
# Genes of every cell, of middling height and even between cells, which selections of variable genes leave
# out and whole transcriptomes hold: eleven of Eisenberg and Levanon (Trends Genet. 29:569, 2013) and others.
EVEN_GENES: Final = (
    "C1orf43", "CHMP2A", "EMC7", "GPI", "PSMB2", "PSMB4", "RAB7A", "REEP5", "SNRPD3", "VCP", "VPS29",
    "HPRT1", "TBP", "POLR2A", "SDHA", "UBE2D2", "CLTC", "ARF1", "SEC61A1", "PPP2R1A", "EIF4H", "HNRNPK",
    "CAPZB", "COPB1",
)  # fmt: skip
_MIN_EVEN_SHARE: Final = 0.8


class RemovalReason(StrEnum):
    """Why a cell was removed, in the order the reasons are tried."""

    NO_LIBRARY_SIZE = "no_library_size"
    FEW_COUNTS = "too_few_counts"
    FEW_GENES = "too_few_genes"
    HIGH_MT = "too_much_mitochondrial"
    NOT_T_CELL = "not_a_t_cell"


@dataclass(frozen=True)
class QcThresholds:
    """Which cells to keep.

    Parameters
    ----------
    min_genes
        Fewest genes with a count.
    min_counts
        Fewest counts.
    max_pct_mt
        Highest percentage of mitochondrial counts, 0-100; None where it is not judged.
    notes
        Why a default was lowered or left out, as sentences.
    """

    min_genes: int
    min_counts: int
    max_pct_mt: float | None
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, JsonValue]:
        """Give the thresholds as JSON-ready data, under their names."""
        return {
            "min_genes": self.min_genes,
            "min_counts": self.min_counts,
            "max_pct_mt": self.max_pct_mt,
            "notes": list(self.notes),
        }


def covers_transcriptome(symbols: Sequence[str] | NDArray[np.object_]) -> bool:
    """Tell, for quality control, whether genes are those of a whole transcriptome, not a selection.

    The library of a cell is then the sum of its counts, and shares of it (mitochondrial ones) mean what they
    say; in a selection they are inflated: 30 % of healthy cells were above 20 % in one of 2,000 genes.

    Parameters
    ----------
    symbols
        Harmonised gene symbols of the matrix.
    """
    n_even = len(set(symbols).intersection(EVEN_GENES))
    return n_even >= _MIN_EVEN_SHARE * len(EVEN_GENES) if n_even else len(symbols) >= _MANY_GENES


def choose_thresholds(
    symbols: Sequence[str] | NDArray[np.object_],
    *,
    min_genes: int | None = None,
    min_counts: int | None = None,
    max_pct_mt: float | None = None,
) -> QcThresholds:
    """Choose thresholds of quality control that suit a matrix; what the user asks for is always obeyed.

    By default at least 200 genes, or 2 % of the genes of a matrix of fewer than 10,000; at most 20 %
    mitochondrial counts, not judged where the genes are a selection or a panel (`covers_transcriptome`), or
    fewer than 10 of the 13 mitochondrial mRNAs are measured; any number of counts.

    Parameters
    ----------
    symbols
        Harmonised gene symbols of the matrix.
    min_genes, min_counts, max_pct_mt
        What the user asks for; None = the default.

    Returns
    -------
    QcThresholds
        Thresholds, with a note for each default that was changed.

    Raises
    ------
    OptionsError
        If a threshold is negative, or the percentage above 100.
    """
    for name, value, high in (
        ("--min-genes", min_genes, np.inf),
        ("--min-counts", min_counts, np.inf),
        ("--max-pct-mt", max_pct_mt, 100),
    ):
        if value is not None and not 0 <= value <= high:
            raise OptionsError(
                f"{name} is {value:g}",
                where=name,
                mend=f"give a number from 0{' to 100' if high == 100 else ' on'}",
            )
    notes: list[str] = []
    if min_genes is None:
        min_genes = min(DEFAULT_MIN_GENES, int(np.ceil(_MIN_GENES_SHARE * len(symbols))))
        if min_genes < DEFAULT_MIN_GENES:
            notes.append(
                f"cells need {min_genes} genes instead of {DEFAULT_MIN_GENES}, "
                f"because the matrix has {len(symbols):,} genes only"
            )
    n_mt = len(_MT_MRNA_GENES.intersection(symbols))
    if max_pct_mt is None and n_mt >= _MIN_MT_GENES:
        if covers_transcriptome(symbols):
            max_pct_mt = DEFAULT_MAX_PCT_MT
        else:
            notes.append(
                f"mitochondrial counts are not judged: the {len(symbols):,} genes are a selection, of whose "
                "counts their share says nothing"
            )
    elif max_pct_mt is None or n_mt == 0:
        notes.append(f"mitochondrial counts are not judged: the matrix has {n_mt} of their 13 mRNAs")
    return QcThresholds(min_genes, min_counts or 0, max_pct_mt, tuple(notes))


@dataclass(frozen=True)
class CellMetrics:
    """Measurements of a block of cells, under scanpy's names.

    Parameters
    ----------
    total_counts
        Counts over all genes, shape (cells,), int64.
    n_genes_by_counts
        Genes with a count, shape (cells,), int32.
    pct_counts_mt
        Percentage of mitochondrial counts, shape (cells,), float32, 0-100; NaN where the matrix has no
        mitochondrial gene, 0 in a cell without counts.
    """

    total_counts: NDArray[np.int64]
    n_genes_by_counts: NDArray[np.int32]
    pct_counts_mt: NDArray[np.float32]


def measure_cells(block: sparse.csr_matrix, mt_counts: NDArray[np.floating] | None) -> CellMetrics:
    """Measure the quality of a block of cells.

    Parameters
    ----------
    block
        Counts, shape (cells, genes), integer.
    mt_counts
        Counts in mitochondrial genes, shape (cells,); None where the matrix has no such gene.

    Returns
    -------
    CellMetrics
        One value per cell.
    """
    totals = sum_rows(block)
    n_stored = np.diff(block.indptr)
    n_genes = n_stored
    if block.data.size and not block.data.all():  # zeros may be stored
        rows = np.repeat(np.arange(block.shape[0]), n_stored)
        n_genes = np.bincount(rows[block.data != 0], minlength=block.shape[0])
    if mt_counts is None:
        pct_mt = np.full(totals.shape, np.nan)
    else:
        pct_mt = 100 * mt_counts.astype(np.float64) / np.maximum(totals, 1)
    return CellMetrics(totals, n_genes.astype(np.int32), pct_mt.astype(np.float32))


def find_removals(metrics: CellMetrics, thresholds: QcThresholds) -> NDArray[np.object_]:
    """Say which cells quality control removes.

    Returns
    -------
    ndarray
        First `RemovalReason` that applies to each cell, shape (cells,); "" for cells to keep.
    """
    reasons = np.full(metrics.total_counts.shape, "", dtype=object)
    if thresholds.max_pct_mt is not None:
        reasons[metrics.pct_counts_mt > thresholds.max_pct_mt] = RemovalReason.HIGH_MT
    reasons[metrics.n_genes_by_counts < thresholds.min_genes] = RemovalReason.FEW_GENES
    reasons[metrics.total_counts < thresholds.min_counts] = RemovalReason.FEW_COUNTS
    return reasons


@dataclass(frozen=True)
class QcTally:
    """How many cells were seen, kept and removed.

    Parameters
    ----------
    thresholds
        What was asked of the cells.
    n_input
        Cells seen.
    removed
        Cells removed, by first reason; every reason is listed.
    """

    thresholds: QcThresholds
    n_input: int = 0
    removed: Mapping[RemovalReason, int] = field(default_factory=lambda: dict.fromkeys(RemovalReason, 0))

    @property
    def n_kept(self) -> int:
        """Cells that passed."""
        return self.n_input - sum(self.removed.values())

    def plus(self, reasons: NDArray[np.object_]) -> QcTally:
        """Add a block of cells, judged by `find_removals`."""
        removed = {
            reason: count + int(np.count_nonzero(reasons == reason)) for reason, count in self.removed.items()
        }
        return QcTally(self.thresholds, self.n_input + reasons.size, removed)

    def as_dict(self) -> dict[str, JsonValue]:
        """Give the tally as JSON-ready data, under its names."""
        return {
            "n_input": self.n_input,
            "n_kept": self.n_kept,
            "removed": {str(reason): count for reason, count in self.removed.items()},
            "thresholds": self.thresholds.as_dict(),
        }


def check_cells_left(tally: QcTally, *, where: object) -> None:
    """Refuse a sample of which quality control leaves nothing.

    An empty sample is valid and stays empty.

    Raises
    ------
    InputError
        If there were cells and none passed; shows the removals by reason.
    """
    if tally.n_input == 0 or tally.n_kept > 0:
        return
    asked = tally.thresholds
    words = {
        RemovalReason.NO_LIBRARY_SIZE: "no value in --library-size-column",
        RemovalReason.FEW_COUNTS: f"fewer than {asked.min_counts} counts (--min-counts)",
        RemovalReason.FEW_GENES: f"fewer than {asked.min_genes} genes (--min-genes)",
        RemovalReason.HIGH_MT: f"more than {asked.max_pct_mt} % mitochondrial counts (--max-pct-mt)",
        RemovalReason.NOT_T_CELL: "not called T cells (--t-cells-only)",
    }
    table = "".join(f"\n    {count:>8,}  {words[reason]}" for reason, count in tally.removed.items() if count)
    raise InputError(
        f"none of the {tally.n_input:,} cells passed quality control:{table}",
        where=where,
        mend="loosen the thresholds named above, or check that the file holds cells and raw counts",
    )
