"""What MultiQC shows of a sample, merged by MultiQC over all samples.

Invariant: ids and columns are the same in every file, so that rows of different samples meet in one table and
one plot; a number that was not measured is absent from the row, never 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tcellflow.report.sections.verdict import Grade
from tcellflow.vocabulary import STATE_COLORS, STATE_UNRESOLVED, OutputName, State

if TYPE_CHECKING:
    from tcellflow.provenance import JsonValue
    from tcellflow.report.content import Report

# Constants by contract: MultiQC joins files by these ids.
SECTION_ID: Final = "tcellflow"
TABLE_ID: Final = "tcellflow_table"
PLOT_ID: Final = "tcellflow_states"
GENERAL_ID: Final = "tcellflow_general"
_PARENT: Final[dict[str, JsonValue]] = {
    "parent_id": "tcellflow_parent",
    "parent_name": "tcellflow",
    "parent_description": "T cells, their receptors and their states.",
}
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
        "count", "percent", "share" (0 to 1) or "grade".
    scale
        ColorBrewer scale of the cell background.
    is_hidden
        Whether the reader has to switch the column on.
    is_general
        Whether the column stands in MultiQC's general statistics, too, beside those of other programs.
    """

    key: str
    title: str
    meaning: str
    kind: str = "count"
    scale: str = "Blues"
    is_hidden: bool = False
    is_general: bool = False


HEADERS: Final = (
    Header(
        "verdict",
        "Verdict",
        "Whether the sample can be trusted; its report names the reasons",
        "grade",
        is_general=True,
    ),
    Header("cells_in", "Cells in", "Barcodes in the input matrix", is_hidden=True),
    Header("cells", "Cells", "Cells that passed quality control"),
    Header("t_cells", "T cells", "Cells that passed the T-cell gate", is_general=True),
    Header(
        "pct_paired",
        "Paired",
        "Cells with both an alpha and a beta chain, of all cells",
        "percent",
        is_general=True,
    ),
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
        is_general=True,
    ),
    Header("mean_confidence", "Confidence", "Mean confidence of the T cells", "share", "Purples"),
    Header(
        "shift",
        "Shift",
        "Distance of the T cells from the cells behind the bundle, 0 to 1",
        "share",
        "Oranges",
        is_general=True,
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
    "grade": {
        "scale": False,
        "cond_formatting_rules": {
            "pass": [{"s_eq": Grade.GOOD}],
            "warn": [{"s_eq": Grade.CARE}],
            "fail": [{"s_eq": Grade.POOR}],
        },
    },
}


def make_sections(report: Report) -> dict[str, dict[str, JsonValue]]:
    """Make what MultiQC shows of one sample.

    Parameters
    ----------
    report
        Everything the report says.

    Returns
    -------
    dict
        Content by output: the table, the general statistics and the bars of the states. A JSON file of
        MultiQC holds one section, so there are three; a sample without states has an empty row of bars.
    """
    name, row = _name_row(report.prefix), _measure(report)
    table: dict[str, JsonValue] = {
        "id": SECTION_ID,
        **_PARENT,
        "section_name": "Quality, receptors and states",
        "description": "Shares of states are of all T cells. A number that was not measured is left empty.",
        "plot_type": "table",
        "pconfig": {"id": TABLE_ID, "title": "tcellflow: quality and T-cell states", "col1_header": "Sample"},
        "headers": _describe(HEADERS),
        "data": {name: _pick(row, HEADERS)},
    }
    general_headers = tuple(header for header in HEADERS if header.is_general)
    general: dict[str, JsonValue] = {
        "id": GENERAL_ID,
        "namespace": "tcellflow",
        "plot_type": "generalstats",
        "headers": _describe(general_headers),
        "data": {name: _pick(row, general_headers)},
    }
    bars: dict[str, JsonValue] = {
        "id": PLOT_ID,
        **_PARENT,
        "section_name": "T-cell states",
        "description": f"T cells by reported state. {STATE_UNRESOLVED}: the call was not sure enough.",
        "plot_type": "bargraph",
        "pconfig": {
            "id": f"{PLOT_ID}_plot",
            "title": "tcellflow: T cells by state",
            "ylab": "T cells",
            # Shares first: samples differ in their numbers of cells.
            "cpswitch_c_active": False,
            "tt_decimals": 0,
        },
        "categories": {
            str(state): {"name": str(state), "color": STATE_COLORS[state]}
            for state in (*State, STATE_UNRESOLVED)
        },
        "data": {name: _count_states(report)},
    }
    return {OutputName.MULTIQC: table, OutputName.MULTIQC_GENERAL: general, OutputName.MULTIQC_STATES: bars}


def _describe(headers: tuple[Header, ...]) -> dict[str, JsonValue]:
    return {
        header.key: {
            "title": header.title,
            "description": header.meaning,
            "scale": header.scale,
            "hidden": header.is_hidden,
            # MultiQC sorts by placement, which survives the sorted keys of our JSON.
            "placement": position,
            **_STYLES[header.kind],
        }
        for position, header in enumerate(headers, start=1)
    }


def _pick(row: dict[str, int | float | str | None], headers: tuple[Header, ...]) -> dict[str, JsonValue]:
    return {h.key: row[h.key] for h in headers if row.get(h.key) is not None}


def _count_states(report: Report) -> dict[str, JsonValue]:
    if report.calls is None:
        return {}
    numbers: dict[str, JsonValue] = {str(row.state): row.n_cells for row in report.calls.states}
    numbers[STATE_UNRESOLVED] = report.calls.n_unresolved
    return numbers


def _name_row(prefix: str) -> str:
    """Name the row so that two samples never share one.

    MultiQC cuts names where a known file ending begins and strips signs from their ends (its settings
    ``fn_clean_exts`` and ``fn_clean_trim``). An invisible sign within keeps it from seeing one.
    """
    whole = _CLEANED.sub(rf"\g<0>{_WORD_JOINER}", prefix)
    # MultiQC writes row names into its page unescaped.
    return "".join("_" if char in "<>&\"'" else char for char in whole)


def _measure(report: Report) -> dict[str, int | float | str | None]:
    quality, receptors, clones, calls = report.quality, report.receptors, report.clones, report.calls
    row: dict[str, int | float | str | None] = {"warnings": len(report.warnings)}
    row["verdict"] = None if report.verdict.grade is Grade.UNKNOWN else str(report.verdict.grade)
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
