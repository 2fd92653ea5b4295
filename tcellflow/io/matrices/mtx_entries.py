"""Matrix Market text: the header, and the entries chunk by chunk.

Invariant: every entry that leaves here lies inside the declared matrix; whatever does not parse
is refused with its line number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from pyarrow import csv

from tcellflow.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedIOBase
    from pathlib import Path

    from numpy.typing import NDArray

_BANNER: Final = "%%MatrixMarket matrix coordinate"
_CHUNK_BYTES: Final = 1 << 22
_MAX_DIGITS: Final = 18
_COLUMNS: Final = ("feature", "cell", "value")
_MEND: Final = "copy or export the matrix anew"


@dataclass(frozen=True)
class MtxHeader:
    """What the first lines declare.

    Parameters
    ----------
    n_features, n_cells, n_entries
        Sizes of the matrix, and its stored entries.
    is_integer
        Whether the values are declared whole numbers.
    n_lines
        Lines up to and including the one with the sizes.
    cells_first
        Whether cells are the rows of the matrix; else features are.
    """

    n_features: int
    n_cells: int
    n_entries: int
    is_integer: bool
    n_lines: int
    cells_first: bool = False


@dataclass(frozen=True)
class Entries:
    """Some entries in file order, counted from 0.

    Parameters
    ----------
    features, cells
        int32 (entries,).
    counts
        int32 or float64 (entries,).
    first_line
        Line number of the first entry, counted from 1.
    """

    features: NDArray[np.int32]
    cells: NDArray[np.int32]
    counts: NDArray[Any]
    first_line: int


def read_header(handle: BufferedIOBase, path: Path, *, cells_first: bool = False) -> MtxHeader:
    """Read the header of Matrix Market (mtx) text; the handle is left behind the line with the sizes.

    Raises
    ------
    InputError
        If it is no Matrix Market file of coordinates with counts.
    """
    banner = _next_line(handle)
    words = banner.split()
    if not banner.lower().startswith(_BANNER.lower()) or len(words) != 5:
        shown = banner[:60] if banner.isprintable() else "binary content"
        raise InputError(
            f"line 1 is not a Matrix Market header of coordinates: {shown!r}",
            where=path,
            mend=f"the first line must read '{_BANNER} integer general'",
        )
    field, symmetry = words[3].lower(), words[4].lower()
    if field not in {"integer", "real"} or symmetry != "general":
        raise InputError(
            f"line 1 declares a {field} {symmetry} matrix, not general counts",
            where=path,
            mend="export the counts as 'integer general'",
        )
    number, line = 2, _next_line(handle)
    while line.startswith("%") or (line and not line.strip()):
        number, line = number + 1, _next_line(handle)
    sizes = line.split()
    if len(sizes) != 3 or not all(size.isdecimal() and len(size) <= _MAX_DIGITS for size in sizes):
        raise InputError(
            f"line {number} should hold three sizes (features, cells, entries): {line[:60]!r}",
            where=path,
            mend=_MEND,
        )
    n_rows, n_columns, n_entries = (int(size) for size in sizes)
    n_features, n_cells = (n_columns, n_rows) if cells_first else (n_rows, n_columns)
    if n_entries > n_features * n_cells:
        raise InputError(
            f"line {number} declares {n_entries:,} entries for {n_features:,} features x {n_cells:,} cells",
            where=path,
            mend=_MEND,
        )
    return MtxHeader(n_features, n_cells, n_entries, field == "integer", number, cells_first)


def _next_line(handle: BufferedIOBase) -> str:
    # A bound, because a binary file may have no line end for gigabytes.
    return handle.readline(1 << 20).decode(errors="replace").rstrip("\r\n")


def read_entries(handle: BufferedIOBase, header: MtxHeader, path: Path) -> Iterator[Entries]:
    """Stream the entries of Matrix Market (mtx) text, from about 4 MiB at a time.

    Raises
    ------
    InputError
        If a line is no entry or lies outside the matrix (with its number), or if there are more
        or fewer entries than declared.
    """
    line, found, rest = header.n_lines + 1, 0, b""
    while text := handle.read(_CHUNK_BYTES):
        complete, end, tail = (rest + text).rpartition(b"\n")
        rest = tail
        if not end:
            continue
        entries = _parse_entries(complete + end, header, line, path)
        line += complete.count(b"\n") + 1
        found += len(entries.counts)
        if found > header.n_entries:  # surplus ones are not gathered
            break
        yield entries
    if found <= header.n_entries and rest.strip():
        entries = _parse_entries(rest + b"\n", header, line, path)
        found += len(entries.counts)
        yield entries
    if found != header.n_entries:
        raise InputError(
            f"the header declares {header.n_entries:,} entries, but {found:,} "
            + ("and more are there" if found > header.n_entries else "are there"),
            where=path,
            mend="the file is truncated or was edited; " + _MEND,
        )


def _parse_entries(text: bytes, header: MtxHeader, first_line: int, path: Path) -> Entries:
    value_type = pa.int32() if header.is_integer else pa.float64()
    try:
        table = csv.read_csv(
            pa.BufferReader(text),
            read_options=csv.ReadOptions(use_threads=False, column_names=_COLUMNS, block_size=len(text) + 1),
            parse_options=csv.ParseOptions(delimiter=" ", quote_char=False),
            convert_options=csv.ConvertOptions(
                column_types={"feature": pa.int32(), "cell": pa.int32(), "value": value_type},
                null_values=[],
            ),
        )
        columns = [table.column(name).to_numpy() for name in _COLUMNS]
    except pa.ArrowInvalid:
        # Tabs or several spaces are legal but rare, so the quick parser is tried first.
        columns = _parse_slowly(text, header, first_line, path)
    features, cells, values = columns
    if header.cells_first:
        features, cells = cells, features
    for indices, size, axis in ((features, header.n_features, "feature"), (cells, header.n_cells, "cell")):
        if len(indices) and (indices.min() < 1 or indices.max() > size):
            row = int(np.argmax((indices < 1) | (indices > size)))
            raise InputError(
                f"line {first_line + row:,} names {axis} {int(indices[row]):,}, but there are {size:,}",
                where=path,
                mend=_MEND,
            )
    # Arrow's arrays are read-only, blocks are not
    return Entries(features - np.int32(1), cells - np.int32(1), values.copy(), first_line)


def _parse_slowly(text: bytes, header: MtxHeader, first_line: int, path: Path) -> list[NDArray[Any]]:
    kind = int if header.is_integer else float
    rows: list[tuple[int, int, float]] = []
    for number, line in enumerate(text.split(b"\n")[:-1], start=first_line):
        fields = line.split()
        if not fields:
            continue
        try:
            feature, cell, value = fields
            rows.append((int(feature), int(cell), kind(value)))
        except ValueError as error:
            shown = line[:60].decode(errors="replace").rstrip("\r")
            form = "two whole numbers and a " + ("whole number" if header.is_integer else "number")
            raise InputError(f"line {number:,} is not {form}: {shown!r}", where=path, mend=_MEND) from error
    limits = np.iinfo(np.int32)
    wide = np.array(rows, dtype=np.float64).reshape(-1, 3)
    whole = wide if header.is_integer else wide[:, :2]
    too_large = (np.abs(whole) > limits.max).any(axis=1)
    if too_large.any():
        row = int(np.argmax(too_large))
        raise InputError(
            f"line {first_line + row:,} holds a number beyond {limits.max:,}", where=path, mend=_MEND
        )
    values = wide[:, 2].astype(np.int32 if header.is_integer else np.float64)
    return [wide[:, 0].astype(np.int32), wide[:, 1].astype(np.int32), values]
