"""Files that may or may not be gzip-compressed: what they are is read from them, not from their names.

Invariant: a damaged or misnamed gzip file is refused with a sentence, wherever the damage is met.
"""

from __future__ import annotations

import gzip
import io
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tcellflow.errors import InputError
from tcellflow.io.tables.parquet import check_is_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GZIP_MAGIC: Final = b"\x1f\x8b"
_BUFFER_BYTES = 1 << 20


@contextmanager
def open_plain_or_gzip(path: Path) -> Iterator[io.BufferedReader]:
    """Open a plain or gzip file for reading bytes.

    Parameters
    ----------
    path
        The file.

    Yields
    ------
    io.BufferedReader
        Its content, decompressed.

    Raises
    ------
    InputError
        If it is absent, a folder, named .gz without being gzip, or a damaged gzip file.
    """
    check_is_file(path)
    with path.open("rb") as plain:
        is_gzip = plain.peek(2).startswith(GZIP_MAGIC)
        if path.suffix.lower() == ".gz" and not is_gzip:
            raise InputError(
                "the file's name ends in .gz but it is not gzip-compressed",
                where=path,
                mend="rename it, or compress or download it again",
            )
        try:
            yield io.BufferedReader(gzip.GzipFile(fileobj=plain), _BUFFER_BYTES) if is_gzip else plain
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(
                f"the gzip file is damaged or cut off: {error}", where=path, mend="copy or download it again"
            ) from error
