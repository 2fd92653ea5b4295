"""What an HDF5 file is made of, looked at before anything of it is read.

Invariant: a file that passes holds all of its content itself, and no array in it is larger than what the
file can hold: reading it takes memory in proportion to its size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import h5py

from tcellflow.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_OBJECTS: Final = 200_000  # an atlas with a thousand columns has a few thousand
# Below this an array is harmless, whatever stands behind it: files do declare zeros that were never written.
_SMALL_BYTES: Final = 64 << 20
# deflate makes at most 1,032 bytes out of one. Other filters make more of a constant, so they are trusted
# with matrices, which are streamed chunk by chunk, but not with what is read at once.
_MOST_BYTES_FROM_ONE: Final = 1100
_STREAMED: Final = ("data", "indices")
_EXPORT: Final = "export the file anew, with all of its content in one file"
_DAMAGED: Final = "the file is damaged or made to exhaust the memory; export it anew"


def check_structure(file: h5py.File, *, where: Path) -> None:
    """Refuse an HDF5 file that reaches outside itself or declares more than it holds.

    Raises
    ------
    InputError
        If it has links to other files, datasets whose values lie in other files (external or virtual), arrays
        far larger than what is stored of them, or more than 200,000 objects.
    """
    size = where.stat().st_size
    for name, kind in _list_links(file, where):
        if kind >= h5py.h5l.TYPE_EXTERNAL:
            raise InputError(
                f"the HDF5 file holds a link to another file: {_show(name)}", where=where, mend=_EXPORT
            )
        # A soft link names something of the same file, which has its own turn.
        if kind == h5py.h5l.TYPE_HARD and h5py.h5o.get_info(file.id, name).type == h5py.h5o.TYPE_DATASET:
            dataset = h5py.h5d.open(file.id, name)
            _check_own_values(dataset, name, where)
            _check_extent(dataset, name, size, where)


def _list_links(file: h5py.File, where: Path) -> list[tuple[bytes, int]]:
    found: list[tuple[bytes, int]] = []

    def add(name: bytes, info: h5py.h5l.LinkInfo) -> bool | None:
        found.append((name, info.type))
        return True if len(found) > _MAX_OBJECTS else None  # None goes on

    file.id.links.visit(add, info=True)
    if len(found) > _MAX_OBJECTS:
        raise InputError(
            f"the HDF5 file holds more than {_MAX_OBJECTS:,} objects", where=where, mend=_DAMAGED
        )
    return found


def _check_own_values(dataset: h5py.h5d.DatasetID, name: bytes, where: Path) -> None:
    creation = dataset.get_create_plist()
    if creation.get_layout() == h5py.h5d.VIRTUAL:
        raise InputError(
            f"the dataset {_show(name)} is virtual: its values lie in other files", where=where, mend=_EXPORT
        )
    if creation.get_external_count():
        raise InputError(
            f"the dataset {_show(name)} keeps its values in other files (external storage)",
            where=where,
            mend=_EXPORT,
        )


def _check_extent(dataset: h5py.h5d.DatasetID, name: bytes, file_bytes: int, where: Path) -> None:
    """Compare what a dataset declares with what is stored of it."""
    space = dataset.get_space()
    declared = space.get_simple_extent_npoints() * dataset.get_type().get_size()
    if declared <= _SMALL_BYTES:
        return
    creation = dataset.get_create_plist()
    stored = min(dataset.get_storage_size(), file_bytes)
    most = stored * (_MOST_BYTES_FROM_ONE if creation.get_nfilters() else 1)
    if creation.get_layout() == h5py.h5d.CHUNKED:
        chunk = creation.get_chunk()
        shape = space.get_simple_extent_dims()
        is_streamed = name.rpartition(b"/")[2].decode(errors="replace") in _STREAMED or len(shape) > 1
        n_chunks = 1
        for length, step in zip(shape, chunk, strict=True):
            n_chunks *= -(-length // step)
        is_complete = dataset.get_num_chunks() >= n_chunks
        if is_complete and is_streamed:
            declared = dataset.get_type().get_size()  # no more than a chunk is decoded at once
            for step in chunk:
                declared *= step
    else:
        is_complete = True
    if not is_complete or (declared > most and declared > _SMALL_BYTES):
        raise InputError(
            f"the dataset {_show(name)} declares {declared:,} bytes, but only {stored:,} are stored of it",
            where=where,
            mend=_DAMAGED,
        )


def _show(name: bytes) -> str:
    text = name.decode(errors="replace")
    return text if len(text) <= 200 else text[:200] + "..."
