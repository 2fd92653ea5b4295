"""Limits of the machine: address space and threads; told by name where a library only says that it failed.

Invariant: nothing heavy is imported, for thread pools read their size when their library is loaded.
"""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path
from typing import Final

from tcellflow.errors import ExitCode, follow_causes

# OpenBLAS and OpenMP, whose number Arrow's pool for computing takes, too; it has another one for files.
_POOLS: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_IO_THREADS")
_MEMORY_MARKS: Final = (
    "Failed to allocate memory",
    "bad_alloc",
    "out of memory",
    "Unable to allocate",
    "failed to map segment",
    "Cannot allocate memory",
)
_THREAD_MARKS: Final = (
    "can't start new thread",
    "launch worker thread",
    "pthread_create",
    "Resource temporarily unavailable",
)
_FEW_PROCESSES: Final = 1024  # as many as a login has on a cluster's front end at the least
_LEAST_ADDRESS_BYTES: Final = 900_000 << 10  # measured: at 800,000 kB Arrow aborts, at 500,000 it hangs
_THREAD_BYTES: Final = 64 << 20  # a stack of 8 MB, and glibc's arena of 64 MB


def size_pools(threads: int | None) -> int | None:
    """Size the pools of libraries that are not loaded yet; gives the number back, as typer's callbacks do.

    Without a number they are left alone, unless a limit is so low that waiting threads might use it up.
    """
    if threads is None and not _is_limited():
        return None
    for name in _POOLS:
        os.environ.setdefault(name, str(threads or 1))
    return threads


def _is_limited() -> bool:
    processes, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    return _address_space() is not None or 0 <= processes < _FEW_PROCESSES


def _address_space() -> int | None:
    n_bytes, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if n_bytes == resource.RLIM_INFINITY else n_bytes


def check_address_space() -> None:
    """Refuse a limit that the libraries alone would use up: where they find no room some abort or hang.

    Raises
    ------
    MemoryError
        If it is below that.
    """
    space = _address_space()
    if space is not None and space < _LEAST_ADDRESS_BYTES:
        raise MemoryError


def explain_limit(error: BaseException) -> tuple[str, ExitCode] | None:
    """Say which limit is behind an error, and the exit code that is due; None where it is none."""
    causes = list(follow_causes(error))
    wants_memory = any(_is_memory(cause) for cause in causes)
    wants_thread = any(_is_thread(cause) for cause in causes)
    space = _address_space()
    if space is not None and (wants_memory or (wants_thread and _used_bytes() + _THREAD_BYTES > space)):
        what = f"the limit of address space is used up (ulimit -v, {space >> 10:,} kB)"
        mend = "raise it to 2,000,000 kB and the size of the matrix, or lift it: ulimit -v unlimited"
        return f"error: {what}\n  mend: {mend}", ExitCode.OUT_OF_MEMORY
    if wants_memory:
        return (
            "error: out of memory\n  mend: give the process more memory, or run fewer at once",
            ExitCode.OUT_OF_MEMORY,
        )
    if wants_thread:
        processes, _ = resource.getrlimit(resource.RLIMIT_NPROC)
        named = "no limit" if processes == resource.RLIM_INFINITY else f"{processes:,}"
        what = f"no further thread or process may be started (ulimit -u, {named}; or a container's limit)"
        mend = "raise the limit, end other processes of yours, or use --threads 1"
        # 69, "service unavailable": more memory would not help
        return f"error: {what}\n  mend: {mend}", ExitCode.BUNDLE
    return None


def _is_memory(error: BaseException) -> bool:
    return (
        isinstance(error, MemoryError)
        or getattr(error, "errno", None) == errno.ENOMEM
        or any(mark in str(error) for mark in _MEMORY_MARKS)
    )


def _is_thread(error: BaseException) -> bool:
    return isinstance(error, BlockingIOError) or any(mark in str(error) for mark in _THREAD_MARKS)


def _used_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()
