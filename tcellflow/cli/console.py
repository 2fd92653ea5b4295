"""What a person sees: stderr only, log lines, and a progress bar on a terminal."""

from __future__ import annotations

import logging
import os
import resource
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO, cast

from tcellflow.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tcellflow.errors import TcellflowError


@dataclass
class Settings:
    """Options of the root command that the error printer needs."""

    debug: bool = False


SETTINGS = Settings()
LOG = logging.getLogger("tcellflow")


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


def set_up_logging() -> None:
    """Send the package's log to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    LOG.handlers = [handler]
    LOG.setLevel(logging.INFO)
    LOG.propagate = False


def be_quiet() -> None:
    """Send only warnings and errors to stderr."""
    LOG.handlers[0].setLevel(logging.WARNING)


def be_verbose() -> None:
    """Begin each line on stderr with the time and the memory used so far."""
    LOG.handlers[0].setFormatter(_Lines(with_machine=True))


def keep_log(path: Path) -> None:
    """Add the log to a file as well.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"the log cannot be written: {error.strerror}", where=path, mend="choose another file"
        ) from error
    handler.setFormatter(_Lines(with_machine=True))
    LOG.addHandler(handler)


class _Lines(logging.Formatter):
    def __init__(self, *, with_machine: bool = False) -> None:
        super().__init__()
        self._with_machine = with_machine

    def format(self, record: logging.LogRecord) -> str:
        mark = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return (_tell_machine() if self._with_machine else "") + mark + record.getMessage()


def _tell_machine() -> str:
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return f"{time.strftime('%Y-%m-%d %H:%M:%S')} {megabytes:>6,} MB  "


def print_line(text: str) -> None:
    """Print one line to stderr.

    Parameters
    ----------
    text
        The line.
    """
    with suppress(OSError):  # a full or closed stderr takes no message, the exit code tells all the same
        sys.stderr.write(text + "\n")
    for handler in LOG.handlers[1:]:  # files
        handler.handle(LOG.makeRecord(LOG.name, logging.INFO, "", 0, text, (), None))


def print_error(error: TcellflowError) -> None:
    """Print an error the way the documentation shows it.

    Parameters
    ----------
    error
        What went wrong.
    """
    print_line(f"error: {error}")


def tell_outputs(paths: Sequence[Path], prefix: str) -> None:
    """Say in one line what a step wrote."""
    names = ", ".join(path.name.removeprefix(prefix).removeprefix(".") for path in paths)
    LOG.info("wrote %s: %s", paths[0].parent / f"{prefix}.*", names)


class _Tenths:
    """A log line for every tenth of what is to be done; starts anew where less is done than before."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._start(0)

    def _start(self, done: int) -> None:
        self._first, self._last, self._since = done, done, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if done <= self._last:
            self._start(0)
        is_next = done * 10 // total > self._last * 10 // total
        self._last = done
        if is_next:
            left = (time.monotonic() - self._since) * (total - done) / max(done - self._first, 1)
            LOG.info("%s: %d of %d, about %s left", self._label, done, total, _in_words(left))


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


@contextmanager
def show_progress(label: str, *, in_lines: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show progress: a bar on a terminal; elsewhere nothing, or a line now and then.

    Parameters
    ----------
    label
        What is going on.
    in_lines
        Whether it takes so long that a log file should tell: a line for every tenth.

    Yields
    ------
    callable
        Called with (done, total).
    """
    if not sys.stderr.isatty():
        yield _Tenths(label) if in_lines else lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
