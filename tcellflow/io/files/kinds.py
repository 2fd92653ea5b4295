"""What a file is, told from its first bytes and never from its name.

Invariant: no numerical library is imported here, so that a missing or foreign file is told at once.
"""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tcellflow.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

GZIP_MAGIC: Final = b"\x1f\x8b"
UTF8_MARK: Final = b"\xef\xbb\xbf"
UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_HDF5_MAGIC: Final = b"\x89HDF\r\n\x1a\n"
_LEAST_USER_BLOCK: Final = 512
_PARQUET_MAGIC: Final = b"PAR1"
_MAGICS: Final[dict[bytes, str]] = {
    GZIP_MAGIC: "a gzip-compressed file",
    _PARQUET_MAGIC: "a Parquet file",
    b"PK\x03\x04": "a zip archive (xlsx, npz or zip)",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"RDX": "an R data file",
    b"SQLite": "an SQLite database",
}
# protocol 2 and later start with byte 0x80; 0 and 1 with the opcodes of a global, list or dict
_PICKLE_STARTS: Final = (
    b"\x80\x02",
    b"\x80\x03",
    b"\x80\x04",
    b"\x80\x05",
    b"ccopy_reg",
    b"(dp",
    b"(lp",
    b"(i",
)
_MATRIX_MARKET: Final = b"%%matrixmarket"
_TEXT: Final = "a text file"
_START_BYTES: Final = 64


def check_is_file(path: Path) -> None:
    """Refuse a path of any kind but a readable file.

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


def check_is_there(path: Path) -> None:
    """Refuse a path of any kind but a readable file or a folder.

    Raises
    ------
    InputError
        If it does not exist or cannot be read.
    """
    if not path.is_dir():
        check_is_file(path)


def describe_content(path: Path) -> str:
    """Say which kind of file it is, e.g. "a Parquet file"; "" for HDF5 or unknown binary content."""
    start = _read_start(path)
    if not start:
        return "an empty file"
    for magic, words in _MAGICS.items():
        if start.startswith(magic):
            return words
    is_text = all(byte in b"\t\r\n" or 32 <= byte < 127 or byte >= 128 for byte in start)
    return _TEXT if is_text and not start.startswith(_HDF5_MAGIC) else ""


def may_be_text(path: Path) -> bool:
    """Tell whether a file is of a kind that may hold text: plain, UTF-16 with its mark, or gzip."""
    start = _read_start(path)
    return not start or start.startswith((GZIP_MAGIC, *UTF16_MARKS)) or describe_content(path) == _TEXT


def is_hdf5(path: Path) -> bool:
    """Tell whether a file is of the kind HDF5 by its signature, even if it is truncated.

    Notes
    -----
    A user block may lie before the signature, of 512 bytes or that times a power of two (HDF5 File Format
    Specification, section II.A).
    """
    size, place = path.stat().st_size, 0
    with path.open("rb") as handle:
        while place < size:
            handle.seek(place)
            if handle.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC:
                return True
            place = 2 * place or _LEAST_USER_BLOCK
    return False


def is_whole(path: Path) -> bool:
    """Tell whether a file, of a kind that declares its end, reaches it; true for other kinds.

    Notes
    -----
    HDF5: the end-of-file address of the superblock, versions 0 to 3, with addresses of 8 bytes (HDF5 File
    Format Specification, section II.A). Parquet: magic at both ends, and the footer between them.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        start = handle.read(_START_BYTES)
        if start.startswith(_HDF5_MAGIC):
            is_old = start[8] < 2
            place = 40 if is_old and start[8] == 0 else 44 if is_old else 28
            return int.from_bytes(start[place : place + 8], "little") <= size
        if start.startswith(_PARQUET_MAGIC):
            handle.seek(max(0, size - 8))
            end = handle.read(8)
            return end.endswith(_PARQUET_MAGIC) and int.from_bytes(end[:4], "little") + 12 <= size
    return True


def is_parquet(path: Path) -> bool:
    """Tell whether a file is of the kind Parquet by its first bytes."""
    return _read_start(path).startswith(_PARQUET_MAGIC)


def is_pickle(path: Path) -> bool:
    """Tell whether a file is of the kind Python pickle by its first bytes."""
    return _read_start(path).startswith(_PICKLE_STARTS)


def is_matrix_market(path: Path) -> bool:
    """Tell whether a file, plain or gzip, is of the kind Matrix Market by its first bytes."""
    start = _read_start(path, 1 << 12)
    if start.startswith(GZIP_MAGIC):
        # The file may be cut or no gzip after all: only its beginning is asked for.
        with suppress(zlib.error):
            start = zlib.decompressobj(wbits=31).decompress(start, _START_BYTES)
    return start.removeprefix(UTF8_MARK).lower().startswith(_MATRIX_MARKET)


def _read_start(path: Path, n_bytes: int = _START_BYTES) -> bytes:
    with path.open("rb") as handle:
        return handle.read(n_bytes)
