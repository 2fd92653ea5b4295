"""Matrices in Matrix Market text with lists of cells and features, as Cell Ranger and others write them.

Invariant: entries are streamed in file order while they are sorted by cell, as Cell Ranger
writes them; a file sorted by gene is gathered in memory, and a log line says so.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.cells.barcodes import check_barcodes
from tcellflow.errors import InputError
from tcellflow.io.files.csr_blocks import BLOCK_ROWS, MAX_BLOCK_VALUES, as_block, row_spans
from tcellflow.io.files.text import open_text
from tcellflow.io.matrices.mtx_entries import Entries, MtxHeader, read_entries, read_header
from tcellflow.io.matrices.mtx_files import MtxFiles, find_mtx_files
from tcellflow.io.matrices.source import FeatureTable, MatrixKind, MatrixSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy import sparse

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class MtxMatrix(MatrixSource):
    """A matrix of Matrix Market text (mtx); made by `open_mtx`.

    Parameters
    ----------
    path, kind, slot, barcodes, features
        As in `tcellflow.io.matrices.source.MatrixSource`; the slot is the name of the matrix file.
    files
        Its files.
    """

    files: MtxFiles

    def blocks(self, n_rows: int = BLOCK_ROWS) -> Iterator[sparse.csr_matrix]:
        """Stream the matrix as CSR blocks, int32, or float64 where the header declares real numbers.

        Raises
        ------
        InputError
            If an entry is no entry, or the order of the cells breaks late in the file.
        """
        path = self.files.matrix
        with open_text(path) as handle:
            header = read_header(handle, path, cells_first=self.files.cells_first)
            assembler = _Assembler(header, n_rows, path)
            for entries in read_entries(handle, header, path):
                yield from assembler.add(entries)
            yield from assembler.finish()


class _Assembler:
    """Collects entries until the rows of a block are complete."""

    def __init__(self, header: MtxHeader, n_rows: int, path: Path) -> None:
        self._header = header
        self._n_rows = n_rows
        self._path = path
        self._next_row = 0
        self._last_cell = -1
        self._is_sorted = True
        self._pending: list[Entries] = []

    def add(self, entries: Entries) -> Iterator[sparse.csr_matrix]:
        if len(entries.cells) == 0:
            return
        self._pending.append(entries)
        if self._is_sorted:
            self._check_order(entries)
        if self._is_sorted:
            self._last_cell = int(entries.cells[-1])
            n_pending = sum(len(part.cells) for part in self._pending)
            # the last cell seen may go on in the next chunk
            if self._last_cell - self._next_row >= self._n_rows or n_pending > MAX_BLOCK_VALUES:
                yield from self._emit(self._last_cell)

    def finish(self) -> Iterator[sparse.csr_matrix]:
        if not self._is_sorted:
            self._pending = [_sort_by_cell(_join(self._pending))]
        yield from self._emit(self._header.n_cells, is_last=True)

    def _check_order(self, entries: Entries) -> None:
        falls = np.diff(entries.cells, prepend=np.int32(max(self._last_cell, 0))) < 0
        if not falls.any():
            return
        if self._next_row == 0:
            self._is_sorted = False
            _LOG.info("%s: entries are not sorted by cell, so the matrix is gathered in memory", self._path)
            return
        position = int(np.argmax(falls))
        raise InputError(
            f"line {entries.first_line + position:,} goes back to cell {int(entries.cells[position]) + 1:,}, "
            "although the entries above are sorted by cell",
            where=self._path,
            mend="sort the entries by their second column",
        )

    def _emit(self, stop: int, *, is_last: bool = False) -> Iterator[sparse.csr_matrix]:
        whole = _join(self._pending)
        rows = np.arange(self._next_row, stop + 1)
        starts = np.searchsorted(whole.cells, rows).astype(np.int64)
        used = 0
        for low, high in row_spans(starts, self._n_rows, max_values=MAX_BLOCK_VALUES):
            is_full = high - low == self._n_rows or starts[high] - starts[low] > MAX_BLOCK_VALUES // 2
            if not (is_full or is_last):
                break
            part = slice(int(starts[low]), int(starts[high]))
            first_row = int(rows[low])
            yield as_block(
                whole.counts[part],
                whole.features[part],
                (starts[low : high + 1] - starts[low]).astype(np.int32),
                self._header.n_features,
                first_row=first_row,
                where=self._path,
            )
            used, self._next_row = part.stop, int(rows[high])
        self._pending = [_behind(whole, used)]


def _join(parts: list[Entries]) -> Entries:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        nothing = np.empty(0, dtype=np.int32)
        return Entries(nothing, nothing, nothing, 0)
    return Entries(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.cells for part in parts]),
        np.concatenate([part.counts for part in parts]),
        parts[0].first_line,
    )


def _behind(entries: Entries, used: int) -> Entries:
    return Entries(
        entries.features[used:], entries.cells[used:], entries.counts[used:], entries.first_line + used
    )


def _sort_by_cell(entries: Entries) -> Entries:
    order = np.argsort(entries.cells, kind="stable")
    return Entries(entries.features[order], entries.cells[order], entries.counts[order], entries.first_line)


def open_mtx(path: Path) -> MtxMatrix:
    """Open a matrix of Matrix Market text (mtx).

    Parameters
    ----------
    path
        The folder, or the matrix file in it where the folder holds several samples.

    Returns
    -------
    MtxMatrix
        Names and sizes are read and checked; entries are not read yet.

    Raises
    ------
    InputError
        If files are missing, or their sizes do not fit together.
    """
    files = find_mtx_files(path)
    header = _read_header(files)
    barcodes = np.array(files.read_barcodes(), dtype=object)
    features = files.read_features()
    _check_sizes(header, features, barcodes, files)
    check_barcodes(barcodes, where=files.barcodes)
    return MtxMatrix(path, MatrixKind.TENX_MTX, files.matrix.name, barcodes, features, files)


def _read_header(files: MtxFiles) -> MtxHeader:
    with open_text(files.matrix) as handle:
        return read_header(handle, files.matrix, cells_first=files.cells_first)


def _check_sizes(
    header: MtxHeader, features: FeatureTable, barcodes: NDArray[np.object_], files: MtxFiles
) -> None:
    declared, listed = (header.n_features, header.n_cells), (len(features), len(barcodes))
    if declared == listed:
        return
    words = (
        f"{files.matrix.name} declares {declared[0]:,} features x {declared[1]:,} cells, "
        f"but {files.features.name} lists {listed[0]:,} features and {files.barcodes.name} "
        f"{listed[1]:,} barcodes"
    )
    mend = "take the three files from one export"
    if declared == listed[::-1]:
        right, wrong = "features x cells", "cells x features"
        right, wrong = (wrong, right) if files.cells_first else (right, wrong)
        words += f"; the matrix looks transposed ({wrong})"
        mend = f"export it as {right}, as the program does whose names the files have"
    elif (listed[0] - declared[0], listed[1] - declared[1]) in {(1, 0), (0, 1), (1, 1)}:
        mend = "remove the header line of the list, or take the three files from one export"
    raise InputError(words, where=files.matrix, mend=mend)
