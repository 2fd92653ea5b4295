"""The matrices of an AnnData file: which there are, how each is stored, and what a sample of each holds.

Invariant: a slot is chosen by its name or by its values, never by the file's name; the choice
depends only on the file.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import h5py
import numpy as np
from scipy import sparse

from tcellflow.errors import InputError
from tcellflow.io.files.csr_blocks import MAX_BLOCK_VALUES, check_numeric, read_row_starts
from tcellflow.io.files.hdf5 import (
    find_dataset,
    find_group,
    open_dataset,
    read_shape_attribute,
    read_text_attribute,
)
from tcellflow.io.matrices.slot_choice import (
    LAYERS,
    RAW,
    Holds,
    SlotChoice,
    SlotLook,
    choose_by_content,
    find_slot,
    judge_rows,
    order_slots,
    sample_rows,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOG = logging.getLogger(__name__)
Layout = Literal["csr", "csc", "dense"]
_RE_SAVE: Final = "open the file with anndata and save it again"


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
    choice
        How it was chosen; None where it was named.
    """

    root: str
    name: str
    layout: Layout
    shape: tuple[int, int]
    choice: SlotChoice | None = None

    @property
    def address(self) -> str:
        """Its address inside the file."""
        return f"{self.root.rstrip('/')}/{self.name}"

    @property
    def is_raw(self) -> bool:
        """Whether its columns are those of raw/var."""
        return self.name == RAW


def choose_slot(root: h5py.Group, wanted: str | None, *, n_cells: int, where: object) -> MatrixSlot:
    """Choose which matrix (slot) of an h5ad file to read.

    Parameters
    ----------
    root
        The AnnData's group.
    wanted
        The user's choice: ``X``, ``raw``, a layer or an address; None = what the values say.
    n_cells
        Cells the matrix must have.
    where
        Named in errors as the place.

    Returns
    -------
    MatrixSlot
        The wanted slot, else as `tcellflow.io.matrices.slot_choice.choose_by_content`.

    Raises
    ------
    InputError
        If there is no such slot, no matrix at all, or its parts do not fit together.
    """
    present = _list_slots(root, where=where)
    if wanted is not None:
        return _describe_slot(root, find_slot(wanted, present, where=where), n_cells=n_cells, where=where)
    if not present:
        raise InputError("the file holds no matrix", where=where, mend="save the counts in X")
    looks = tuple(_look_at(root, name, n_cells=n_cells, where=where) for name in order_slots(present))
    choice = choose_by_content(looks)
    holds = next(look.holds for look in looks if look.name == choice.name)
    if holds is not Holds.COUNTS and not choice.looks:  # else the line on the choice says it
        _LOG.info("%s: no counts were found (%s), so %s is read", where, ", ".join(present), choice.name)
    slot = _describe_slot(root, choice.name, n_cells=n_cells, where=where)
    return replace(slot, choice=choice)


def _list_slots(root: h5py.Group, *, where: object) -> list[str]:
    layers = [f"{LAYERS}{name}" for name in find_group(root, "layers", where=where) or ()]
    names = ["X", *layers, RAW]
    items = {name: root.get(name) for name in names}
    return [
        name
        for name, item in items.items()
        if isinstance(item, (h5py.Group, h5py.Dataset))
        and read_text_attribute(item, "encoding-type") != "null"
    ]


def _look_at(root: h5py.Group, name: str, *, n_cells: int, where: object) -> SlotLook:
    """Judge a matrix by rows at its beginning, middle and end."""
    item = root[name]
    is_group = isinstance(item, h5py.Group)
    if name.startswith(LAYERS) and (("data" not in item) if is_group else item.dtype.kind not in "iuf"):
        return SlotLook(name, 0, Holds.OTHER)  # a layer may hold anything; X and raw are told to be damaged
    slot = _describe_slot(root, name, n_cells=n_cells, where=where)
    if is_group and find_dataset(item, "data", where=where, ndim=1).shape[0] == 0:
        return SlotLook(name, slot.shape[1], Holds.NOTHING)
    parts = [_read_rows(item, slot, rows, where=where) for rows in sample_rows(slot.shape[0])]
    rows = sparse.csr_matrix(sparse.vstack(parts, format="csr"))
    return SlotLook(name, slot.shape[1], judge_rows(name, rows))


def _read_rows(
    item: h5py.Group | h5py.Dataset, slot: MatrixSlot, rows: slice, *, where: object
) -> sparse.csr_matrix:
    """Read some rows as they are stored; indices are not checked, for the values alone count."""
    if slot.layout == "dense":
        name = slot.address.rpartition("/")[2]
        return sparse.csr_matrix(open_dataset(item.parent, name, where=where)[rows])
    data, indices = (open_dataset(item, name, where=where) for name in ("data", "indices"))
    starts = open_dataset(item, "indptr", where=where)[:].astype(np.int64)
    n_rows = rows.stop - rows.start
    if slot.layout == "csr":
        offsets = starts[rows.start : rows.stop + 1]
        values = data[int(offsets[0]) : int(offsets[-1])]
        # columns stand for themselves no more: a row's values side by side are enough
        columns = np.arange(len(values)) - np.repeat(offsets[:-1] - offsets[0], np.diff(offsets))
        return sparse.csr_matrix((values, columns, offsets - offsets[0]), shape=(n_rows, slot.shape[1]))
    found: list[tuple[NDArray[np.number], NDArray[np.integer]]] = []
    for start in range(0, data.shape[0], MAX_BLOCK_VALUES):
        of_rows = indices[start : start + MAX_BLOCK_VALUES]
        kept = np.flatnonzero((of_rows >= rows.start) & (of_rows < rows.stop))
        if kept.size:
            found.append((data[start : start + MAX_BLOCK_VALUES][kept], of_rows[kept] - rows.start))
    values, places = (np.concatenate([part[n] for part in found] or [np.zeros(0)]) for n in (0, 1))
    order = np.argsort(places, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(places.astype(np.int64), minlength=n_rows))])
    columns = np.arange(len(values)) - np.repeat(offsets[:-1], np.diff(offsets))
    return sparse.csr_matrix((values[order], columns, offsets), shape=(n_rows, slot.shape[1]))


def _describe_slot(root: h5py.Group, name: str, *, n_cells: int, where: object) -> MatrixSlot:
    item = root[name]
    if isinstance(item, h5py.Dataset):
        if item.ndim != 2:
            raise InputError(f"{item.name} has the shape {item.shape}", where=where, mend=_RE_SAVE)
        check_numeric(item, "iuf", where=where)
        return MatrixSlot(root.name, name, "dense", (int(item.shape[0]), int(item.shape[1])))
    missing = [part for part in ("data", "indices", "indptr") if part not in item]
    encoding = read_text_attribute(item, "encoding-type", "nothing")
    shape = read_shape_attribute(item)
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
