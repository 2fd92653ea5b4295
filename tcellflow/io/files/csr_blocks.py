"""Compressed rows in blocks: the one shape in which counts travel through tcellflow.

Invariant: no block leaves here with an index outside the matrix or an offset outside the data;
a damaged file is named as such, with the row where reading failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import sparse

from tcellflow.errors import InputError
from tcellflow.io.files.hdf5 import find_dataset, open_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py
    from numpy.typing import NDArray

# 1,024 rows per block: larger blocks leave the processor's cache and cost time and memory.
BLOCK_ROWS: Final = 1024
# A million values per block: memory stays flat however many genes a cell has.
MAX_BLOCK_VALUES: Final = 1 << 20


def row_spans(row_starts: NDArray[np.int64], n_rows: int, *, max_values: int) -> Iterator[tuple[int, int]]:
    """Cut CSR rows into spans (blocks) bounded by rows and by stored values.

    Parameters
    ----------
    row_starts
        Offset of each row's first value, and the total at the end (rows + 1,).
    n_rows
        Most rows of a span, at least 1.
    max_values
        Most values of a span; a single row may exceed it.

    Yields
    ------
    tuple of int
        First row, and the row behind the last.
    """
    total = len(row_starts) - 1
    start = 0
    while start < total:
        by_values = int(np.searchsorted(row_starts, row_starts[start] + max_values, side="right")) - 1
        stop = min(start + n_rows, total, max(by_values, start + 1))
        yield start, stop
        start = stop


def read_row_starts(
    group: h5py.Group, n_rows: int, *, where: object, rows: str = "cells"
) -> NDArray[np.int64]:
    """Read and check the row offsets of a CSR matrix.

    Parameters
    ----------
    group
        Holds ``data``, ``indices`` and ``indptr``.
    n_rows
        Rows (columns for CSC) the matrix must have.
    where
        Named in errors as the place.
    rows
        What the compressed axis stands for, for messages.

    Returns
    -------
    numpy.ndarray
        int64 (n_rows + 1,): starts at 0, never falls, ends at the number of stored values.

    Raises
    ------
    InputError
        If offsets, values and indices are no numbers or do not fit together.
    """
    place = group.name
    for name, kinds in (("data", "iuf"), ("indices", "iu"), ("indptr", "iu")):
        check_numeric(find_dataset(group, name, where=where, ndim=1), kinds, where=where)
    n_starts = group["indptr"].shape[0]
    if n_starts != n_rows + 1:
        raise InputError(
            f"{place}/indptr has {n_starts:,} entries, but {n_rows:,} {rows} need {n_rows + 1:,}",
            where=where,
            mend="the file is damaged; export it anew",
        )
    starts: NDArray[np.int64] = open_dataset(group, "indptr", where=where)[:].astype(np.int64)
    n_values, n_indices = group["data"].shape[0], group["indices"].shape[0]
    falls = np.flatnonzero(np.diff(starts) < 0)
    if starts[0] != 0 or len(falls):
        row = int(falls[0]) if len(falls) else 0
        raise InputError(
            f"{place}/indptr does not rise from 0 (first fault: row {row})",
            where=where,
            mend="the file is damaged; export it anew",
        )
    if not starts[-1] == n_values == n_indices:
        raise InputError(
            f"{place} declares {starts[-1]:,} values but stores {n_values:,}, with {n_indices:,} indices",
            where=where,
            mend="the file is damaged or incomplete; copy or export it anew",
        )
    return starts


def check_numeric(dataset: h5py.Dataset, kinds: str, *, where: object) -> None:
    """Refuse a CSR dataset whose kind of type ("i", "u": whole numbers; "f": fractions) is not in `kinds`.

    Raises
    ------
    InputError
        If its type is another.
    """
    if dataset.dtype.kind not in kinds:
        raise InputError(
            f"{dataset.name} holds values of the type {dataset.dtype} where numbers belong",
            where=where,
            mend="the file is damaged or no count matrix; export it anew",
        )


def read_row_blocks(
    group: h5py.Group, row_starts: NDArray[np.int64], n_columns: int, *, n_rows: int, where: object
) -> Iterator[sparse.csr_matrix]:
    """Stream a CSR matrix in blocks of rows.

    Parameters
    ----------
    group
        Holds ``data`` and ``indices``.
    row_starts
        As `read_row_starts` gives them.
    n_columns
        Width of the matrix.
    n_rows
        Most rows of a block.
    where
        Named in errors as the place.

    Yields
    ------
    scipy.sparse.csr_matrix
        Values in the dtype of the file; int32 indices, sorted and distinct within each row.

    Raises
    ------
    InputError
        If an index lies outside, a column occurs twice in a row, or a chunk cannot be decoded.
    """
    _check_row_lengths(row_starts, n_columns, where=where)
    data = open_dataset(group, "data", where=where)
    indices = open_dataset(group, "indices", where=where)
    for start, stop in row_spans(row_starts, n_rows, max_values=MAX_BLOCK_VALUES):
        low, high = int(row_starts[start]), int(row_starts[stop])
        try:
            values, columns = data[low:high], indices[low:high]
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"the values of rows {start:,} to {stop - 1:,} cannot be read: {str(error).splitlines()[0]}",
                where=where,
                mend="the file is damaged; copy or export it anew",
            ) from error
        offsets = (row_starts[start : stop + 1] - low).astype(np.int32)
        check_columns(columns, offsets, n_columns, first_row=start, where=where)
        yield as_block(values, columns, offsets, n_columns, first_row=start, where=where)


def _check_row_lengths(row_starts: NDArray[np.int64], n_columns: int, *, where: object) -> None:
    """Refuse rows with more values than columns before any is read: a single row is never cut."""
    lengths = np.diff(row_starts)
    if len(lengths) and int(lengths.max()) > n_columns:
        row = int(np.argmax(lengths > n_columns))
        raise InputError(
            f"the cell in row {row:,} holds {int(lengths[row]):,} values for {n_columns:,} features",
            where=where,
            mend="export the file anew with one value per cell and feature",
        )


def check_columns(
    columns: NDArray[Any], offsets: NDArray[np.int32], n_columns: int, *, first_row: int, where: object
) -> None:
    """Refuse column indices outside a CSR matrix.

    Parameters
    ----------
    columns, offsets
        Column index of each value, and the rows' offsets among them.
    n_columns
        Width of the matrix.
    first_row
        Row number of the block's first row.
    where
        Named in errors as the place.

    Raises
    ------
    InputError
        If an index is negative or too large.
    """
    if columns.size == 0 or (int(columns.min()) >= 0 and int(columns.max()) < n_columns):
        return
    position = int(np.argmax((columns < 0) | (columns >= n_columns)))
    row = first_row + int(np.searchsorted(offsets, position, side="right")) - 1
    raise InputError(
        f"the cell in row {row:,} refers to feature number {int(columns[position]):,}, "
        f"but there are only {n_columns:,} features (counted from 0)",
        where=where,
        mend="matrix and feature list do not belong together; export the file anew",
    )


def as_block(
    values: NDArray[Any],
    columns: NDArray[Any],
    offsets: NDArray[np.int32],
    n_columns: int,
    *,
    first_row: int,
    where: object,
) -> sparse.csr_matrix:
    """Build a CSR block whose indices are sorted and distinct within each row.

    Parameters
    ----------
    values, columns, offsets
        CSR arrays; `columns` are checked already.
    n_columns
        Width of the matrix.
    first_row
        Row number of the block's first row.
    where
        Named in errors as the place.

    Returns
    -------
    scipy.sparse.csr_matrix
        Marked as canonical, so that scipy does not check it again.

    Raises
    ------
    InputError
        If a column occurs twice in a row.
    """
    block = sparse.csr_matrix(
        (values, columns.astype(np.int32, copy=False), offsets), shape=(len(offsets) - 1, n_columns)
    )
    if not _rises_within_rows(block):
        block.has_sorted_indices = False
        block.sort_indices()
        if not _rises_within_rows(block):
            falls = ~_rises(block)
            position = int(np.argmax(falls)) + 1
            row = first_row + int(np.searchsorted(offsets, position, side="right")) - 1
            raise InputError(
                f"the cell in row {row:,} holds feature number {int(block.indices[position]):,} twice",
                where=where,
                mend="export the file anew with one value per cell and feature",
            )
    block.has_canonical_format = True
    return block


def _rises(block: sparse.csr_matrix) -> NDArray[np.bool_]:
    rises: NDArray[np.bool_] = block.indices[1:] > block.indices[:-1]
    # between two rows the index may fall; empty rows at either end have no such border
    borders = block.indptr[(block.indptr > 0) & (block.indptr < len(block.indices))] - 1
    rises[borders] = True
    return rises


def _rises_within_rows(block: sparse.csr_matrix) -> bool:
    return bool(_rises(block).all())
