"""Whether a sample suits a bundle: what is refused, and what the user should know.

Invariant: a check either raises or gives sentences; none changes what is computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import InputError
from tcellflow.vocabulary import COUNTS_PER_CELL, SELECTION_GENES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.genes.panel import PanelAlignment
    from tcellflow.inference.states.sources import CellSource

# The largest value that log1p(counts per 10,000) can take: all counts of the cell in one gene.
MAX_EXPRESSION: Final = float(np.log1p(COUNTS_PER_CELL)) + 1e-3
LEAST_COVERAGE: Final = 0.25  # below, too little of the bundle is left to speak of its figures
LOW_COVERAGE: Final = 0.60


def check_expression(expression: NDArray[np.float32]) -> None:
    """Check that a sample suits a bundle: refuse numbers that cannot be log-normalised expression.

    Raises
    ------
    InputError
        If a number is negative, NaN, or above log1p(10,000).
    """
    if expression.size == 0:
        return
    low, high = float(expression.min()), float(expression.max())
    if not (low >= 0 and high <= MAX_EXPRESSION):  # NaN fails both
        raise InputError(
            f"the expression ranges from {low:.4g} to {high:.4g}, which cannot be log1p(counts per 10,000)",
            where="expression",
            mend="run tcellflow preprocess on the raw counts",
        )


def check_coverage(panel: PanelAlignment, cells: CellSource, bundle_name: str) -> list[str]:
    """Check how many of a bundle's genes a sample covers.

    Returns
    -------
    list of str
        One sentence below 60 % of the panel's weight, else none.

    Raises
    ------
    InputError
        If less than 25 % of the panel's weight is measured.
    """
    if cells.n_obs == 0 or panel.coverage >= LOW_COVERAGE:
        return []
    found = (
        f"the sample measures {int(panel.present.sum()):,} of the {panel.present.size:,} genes of the bundle "
        f"{bundle_name} ({panel.coverage:.0%} of their weight)"
    )
    if panel.coverage < LEAST_COVERAGE:
        raise InputError(
            f"{found}; at least {LEAST_COVERAGE:.0%} are needed",
            where=cells.where,
            mend="use a bundle made for these genes, or the whole transcriptome: a targeted panel does not "
            "carry these states; "
            "'tcellflow run --steps preprocess,embed-tcr,report' reports on the sample without states",
        )
    return [f"{found}: most cells will stay Unresolved, for states need genes that were not measured."]


def check_molecules(cells: CellSource) -> list[str]:
    """Check whether the molecules of a sample's cells were counted, as programmes need to know.

    Returns
    -------
    list of str
        One sentence where they are estimated, else none.
    """
    if cells.has_counts or cells.n_obs == 0:
        return []
    return [
        (
            "the sample has no counts: the molecules of each cell are estimated from its logarithms, so that "
            "programmes, and the states that rest on them, are less certain; give preprocess the raw counts"
        )
    ]


def check_library_size(cells: CellSource) -> list[str]:
    """Check whether a sample is a selection of genes that was normalised by its own sum.

    Returns
    -------
    list of str
        One sentence for such a sample, else none.
    """
    if len(cells.gene_names) >= SELECTION_GENES or cells.n_obs == 0 or cells.has_told_sizes:
        return []
    block = next(cells.blocks())
    block.data = np.expm1(block.data)
    totals = np.asarray(block.sum(axis=1)).ravel()
    filled = totals[totals > 0]
    if filled.size == 0 or abs(float(np.median(filled)) / COUNTS_PER_CELL - 1) > 0.01:
        return []
    warning = (
        f"the sample has {len(cells.gene_names):,} genes and was normalised by their sum; if they are a "
        "selection, expression is inflated and states drift: give preprocess the true counts of each cell "
        "(--library-size-column)."
    )
    return [warning]
