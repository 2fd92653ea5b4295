"""The quality section: what came in, what was removed and why, and how genes were named.

Invariant: cells in = cells kept + cells removed; where the file's numbers do not add up, the
section says so instead of hiding the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tcellflow.report.figures import Histogram, Threshold, is_drawable
from tcellflow.report.lookup import (
    flatten,
    look_up,
    read_count,
    read_counts,
    read_number,
    read_numbers,
    read_text,
)
from tcellflow.vocabulary import UNS_KEY

if TYPE_CHECKING:
    from tcellflow.provenance import JsonValue

_TITLES: Final = {
    "total_counts": ("Counts per cell", "counts"),
    "n_genes_by_counts": ("Genes per cell", "genes with at least one count"),
    "pct_counts_mt": ("Mitochondrial share per cell", "percent of counts in mitochondrial genes"),
}
# Option of preprocess that cuts each distribution, with the words beside its line.
_THRESHOLDS: Final = {
    "n_genes_by_counts": ("min_genes", "fewer removed"),
    "pct_counts_mt": ("max_pct_mt", "more removed"),
}


@dataclass(frozen=True)
class Facts:
    """A named group of names and values.

    Parameters
    ----------
    title
        Heading.
    rows
        Names and values.
    """

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class QualitySection:
    """Everything the quality section shows.

    Parameters
    ----------
    n_input, n_kept
        Cells before and after filtering; None if unknown.
    removed
        Reasons with counts.
    counts_kind
        Unit of the matrix in the file's words; empty if unknown.
    n_t_cells, n_doublet_suspects
        What the gate said; None if unknown.
    histograms
        Distributions with their thresholds.
    facts
        Matrix, gate and gene names as flat lists.
    """

    n_input: int | None
    n_kept: int | None
    removed: tuple[tuple[str, int], ...]
    counts_kind: str
    n_t_cells: int | None
    n_doublet_suspects: int | None
    histograms: tuple[Histogram, ...]
    facts: tuple[Facts, ...]

    @property
    def unexplained(self) -> int:
        """Cells neither kept nor removed for a reason; 0 where the account adds up."""
        if self.n_input is None or self.n_kept is None:
            return 0
        return self.n_input - self.n_kept - sum(count for _, count in self.removed)


def summarise_quality(qc: JsonValue) -> QualitySection | None:
    """Summarise qc.json.

    Parameters
    ----------
    qc
        Its content; None if the file is absent.

    Returns
    -------
    QualitySection or None
        None without the file.
    """
    if qc is None:
        return None
    facts = (
        Facts("The matrix", tuple(flatten(look_up(qc, "matrix")))),
        Facts("T-cell gate", tuple(flatten(look_up(qc, "gate")))),
        Facts("Gene names", tuple(flatten(look_up(qc, "genes")))),
    )
    return QualitySection(
        n_input=read_count(qc, "cells", "input"),
        n_kept=read_count(qc, "cells", "kept"),
        removed=read_counts(qc, "cells", "removed"),
        counts_kind=read_text(qc, "counts_kind"),
        n_t_cells=read_count(qc, "gate", "t_cells"),
        n_doublet_suspects=read_count(qc, "gate", "doublet_suspects"),
        histograms=_draw_distributions(qc),
        facts=tuple(group for group in facts if group.rows),
    )


def _draw_distributions(qc: JsonValue) -> tuple[Histogram, ...]:
    histograms = []
    for key, (title, unit) in _TITLES.items():
        edges = read_numbers(qc, "distributions", key, "edges")
        counts = tuple(int(c) for c in read_numbers(qc, "distributions", key, "counts"))
        if not is_drawable(edges, counts) or not any(counts):
            continue
        option, words = _THRESHOLDS.get(key, ("", ""))
        cut = read_number(qc, UNS_KEY, "options", option) if option else None
        lines = () if cut is None else (Threshold(cut, f"{cut:g}: {words}"),)
        histograms.append(Histogram(key.replace("_", "-"), title, unit, edges, counts, lines))
    return tuple(histograms)
