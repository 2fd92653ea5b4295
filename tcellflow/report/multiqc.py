"""The MultiQC section: one row per sample, merged by MultiQC over all samples.

Invariant: ids and columns are the same in every file, so that rows of different samples meet in
one table; a number that was not measured is absent from the row, never 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from tcellflow.provenance import JsonValue
    from tcellflow.report.content import Report

# Constants by contract: MultiQC joins files by these ids.
SECTION_ID: Final = "tcellflow"
TABLE_ID: Final = "tcellflow_table"
# U+2060 has no width, and is no blank that would be stripped.
_WORD_JOINER: Final = "\u2060"
# Where a file ending that MultiQC 1.35 cleans away may begin, and signs at the ends of a name.
_CLEANED: Final = re.compile(
    r"\.|[_-]$|Log(?=\.final)|Reads(?=PerGene)|Ali(?=gned)|cc(?=s)|run(?=s_)|short(?=_summary_)"
    r"|_(?=tophat|star_aligned|fastqc|counts|slamdunk|bismark|peaks|SummaryStatistics|duprate|vep|NanoStats"
    r"|gopeaks|overall_mean|coverage_metrics|mapq_table|strand_table|isize_table|dup_report|cv_table"
    r"|covdist_all|covdist_q40|CpGRetention|CpHRetention|totalBase|totalRead|qual|hifi_trimmer|trimmer"
    r"|val$|trimmed$|mqc$|summary$|matrix$)"
)


@dataclass(frozen=True)
class Header:
    """One column of the table.

    Parameters
    ----------
    key
        Column id.
    title
        Short heading.
    meaning
        Tooltip: what it counts, with the denominator.
    kind
        "count", "percent" or "share" (0 to 1).
    scale
        ColorBrewer scale of the cell background.
    is_hidden
        Whether the reader has to switch the column on.
    """

    key: str
    title: str
    meaning: str
    kind: str = "count"
    scale: str = "Blues"
    is_hidden: bool = False


HEADERS: Final = (
    Header("cells_in", "Cells in", "Barcodes in the input matrix", is_hidden=True),
    Header("cells", "Cells", "Cells that passed quality control"),
    Header("t_cells", "T cells", "Cells that passed the T-cell gate"),
    Header("pct_paired", "Paired", "Cells with both an alpha and a beta chain, of all cells", "percent"),
    Header("clones", "Clones", "Distinct clones within the donor"),
    Header("expanded_clones", "Expanded", "Clones of two or more cells", is_hidden=True),
    *(
        Header(
            f"pct_{state}", str(state), f"T cells reported as {state}, of all T cells", "percent", "Greens"
        )
        for state in State
    ),
    Header(
        "pct_unresolved",
        "Unresolved",
        "T cells without a reported state, of all T cells",
        "percent",
        "Oranges",
    ),
    Header("mean_confidence", "Confidence", "Mean confidence of the T cells", "share", "Purples"),
    Header(
        "shift",
        "Shift",
        "Distance of the T cells from the cells behind the bundle, 0 to 1",
        "share",
        "Oranges",
    ),
    Header("proteins_used", "Proteins", "Proteins that the fused vectors rest on"),
    Header("weight_rna", "Genes' weight", "Mean weight of expression in fused vectors", "share", "Purples"),
    Header("fused_clusters", "Clusters", "Groups of cells with near fused vectors", is_hidden=True),
    Header(
        "pct_unlike",
        "Unlike",
        "Cells unlike those behind the fusion bundle, of all cells",
        "percent",
        "Oranges",
        is_hidden=True,
    ),
    Header("warnings", "Warnings", "Warnings of all steps", scale="Reds", is_hidden=True),
)
_STYLES: Final[dict[str, dict[str, JsonValue]]] = {
    "count": {"format": "{:,.0f}", "min": 0},
    "percent": {"format": "{:,.1f}", "min": 0, "max": 100, "suffix": "%"},
    "share": {"format": "{:,.2f}", "min": 0, "max": 1},
}


def make_section(report: Report) -> dict[str, JsonValue]:
    """Make the MultiQC section of one sample.

    Parameters
    ----------
    report
        Everything the report says.

    Returns
    -------
    dict
        Content of ``<prefix>_mqc.json``.
    """
    headers: dict[str, JsonValue] = {
        header.key: {
            "title": header.title,
            "description": header.meaning,
            "scale": header.scale,
            "hidden": header.is_hidden,
            # MultiQC sorts by placement, which survives the sorted keys of our JSON.
            "placement": position,
            **_STYLES[header.kind],
        }
        for position, header in enumerate(HEADERS, start=1)
    }
    row = _measure(report)
    return {
        "id": SECTION_ID,
        "section_name": "tcellflow",
        "description": "T cells, receptors and T-cell states. Shares of states are of all T cells.",
        "plot_type": "table",
        "pconfig": {"id": TABLE_ID, "title": "tcellflow: T-cell states", "col1_header": "Sample"},
        "headers": headers,
        "data": {
            _name_row(report.prefix): {h.key: row[h.key] for h in HEADERS if row.get(h.key) is not None}
        },
    }


def _name_row(prefix: str) -> str:
    """Name the row so that two samples never share one.

    MultiQC cuts names where a known file ending begins and strips signs from their ends (its settings
    ``fn_clean_exts`` and ``fn_clean_trim``). An invisible sign within keeps it from seeing one.
    """
    whole = _CLEANED.sub(rf"\g<0>{_WORD_JOINER}", prefix)
    # MultiQC writes row names into its page unescaped.
    return "".join("_" if char in "<>&\"'" else char for char in whole)


def _measure(report: Report) -> dict[str, int | float | None]:
    quality, receptors, clones, calls = report.quality, report.receptors, report.clones, report.calls
    row: dict[str, int | float | None] = {"warnings": len(report.warnings)}
    if quality:
        row |= {"cells_in": quality.n_input, "cells": quality.n_kept, "t_cells": quality.n_t_cells}
    if receptors:
        row["pct_paired"] = _percent(receptors.n_paired, receptors.n_cells)
    if clones:
        row |= {"clones": clones.n_clones, "expanded_clones": clones.n_expanded}
    if calls:
        row |= {"cells": row.get("cells", calls.n_cells), "t_cells": calls.n_t_cells}
        row |= {f"pct_{s.state}": _percent(s.n_cells, calls.n_t_cells) for s in calls.states}
        row["pct_unresolved"] = _percent(calls.n_unresolved, calls.n_t_cells)
        mean = calls.confidence.mean
        row["mean_confidence"] = None if mean is None else round(mean, 4)
        row["shift"] = calls.shift
    if report.fuse:
        fuse = report.fuse
        row |= {"proteins_used": len(fuse.panel.used), "weight_rna": fuse.mean_weight_rna}
        row["fused_clusters"] = None if fuse.graph is None else len(fuse.graph.clusters)
        row["pct_unlike"] = None if fuse.ood_share is None else round(100 * fuse.ood_share, 3)
    return row


def _percent(part: int | None, whole: int | None) -> float | None:
    return None if part is None or not whole else round(100 * part / whole, 3)
