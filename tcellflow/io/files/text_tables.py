"""Delimited text of any dialect, read as strings: nothing is guessed from a file's name.

Invariant: every value is a string as written (trimmed) or missing; missing is one explicit list,
so that "None" never becomes four residues and "NA" never a gene.
"""

from __future__ import annotations

import csv
import io
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from tcellflow.errors import InputError
from tcellflow.io.files.kinds import check_is_file
from tcellflow.io.files.text import open_text
from tcellflow.io.files.text_values import MISSING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_DELIMITERS = "\t,;|"
_MAX_HEADER_BYTES = 4 << 20
_SHOWN_COLUMNS = 20
_BLOCK_BYTES = 8 << 20
_NAMES_BEHIND_HASH = re.compile(r"#\w+(\t\w+){2,}$")
_EXPORT = "export the table again as comma- or tab-separated UTF-8 text"


@dataclass(frozen=True)
class TextTable:
    """A delimited text file whose header has been read.

    Parameters
    ----------
    path
        The file.
    columns
        Column names as written, trimmed; row names without a header are called "".
    delimiter
        Character between fields.
    header_lines
        Lines up to and with the header.
    kept
        Mask (rows,) of the rows that are handed on; None = all.
    """

    path: Path
    columns: tuple[str, ...]
    delimiter: str
    header_lines: int
    kept: NDArray[np.bool_] | None = None

    def read(self, columns: Collection[str]) -> pd.DataFrame:
        """Read some columns.

        Parameters
        ----------
        columns
            Names; those the file does not have are left out.

        Returns
        -------
        pandas.DataFrame
            Object columns of str, None = missing, in file order.

        Raises
        ------
        InputError
            If a row has more or fewer fields than the header, or the text is not UTF-8.
        """
        names = [f"{number}:{name}" for number, name in enumerate(self.columns)]
        # of columns with the same name the first counts
        wanted = [names[self.columns.index(name)] for name in dict.fromkeys(self.columns) if name in columns]
        table = self._parse(names, wanted)
        cleaned = [_clean(table.column(name)) for name in wanted]
        frame: pd.DataFrame = pa.table(cleaned, names=[name.partition(":")[2] for name in wanted]).to_pandas()
        return frame if self.kept is None else frame[self.kept].reset_index(drop=True)

    def _parse(self, names: list[str], wanted: list[str]) -> pa.Table:
        with open_text(self.path) as handle:
            self._skip_header(handle)
            if not handle.peek(1):
                return pa.table({name: pa.array([], pa.string()) for name in wanted})
            try:
                table = arrow_csv.read_csv(
                    pa.PythonFile(handle, mode="r"),
                    read_options=arrow_csv.ReadOptions(column_names=names, block_size=_BLOCK_BYTES),
                    parse_options=arrow_csv.ParseOptions(delimiter=self.delimiter),
                    convert_options=arrow_csv.ConvertOptions(
                        column_types=dict.fromkeys(names, pa.string()),
                        include_columns=wanted,
                        strings_can_be_null=False,
                    ),
                )
            except pa.ArrowInvalid as error:
                if "UTF8" in str(error):
                    raise InputError("the file is not UTF-8 text", where=self.path, mend=_EXPORT) from error
                table = None
        # fewer rows than lines: a quote without an end has swallowed rows, the slow reader says where
        if table is not None and table.num_rows == self._count_rows():
            return table
        return self._parse_ragged(names, wanted)

    def _count_rows(self) -> int:
        with open_text(self.path) as handle:
            self._skip_header(handle)
            return sum(1 for line in handle if line.strip(b"\r\n"))

    def _skip_header(self, handle: io.BufferedReader) -> None:
        for _ in range(self.header_lines):
            handle.readline()

    def _parse_ragged(self, names: list[str], wanted: list[str]) -> pa.Table:
        """Read rows whose empty last fields were left out, and name the first row that is truly broken."""
        places = [names.index(name) for name in wanted]
        values: list[list[str]] = [[] for _ in wanted]
        row: list[str] = []
        with open_text(self.path) as handle:
            self._skip_header(handle)
            text = io.TextIOWrapper(handle, encoding="utf-8", newline="")
            try:
                for number, row in enumerate(csv.reader(text, delimiter=self.delimiter), start=1):
                    if any("\n" in field for field in row):
                        raise self._refuse(f"in row {number} a quote is opened and not closed")
                    if len(row) > len(names):
                        raise self._refuse(f"row {number} has {len(row)} fields")
                    if not row:
                        continue
                    for column, place in zip(values, places, strict=True):
                        column.append(row[place] if place < len(row) else "")
            except UnicodeDecodeError as error:
                raise InputError("the file is not UTF-8 text", where=self.path, mend=_EXPORT) from error
            except csv.Error as error:
                raise self._refuse(str(error)) from error
        if len(row) < len(names) and not self._ends_with_line_end():
            raise InputError(
                f"the file is cut off: its last row has {len(row)} of {len(names)} fields",
                where=self.path,
                mend="copy or download it again",
            )
        return pa.table(
            {name: pa.array(column, pa.string()) for name, column in zip(wanted, values, strict=True)}
        )

    def _ends_with_line_end(self) -> bool:
        last = b""
        with open_text(self.path) as handle:
            while block := handle.read(_BLOCK_BYTES):
                last = block[-1:]
        return last in {b"\n", b"\r"}

    def _refuse(self, reason: str) -> InputError:
        return InputError(
            f"a row does not fit the header of {len(self.columns)} columns: {reason}",
            where=self.path,
            mend="mend the row (a field with the delimiter inside needs quotes), or " + _EXPORT,
        )


def open_text_table(path: Path) -> TextTable:
    """Read the header of a text table, plain or gzip; lines with ``#`` before it are skipped.

    A ``#`` right before the first of several names with tabs between them is no comment: so TRUST4 writes.

    Raises
    ------
    InputError
        If it is absent, a folder, empty, damaged or no text.
    """
    check_is_file(path)
    with open_text(path) as handle:
        header, first, n_lines = _find_header(handle, path)
    header = header.removeprefix("#")
    delimiter = find_delimiter(header, first) or _DELIMITERS[0]
    columns = [name.strip() for name in _split_header(header, delimiter, path)]
    if len(_split_header(first, delimiter, path)) == len(columns) + 1:
        columns.insert(0, "")  # R writes row names without a column name
    return TextTable(path, tuple(columns), delimiter, n_lines)


def find_delimiter(header: str, first_row: str, *, among: str = _DELIMITERS) -> str | None:
    """Find what separates the fields of a text table.

    Parameters
    ----------
    header, first_row
        Its first two lines; the second may be empty.
    among
        Characters that may separate fields, the likeliest first.

    Returns
    -------
    str or None
        The most frequent of them in the header that gives both lines as many fields (names such as
        "CD3, human" may hold others); without one, the most frequent. None where the header holds none.
    """
    present = sorted((sign for sign in among if sign in header), key=header.count, reverse=True)
    for sign in present:
        # R writes no name over the row names
        with suppress(ValueError):
            if len(split_fields(first_row, sign)) - len(split_fields(header, sign)) in {0, 1}:
                return sign
    return next(iter(present), None)


def split_fields(line: str, delimiter: str) -> list[str]:
    """Split one line of a text table into its fields, quotes taken off; an empty line has none.

    Raises
    ------
    ValueError
        If a carriage return stands within it, or a field is too long.
    """
    try:
        return next(csv.reader([line.rstrip("\r")], delimiter=delimiter), [])
    except csv.Error as error:
        raise ValueError(str(error).partition(" - ")[0]) from error


def _split_header(line: str, delimiter: str, path: Path) -> list[str]:
    try:
        return split_fields(line, delimiter)
    except ValueError as error:
        raise InputError(
            f"a line at the beginning cannot be split into fields: {error}",
            where=path,
            mend=_EXPORT,
        ) from error


def check_columns(table: TextTable, required: Sequence[str | tuple[str, ...]], *, layout: str) -> None:
    """Refuse a text table that lacks columns, naming all of them at once.

    Parameters
    ----------
    table
        The table.
    required
        Column names; of a tuple one is enough.
    layout
        What the table was recognised as.

    Raises
    ------
    InputError
        If any is missing.
    """
    groups = [(name,) if isinstance(name, str) else name for name in required]
    missing = [" or ".join(names) for names in groups if not set(names) & set(table.columns)]
    if missing:
        raise InputError(
            f"the file ({layout}) lacks {len(missing)} of its columns: {', '.join(missing)}; "
            f"it has {show_columns(table.columns)}",
            where=table.path,
            mend="give the file as the pipeline wrote it, or add the columns",
        )


def show_columns(columns: Sequence[str]) -> str:
    """List the first 20 column names of a text table, separated by commas, for an error message."""
    shown = ", ".join(repr(name) if not name else name[:40] for name in columns[:_SHOWN_COLUMNS])
    return shown + (f" and {len(columns) - _SHOWN_COLUMNS} more" if len(columns) > _SHOWN_COLUMNS else "")


def _find_header(handle: io.BufferedReader, path: Path) -> tuple[str, str, int]:
    lines: list[str] = []
    n_lines, n_bytes = 0, 0
    while len(lines) < 2:
        raw = handle.readline(_MAX_HEADER_BYTES)
        if not raw:
            break
        n_bytes += len(raw)
        if b"\0" in raw or n_bytes > _MAX_HEADER_BYTES:
            raise InputError("the file is not a text table", where=path, mend=_EXPORT)
        try:
            text = raw.decode().strip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError("the file is not UTF-8 text", where=path, mend=_EXPORT) from error
        if not lines:
            n_lines += 1
        if text.strip() and (lines or not text.startswith("#") or _NAMES_BEHIND_HASH.match(text)):
            lines.append(text)
    if not lines:
        raise InputError(
            "the file holds no header line: it is empty", where=path, mend="copy or export it again"
        )
    return lines[0], lines[1] if len(lines) > 1 else "", n_lines


def _clean(values: pa.ChunkedArray) -> pa.ChunkedArray:
    trimmed = pc.utf8_trim_whitespace(values)
    missing = pc.is_in(trimmed, value_set=pa.array(MISSING))
    return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)
