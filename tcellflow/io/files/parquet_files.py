"""Parquet files, opened after what they declare was compared with their size.

Invariant: reading what was opened takes memory in proportion to the file: its encodings can write a billion
equal rows in a few bytes, and no table of a sample is like that.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tcellflow.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A million cells with forty columns of one value each unfold to 80 times the size: their barcodes differ.
_MOST_FROM_ONE: Final = 200
_SMALL_BYTES: Final = 256 << 20
_VALUE_BYTES: Final = 8
_BATCH_ROWS: Final = 1 << 16


@contextmanager
def open_parquet(path: Path, *, mend: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file for reading; whatever the library cannot read becomes an input error.

    Raises
    ------
    InputError
        If it is damaged, or unfolds to more than two hundred times its size.
    """
    try:
        with path.open("rb") as handle, pq.ParquetFile(handle) as file:
            _check_size(file, path, mend)
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last from names of columns
        raise InputError(
            f"the Parquet file is damaged: {str(error).partition(chr(10))[0]}", where=path, mend=mend
        ) from error


def _check_size(file: pq.ParquetFile, path: Path, mend: str) -> None:
    # Of single column chunks nothing is asked: where their metadata are damaged pyarrow ends the process.
    size, about, schema = path.stat().st_size, file.metadata, file.schema_arrow
    nested = next((field.name for field in schema if _is_of_any_length(field.type)), None)
    if nested is not None:
        raise InputError(
            f"the column {nested!r} holds lists or structures",
            where=path,
            mend="give plain columns, one value in each row",
        )
    width = sum(getattr(field.type, "list_size", 1) for field in schema)
    _refuse_beyond(about.num_rows * width * _VALUE_BYTES, size, path, mend)
    _check_texts([field.name for field in schema if _is_text(field.type)], size, path, mend)


def _check_texts(names: list[str], size: int, path: Path, mend: str) -> None:
    """Add up the lengths of texts without unfolding them: of equal ones one is stored, and a number each."""
    given = 0
    with path.open("rb") as handle, pq.ParquetFile(handle, read_dictionary=names) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=names):
            for column in batch.columns:
                if isinstance(column, pa.DictionaryArray):
                    lengths = pc.binary_length(column.dictionary)
                    given += pc.sum(lengths.take(column.indices).cast(pa.int64())).as_py() or 0
            _refuse_beyond(given, size, path, mend)


def _is_of_any_length(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind) and not pa.types.is_fixed_size_list(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _refuse_beyond(n_bytes: int, size: int, path: Path, mend: str) -> None:
    if n_bytes > _SMALL_BYTES and n_bytes > _MOST_FROM_ONE * size:
        raise InputError(
            f"the Parquet file of {size:,} bytes unfolds to {n_bytes:,} and more", where=path, mend=mend
        )
