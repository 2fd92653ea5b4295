"""The quality section: what came in, what was removed and why, and how genes were named.

Invariant: cells in = cells kept + cells removed; where the file's numbers do not add up, the
section says so instead of hiding the rest.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tcellflow.report.figures import Histogram, Threshold
from tcellflow.report.listing import Facts, list_counts, list_values, sort_counts
from tcellflow.report.wording import write_count, write_name

if TYPE_CHECKING:
    from tcellflow.contracts.qc import Cells, Distributions, Gate, Genes, Matrix, Qc

_EXAMPLES_SHOWN: Final = 4
_KINDS: Final = {
    "counts": "raw counts",
    "log1p_cp10k": "log-normalised values (counts per 10,000)",
    "corrected_counts": "counts with fractions",
}
_TITLES: Final = {
    "total_counts": ("Counts per cell", "counts"),
    "n_genes_by_counts": ("Genes per cell", "genes with at least one count"),
    "pct_counts_mt": ("Mitochondrial share per cell", "percent of counts in mitochondrial genes"),
}
_EVIDENCE: Final = {
    "both": "T cells by expression and receptor",
    "genes": "T cells by expression alone",
    "receptor": "T cells by receptor alone",
    "against": "other cells: signs of another cell type",
    "none": "other cells: no sign of a T cell",
}
_DOUBLET_SIGNS: Final = {
    "multichain": "more than two receptor chains of one kind",
    "two_full_chains": "two full receptors",
    "t_with_b": "T-cell and B-cell genes",
    "t_with_myeloid": "T-cell and myeloid genes",
    "cd4_with_cd8": "CD4 with CD8",
    "receptor_with_b": "receptor in a cell with B-cell genes",
    "receptor_with_myeloid": "receptor in a cell with myeloid genes",
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


def summarise_quality(qc: Qc | None) -> QualitySection | None:
    """Summarise qc.json for the quality section of the report; None without it."""
    if qc is None:
        return None
    cells, gate = qc.cells, qc.gate
    facts = (_tell_matrix(qc.matrix), _tell_gate(gate), _tell_genes(qc.genes))
    return QualitySection(
        n_input=cells.input if cells else None,
        n_kept=cells.kept if cells else None,
        removed=_tell_removed(qc, cells) if cells else (),
        counts_kind=_KINDS[qc.counts_kind] if qc.counts_kind else "",
        n_t_cells=gate.t_cells if gate else None,
        n_doublet_suspects=gate.doublet_suspects if gate else None,
        histograms=_draw_distributions(qc.distributions, cells) if qc.distributions else (),
        facts=tuple(group for group in facts if group.rows),
    )


def _tell_matrix(matrix: Matrix | None) -> Facts:
    if matrix is None:
        return Facts("The matrix", ())
    rows = list_values(
        {
            "file": matrix.format,
            "place in the file": matrix.place,
            "cells": matrix.n_cells,
            "genes and other features": matrix.n_features,
            "features that are no genes": dict(matrix.other_features),
            "each cell is scaled to": matrix.library_size,
        }
    )
    return Facts("The matrix", tuple(rows))


def _tell_gate(gate: Gate | None) -> Facts:
    if gate is None:
        return Facts("T-cell gate", ())
    rows = list_counts(gate.evidence, _EVIDENCE)
    rows += [(f"resemble: {write_name(name)}", f"{n:,}") for name, n in sorted(gate.other_lineages.items())]
    signs = list_counts(gate.doublet_signs, _DOUBLET_SIGNS)
    rows += [(f"doublet sign: {name}", value) for name, value in signs]
    return Facts("T-cell gate", (*rows, ("markers measured", f"{gate.markers_measured:,}")))


def _tell_genes(genes: Genes | None) -> Facts:
    """Count the outcomes of gene names, with a few examples; outcomes without a gene are left out."""
    if genes is None:
        return Facts("Gene names", ())
    rows = [("genes", f"{genes.n_input:,} in the file, {genes.n_output:,} after summing")]
    for words, names in (
        ("approved symbols", genes.kept),
        ("older names, renamed", genes.renamed),
        ("symbols on several rows, summed", genes.merged),
        ("older names, kept because their symbol is there too", genes.target_present),
        ("older names of several genes, kept", genes.ambiguous),
        ("genes without an approved symbol, kept", genes.no_symbol),
        ("names that no table knows, kept", genes.unknown),
    ):
        if names.count:
            examples = () if names is genes.kept else names.examples[:_EXAMPLES_SHOWN]
            shown = f" (such as {', '.join(examples)})" if examples else ""
            rows.append((words, write_count(names.count) + shown))
    if genes.n_prefixed:
        rows.append(("with a genome prefix, cut off", f"{genes.n_prefixed:,}"))
    return Facts("Gene names", tuple(rows))


def _tell_removed(qc: Qc, cells: Cells) -> tuple[tuple[str, int], ...]:
    """Give the reasons in words with their thresholds; those that were not asked for are left out."""
    asked, options = cells.thresholds, qc.note.options
    words: dict[str, str | None] = {
        "too_few_counts": f"fewer than {asked.min_counts:,g} counts" if asked.min_counts else None,
        "too_few_genes": f"fewer than {asked.min_genes:,g} genes" if asked.min_genes else None,
        "too_much_mitochondrial": (
            None if asked.max_pct_mt is None else f"more than {asked.max_pct_mt:g} % mitochondrial counts"
        ),
        "no_library_size": "no library size" if options.get("library_size_column") else None,
        "not_a_t_cell": "not a T cell" if options.get("t_cells_only") else None,
    }
    return tuple(
        (words.get(reason) or write_name(reason), count)
        for reason, count in sort_counts(cells.removed)
        if count or words.get(reason, reason)
    )


def _draw_distributions(measured: Distributions, cells: Cells | None) -> tuple[Histogram, ...]:
    asked = cells.thresholds if cells else None
    # threshold that cuts each distribution, with the words beside its line
    cuts = {
        "n_genes_by_counts": (asked.min_genes if asked else None, "fewer removed"),
        "pct_counts_mt": (asked.max_pct_mt if asked else None, "more removed"),
    }
    histograms = []
    for key, (title, unit) in _TITLES.items():
        drawn = getattr(measured, key)
        if drawn is None or not any(drawn.counts):
            continue
        cut, words = cuts.get(key, (None, ""))
        lines = () if cut is None else (Threshold(float(cut), f"{cut:g}: {words}"),)
        # preprocess lets the bins of counts grow with the value
        edges = drawn.edges
        widens = edges[-1] - edges[-2] > 1.5 * (edges[1] - edges[0])
        axis = f"{unit}; bins widen to the right" if widens else unit
        whole = Histogram(key.replace("_", "-"), title, axis, edges, drawn.counts, lines)
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
