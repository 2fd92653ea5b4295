"""The matrices of AnnData files as compressed row blocks, whatever their layout: CSR, CSC or dense.

Invariant: the blocks equal those of the same matrix stored row by row, in values, dtype and
order; a column-compressed matrix is held in memory once, as rows, and a log line says so.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from tcellflow.io.files.csr_blocks import (
    MAX_BLOCK_VALUES,
    as_block,
    check_columns,
    read_row_blocks,
    read_row_starts,
    row_spans,
)
from tcellflow.io.files.hdf5 import open_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py
    from numpy.typing import NDArray

    from tcellflow.io.matrices.h5ad_slots import MatrixSlot

_LOG = logging.getLogger(__name__)
_DENSE_BYTES: Final = 32 << 20
_GATHERED_COLUMNS: Final = 1024


def read_slot_blocks(
    file: h5py.File, slot: MatrixSlot, *, n_rows: int, where: object
) -> Iterator[sparse.csr_matrix]:
    """Stream a matrix (slot) of an h5ad file as CSR blocks (up to `n_rows` cells), whatever its layout.

    Raises
    ------
    InputError
        If the matrix is damaged.
    """
    item = file[slot.address]
    if slot.layout == "dense":
        name = slot.address.rpartition("/")[2]
        yield from _read_dense(item.parent, name, n_rows=n_rows, where=where)
    elif slot.layout == "csr":
        starts = read_row_starts(item, slot.shape[0], where=where)
        yield from read_row_blocks(item, starts, slot.shape[1], n_rows=n_rows, where=where)
    else:
        starts = read_row_starts(item, slot.shape[1], where=where, rows="columns")
        yield from _read_columns(item, starts, slot.shape, n_rows=n_rows, where=where)


def _read_dense(group: h5py.Group, name: str, *, n_rows: int, where: object) -> Iterator[sparse.csr_matrix]:
    """Stream a dense matrix; zeros are dropped, NaN is kept, and no block holds more than 32 MiB."""
    dataset = open_dataset(group, name, where=where)
    total, n_columns = dataset.shape
    row_bytes = max(n_columns * dataset.dtype.itemsize, 1)
    step = max(1, min(n_rows, _DENSE_BYTES // row_bytes))
    for start in range(0, total, step):
        slab = dataset[start : start + step]
        rows, columns = np.nonzero(slab)
        starts = np.searchsorted(rows, np.arange(len(slab) + 1)).astype(np.int32)
        yield as_block(slab[rows, columns], columns, starts, n_columns, first_row=start, where=where)


def _read_columns(
    group: h5py.Group,
    column_starts: NDArray[np.int64],
    shape: tuple[int, int],
    *,
    n_rows: int,
    where: object,
) -> Iterator[sparse.csr_matrix]:
    """Stream a column-compressed (CSC) matrix row by row, gathering it in memory first."""
    _LOG.info(
        "%s: %s is stored by gene (CSC), so all %s values are gathered in memory; CSR would stream",
        where,
        group.name,
        f"{column_starts[-1]:,}",
    )
    total, n_columns = shape
    per_row = _count_per_row(group, total, where=where)
    row_starts = np.concatenate([[0], np.cumsum(per_row)]).astype(np.int64)
    columns = np.empty(int(row_starts[-1]), dtype=np.int32)
    values = np.empty(int(row_starts[-1]), dtype=group["data"].dtype)
    free = row_starts[:-1].copy()
    first_column = 0
    for part in read_row_blocks(group, column_starts, total, n_rows=_GATHERED_COLUMNS, where=where):
        # Each strip of columns is transposed alone and its rows are put behind those already there.
        strip = sparse.csr_matrix(part.T)
        length = np.diff(strip.indptr)
        target = np.repeat(free - strip.indptr[:-1], length) + np.arange(strip.nnz)
        columns[target] = strip.indices + np.int32(first_column)
        values[target] = strip.data
        free += length
        first_column += part.shape[0]
    for start, stop in row_spans(row_starts, n_rows, max_values=MAX_BLOCK_VALUES):
        span = slice(int(row_starts[start]), int(row_starts[stop]))
        offsets = (row_starts[start : stop + 1] - row_starts[start]).astype(np.int32)
        yield as_block(values[span], columns[span], offsets, n_columns, first_row=start, where=where)


def _count_per_row(group: h5py.Group, n_rows: int, *, where: object) -> NDArray[np.int64]:
    indices = open_dataset(group, "indices", where=where)
    counts = np.zeros(n_rows, dtype=np.int64)
    for start in range(0, indices.shape[0], MAX_BLOCK_VALUES):
        part = indices[start : start + MAX_BLOCK_VALUES]
        check_columns(part, np.array([0, len(part)], dtype=np.int32), n_rows, first_row=0, where=where)
        counts += np.bincount(part, minlength=n_rows)
    return counts
