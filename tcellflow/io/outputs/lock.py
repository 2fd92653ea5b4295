"""One writer for each folder and sample: a lock file that names its owner's process and host.

Invariant: while a lock is held no other process writes outputs of that sample into that folder; what
an owner that died left half done is cleared before the next one begins.

Notes
-----
The kernel's lock (flock) ends with its process, on every machine that mounts the folder. File systems
without such locks are common on clusters; there the name of the file is the lock, and whether its
owner is alive can be told in its own process namespace alone.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import secrets
import socket
import time
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tcellflow.errors import InputError, OutputError
from tcellflow.io.files.staged import ENDING
from tcellflow.io.outputs.digests import identify
from tcellflow.io.outputs.folders import as_output_error, check_prefix, make_folder, remove_empty
from tcellflow.io.outputs.record_file import read_steps
from tcellflow.vocabulary import ALL_OUTPUTS, output_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tcellflow.io.outputs.digests import DigestCache, Identity
    from tcellflow.io.outputs.record_file import StepRecord

_NO_LOCKS: Final = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_READ_ONLY: Final = {errno.EACCES, errno.EPERM, errno.EROFS}
_UNWRITTEN_SECONDS: Final = 10.0  # an owner writes its name right after making the file


@dataclass(frozen=True)
class Owner:
    """Who holds a lock: process, its start, host, and the process namespace that the number counts in."""

    process: int
    started: str
    host: str
    namespace: str
    has_kernel_lock: bool

    @classmethod
    def ourselves(cls, *, has_kernel_lock: bool) -> Owner:
        """Describe this process."""
        number = os.getpid()
        return cls(number, _read_start(number), socket.gethostname(), _name_namespace(), has_kernel_lock)

    def may_live(self) -> bool:
        """Tell whether the owner may still be at work; where that cannot be known, yes."""
        if self.namespace != _name_namespace():
            return True
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return _read_start(self.process) == self.started  # else its number was given to another


def _read_start(process: int) -> str:
    with suppress(OSError):
        # the name, in brackets, may hold blanks; the start is the 20th field behind it (proc(5))
        return (
            Path(f"/proc/{process}/stat")
            .read_text(encoding="utf-8", errors="replace")
            .rpartition(")")[2]
            .split()[19]
        )
    return ""


def _name_namespace() -> str:
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


class OutputLock:
    """A lock that is held; made by `hold_outputs`.

    Parameters
    ----------
    folder, prefix
        What it is about.
    descriptor
        The open lock file; None in a folder that may not be written, where nothing can be mixed up.
    owner
        This process.
    digests
        Of a run that records what its steps wrote: it takes digests before files get their names, and
        calls `settle` when they are recorded. None = each step stands alone.
    """

    def __init__(
        self, folder: Path, prefix: str, descriptor: int | None, owner: Owner, digests: DigestCache | None
    ) -> None:
        self._folder = folder
        self._prefix = prefix
        self._descriptor = descriptor
        self._owner = owner
        self.digests = digests
        self.path = _lock_path(folder, prefix)
        self.intended: dict[str, Identity] = {}

    def intend(self, files: Mapping[str, Identity]) -> None:
        """Note that finished files are about to get these names, so that a kill in between can be undone."""
        self._note({**self.intended, **files})

    def settle(self) -> None:
        """Note that what was intended is done and recorded."""
        if self.intended:
            with suppress(OSError):  # a full disk: what is done stays done, only a kill would undo it
                self._note({})

    def roll_back(self) -> None:
        """Remove the files that got their names as intended but were never recorded as done."""
        _remove_intended(self._folder, self._prefix, self.intended)
        self.settle()

    def _note(self, intended: dict[str, Identity]) -> None:
        self.intended = intended
        if self._descriptor is not None:
            _write(self._descriptor, self._owner, intended)

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            with suppress(OSError):  # the folder may be gone
                if _is_named(self.path, self._descriptor):
                    self.path.unlink()
            os.close(self._descriptor)
            self._descriptor = None


_HELD: ContextVar[dict[Path, OutputLock] | None] = ContextVar("held", default=None)


@contextmanager
def hold_outputs(folder: Path, prefix: str, digests: DigestCache | None = None) -> Iterator[OutputLock]:
    """Hold the lock of a sample's outputs; within it the same thread may ask again.

    Folders are made if absent, and removed again if they are empty in the end. For `digests` see
    `OutputLock`.

    Raises
    ------
    OptionsError
        If the prefix is no sample name.
    OutputError
        If another process holds it, or the folder cannot be made.
    """
    check_prefix(prefix)
    made = make_folder(folder)
    held = _HELD.get() or {}
    key = _lock_path(folder.resolve(), prefix)
    if key in held:
        yield held[key]
        return
    try:
        with as_output_error(folder):
            lock = _acquire(folder, prefix, digests)
        token = _HELD.set({**held, key: lock})
        try:
            yield lock
        finally:
            _HELD.reset(token)
            lock.release()
    finally:
        remove_empty(made)


def _lock_path(folder: Path, prefix: str) -> Path:
    return folder / f".{prefix}.lock"


def _acquire(folder: Path, prefix: str, digests: DigestCache | None) -> OutputLock:
    path = _lock_path(folder, prefix)
    left: dict[str, Identity] = {}
    while True:
        try:
            descriptor, is_new = _open(path)
        except OSError as error:
            if error.errno in _READ_ONLY:
                return OutputLock(folder, prefix, None, Owner.ourselves(has_kernel_lock=False), digests)
            raise
        try:
            has_kernel_lock = _ask_kernel(descriptor)
            owner, intended = _read(descriptor)
            _check_free(path, descriptor, owner, is_new=is_new, has_kernel_lock=has_kernel_lock)
            left |= intended
            is_ours = _is_named(path, descriptor) and (is_new or has_kernel_lock is True)
            if is_ours:
                ourselves = Owner.ourselves(has_kernel_lock=has_kernel_lock is True)
                _write(descriptor, ourselves, {})
                _remove_intended(folder, prefix, left)
                _remove_parts(folder, prefix)
                return OutputLock(folder, prefix, descriptor, ourselves, digests)
            if has_kernel_lock is None:
                _set_aside(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _open(path: Path) -> tuple[int, bool]:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        with suppress(FileExistsError):
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666), True
        with suppress(FileNotFoundError):  # given back since
            return os.open(path, flags), False


def _ask_kernel(descriptor: int) -> bool | None:
    """Ask for the kernel's lock: whether it was granted, None where there are no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return False
        raise
    return True


def _check_free(
    path: Path, descriptor: int, owner: Owner | None, *, is_new: bool, has_kernel_lock: bool | None
) -> None:
    if is_new:
        is_taken = has_kernel_lock is False
    elif owner is None:
        age = time.time() - os.fstat(descriptor).st_mtime
        is_taken = has_kernel_lock is False or (has_kernel_lock is None and age < _UNWRITTEN_SECONDS)
    elif has_kernel_lock and owner.has_kernel_lock:
        is_taken = False  # its lock would have ended with it
    else:
        is_taken = has_kernel_lock is False or owner.may_live()
    if is_taken:
        who = "" if owner is None else f": process {owner.process} on {owner.host}"
        by_hand = "" if has_kernel_lock is False else "; if that process is no more, remove this file"
        raise OutputError(
            f"another run is writing this sample here{who}",
            where=path,
            mend=f"wait until it is through, or choose another -o or --prefix{by_hand}",
        )


def _is_named(path: Path, descriptor: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


def _set_aside(path: Path, descriptor: int) -> None:
    """Take the name from the lock of a dead owner; whoever makes the file anew is the next."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with suppress(FileNotFoundError):
        path.rename(aside)
        if not _is_named(aside, descriptor):  # another one was quicker, and this is its lock
            with suppress(OSError):
                os.link(aside, path)
        aside.unlink()


def _read(descriptor: int) -> tuple[Owner | None, dict[str, Identity]]:
    # Killed while writing, an owner leaves less than JSON: then nothing was intended yet.
    try:
        content = json.loads(os.pread(descriptor, 1 << 20, 0))
        files = {str(name): (int(a), int(b), int(c)) for name, (a, b, c) in content.pop("intended").items()}
        return Owner(**content), {name: found for name, found in files.items() if "/" not in name}
    except (ValueError, TypeError, KeyError, AttributeError):
        return None, {}


def _write(descriptor: int, owner: Owner, intended: Mapping[str, Identity]) -> None:
    content = json.dumps({**asdict(owner), "intended": intended}).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content, 0)
    os.fsync(descriptor)


def _remove_intended(folder: Path, prefix: str, intended: Mapping[str, Identity]) -> None:
    steps: Mapping[str, StepRecord] = {}
    with suppress(InputError):  # whoever needs the record tells what is wrong with it
        steps = read_steps(folder, prefix) if intended else {}
    recorded = {name for step in steps.values() if step.is_finished for name in step.outputs}
    for name, found in intended.items():
        if name in recorded:
            continue
        path = folder / name
        with suppress(FileNotFoundError):
            if identify(path) == found:
                path.unlink()


def _remove_parts(folder: Path, prefix: str) -> None:
    """Remove staged files of owners that died: who holds the lock has staged nothing yet."""
    names = "|".join(re.escape(output_name(prefix, suffix)) for suffix in ALL_OUTPUTS)
    is_ours = re.compile(rf"(?:{names}){ENDING}")
    with os.scandir(folder) as entries:
        stale = [
            Path(e.path) for e in entries if is_ours.fullmatch(e.name) and not e.is_dir(follow_symlinks=False)
        ]
    for path in stale:
        path.unlink(missing_ok=True)
