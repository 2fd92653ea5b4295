"""Outputs: all of a step's files appear together and whole, or none does.

Invariant: a name without ``.part`` is a finished file. Files are written beside their final
name, synced and renamed only when the whole step has succeeded; any exception, SIGINT and
SIGTERM included, removes them. After SIGKILL or a power cut only ``.part`` files remain, and
the next run overwrites them.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from tcellflow.contracts.columns import Table, find_table_faults, raise_faults
from tcellflow.errors import ContractError, InputError, OutputError
from tcellflow.vocabulary import UNS_KEY, output_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tcellflow.provenance import JsonValue, StepNote

_CONTRACT_KEY = b"tcellflow.contract"
_NOTE_KEY = b"tcellflow.note"
_PARQUET_MAGIC = b"PAR1"
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class OutputSet:
    """The outputs of one step, staged until all are written.

    Use as made by `stage_outputs`.

    Parameters
    ----------
    folder
        Output folder.
    prefix
        Sample name in front of every file name.
    force
        Whether finished outputs may be replaced.
    """

    def __init__(self, folder: Path, prefix: str, *, force: bool) -> None:
        self.folder = folder
        self.prefix = prefix
        self._force = force
        self._staged: dict[Path, Path] = {}

    def path(self, suffix: str) -> Path:
        """Stage one output and give the path to write to.

        Parameters
        ----------
        suffix
            One of `OutputName`.

        Returns
        -------
        pathlib.Path
            The ``.part`` path; it takes its final name when the step ends.

        Raises
        ------
        OutputError
            If the final name exists and replacing was not asked for, or is a folder.
        """
        final = self.folder / output_name(self.prefix, suffix)
        if final.is_dir():
            raise OutputError(
                "the output's name is taken by a folder",
                where=final,
                mend="remove it or choose another --prefix",
            )
        if final.exists() and not self._force:
            raise OutputError(
                "the output exists",
                where=final,
                mend="add --force to replace it, or choose another -o or --prefix",
            )
        part = final.with_name(final.name + ".part")
        part.unlink(missing_ok=True)
        self._staged[final] = part
        return part

    def commit(self) -> list[Path]:
        """Sync all staged files and give them their final names.

        Returns
        -------
        list of pathlib.Path
            The finished files, in the order they were staged.
        """
        for part in self._staged.values():
            with part.open("rb") as handle:
                os.fsync(handle.fileno())
        for final, part in self._staged.items():
            part.replace(final)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        finished = list(self._staged)
        self._staged = {}
        return finished

    def discard(self) -> None:
        """Remove everything staged."""
        for part in self._staged.values():
            part.unlink(missing_ok=True)
        self._staged = {}


@contextmanager
def stage_outputs(folder: Path, prefix: str, *, force: bool) -> Iterator[OutputSet]:
    """Stage a step's outputs; commit on success, remove on any exception.

    Parameters
    ----------
    folder
        Output folder, made if absent.
    prefix
        Sample name in front of every file name.
    force
        Whether finished outputs may be replaced.

    Yields
    ------
    OutputSet
        Gives the paths to write to.

    Raises
    ------
    OutputError
        If the folder cannot be made or written, the disk is full, or an output exists.
    """
    folder_was_there = folder.is_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the output folder cannot be made: {error.strerror}",
            where=folder,
            mend="choose a writable folder with -o",
        ) from error
    outputs = OutputSet(folder, prefix, force=force)
    try:
        with _as_output_error(folder):
            yield outputs
            outputs.commit()
    except BaseException:
        outputs.discard()
        if not folder_was_there and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise


@contextmanager
def _as_output_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # h5py raises OSError without errno; its message carries the C library's text.
        full = error.errno in _NO_SPACE or "No space left" in str(error)
        where = error.filename or folder
        inside = Path(str(where)).absolute().is_relative_to(folder.absolute())
        if full:
            raise OutputError(
                "the disk is full", where=folder, mend="free space or choose another -o"
            ) from error
        if inside and error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise OutputError(
                f"the output cannot be written: {error.strerror}",
                where=where,
                mend="choose a writable folder with -o",
            ) from error
        raise


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
    raise_faults(
        find_table_faults(table, contract), stamp=contract.stamp, where=path.name.removesuffix(".part")
    )
    names = [c.name for c in contract.columns]
    metadata = {key.encode(): value.encode() for key, value in sorted((extra or {}).items())}
    metadata |= {_CONTRACT_KEY: contract.stamp.encode(), _NOTE_KEY: note.as_json().encode()}
    vectors = [c.name for c in contract.columns if c.dtype == "vector"]
    ordered = table.select(names).combine_chunks().replace_schema_metadata(metadata)
    pq.write_table(
        ordered,
        path,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in names if name not in vectors],
        column_encoding={f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in vectors} or None,
    )


def read_table(path: Path, contract: Table, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet table and check it against its contract.

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
        The rows; schema metadata kept.

    Raises
    ------
    InputError
        If the file is absent, a folder, or not Parquet.
    ContractError
        If it holds another contract or breaks this one.
    """
    check_is_file(path)
    with path.open("rb") as handle:
        if handle.read(4) != _PARQUET_MAGIC:
            raise InputError(
                "the file is not a Parquet file",
                where=path,
                mend=f"give the {contract.name} file that tcellflow wrote",
            )
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"the Parquet file is damaged: {str(error).splitlines()[0]}",
            where=path,
            mend="re-run the step that wrote it",
        ) from error
    stamp = (table.schema.metadata or {}).get(_CONTRACT_KEY, b"").decode()
    if stamp != contract.stamp:
        found = f"the contract {stamp!r}" if stamp else "no tcellflow contract"
        raise ContractError(
            f"the file carries {found} instead of {contract.stamp!r}",
            where=path,
            mend=f"give the {contract.name} file, or re-run the step that wrote it with this version",
        )
    raise_faults(find_table_faults(table, contract), stamp=contract.stamp, where=path)
    return table if columns is None else table.select(columns)


def read_table_note(path: Path) -> dict[str, JsonValue]:
    """Read the provenance note of a Parquet table.

    Parameters
    ----------
    path
        A file written by `write_table`.

    Returns
    -------
    dict
        The note, empty if there is none.
    """
    metadata = pq.read_schema(path).metadata or {}
    note: dict[str, JsonValue] = json.loads(metadata.get(_NOTE_KEY, b"{}"))
    return note


def write_json(path: Path, content: Mapping[str, JsonValue], note: StepNote | None = None) -> None:
    """Write JSON with sorted keys and a final newline.

    Parameters
    ----------
    path
        Staged path.
    content
        What to write; non-finite numbers are refused.
    note
        Provenance, added under the key ``tcellflow``.
    """
    whole = dict(content) if note is None else {**content, UNS_KEY: note.as_dict()}
    path.write_text(
        json.dumps(whole, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )


def read_json(path: Path) -> dict[str, JsonValue]:
    """Read a JSON object.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict
        Its content.

    Raises
    ------
    InputError
        If the file is absent, a folder, or not a JSON object.
    """
    check_is_file(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(
            f"the file is not JSON: {error}", where=path, mend="re-run the step that wrote it"
        ) from error
    if not isinstance(content, dict):
        raise InputError("the JSON is not an object", where=path, mend="re-run the step that wrote it")
    return content


def check_is_file(path: Path) -> None:
    """Refuse a path that is no readable file.

    Parameters
    ----------
    path
        What the user named.

    Raises
    ------
    InputError
        If it is absent, a folder or unreadable.
    """
    if path.is_dir():
        raise InputError("a folder stands where a file belongs", where=path, mend="name the file itself")
    if not path.exists():
        raise InputError("the file does not exist", where=path, mend="check the path")
    if not os.access(path, os.R_OK):
        raise InputError("the file cannot be read", where=path, mend="check its permissions")
