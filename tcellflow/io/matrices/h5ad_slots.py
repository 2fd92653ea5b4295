"""Which of an AnnData file's matrices holds the counts: X, a layer or raw/X.

Invariant: a slot is chosen by its name or by its values, never by the file's name; the choice
depends only on the file.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Literal

import h5py
import numpy as np

from tcellflow.errors import InputError
from tcellflow.io.files.csr_blocks import check_numeric, read_row_starts
from tcellflow.io.files.hdf5 import open_dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOG = logging.getLogger(__name__)
Layout = Literal["csr", "csc", "dense"]
_COUNT_LAYERS: Final = ("counts", "raw_counts")
_RAW: Final = "raw/X"
_WINDOW: Final = 50_000
_RE_SAVE: Final = "open the file with anndata and save it again"


class _Look(IntEnum):
    """What sampled values look like, best first."""

    COUNTS = 0
    NON_NEGATIVE = 1
    OTHER = 2


@dataclass(frozen=True)
class MatrixSlot:
    """One matrix of an AnnData file.

    Parameters
    ----------
    root
        Address of the AnnData inside the file: "/" or e.g. ``/mod/gex``.
    name
        ``X``, ``layers/<name>`` or ``raw/X``.
    layout
        How it is stored.
    shape
        (cells, features).
    """

    root: str
    name: str
    layout: Layout
    shape: tuple[int, int]

    @property
    def address(self) -> str:
        """Its address inside the file."""
        return f"{self.root.rstrip('/')}/{self.name}"

    @property
    def is_raw(self) -> bool:
        """Whether its columns are those of raw/var."""
        return self.name == _RAW


def choose_slot(root: h5py.Group, wanted: str | None, *, n_cells: int, where: object) -> MatrixSlot:
    """Choose the matrix to read.

    Parameters
    ----------
    root
        The AnnData's group.
    wanted
        The user's choice, or None.
    n_cells
        Cells the matrix must have.
    where
        Named in errors as the place.

    Returns
    -------
    MatrixSlot
        The wanted slot; else the first of: a layer of counts, X or raw/X with counts, X or raw/X
        without negative values, X, raw/X.

    Raises
    ------
    InputError
        If there is no such slot, no matrix at all, or its parts do not fit together.
    """
    present = _list_slots(root)
    if wanted is not None and wanted not in present:
        raise InputError(
            f"the file has no matrix in {wanted}; there are: {', '.join(present) or 'none'}",
            where=where,
            mend="name one of these",
        )
    if not present:
        raise InputError("the file holds no matrix", where=where, mend="save the counts in X")
    if wanted is None:
        wanted = _best_slot(root, present, where=where)
    return _describe_slot(root, wanted, n_cells=n_cells, where=where)


def _list_slots(root: h5py.Group) -> list[str]:
    layers = [f"layers/{name}" for name in root.get("layers", ())]
    names = ["X", *layers, _RAW]
    return [name for name in names if name in root and root[name].attrs.get("encoding-type") != "null"]


def _best_slot(root: h5py.Group, present: list[str], *, where: object) -> str:
    for layer in _COUNT_LAYERS:
        if f"layers/{layer}" in present:
            return f"layers/{layer}"
    looks = {name: _look_at(root, name, where=where) for name in ("X", _RAW) if name in present}
    if not looks:
        raise InputError(
            f"the file holds no X, and no layer is called counts; there are: {', '.join(present)}",
            where=where,
            mend="save the counts in X or in layers/counts",
        )
    best = min(looks, key=lambda name: looks[name])
    if looks[best] is not _Look.COUNTS:
        _LOG.info("%s: no counts were found (layers/counts, X, raw/X), so %s is read", where, best)
    return best


def _look_at(root: h5py.Group, name: str, *, where: object) -> _Look:
    """Judge a matrix by windows at its beginning, middle and end."""
    item = root[name]
    group, key = (item, "data") if isinstance(item, h5py.Group) else (item.parent, name.rpartition("/")[2])
    dataset = open_dataset(group, key, where=where)
    check_numeric(dataset, "iuf", where=where)
    if np.issubdtype(dataset.dtype, np.integer) or dataset.shape[0] == 0:
        return _Look.COUNTS
    window = max(
        1, _WINDOW // int(np.prod(dataset.shape[1:], dtype=np.int64)) if dataset.ndim > 1 else _WINDOW
    )
    ends = (0, (dataset.shape[0] - window) // 2, dataset.shape[0] - window)
    values: NDArray[Any] = np.concatenate(
        [dataset[max(0, start) : max(0, start) + window].ravel() for start in ends]
    )
    if not np.isfinite(values).all() or (values < 0).any():
        return _Look.OTHER
    return _Look.COUNTS if (values == np.floor(values)).all() else _Look.NON_NEGATIVE


def _describe_slot(root: h5py.Group, name: str, *, n_cells: int, where: object) -> MatrixSlot:
    item = root[name]
    if isinstance(item, h5py.Dataset):
        if item.ndim != 2:
            raise InputError(f"{item.name} has the shape {item.shape}", where=where, mend=_RE_SAVE)
        check_numeric(item, "iuf", where=where)
        return MatrixSlot(root.name, name, "dense", (int(item.shape[0]), int(item.shape[1])))
    missing = [part for part in ("data", "indices", "indptr") if part not in item]
    encoding = str(item.attrs.get("encoding-type", "nothing"))
    shape = tuple(int(n) for n in item.attrs.get("shape", ()))
    if missing or len(shape) != 2 or encoding not in {"csr_matrix", "csc_matrix"}:
        raise InputError(
            f"{item.name} is no sparse matrix: it is encoded as {encoding} "
            + (f"and lacks {', '.join(missing)}" if missing else f"with the shape {shape}"),
            where=where,
            mend=_RE_SAVE,
        )
    layout: Layout = "csr" if encoding == "csr_matrix" else "csc"
    read_row_starts(
        item,
        shape[0] if layout == "csr" else shape[1],
        where=where,
        rows="rows" if layout == "csr" else "columns",
    )
    if shape[0] != n_cells:
        raise InputError(
            f"{item.name} has {shape[0]:,} rows, but obs names {n_cells:,} cells", where=where, mend=_RE_SAVE
        )
    return MatrixSlot(root.name, name, layout, (shape[0], shape[1]))
