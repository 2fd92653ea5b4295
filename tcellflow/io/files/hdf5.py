"""HDF5 inputs: what the library cannot read becomes an error that a user can mend.

Invariant: no error that h5py raises leaves an `open_hdf5` block; files are opened for reading only, and
hold all of their content themselves.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import h5py
import numpy as np

from tcellflow.errors import InputError, TcellflowError
from tcellflow.io.files.hdf5_structure import check_structure
from tcellflow.io.files.kinds import check_is_file, describe_content, is_hdf5

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_LOG = logging.getLogger(__name__)
# Chunks that straddle two blocks are decoded once if the cache holds a few of them.
_CACHED_CHUNKS = 4
_MIN_CACHE_BYTES, _MAX_CACHE_BYTES = 1 << 20, 128 << 20
_DAMAGED: Final = "the file is damaged; export it anew"
_AXES: Final = {1: "a list", 2: "a table"}
_BUILT_IN_FILTERS: Final = range(1, 256)  # the HDF Group's own; from 256 on they are plugins


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; whatever the library cannot read becomes an input error.

    Raises
    ------
    InputError
        If it is absent, a folder, not HDF5, truncated or damaged, reaches outside itself or declares
        more than it holds.
    """
    check_is_file(path)
    if not is_hdf5(path):
        content = describe_content(path) or "neither HDF5 nor text"
        raise InputError(
            f"the file is not an HDF5 file but {content}",
            where=path,
            mend="give a 10x .h5, .h5ad or .h5mu file (decompress it first), or a 10x mtx folder",
        )
    try:
        # without a lock: file systems of clusters often have none, and nobody writes to inputs
        with h5py.File(path, "r", locking=False) as file:
            check_structure(file, where=path)
            yield file
    except TcellflowError:
        raise
    except Exception as error:
        interruption = _find_interruption(error)
        if interruption is not None:
            raise interruption from error
        if not isinstance(error, OSError | RuntimeError) and not _is_of_library(error):
            raise
        raise _damage(error, path) from error


def _find_interruption(error: BaseException) -> BaseException | None:
    """Find the signal that ended a call of the library, which h5py then tells as an error of its own.

    Notes
    -----
    A signal that is raised in a function that HDF5 calls back (`check_structure` looks at links so) comes out
    as SystemError.
    """
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        if not isinstance(cause, Exception | GeneratorExit):
            return cause
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    return None


def _is_of_library(error: Exception) -> bool:
    """Whether h5py itself raised an error.

    Notes
    -----
    For damaged objects, odd types and broken names it raises whatever its parts raise: KeyError, ValueError,
    TypeError, UnicodeDecodeError. All of them are the file's fault; the same errors of our own code are not.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("h5py")


def _damage(error: Exception, path: Path) -> InputError:
    text = str(error).strip("'\"").partition("\n")[0] or type(error).__name__
    if "truncated" in text:
        return InputError(
            f"the HDF5 file is truncated: {path.stat().st_size:,} bytes are there, more are declared",
            where=path,
            mend="copy or download it again and compare the checksum",
        )
    return InputError(
        f"the HDF5 file cannot be read: {text}",
        where=path,
        mend="copy or download it again, or export it anew",
    )


def find_dataset(group: h5py.Group, name: str, *, where: object, ndim: int | None = None) -> h5py.Dataset:
    """Find a dataset of an HDF5 file.

    Parameters
    ----------
    group, name
        Where it lies.
    where
        Named in errors as the place.
    ndim
        How many axes it must have; None = any.

    Raises
    ------
    InputError
        If there is none of this name, something else has it, or it has other axes.
    """
    item = group.get(name)
    place = f"{group.name.rstrip('/')}/{name}"
    if not isinstance(item, h5py.Dataset) or item.shape is None:
        found = "is missing" if item is None else "is no array"
        raise InputError(f"{place} {found}", where=where, mend=_DAMAGED)
    if ndim is not None and item.ndim != ndim:
        raise InputError(
            f"{place} has the shape {item.shape} where {_AXES.get(ndim, f'{ndim} axes')} belongs",
            where=where,
            mend=_DAMAGED,
        )
    return item


def find_group(group: h5py.Group, name: str, *, where: object) -> h5py.Group | None:
    """Find a group of an HDF5 file; None without one.

    Raises
    ------
    InputError
        If something else has its name.
    """
    item = group.get(name)
    if item is not None and not isinstance(item, h5py.Group):
        raise InputError(
            f"{group.name.rstrip('/')}/{name} is no group of entries", where=where, mend=_DAMAGED
        )
    return item


def read_text_attribute(item: h5py.Group | h5py.Dataset, name: str, default: str = "") -> str:
    """Read an attribute of an HDF5 object that is a text; the default where it is absent or no text."""
    value = item.attrs.get(name, default)
    return value if isinstance(value, str) else default


def read_shape_attribute(item: h5py.Group | h5py.Dataset) -> tuple[int, ...]:
    """Read the attribute ``shape`` of a sparse matrix; empty where it is absent or no list of sizes."""
    value = np.asarray(item.attrs.get("shape", ()))
    return tuple(int(n) for n in value) if value.ndim == 1 and value.dtype.kind in "iu" else ()


def open_dataset(group: h5py.Group, name: str, *, where: object) -> h5py.Dataset:
    """Open a dataset of an HDF5 file for reading from front to back.

    Returns
    -------
    h5py.Dataset
        With a chunk cache that holds a few of its chunks, and its decompression plugin loaded.

    Raises
    ------
    InputError
        If there is none of this name, or it is compressed by a filter that is not installed.
    """
    dataset = find_dataset(group, name, where=where)
    creation = dataset.id.get_create_plist()
    for number in range(creation.get_nfilters()):
        code, _, _, label = creation.get_filter(number)
        _load_filter(code, label.decode(errors="replace"), where=where)
    if dataset.chunks is None:
        return dataset
    across = int(np.prod([-(-n // c) for n, c in zip(dataset.shape[1:], dataset.chunks[1:], strict=True)]))
    wanted = (
        int(np.prod(dataset.chunks)) * dataset.dtype.itemsize * (across if across > 1 else _CACHED_CHUNKS)
    )
    if wanted > _MAX_CACHE_BYTES:
        _LOG.info(
            "%s: %s is stored in chunks too large to keep, so they are decoded repeatedly",
            where,
            dataset.name,
        )
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_chunk_cache(1009, min(max(wanted, _MIN_CACHE_BYTES), _MAX_CACHE_BYTES), 1.0)
    return h5py.Dataset(h5py.h5d.open(group.id, name.encode(errors="surrogateescape"), access))


def _load_filter(code: int, label: str, *, where: object) -> None:
    if code in _BUILT_IN_FILTERS or h5py.h5z.filter_avail(code):
        return
    with suppress(ImportError):
        import hdf5plugin  # noqa: F401, PLC0415 (loads a dozen libraries: only for files that need one)
    if not h5py.h5z.filter_avail(code):
        raise InputError(
            f"the file needs the HDF5 filter {code} ({label or 'unnamed'}), which is not installed",
            where=where,
            mend="install hdf5plugin (pip install hdf5plugin), or write the file with gzip",
        )


def read_strings(dataset: h5py.Dataset, *, where: object) -> NDArray[np.object_]:
    """Read a one-dimensional HDF5 dataset of names as objects of str; numbers are spelt out.

    Raises
    ------
    InputError
        If it has another shape or is not UTF-8.
    """
    if dataset.ndim != 1:
        raise InputError(
            f"{dataset.name} has the shape {dataset.shape} where a list of names belongs",
            where=where,
            mend="export the file anew",
        )
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    if not is_text and dataset.dtype.kind not in "biufSU":
        raise InputError(
            f"{dataset.name} holds values of the type {dataset.dtype} where names belong",
            where=where,
            mend="export the file anew",
        )
    try:
        if not is_text:
            return dataset[:].astype(str).astype(object)  # type: ignore[no-any-return]
        return np.asarray(dataset.asstr()[:], dtype=object)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{dataset.name} holds names that are not UTF-8 text", where=where, mend="export the file anew"
        ) from error
