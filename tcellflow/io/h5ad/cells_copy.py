"""Copies of a cells file (.h5ad) with further columns, tables and vectors.

Invariant: a copy keeps whatever the file held beside the contract, and vectors of all cells are never
in memory together.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd

from tcellflow.contracts.cells import ANNOTATED, AnnDataContract, find_cells_faults
from tcellflow.contracts.faults import raise_faults
from tcellflow.errors import InputError
from tcellflow.io.files.kinds import is_hdf5
from tcellflow.io.files.staged import final_name
from tcellflow.io.h5ad.cells_check import list_places
from tcellflow.io.h5ad.cells_writer import write_note, write_notes, write_obsm
from tcellflow.io.h5ad.elements import mark_encoding, write_element
from tcellflow.io.h5ad.frames import as_storable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.io.h5ad.cells_reader import CellsFile
    from tcellflow.io.h5ad.cells_writer import ObsmValue
    from tcellflow.provenance import StepNote


def write_cells_copy(
    source: CellsFile,
    path: Path,
    *,
    obs: pd.DataFrame,
    note: StepNote,
    obsm: Mapping[str, ObsmValue] | None = None,
    uns: Mapping[str, Any] | None = None,
    without: Collection[str] = (),
    contract: AnnDataContract = ANNOTATED,
) -> None:
    """Copy a cells file and add columns, tables and a note.

    Parameters
    ----------
    source
        The file to copy; it stays as it is.
    path
        Staged path of the copy.
    obs
        Columns to add or replace, indexed by the cells in the order of the file.
    note
        Provenance of the step that adds them.
    obsm
        Tables to add or replace; slashes in column names become hyphens.
    uns
        Further entries of ``uns``, by their path within it.
    without
        Columns of the source that the copy lacks.
    contract
        What the copy must hold.

    Raises
    ------
    ContractError
        If the copy lacks an entry of its contract.
    InputError
        If a column cannot be stored.
    ValueError
        If the rows of `obs` are not the cells of the file.
    """
    if not np.array_equal(obs.index.astype(str).to_numpy(dtype=object), source.cell_ids):
        message = "obs must hold the cells of the file, in its order"
        raise ValueError(message)
    shutil.copyfile(source.path, path)
    with h5py.File(path, "r+", locking=False) as file:
        _add_columns(file["obs"], as_storable(obs, where="obs"), without)
        write_obsm(file, obsm or {}, pd.Index(source.cell_ids))
        write_notes(file, note, contract, {})
        for place, value in sorted((uns or {}).items()):
            folder, _, name = place.rpartition("/")
            write_element(file["uns"][folder] if folder else file["uns"], name, value)
        faults = find_cells_faults(contract.stamp, list_places(file), contract)
        raise_faults(faults, stamp=contract.stamp, where=final_name(path.name))


def write_described_copy(source: Path, path: Path, *, obs: pd.DataFrame, note: StepNote) -> None:
    """Copy any .h5ad file and add columns of obs and a note.

    Parameters
    ----------
    source
        The file to copy; it stays as it is.
    path
        Staged path of the copy.
    obs
        Columns to add or replace, one row for each cell in the order of the file.
    note
        Provenance of the step that adds them (``uns/tcellflow``).

    Raises
    ------
    InputError
        If the source is no .h5ad file with a table of cells, or its ``uns/tcellflow`` is something else.
    """
    if source.is_dir() or not is_hdf5(source):
        raise _no_copy(source)
    shutil.copyfile(source, path)
    with h5py.File(path, "r+", locking=False) as file:
        table = file.get("obs")
        if not isinstance(table, h5py.Group) or "column-order" not in table.attrs:
            raise _no_copy(source)
        _add_columns(table, as_storable(obs, where="obs"), ())
        mark_encoding(file.require_group("uns"), "dict")
        write_note(file, note)


def _no_copy(source: Path) -> InputError:
    return InputError(
        "there is no .h5ad file to copy",
        where=source,
        mend="give the cells of preprocess or another .h5ad file, or leave --h5ad out",
    )


def _add_columns(group: h5py.Group, columns: pd.DataFrame, without: Collection[str]) -> None:
    names = [str(name) for name in group.attrs["column-order"]]
    for name in (name for name in names if name in without):
        del group[name]
    names = [name for name in names if name not in without]
    for name in columns.columns:
        write_element(
            group, name, columns[name].array if _is_extension(columns[name]) else columns[name].to_numpy()
        )
    group.attrs["column-order"] = np.array(
        [*names, *(name for name in columns.columns if name not in names)], dtype=h5py.string_dtype()
    )


def _is_extension(values: pd.Series[Any]) -> bool:
    return pd.api.types.is_extension_array_dtype(values.dtype)


def write_obsm_vectors(
    path: Path, vectors: Mapping[str, Iterable[NDArray[np.float32]]], *, n_cells: int, dimension: int
) -> None:
    """Add matrices of vectors to a copy of a cells file before it is committed, block by block.

    Parameters
    ----------
    path
        Staged path of the copy.
    vectors
        obsm key to blocks (N, `dimension`) that follow the file's cells; replaces what was there.
    n_cells
        Cells of the file.
    dimension
        Width of the vectors.
    """
    with h5py.File(path, "r+", locking=False) as file:
        for key, blocks in vectors.items():
            if key in file["obsm"]:
                del file["obsm"][key]
            matrix = file["obsm"].create_dataset(key, (n_cells, dimension), np.float32)
            matrix.attrs["encoding-type"] = "array"
            matrix.attrs["encoding-version"] = "0.2.0"
            first = 0
            for block in blocks:
                matrix[first : first + len(block)] = block
                first += len(block)
