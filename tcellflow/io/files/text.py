"""Text files, plain or gzip-compressed and of any encoding that spreadsheets write, read as UTF-8.

Invariant: a damaged or misnamed gzip file is refused with a sentence, wherever the damage is met.
"""

from __future__ import annotations

import gzip
import io
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tcellflow.errors import InputError
from tcellflow.io.files.kinds import GZIP_MAGIC, UTF8_MARK, UTF16_MARKS, check_is_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BUFFER_BYTES = 1 << 20


@contextmanager
def open_plain_or_gzip(path: Path) -> Iterator[io.BufferedReader]:
    """Open a plain or gzip file, such as text, for reading its decompressed bytes.

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


@contextmanager
def open_text(path: Path) -> Iterator[io.BufferedReader]:
    r"""Open a text file, plain or gzip, for reading its bytes as UTF-8 without a byte-order mark.

    UTF-16 (with its mark) is recoded and line ends of the old Macintosh become ``\n``; such a file is read
    into memory, others are streamed.

    Raises
    ------
    InputError
        As `open_plain_or_gzip`.
    """
    with open_plain_or_gzip(path) as content:
        yield _as_utf8(content)


def _as_utf8(handle: io.BufferedReader) -> io.BufferedReader:
    start = handle.peek(len(UTF8_MARK))
    if start.startswith(UTF8_MARK):
        handle.read(len(UTF8_MARK))
    if start.startswith(UTF16_MARKS):  # Excel's "Unicode text"
        content = handle.read().decode("utf-16", errors="replace").encode()
    elif b"\r" in start and b"\n" not in start:
        content = handle.read().replace(b"\r", b"\n")
    else:
        return handle
    return io.BufferedReader(io.BytesIO(content))


def read_lines(path: Path) -> list[str]:
    """Read the lines of a small text file, plain or gzip, without their ends and empty lines at its end.

    Raises
    ------
    InputError
        If it cannot be read or is not UTF-8 text.
    """
    with open_text(path) as handle:
        content = handle.read()
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError as error:
        raise InputError("the file is not UTF-8 text", where=path, mend="export it anew") from error
    lines = [line.removesuffix("\r") for line in lines]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines
