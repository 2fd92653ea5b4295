"""Streams of bytes that are watched or recoded while they are read, in memory that does not grow with them.

Invariant: a stream gives the same bytes whichever way it is read; what is too much is refused before it is
handed on.
"""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING, Final

from tcellflow.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from _typeshed import WriteableBuffer

BUFFER_BYTES: Final = 1 << 20
# Tables of real samples pack 5 to 20 to 1, the same row again and again 500 to 1.
_MOST_FROM_ONE: Final = 100
_SMALL_BYTES: Final = 128 << 20
_MAX_LINE_BYTES: Final = 16 << 20


class _Filtered(io.RawIOBase):
    """A raw stream whose bytes pass through a function, block by block; an empty block is the end."""

    def __init__(self, source: io.BufferedIOBase, change: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self._source = source
        self._change = change
        self._rest = b""
        self._is_done = False

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read the next bytes; 0 at the end."""
        while not self._rest and not self._is_done:
            block = self._source.read1(BUFFER_BYTES)
            self._rest = self._change(block)
            self._is_done = not block
        view = memoryview(buffer).cast("B")
        part = self._rest[: len(view)]
        view[: len(part)] = part
        self._rest = self._rest[len(part) :]
        return len(part)


def watch_expansion(content: io.BufferedIOBase, packed: io.BufferedReader, path: Path) -> io.BufferedReader:
    """Watch a gzip stream: refuse it once it has given a hundred times what was read of the file.

    Raises
    ------
    InputError
        While it is read.
    """
    given = 0

    def check(block: bytes) -> bytes:
        nonlocal given
        given += len(block)
        if given > _SMALL_BYTES and given > _MOST_FROM_ONE * packed.tell():
            raise InputError(
                f"the gzip file unpacks to more than {_MOST_FROM_ONE} times its size",
                where=path,
                mend="it holds the same over and over, or was made to exhaust the memory; export it anew",
            )
        return block

    return io.BufferedReader(_Filtered(content, check), BUFFER_BYTES)


def watch_lines(content: io.BufferedIOBase, path: Path) -> io.BufferedReader:
    """Watch a text stream: refuse it where a line has no end within 16 MiB.

    Raises
    ------
    InputError
        While it is read.
    """
    length = 0

    def check(block: bytes) -> bytes:
        nonlocal length
        end = block.rfind(b"\n")
        length = length + len(block) if end < 0 else len(block) - end - 1
        if length > _MAX_LINE_BYTES:
            raise InputError(
                f"a line of the file has no end within {_MAX_LINE_BYTES:,} bytes",
                where=path,
                mend="it is no table of text, or its line ends were lost; export it anew",
            )
        return block

    return io.BufferedReader(_Filtered(content, check), BUFFER_BYTES)


def recode_utf16(content: io.BufferedIOBase) -> io.BufferedReader:
    """Recode UTF-16, which begins with its mark, as UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")

    def recode(block: bytes) -> bytes:
        # half of a pair at the end of a file
        return decoder.decode(block, final=not block).encode(errors="replace")

    return io.BufferedReader(_Filtered(content, recode), BUFFER_BYTES)


def end_lines_by_newlines(content: io.BufferedIOBase) -> io.BufferedReader:
    r"""Replace the line ends of the old Macintosh, ``\r``, by ``\n``."""
    return io.BufferedReader(_Filtered(content, lambda block: block.replace(b"\r", b"\n")), BUFFER_BYTES)
