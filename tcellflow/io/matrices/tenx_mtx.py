"""Cell Ranger's mtx folders: matrix.mtx, barcodes.tsv and features.tsv (or genes.tsv), plain or gzip.

Invariant: entries are streamed in file order while they are sorted by cell, as Cell Ranger
writes them; a file sorted by gene is gathered in memory, and a log line says so.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.cells.barcodes import check_barcodes
from tcellflow.errors import InputError
from tcellflow.io.files.csr_blocks import BLOCK_ROWS, MAX_BLOCK_VALUES, as_block, row_spans
from tcellflow.io.files.text import open_text, read_lines
from tcellflow.io.matrices.mtx_entries import Entries, MtxHeader, read_entries, read_header
from tcellflow.io.matrices.source import GENE_EXPRESSION, FeatureTable, MatrixKind, MatrixSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy import sparse

_LOG = logging.getLogger(__name__)
_MATRIX_NAME: Final = re.compile(r"(?P<prefix>.*)matrix\.mtx(\.gz)?")
_FEATURE_NAMES: Final = ("features.tsv", "genes.tsv")
_FIELD_SIGNS: Final = ("\t", ",", ";", " ")  # Cell Ranger writes tabs, hands write the others
_ZARR_NAMES: Final = ("zarr.json", ".zgroup", ".zattrs")
_INNER_NAMES: Final = (
    "filtered_feature_bc_matrix.h5",
    "filtered_feature_bc_matrix",
    "filtered_gene_bc_matrices",
)


@dataclass(frozen=True)
class MtxMatrix(MatrixSource):
    """A Cell Ranger mtx folder; made by `open_mtx`.

    Parameters
    ----------
    path, kind, slot, barcodes, features
        As in `tcellflow.io.matrices.source.MatrixSource`; the slot is the name of the matrix file.
    matrix_path
        The matrix file.
    """

    matrix_path: Path

    def blocks(self, n_rows: int = BLOCK_ROWS) -> Iterator[sparse.csr_matrix]:
        """Stream the matrix as CSR blocks, int32, or float64 where the header declares real numbers.

        Raises
        ------
        InputError
            If an entry is no entry, or the order of the cells breaks late in the file.
        """
        with open_text(self.matrix_path) as handle:
            header = read_header(handle, self.matrix_path)
            assembler = _Assembler(header, n_rows, self.matrix_path)
            for entries in read_entries(handle, header, self.matrix_path):
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
    """Open Cell Ranger's (10x) mtx folder.

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
    matrix_path = _find_matrix(path) if path.is_dir() else path
    named = _MATRIX_NAME.fullmatch(matrix_path.name)
    prefix = named["prefix"] if named else ""
    folder = matrix_path.parent
    barcode_path = _find_beside(folder, prefix, ("barcodes.tsv",))
    feature_path = _find_beside(folder, prefix, _FEATURE_NAMES)
    with open_text(matrix_path) as handle:
        header = read_header(handle, matrix_path)
    barcodes = np.array([line.split("\t")[0].strip('"') for line in read_lines(barcode_path)], dtype=object)
    features = _read_features(feature_path)
    _check_sizes(header, features, barcodes, (matrix_path, feature_path, barcode_path))
    check_barcodes(barcodes, where=barcode_path)
    return MtxMatrix(path, MatrixKind.TENX_MTX, matrix_path.name, barcodes, features, matrix_path)


def _find_matrix(folder: Path) -> Path:
    names = sorted(item.name for item in folder.iterdir())
    found = [name for name in names if _MATRIX_NAME.fullmatch(name)]
    samples = {name.removesuffix(".gz") for name in found}
    if len(samples) == 1:
        return folder / found[0]
    if samples:
        raise InputError(
            f"the folder holds {len(samples)} matrices: {', '.join(sorted(samples)[:3])}",
            where=folder,
            mend="name the matrix file of one sample",
        )
    if any(name in names for name in _ZARR_NAMES):
        raise InputError("the folder is a Zarr store", where=folder, mend="save it as .h5ad")
    inner = next((name for name in _INNER_NAMES if name in names), "")
    raise InputError(
        "the folder holds no matrix.mtx or matrix.mtx.gz",
        where=folder,
        mend=f"name {folder / inner}" if inner else "name a 10x mtx folder, or the .h5 or .h5ad file itself",
    )


def _find_beside(folder: Path, prefix: str, names: tuple[str, ...]) -> Path:
    candidates = [folder / f"{prefix}{name}{end}" for name in names for end in ("", ".gz")]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise InputError(
            f"{' and '.join(prefix + name for name in names)} are both missing (plain or .gz)"
            if len(names) > 1
            else f"{prefix}{names[0]} is missing (plain or .gz)",
            where=folder,
            mend="put matrix.mtx, barcodes.tsv and features.tsv of one sample into one folder",
        )
    return found


def _read_features(path: Path) -> FeatureTable:
    lines = read_lines(path)
    sign = next((sign for sign in _FIELD_SIGNS if lines and all(sign in line for line in lines)), "\t")
    # the type, which comes last, holds a space itself: "Gene Expression"
    n_splits = 2 if sign == " " else -1
    rows = [[field.strip('"') for field in line.split(sign, n_splits)] for line in lines]
    ids = [row[0] for row in rows]
    # a single column holds names, for want of ids
    names = [row[1] if len(row) > 1 else row[0] for row in rows]
    types = [row[2] if len(row) > 2 else GENE_EXPRESSION for row in rows]
    if all(len(row) == 1 for row in rows):
        ids = [""] * len(rows)
    return FeatureTable(*(np.array(column, dtype=object) for column in (ids, names, types)))


def _check_sizes(
    header: MtxHeader, features: FeatureTable, barcodes: NDArray[np.object_], paths: tuple[Path, Path, Path]
) -> None:
    declared, listed = (header.n_features, header.n_cells), (len(features), len(barcodes))
    if declared == listed:
        return
    matrix, feature_path, barcode_path = paths
    words = (
        f"{matrix.name} declares {declared[0]:,} features x {declared[1]:,} cells, "
        f"but {feature_path.name} lists {listed[0]:,} features and {barcode_path.name} {listed[1]:,} barcodes"
    )
    mend = "take the three files from one export"
    if declared == listed[::-1]:
        words += "; the matrix looks transposed (cells x features)"
        mend = "export it as features x cells, as Cell Ranger does"
    elif (listed[0] - declared[0], listed[1] - declared[1]) in {(1, 0), (0, 1), (1, 1)}:
        mend = "remove the header line of the list, or take the three files from one export"
    raise InputError(words, where=matrix, mend=mend)
