"""Staging: all of a step's files appear together and whole, or none does.

Invariant: a name without ``.part`` is a finished file. Files are written beside their final
name, synced, checked and renamed only when the whole step has succeeded; any exception, the signals of
schedulers included, removes them. After SIGKILL or a power cut ``.part`` files and the lock remain;
whoever gets the lock next removes them, and a set that was renamed in part.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Self

from tcellflow.errors import OutputError
from tcellflow.io.files.kinds import is_whole
from tcellflow.io.files.staged import make_ending
from tcellflow.io.outputs.digests import identify
from tcellflow.io.outputs.folders import as_output_error
from tcellflow.io.outputs.lock import hold_outputs
from tcellflow.vocabulary import output_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import FrameType, TracebackType

    from tcellflow.io.outputs.lock import OutputLock

# Ctrl-C, and what schedulers and closed terminals send before they kill.
INTERRUPTIONS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)


class OutputSet:
    """The outputs of one step, staged until all are written.

    Use as made by `stage_outputs`.

    Parameters
    ----------
    folder, prefix
        Output folder, and the sample name in front of every file name.
    force
        Whether finished outputs may be replaced.
    lock
        The lock of these outputs, which is held.
    """

    def __init__(self, folder: Path, prefix: str, *, force: bool, lock: OutputLock) -> None:
        self.folder = folder
        self.prefix = prefix
        self._force = force
        self._lock = lock
        self._ending = make_ending()
        # each with a descriptor, which keeps its inode from being given to another file
        self._staged: dict[Path, tuple[Path, int]] = {}
        self._unheard = _UnheardErrors()

    def path(self, suffix: str) -> Path:
        """Stage one output (of `OutputName`) and give the ``.part`` path to write to until the step ends.

        Raises
        ------
        OutputError
            If the final name exists and replacing was not asked for, or is a folder.
        """
        final = self.folder / output_name(self.prefix, suffix)
        if final.is_dir():
            raise OutputError(
                "the output's name is taken by a folder",
                where=final,
                mend="remove it or choose another --prefix",
            )
        if final.exists() and not self._force:
            raise OutputError(
                "the output exists",
                where=final,
                mend="add --force to replace it, or choose another -o or --prefix",
            )
        part = final.with_name(final.name + self._ending)
        # nobody else's, even where locks do nothing
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with _hold_signals():  # a file that is made is known, or it would stay behind
            self._staged[final] = part, os.open(part, flags, 0o666)
        return part

    def commit(self) -> list[Path]:
        """Sync and check all staged files and give them their final names.

        A step that wants the list calls this last; otherwise `stage_outputs` does.

        Returns
        -------
        list of pathlib.Path
            The finished files, in the order they were staged.

        Raises
        ------
        OutputError
            If a staged file is not whole, or is no longer the one that was written.
        """
        self._unheard.raise_first()
        for part, descriptor in self._staged.values():
            _check_staged(part, descriptor)
            if self._lock.digests is not None:
                self._lock.digests.digest(part)  # remembered under the final name, too
        if len(self._staged) > 1:  # a single file is there or not
            self._lock.intend({final.name: identify(part) for final, (part, _) in self._staged.items()})
        # a signal between two renames would leave half of the set behind
        with _hold_signals():
            for final, (part, _) in self._staged.items():
                part.replace(final)
            finished = list(self._staged)
            for _, descriptor in self._staged.values():
                os.close(descriptor)
            self._staged = {}
            if self._lock.digests is None:
                self._lock.settle()
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return finished

    def watch(self) -> AbstractContextManager[object]:
        """Watch, while the step writes, for errors that Python can only print; `commit` then raises them."""
        return self._unheard

    def raise_interruption(self, error: Exception) -> None:
        """Raise the interruption that nobody heard: what failed since failed because of it."""
        interruption = self._unheard.find_interruption()
        if interruption is not None:
            raise interruption from error

    def discard(self) -> None:
        """Remove everything staged."""
        for part, descriptor in self._staged.values():
            os.close(descriptor)
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
        If the folder cannot be made or written, another run is writing this sample there, the disk is
        full, or an output exists.
    """
    with as_output_error(folder), hold_outputs(folder, prefix) as lock:
        outputs = OutputSet(folder, prefix, force=force, lock=lock)
        try:
            with outputs.watch():
                yield outputs
                outputs.commit()
        except Exception as error:
            outputs.discard()
            outputs.raise_interruption(error)
            raise
        except BaseException:
            outputs.discard()
            raise


def _check_staged(part: Path, descriptor: int) -> None:
    os.fsync(descriptor)
    try:
        is_ours = os.path.samestat(part.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        is_ours = False
    if not is_ours:
        raise OutputError(
            "the staged output was removed or replaced by another process",
            where=part,
            mend="run again; let no two runs write one sample into one folder",
        )
    if not is_whole(part):
        raise OutputError(
            "the staged output is shorter than what was written",
            where=part,
            mend="check the file system and free space, and run again",
        )


@contextmanager
def _hold_signals() -> Iterator[None]:
    """Let signals that end the run wait until the block is through."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers run in the main thread alone, so nothing can interrupt here
        return
    waiting: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        waiting.append(number)

    usual = {number: signal.signal(number, remember) for number in INTERRUPTIONS}
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

    def find_interruption(self) -> BaseException | None:
        """Find the first interruption that went unheard."""
        return next((error for error in self._errors if not isinstance(error, Exception)), None)

    def raise_first(self) -> None:
        """Raise the first error that went unheard; an interruption before all others."""
        for error in (self.find_interruption(), *self._errors):
            if error is not None:
                raise error
