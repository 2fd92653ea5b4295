"""Tables by contract as Parquet: written whole or piece by piece, checked when read.

Invariant: what is read or written fits its contract, and the same content gives the same bytes.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tcellflow.contracts.faults import raise_faults
from tcellflow.contracts.table_faults import find_table_faults
from tcellflow.errors import ContractError, InputError
from tcellflow.io.files.json_text import NotJsonError, parse_json
from tcellflow.io.files.kinds import check_is_file, is_parquet
from tcellflow.io.files.parquet_files import open_parquet
from tcellflow.io.files.staged import final_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tcellflow.contracts.columns import Table
    from tcellflow.provenance import JsonValue, StepNote

_CONTRACT_KEY = b"tcellflow.contract"
_NOTE_KEY = b"tcellflow.note"
_RE_RUN: Final = "re-run the step that wrote it"


class TableWriter:
    """Writes a table piece by piece; each piece is checked first.

    Use as made by `open_table_writer`.

    Parameters
    ----------
    writer
        The open Parquet file.
    contract
        What the table must hold.
    where
        Final file name, for errors.
    """

    def __init__(self, writer: pq.ParquetWriter, contract: Table, where: str) -> None:
        self._writer = writer
        self._contract = contract
        self._where = where

    def write(self, piece: pa.Table) -> None:
        """Check rows and append them in the contract's column order; keys are checked within the piece alone.

        Raises
        ------
        ContractError
            If the rows break the contract (a bug of the step, caught before it spreads).
        """
        raise_faults(find_table_faults(piece, self._contract), stamp=self._contract.stamp, where=self._where)
        ordered = piece.select(self._writer.schema.names).combine_chunks()
        self._writer.write_table(pa.Table.from_arrays(ordered.columns, schema=self._writer.schema))


@contextmanager
def open_table_writer(
    path: Path,
    contract: Table,
    note: StepNote,
    extra: Mapping[str, str] | None = None,
    *,
    vector_width: int = 0,
    optional: Iterable[str] = (),
) -> Iterator[TableWriter]:
    """Open a Parquet file to be written piece by piece, byte-stable for equal pieces.

    Parameters
    ----------
    path
        Staged path from `OutputSet.path`.
    contract
        What the table must hold.
    note
        Provenance, stored in the schema metadata.
    extra
        Further schema metadata, e.g. dimension and pooling of embeddings.
    vector_width
        Width of "vector" columns; unused without one.
    optional
        Names of the optional columns that every piece has; names of other columns may be among them.

    Yields
    ------
    TableWriter
        Takes the pieces; each becomes a row group.
    """
    metadata = {key.encode(): value.encode() for key, value in sorted((extra or {}).items())}
    metadata |= {_CONTRACT_KEY: contract.stamp.encode(), _NOTE_KEY: note.as_json().encode()}
    schema = contract.schema(vector_width=vector_width, optional=optional).with_metadata(metadata)
    vectors = [c.name for c in contract.columns if c.dtype == "vector"]
    with (
        path.open("wb") as file,
        pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=[name for name in schema.names if name not in vectors],
            column_encoding={f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in vectors} or None,
        ) as writer,
    ):
        yield TableWriter(writer, contract, final_name(path.name))


def write_table(
    path: Path, table: pa.Table, contract: Table, note: StepNote, extra: Mapping[str, str] | None = None
) -> None:
    """Check a table and write it as Parquet, byte-stable.

    Parameters
    ----------
    path
        Staged path from `OutputSet.path`.
    table
        Rows to write; columns are put into the contract's order.
    contract
        What the table must hold.
    note
        Provenance, stored in the schema metadata.
    extra
        Further schema metadata, e.g. dimension and pooling of embeddings.

    Raises
    ------
    ContractError
        If the table breaks its contract (a bug of the step, caught before it spreads).
    """
    widths = [field.type.list_size for field in table.schema if pa.types.is_fixed_size_list(field.type)]
    width = max(widths, default=0)
    with open_table_writer(
        path, contract, note, extra, vector_width=width, optional=table.column_names
    ) as writer:
        writer.write(table)


def read_table(path: Path, contract: Table, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet table and check it against its contract, or an older version of it.

    Parameters
    ----------
    path
        The file.
    contract
        What it must hold.
    columns
        Only these columns; the check covers all the same.

    Returns
    -------
    pyarrow.Table
        The rows; schema metadata kept. Columns that the file's version did not have are null.

    Raises
    ------
    InputError
        If the file is absent, a folder, or not Parquet.
    ContractError
        If it holds another contract or breaks this one.
    """
    with _open_parquet(path, contract) as (file, version):
        table = file.read()
        table.validate(full=True)  # texts that are no UTF-8
    written = contract.at(version)
    raise_faults(find_table_faults(table, written), stamp=written.stamp, where=path)
    for name in [c.name for c in contract.columns if c.since > version and not c.optional]:
        field = contract.schema().field(name)
        table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table if columns is None else table.select(columns)


def read_table_pieces(path: Path, contract: Table, n_rows: int) -> Iterator[pa.Table]:
    """Read a Parquet table piece by piece, each checked against its contract.

    Parameters
    ----------
    path
        The file.
    contract
        What it must hold.
    n_rows
        Most rows of a piece.

    Yields
    ------
    pyarrow.Table
        The next rows, with the file's schema metadata; at least one piece, which may be empty. Keys are
        checked within a piece alone.

    Raises
    ------
    InputError
        If the file is absent, a folder, or not Parquet.
    ContractError
        If it holds another contract or breaks this one.
    """
    with _open_parquet(path, contract) as (file, version):
        written = contract.at(version)
        batches = file.iter_batches(n_rows) if file.metadata.num_rows else [None]
        for batch in batches:
            piece = file.schema_arrow.empty_table() if batch is None else pa.Table.from_batches([batch])
            piece.validate(full=True)
            raise_faults(find_table_faults(piece, written), stamp=written.stamp, where=path)
            yield piece.replace_schema_metadata(file.schema_arrow.metadata)


@contextmanager
def _open_parquet(path: Path, contract: Table) -> Iterator[tuple[pq.ParquetFile, int]]:
    """Open a table that carries a contract; gives the file and the contract's version."""
    check_is_file(path)
    if not is_parquet(path):
        raise InputError(
            "the file is not a Parquet file",
            where=path,
            mend=f"give the {contract.name} file that tcellflow wrote",
        )
    with open_parquet(path, mend=_RE_RUN) as file:
        stamp = (file.schema_arrow.metadata or {}).get(_CONTRACT_KEY, b"").decode(errors="replace")
        yield file, _find_version(stamp, contract, path)


def _find_version(stamp: str, contract: Table, path: Path) -> int:
    versions = {contract.at(version).stamp: version for version in range(1, contract.version + 1)}
    if stamp not in versions:
        found = f"the contract {stamp!r}" if stamp else "no tcellflow contract"
        raise ContractError(
            f"the file carries {found} instead of {contract.stamp!r}",
            where=path,
            mend=f"give the {contract.name} file, or re-run the step that wrote it with this version",
        )
    return versions[stamp]


def read_table_note(path: Path) -> dict[str, JsonValue]:
    """Read the provenance note of a Parquet table; empty if there is none.

    Raises
    ------
    InputError
        If the note is damaged.
    """
    with path.open("rb") as file:
        metadata = pq.read_schema(file).metadata or {}
    try:
        note = parse_json(metadata.get(_NOTE_KEY, b"{}"))
    except NotJsonError as error:
        raise InputError(
            f"the note about the file's origin is no JSON: {error}", where=path, mend=_RE_RUN
        ) from error
    return note if isinstance(note, dict) else {}
