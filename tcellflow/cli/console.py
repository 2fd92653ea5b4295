"""What a person sees: stderr only, log lines, and a progress bar on a terminal."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tcellflow.errors import TcellflowError


@dataclass
class Settings:
    """Options of the root command that the error printer needs."""

    debug: bool = False


SETTINGS = Settings()


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
