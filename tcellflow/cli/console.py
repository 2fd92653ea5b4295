"""What a person sees: stderr only, log lines, and a progress bar on a terminal."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO, cast

from tcellflow.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tcellflow.errors import TcellflowError


@dataclass
class Settings:
    """Options of the root command that the error printer needs."""

    debug: bool = False


SETTINGS = Settings()


def open_streams() -> None:
    """Give the process the streams that it was started without, and a stdout that says when it is full.

    A closed descriptor would be the number of the next file that is opened: what a library prints as a
    warning would land in an output.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = cast("TextIO", _Stdout(sys.stdout or open(1, "w", encoding="utf-8", closefd=False)))  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def flush_streams() -> None:
    """Write out what is buffered, as far as there is room."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, OutputError):
            stream.flush()


class _Stdout:
    """Standard output whose lack of room is an output error; a reader that is gone stays what it is."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text."""
        with self._as_output_error():
            return self._stream.write(text)

    def flush(self) -> None:
        """Write out what is buffered."""
        with self._as_output_error():
            self._stream.flush()

    @staticmethod
    @contextmanager
    def _as_output_error() -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(
                f"the output cannot be written: {error.strerror}",
                where="standard output",
                mend="free space, or send it elsewhere",
            ) from error


def set_up_logging(level: int) -> None:
    """Send the package's log to stderr.

    Parameters
    ----------
    level
        Lowest level shown.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    logger = logging.getLogger("tcellflow")
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        mark = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return mark + record.getMessage()


def print_line(text: str) -> None:
    """Print one line to stderr.

    Parameters
    ----------
    text
        The line.
    """
    with suppress(OSError):  # a full or closed stderr takes no message, the exit code tells all the same
        sys.stderr.write(text + "\n")


def print_error(error: TcellflowError) -> None:
    """Print an error the way the documentation shows it.

    Parameters
    ----------
    error
        What went wrong.
    """
    print_line(f"error: {error}")


@contextmanager
def show_progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress: a bar on a terminal, nothing elsewhere.

    Parameters
    ----------
    label
        What is going on.

    Yields
    ------
    callable
        Called with (done, total).
    """
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
