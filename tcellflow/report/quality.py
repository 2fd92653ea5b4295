"""The quality section: what came in, what was removed and why, and how genes were named.

Invariant: cells in = cells kept + cells removed; where the file's numbers do not add up, the
section says so instead of hiding the rest.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tcellflow.report.details import Facts, tell_gate, tell_genes, tell_matrix
from tcellflow.report.figures import Histogram, Threshold, is_drawable
from tcellflow.report.lookup import (
    look_up,
    read_count,
    read_counts,
    read_number,
    read_numbers,
    read_text,
)
from tcellflow.report.wording import write_name
from tcellflow.vocabulary import UNS_KEY

if TYPE_CHECKING:
    from tcellflow.provenance import JsonValue

_KINDS: Final = {"counts": "raw counts", "log1p_cp10k": "log-normalised values (counts per 10,000)"}
_TITLES: Final = {
    "total_counts": ("Counts per cell", "counts"),
    "n_genes_by_counts": ("Genes per cell", "genes with at least one count"),
    "pct_counts_mt": ("Mitochondrial share per cell", "percent of counts in mitochondrial genes"),
}
# Threshold that cuts each distribution, with the words beside its line.
_THRESHOLDS: Final = {
    "n_genes_by_counts": ("min_genes", "fewer removed"),
    "pct_counts_mt": ("max_pct_mt", "more removed"),
}


@dataclass(frozen=True)
class QualitySection:
    """Everything the quality section shows.

    Parameters
    ----------
    n_input, n_kept
        Cells before and after filtering; None if unknown.
    removed
        Reasons in words with counts, also those asked for that removed no cell.
    counts_kind
        What the matrix holds, in words; empty if unknown.
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
    kind = read_text(qc, "counts_kind")
    facts = (tell_matrix(qc), tell_gate(qc), tell_genes(qc))
    return QualitySection(
        n_input=read_count(qc, "cells", "input"),
        n_kept=read_count(qc, "cells", "kept"),
        removed=_tell_removed(qc),
        counts_kind=_KINDS.get(kind, write_name(kind)),
        n_t_cells=read_count(qc, "gate", "t_cells"),
        n_doublet_suspects=read_count(qc, "gate", "doublet_suspects"),
        histograms=_draw_distributions(qc),
        facts=tuple(group for group in facts if group.rows),
    )


def _tell_removed(qc: JsonValue) -> tuple[tuple[str, int], ...]:
    """Give the reasons in words with their thresholds; those that were not asked for are left out."""
    asked = {
        key: read_number(qc, "cells", "thresholds", key) for key in ("min_genes", "min_counts", "max_pct_mt")
    }
    only_t = look_up(qc, UNS_KEY, "options", "t_cells_only")
    size_column = look_up(qc, UNS_KEY, "options", "library_size_column")
    words: dict[str, str | None] = {
        "too_few_counts": f"fewer than {asked['min_counts']:,g} counts" if asked["min_counts"] else None,
        "too_few_genes": f"fewer than {asked['min_genes']:,g} genes" if asked["min_genes"] else None,
        "too_much_mitochondrial": (
            None
            if asked["max_pct_mt"] is None
            else f"more than {asked['max_pct_mt']:g} % mitochondrial counts"
        ),
        "no_library_size": "no library size" if size_column else None,
        "not_a_t_cell": "not a T cell" if only_t else None,
    }
    return tuple(
        (words.get(reason) or write_name(reason), count)
        for reason, count in read_counts(qc, "cells", "removed")
        if count or words.get(reason, reason)
    )


def _draw_distributions(qc: JsonValue) -> tuple[Histogram, ...]:
    histograms = []
    for key, (title, unit) in _TITLES.items():
        edges = read_numbers(qc, "distributions", key, "edges")
        counts = tuple(int(c) for c in read_numbers(qc, "distributions", key, "counts"))
        if not is_drawable(edges, counts) or not any(counts):
            continue
        option, words = _THRESHOLDS.get(key, ("", ""))
        cut = read_number(qc, "cells", "thresholds", option) if option else None
        lines = () if cut is None else (Threshold(cut, f"{cut:g}: {words}"),)
        # preprocess lets the bins of counts grow with the value
        widens = edges[-1] - edges[-2] > 1.5 * (edges[1] - edges[0])
        axis = f"{unit}; bins widen to the right" if widens else unit
        whole = Histogram(key.replace("_", "-"), title, axis, edges, counts, lines)
        histograms.append(_trim(whole))
    return tuple(histograms)


def _trim(histogram: Histogram) -> Histogram:
    """Leave out the empty bins at both ends, save one and those up to a threshold."""
    filled = [i for i, count in enumerate(histogram.counts) if count]
    cuts = [
        min(max(bisect.bisect_right(histogram.edges, t.value) - 1, 0), len(histogram.counts) - 1)
        for t in histogram.thresholds
    ]
    first = max(min(filled + cuts) - 1, 0)
    last = min(max(filled + cuts) + 1, len(histogram.counts) - 1)
    return replace(
        histogram, edges=histogram.edges[first : last + 2], counts=histogram.counts[first : last + 1]
    )
