"""The tables of a receptor corpus: Parquet in AIRR words, or AIRR rearrangement tables as text.

Invariant: whatever the file, blocks have the same columns; what a text says is not productive is no row.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tcellflow.errors import InputError
from tcellflow.io.files.text_tables import open_text_table
from tcellflow.io.files.text_values import parse_booleans
from tcellflow.vocabulary import Locus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_ROWS_AT_ONCE: Final = 65_536
_PARQUET: Final = b"PAR1"
_GENES: Final = ("v_call", "j_call")


@dataclass(frozen=True)
class ReceptorTable:
    """A table of chains or pairs that is read in blocks.

    Parameters
    ----------
    columns
        Their names.
    blocks
        Gives some columns, without dictionaries, a block of rows at a time.
    """

    columns: tuple[str, ...]
    blocks: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]


@contextmanager
def open_receptor_table(path: Path, needed: Sequence[str]) -> Iterator[ReceptorTable]:
    """Open a table of a receptor corpus.

    Parameters
    ----------
    path
        Parquet, or AIRR rearrangements as text, plain or gzip. Of a text the locus may be missing where gene
        names begin with it; alleles are cut off, and of several genes the first counts.
    needed
        Columns that it must have.

    Yields
    ------
    ReceptorTable
        The open table.

    Raises
    ------
    InputError
        If it cannot be read or lacks a column.
    """
    with _open_parquet(path) if _is_parquet(path) else nullcontext(_read_text(path)) as table:
        missing = [name for name in needed if name not in table.columns]
        if missing:
            raise lacks_column(path, missing[0])
        yield table


def lacks_column(path: Path, name: str) -> InputError:
    """Give the error of a table of receptors that lacks a column."""
    return InputError(
        f"the table has no column '{name}'",
        where=path,
        mend="give AIRR columns; docs/receptors.md lists them",
    )


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as handle:
            return handle.read(len(_PARQUET)) == _PARQUET or path.suffix == ".parquet"
    except OSError:
        return True  # its reader says why it cannot be opened


@contextmanager
def _open_parquet(path: Path) -> Iterator[ReceptorTable]:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"the table cannot be read: {str(error).splitlines()[0]}",
            where=path,
            mend="give a Parquet file, or AIRR rearrangements as text",
        ) from error

    def read(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(columns)):
            decoded = [
                column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column
                for column in batch.columns
            ]
            yield pa.RecordBatch.from_arrays(decoded, names=batch.schema.names)

    with file:
        yield ReceptorTable(tuple(file.schema_arrow.names), read)


def _read_text(path: Path) -> ReceptorTable:
    table = open_text_table(path)
    rows = table.read(("locus", "junction_aa", *_GENES, "productive", "source", "has_epitope_label"))
    if "productive" in rows:
        is_true, is_known = parse_booleans(rows.pop("productive"), where=path)
        rows = rows[is_true | ~is_known].reset_index(drop=True)
    if "has_epitope_label" in rows:
        rows["has_epitope_label"] = parse_booleans(rows["has_epitope_label"], where=path)[0]
    for name in (name for name in _GENES if name in rows):
        rows[name] = rows[name].str.split(",").str[0].str.split("*").str[0]
    if "locus" not in rows and set(_GENES) <= set(rows):
        names = rows["v_call"].fillna(rows["j_call"]).str[:3]
        rows["locus"] = names.where(names.isin(list(Locus)))
    content = pa.Table.from_pandas(rows, preserve_index=False)
    return ReceptorTable(
        tuple(rows.columns), lambda columns: iter(content.select(list(columns)).to_batches(_ROWS_AT_ONCE))
    )
