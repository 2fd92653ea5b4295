"""Text files, plain or gzip-compressed and of any encoding that spreadsheets write, read as UTF-8.

Invariant: a damaged or misnamed gzip file is refused with a sentence, wherever the damage is met.
"""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tcellflow.errors import InputError
from tcellflow.io.files.kinds import GZIP_MAGIC, UTF8_MARK, UTF16_MARKS, check_is_file
from tcellflow.io.files.streams import end_lines_by_newlines, recode_utf16, watch_expansion, watch_lines

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

_MAX_LINES: Final = 50_000_000


@contextmanager
def open_plain_or_gzip(path: Path) -> Iterator[io.BufferedReader]:
    """Open a plain or gzip file, such as text, for reading its decompressed bytes.

    Raises
    ------
    InputError
        If it is absent, a folder, named .gz without being gzip, a damaged gzip file, or one that unpacks to
        more than a hundred times its size.
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
            yield watch_expansion(gzip.GzipFile(fileobj=plain), plain, path) if is_gzip else plain
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(
                f"the gzip file is damaged or cut off: {error}", where=path, mend="copy or download it again"
            ) from error


@contextmanager
def open_text(path: Path, *, has_lines: bool = True) -> Iterator[io.BufferedReader]:
    r"""Open a text file, plain or gzip, for reading its bytes as UTF-8 without a byte-order mark.

    UTF-16 (with its mark) is recoded and line ends of the old Macintosh become ``\n``.

    Parameters
    ----------
    path
        The file.
    has_lines
        Whether lines without an end are refused; JSON may well be one line.

    Raises
    ------
    InputError
        As `open_plain_or_gzip`, or if a line has no end within 16 MiB.
    """
    with open_plain_or_gzip(path) as content:
        utf8 = _as_utf8(content)
        yield watch_lines(utf8, path) if has_lines else utf8


def _as_utf8(handle: io.BufferedReader) -> io.BufferedReader:
    start = handle.peek(len(UTF8_MARK))
    if start.startswith(UTF8_MARK):
        handle.read(len(UTF8_MARK))
    if start.startswith(UTF16_MARKS):  # Excel's "Unicode text"
        return recode_utf16(handle)
    return end_lines_by_newlines(handle) if b"\r" in start and b"\n" not in start else handle


def read_lines(path: Path) -> list[str]:
    """Read the lines of a small text file, plain or gzip, without their ends and empty lines at its end.

    Raises
    ------
    InputError
        If it cannot be read, is not UTF-8 text or has more than 50 million lines.
    """
    with open_text(path) as handle:
        content = handle.read().rstrip()
    if content.count(b"\n") > _MAX_LINES:
        raise InputError(
            f"the list has more than {_MAX_LINES:,} lines", where=path, mend="give the list of one sample"
        )
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError as error:
        raise InputError("the file is not UTF-8 text", where=path, mend="export it anew") from error
    lines = [line.removesuffix("\r") for line in lines]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines
