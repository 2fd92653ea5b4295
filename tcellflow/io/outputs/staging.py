"""Staging: all of a step's files appear together and whole, or none does.

Invariant: a name without ``.part`` is a finished file. Files are written beside their final
name, synced and renamed only when the whole step has succeeded; any exception, SIGINT and
SIGTERM included, removes them. After SIGKILL or a power cut only ``.part`` files remain, and
the next run overwrites them.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tcellflow.errors import OptionsError, OutputError
from tcellflow.vocabulary import output_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from types import FrameType, TracebackType

# The sample names of the pipeline's samplesheet.
_SAMPLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_SPACE_TEXTS = ("No space left on device", "Disk quota exceeded", "File too large")
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


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
        self._unheard = _UnheardErrors()

    def path(self, suffix: str) -> Path:
        """Stage one output (of `OutputName`) and give the ``.part`` path to write to until the step ends.

        Raises
        ------
        OutputError
            If the final name exists and replacing was not asked for, or is a folder.
        """
        final = self.folder / output_name(self.prefix, suffix)
        part = final.with_name(final.name + ".part")
        for name in (final, part):
            if name.is_dir():
                raise OutputError(
                    "the output's name is taken by a folder",
                    where=name,
                    mend="remove it or choose another --prefix",
                )
        if final.exists() and not self._force:
            raise OutputError(
                "the output exists",
                where=final,
                mend="add --force to replace it, or choose another -o or --prefix",
            )
        part.unlink(missing_ok=True)
        self._staged[final] = part
        return part

    def commit(self) -> list[Path]:
        """Sync all staged files and give them their final names.

        A step that wants the list calls this last; otherwise `stage_outputs` does.

        Returns
        -------
        list of pathlib.Path
            The finished files, in the order they were staged.
        """
        self._unheard.raise_first()
        for part in self._staged.values():
            with part.open("rb") as handle:
                os.fsync(handle.fileno())
        # a signal between two renames would leave half of the set behind
        with _hold_signals():
            for final, part in self._staged.items():
                part.replace(final)
            finished = list(self._staged)
            self._staged = {}
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return finished

    def watch(self) -> AbstractContextManager[object]:
        """Watch, while the step writes, for errors that Python can only print; `commit` then raises them."""
        return self._unheard

    def discard(self) -> None:
        """Remove everything staged."""
        for part in self._staged.values():
            # A library may still hold the file open and flush it later; HDF5 crashes where the disk
            # is too full for that, so the room is given back at once.
            with suppress(OSError):
                os.truncate(part, 0)
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
    OptionsError
        If the prefix is no sample name.
    OutputError
        If the folder cannot be made or written, the disk is full, or an output exists.
    """
    _check_prefix(prefix)
    made = _make_folder(folder)
    outputs = OutputSet(folder, prefix, force=force)
    try:
        with _as_output_error(folder), outputs.watch():
            yield outputs
            outputs.commit()
    except BaseException:
        outputs.discard()
        _remove_empty(made)
        raise


def _check_prefix(prefix: str) -> None:
    # a slash would write elsewhere, a dot in front hides the files, and shells and workflow
    # managers trip over spaces, brackets and a leading hyphen
    if not _SAMPLE_NAME.fullmatch(prefix):
        raise OptionsError(
            f"the prefix {prefix!r} is no sample name",
            where="--prefix",
            mend="use letters, digits, '_', '-' and '.', a letter or digit first; folders go to -o",
        )


def _make_folder(folder: Path) -> list[Path]:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    taken = next((path for path in (folder, *folder.parents) if path.exists() and not path.is_dir()), None)
    if taken is not None:
        raise OutputError(
            "a file stands where the output folder belongs",
            where=taken,
            mend="choose another folder with -o",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _remove_empty(missing)
        raise OutputError(
            f"the output folder cannot be made: {error.strerror}",
            where=folder,
            mend="choose a writable folder with -o",
        ) from error
    return missing


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:  # innermost first
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def _hold_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block is through."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers run in the main thread alone, so nothing can interrupt here
        return
    waiting: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        waiting.append(number)

    usual = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    for waited in waiting:
        signal.raise_signal(waited)


class _UnheardErrors:
    """Catches the errors that Python can only print, so that no broken file is committed.

    HDF5 writes its bookkeeping when objects are freed; an error there (the disk is full) cannot
    be raised and would pass as success. The same holds for a signal that arrives in a destructor.
    """

    def __init__(self) -> None:
        self._errors: list[BaseException] = []
        self._usual = (sys.unraisablehook, sys.excepthook)

    def __enter__(self) -> Self:
        self._usual = (sys.unraisablehook, sys.excepthook)
        sys.unraisablehook = self._note_unraisable
        sys.excepthook = self._note_printed  # Cython prints through it before it gives up
        return self

    def __exit__(self, *_error: object) -> None:
        sys.unraisablehook, sys.excepthook = self._usual

    def _note_unraisable(self, unheard: sys.UnraisableHookArgs) -> None:
        if not self._note(unheard.exc_value):
            self._usual[0](unheard)

    def _note_printed(
        self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if not self._note(error):
            self._usual[1](kind, error, traceback)

    def _note(self, error: BaseException | None) -> bool:
        is_ours = isinstance(error, (OSError, RuntimeError)) or not isinstance(error, Exception)
        if error is not None and is_ours:
            self._errors.append(error)
        return is_ours

    def raise_first(self) -> None:
        """Raise the first error that went unheard; an interruption before all others."""
        for error in sorted(self._errors, key=lambda error: isinstance(error, Exception)):
            raise error


@contextmanager
def _as_output_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:
        # h5py raises RuntimeError, or OSError without errno; the C library's text tells the cause
        number = getattr(error, "errno", None)
        if number in _NO_SPACE or any(text in str(error) for text in _NO_SPACE_TEXTS):
            raise OutputError(
                "the disk is full", where=folder, mend="free space or choose another -o"
            ) from error
        where = getattr(error, "filename", None) or folder
        inside = Path(os.fsdecode(where)).absolute().is_relative_to(folder.absolute())
        if inside and number in _REFUSED:
            raise OutputError(
                f"the output cannot be written: {os.strerror(number)}",
                where=where,
                mend="choose a writable folder with -o",
            ) from error
        raise
