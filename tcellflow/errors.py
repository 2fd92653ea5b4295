"""The error tree: every failure a user can cause says what, where and how to mend it.

Invariant: each class has one documented exit code, and nothing but ``cli/app.py`` turns
an error into an exit.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator


class ExitCode(IntEnum):
    """Exit codes of the command line, the same for every command."""

    OK = 0
    USAGE = 2
    CONTRACT = 65
    INPUT = 66
    BUNDLE = 69
    BUG = 70
    OUTPUT = 73
    OPTIONS = 78
    INTERRUPTED = 130
    OUT_OF_MEMORY = 137
    TERMINATED = 143


EXIT_CODE_MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "success, including valid but empty input",
    ExitCode.USAGE: "the command line cannot be parsed (unknown option, missing argument)",
    ExitCode.CONTRACT: "a file exchanged between steps breaks its contract",
    ExitCode.INPUT: "an input file is unreadable, contradictory or not what it should be",
    ExitCode.BUNDLE: "a bundle is missing, damaged or does not fit its task, or no thread may be started",
    ExitCode.BUG: "a bug in tcellflow; the full traceback is printed",
    ExitCode.OUTPUT: "an output cannot be written, or exists and --force was not given",
    ExitCode.OPTIONS: "options contradict each other or this machine",
    ExitCode.INTERRUPTED: "interrupted from the keyboard (SIGINT); no half-written output was left behind",
    ExitCode.OUT_OF_MEMORY: "out of memory; workflow managers should retry with more",
    ExitCode.TERMINATED: "terminated (SIGTERM, SIGHUP, SIGXCPU); no half-written output was left behind",
}


class TcellflowError(Exception):
    """Base of all errors that a user can mend.

    Parameters
    ----------
    what
        What is wrong, as a sentence with the offending value.
    where
        The file, table, option or place concerned.
    mend
        What the user can do about it.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, what: str, *, where: object, mend: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = str(where)
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.what}\n  at:   {self.where}\n  mend: {self.mend}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.mend))


def _rebuild(kind: type[TcellflowError], what: str, where: str, mend: str) -> TcellflowError:
    return kind(what, where=where, mend=mend)


class ContractError(TcellflowError):
    """A file exchanged between steps breaks its contract."""

    exit_code = ExitCode.CONTRACT


class InputError(TcellflowError):
    """An input file is unreadable, contradictory or not what it should be."""

    exit_code = ExitCode.INPUT


class BundleError(TcellflowError):
    """A bundle is missing, damaged or does not fit its task."""

    exit_code = ExitCode.BUNDLE


class OutputError(TcellflowError):
    """An output cannot be written, or exists already."""

    exit_code = ExitCode.OUTPUT


class OptionsError(TcellflowError):
    """Options contradict each other or the machine."""

    exit_code = ExitCode.OPTIONS


def install_extra(extra: str, *, options: str = "") -> str:
    """Say how an extra of this package is installed: from its source, as the README installs the package.

    Parameters
    ----------
    extra
        Its name, e.g. ``train``.
    options
        Further words for pip.
    """
    return f"in the folder of tcellflow's source: pip install {options}{' ' if options else ''}'.[{extra}]'"


def follow_causes(error: BaseException) -> Iterator[BaseException]:
    """Follow an error to what is behind it, each once.

    A signal that is raised while another one is handled can make a circle of them.
    """
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
