"""Log-normalisation of counts: X = log1p(counts / library size * 10,000).

Invariant: every value is computed in double precision and rounded once, so that the same
counts give the same float32 on machines with different vector units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tcellflow.vocabulary import COUNTS_PER_CELL

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

# Counts below this are looked up in a table of each cell: 99 % of the values of a 10x sample.
_TABLE_WIDTH: Final = 32


def log_normalise(counts: sparse.csr_matrix, totals: NDArray[Any] | None = None) -> NDArray[np.float32]:
    """Log-normalise the counts of a block of cells.

    Parameters
    ----------
    counts
        Integer CSR (cells, genes), values of at least zero.
    totals
        Library size of each cell (cells,); the sum of its counts if not given.

    Returns
    -------
    numpy.ndarray
        float32 (stored values,), in the order of ``counts.data``; natural logarithm.
        Zero for cells whose library size is not positive.
    """
    values, starts = counts.data, counts.indptr
    sizes = sum_rows(counts) if totals is None else np.asarray(totals)
    is_usable = sizes > 0
    scales = np.where(is_usable, COUNTS_PER_CELL / np.where(is_usable, sizes, 1), 0.0)
    table = np.log1p(scales[:, None] * np.arange(_TABLE_WIDTH)).astype(np.float32).ravel()
    # the address of each value in the table, in one array and in place
    first_places = np.arange(len(scales), dtype=np.int32) * np.int32(_TABLE_WIDTH)
    places = np.repeat(first_places, np.diff(starts))
    places += values
    large = np.flatnonzero(values >= _TABLE_WIDTH)
    places[large] = 0
    result: NDArray[np.float32] = table.take(places)
    rows = np.searchsorted(starts, large, side="right") - 1
    result[large] = np.log1p(scales[rows] * values[large])
    return result


def normalise_corrected(values: sparse.csr_matrix) -> sparse.csr_matrix:
    """Log-normalise counts with fractions: log1p(values per 10,000 of the cell), float32, same pattern."""
    data = values.data.astype(np.float64)
    lengths = np.diff(values.indptr)
    sums = np.zeros(values.shape[0])
    if data.size:
        is_filled = lengths > 0
        sums[is_filled] = np.add.reduceat(data, values.indptr[:-1][is_filled])
    scales = np.where(sums > 0, COUNTS_PER_CELL / np.where(sums > 0, sums, 1), 0.0)
    logs = values.astype(np.float32)
    logs.data = np.log1p(np.repeat(scales, lengths) * data).astype(np.float32)
    return logs


def sum_rows(counts: sparse.csr_matrix) -> NDArray[np.int64]:
    """Sum the counts of each cell, by which it is normalised: integer CSR (cells, genes) to int64."""
    sums = np.zeros(counts.shape[0], dtype=np.int64)
    # reduceat gives an empty segment the value that follows it, so empty cells are left out
    is_filled = np.diff(counts.indptr) > 0
    if is_filled.any():
        sums[is_filled] = np.add.reduceat(counts.data, counts.indptr[:-1][is_filled], dtype=np.int64)
    return sums


def recover_counts(values: sparse.csr_matrix) -> sparse.csr_matrix:
    """Undo log-normalisation: estimate the counts behind log-normalised values.

    The smallest value of a cell is taken for one molecule, which holds for nearly every cell of a
    droplet experiment; the counts serve quality control and the T-cell gate and are never written.

    Parameters
    ----------
    values
        log1p(counts per a fixed sum), CSR (cells, genes), at least zero.

    Returns
    -------
    scipy.sparse.csr_matrix
        int32 of the same pattern.
    """
    linear = np.expm1(values.data.astype(np.float64))
    counts = values.astype(np.int32)
    is_filled = np.diff(values.indptr) > 0
    if is_filled.any():
        smallest = np.ones(values.shape[0])
        positive = np.where(linear > 0, linear, np.inf)
        lowest = np.minimum.reduceat(positive, values.indptr[:-1][is_filled])
        smallest[is_filled] = np.where(np.isfinite(lowest), lowest, 1.0)
        units = np.repeat(smallest, np.diff(values.indptr))
        counts.data = np.minimum(np.rint(linear / units), np.iinfo(np.int32).max).astype(np.int32)
    return counts


def recover_library_sizes(
    logs: sparse.csr_matrix, totals: NDArray[np.number] | None = None
) -> NDArray[np.float64]:
    """Undo log-normalisation as far as the library size of each cell.

    Parameters
    ----------
    logs
        log1p(counts per 10,000), CSR (cells, genes).
    totals
        Counts of each cell over these genes, shape (cells,), or an estimate of them. If not given, the
        smallest value of a cell is taken for one molecule, as in `recover_counts`.

    Returns
    -------
    numpy.ndarray
        True library sizes, shape (cells,), float64, also where the genes are a selection; 0 in empty cells.
    """
    sizes = np.zeros(logs.shape[0])
    is_filled = np.diff(logs.indptr) > 0
    if is_filled.any():
        linear, starts = np.expm1(logs.data), logs.indptr[:-1][is_filled]
        if totals is None:
            shown = np.minimum.reduceat(np.where(linear > 0, linear, np.inf), starts).astype(np.float64)
            molecules: Any = 1.0
        else:
            shown = np.add.reduceat(linear, starts, dtype=np.float64)
            molecules = np.asarray(totals, np.float64)[is_filled]
        is_shown = (shown > 0) & np.isfinite(shown)
        scales = np.where(is_shown, COUNTS_PER_CELL / np.where(is_shown, shown, 1.0), 0.0)
        sizes[is_filled] = np.rint(molecules * scales)
    return sizes
