"""Expression of a sample as it is streamed: checked values, and axes of its own genes.

Invariant: cells without expression have no part in the axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from tcellflow.errors import InputError
from tcellflow.inference.fusion.axes import choose_rows, choose_variable_genes, find_axes
from tcellflow.inference.fusion.space import OWN_AXES, GeneAxes
from tcellflow.inference.fusion.standardise import ENOUGH_CELLS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tcellflow.inference.fusion.standardise import GeneSums
    from tcellflow.inference.states.sources import CellSource


def find_gene_axes(
    source: CellSource, sums: GeneSums | None, symbols: NDArray[np.object_], has_rna: NDArray[np.bool_]
) -> GeneAxes | None:
    """Find the axes of a sample's genes; None with fewer than 200 cells, or where nothing varies.

    Parameters
    ----------
    source
        Expression.
    sums
        Of all its cells with expression; None without any.
    symbols
        Of the genes.
    has_rna
        Which cells have expression that is used: the axes are of these.
    """
    if sums is None or sums.n_cells < ENOUGH_CELLS:
        return None
    columns = choose_variable_genes(sums, symbols)
    measured = np.flatnonzero(has_rna)
    fitted = _take_rows(source, measured[choose_rows(len(measured))])
    axes = find_axes(fitted, columns, sums.measure(columns), OWN_AXES)
    return None if axes is None else GeneAxes(symbols, axes)


def check_expression(source: CellSource) -> Iterator[sparse.csr_matrix]:
    """Stream log-expression.

    Raises
    ------
    InputError
        If a value is negative or not finite.
    """
    for block in source.blocks():
        if block.data.size and not (np.isfinite(block.data).all() and (block.data >= 0).all()):
            raise InputError(
                "expression holds negative, NaN or infinite values",
                where=source.where,
                mend="re-run tcellflow preprocess on the original matrix",
            )
        yield block


def _take_rows(source: CellSource, rows: NDArray[np.int64]) -> sparse.csr_matrix:
    found, first = [], 0
    for block in source.blocks():
        inside = rows[(rows >= first) & (rows < first + block.shape[0])] - first
        found.append(block[inside])
        first += block.shape[0]
    return sparse.csr_matrix(sparse.vstack(found))
