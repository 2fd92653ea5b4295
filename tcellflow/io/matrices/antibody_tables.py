"""Antibody counts that lie beside the expression matrix: CSV or TSV tables and Parquet.

Invariant: one row per cell and one column per antibody, whichever way round the file had it;
the counts are whole numbers, and every refusal names the cell and the antibody.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from tcellflow.cells.counts import are_counts
from tcellflow.errors import InputError
from tcellflow.io.files.json_text import NotJsonError, parse_json
from tcellflow.io.files.kinds import check_is_file, is_parquet
from tcellflow.io.files.parquet_files import open_parquet
from tcellflow.io.files.text import open_plain_or_gzip
from tcellflow.io.files.text_tables import find_delimiter, split_fields
from tcellflow.io.matrices.source import AntibodyCounts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa


_DELIMITERS = ",\t;"  # names of BD AbSeq hold bars
# Ten bases are no word of an antibody's name, and every droplet barcode has at least ten.
_BARCODE_CORE = re.compile(r"[ACGTN]{10,}")


def read_antibody_table(path: Path, barcodes: Sequence[str]) -> AntibodyCounts:
    """Read antibody counts from a delimited text file (plain or gzip) or Parquet.

    Parameters
    ----------
    path
        Table with one header line and names in the first column (in Parquet: the index, or a first
        column of text).
    barcodes
        Cells of the expression matrix; they decide whether rows or columns are cells.

    Returns
    -------
    AntibodyCounts
        Cells in file order.

    Raises
    ------
    InputError
        If the file is unreadable, no axis holds cell barcodes, a barcode is repeated, or an
        entry is not a whole number of at least zero.
    """
    check_is_file(path)
    table = _read_parquet(path) if is_parquet(path) else _read_text(path)
    if not _has_cells_in_rows(table, barcodes, path):
        table = table.T
    cell_ids = table.index.to_numpy(dtype=object)
    repeated = table.index[table.index.duplicated()].unique()
    if len(repeated):
        raise InputError(
            f"cell barcodes occur more than once ({len(repeated)}; first: {repeated[0]})",
            where=path,
            mend="give each cell one row",
        )
    return AntibodyCounts(tuple(map(str, table.columns)), cell_ids, _as_counts(table, path))


def _read_parquet(path: Path) -> pd.DataFrame:
    with open_parquet(path, mend="export it again") as file:
        whole = file.read()
        whole.validate(full=True)  # texts that are no UTF-8
    _check_columns(whole.column_names, path)
    table: pd.DataFrame = whole.replace_schema_metadata(None).to_pandas()
    index = _find_index(whole)
    if index is not None:
        table = table.set_index(index)
    elif "cell_id" in table.columns:
        table = table.set_index("cell_id")
    elif isinstance(table.index, pd.RangeIndex) and len(table.columns) and _is_text(table.iloc[:, 0]):
        table = table.set_index(table.columns[0])  # R and polars write names as a column
    table.index = table.index.map(str)
    return table


def _find_index(table: pa.Table) -> str | None:
    """Find the column of row names that pandas noted; None where it noted none."""
    try:
        note = parse_json((table.schema.metadata or {}).get(b"pandas", b"{}"))
    except NotJsonError:
        return None  # a note of others; the columns tell
    columns = note.get("index_columns") if isinstance(note, dict) else None
    first = columns[0] if isinstance(columns, list) and len(columns) == 1 else None
    return first if isinstance(first, str) and first in table.column_names else None


def _is_text(values: pd.Series) -> bool:
    return isinstance(values.dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(values)


def _read_text(path: Path) -> pd.DataFrame:
    try:
        with open_plain_or_gzip(path) as handle:
            text = handle.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "the file is neither text nor Parquet", where=path, mend="give a CSV or TSV table of counts"
        ) from error
    header, _, rest = text.partition("\n")
    if not header.strip():
        raise InputError("the file is empty", where=path, mend="copy or export it again")
    delimiter = find_delimiter(header, rest.partition("\n")[0], among=_DELIMITERS)
    if delimiter is None:
        raise InputError(
            f"the first line holds no comma, tab or semicolon: {header[:60]!r}",
            where=path,
            mend="give a table with a header line of names and one row per cell or antibody",
        )
    try:
        _check_columns(split_fields(header, delimiter), path)
        # Names stay text: a pandas guess would turn barcodes such as 1E10 into numbers.
        table = pd.read_csv(
            io.StringIO(text),
            sep=delimiter,
            dtype={0: str},
            index_col=0,
            keep_default_na=False,
            quoting=csv.QUOTE_MINIMAL,
        )
    except (pd.errors.ParserError, ValueError) as error:
        raise InputError(
            f"the table cannot be read: {str(error).partition(chr(10))[0]}",
            where=path,
            mend="give every row as many fields as the header",
        ) from error
    table.index = table.index.map(str)
    return table


def _check_columns(names: list[str], path: Path) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(
            f"columns have the same name ({len(repeated)}; first: {repeated[0]})",
            where=path,
            mend="name each column once",
        )


def _has_cells_in_rows(table: pd.DataFrame, barcodes: Sequence[str], path: Path) -> bool:
    if table.shape[0] == 0:
        return True
    known = {_core(barcode) for barcode in barcodes}
    in_rows = sum(_core(name) in known for name in table.index)
    in_columns = sum(_core(str(name)) in known for name in table.columns)
    if in_rows == in_columns == 0 and len(barcodes) > 0:
        raise InputError(
            f"neither the rows (first: {table.index[0]}) nor the columns are cells of the expression matrix",
            where=path,
            mend="give the antibody counts of the same sample, with the same cell barcodes",
        )
    return in_rows >= in_columns


def _core(name: str) -> str:
    found = _BARCODE_CORE.search(name)
    return found.group() if found else name


def _as_counts(table: pd.DataFrame, path: Path) -> sparse.csr_matrix:
    columns = []
    for number in range(table.shape[1]):
        raw = table.iloc[:, number]
        values = pd.to_numeric(raw, errors="coerce").to_numpy(dtype=np.float64)
        bad = ~are_counts(values)
        if bad.any():
            row = int(np.argmax(bad))
            value = raw.iloc[row]
            shown = f"{value:g}" if isinstance(value, int | float) else repr(value)
            raise InputError(
                f"antibody counts of {table.columns[number]} are not whole numbers of at least zero "
                f"({int(bad.sum())}; first: cell {table.index[row]}, value {shown})",
                where=path,
                mend="give raw antibody counts, not normalised values",
            )
        columns.append(sparse.csc_matrix(values.astype(np.int32)[:, None]))
    if not columns:
        return sparse.csr_matrix(np.zeros((table.shape[0], 0), dtype=np.int32))
    return sparse.csr_matrix(sparse.hstack(columns, format="csr", dtype=np.int32))
