"""The cells file (.h5ad): checked reading, and copies with further columns; writing is beside it.

Invariant: a file is checked against its contract before anything of it is used; matrices are
streamed; a copy keeps whatever the file held beside the contract.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

import h5py
import numpy as np
import pandas as pd

from tcellflow.contracts.cells import ANNOTATED, CELLS, AnnDataContract, find_cells_faults
from tcellflow.contracts.faults import raise_faults
from tcellflow.errors import ContractError
from tcellflow.io.files.csr_blocks import read_row_blocks, read_row_starts
from tcellflow.io.files.hdf5 import open_hdf5
from tcellflow.io.h5ad.cells_check import find_file_faults, list_places, read_stamp
from tcellflow.io.h5ad.cells_writer import (
    CellsWriter,
    ObsmValue,
    write_cells,
    write_element,
    write_notes,
    write_obsm,
)
from tcellflow.io.h5ad.elements import read_element, read_frame, read_index
from tcellflow.io.h5ad.frames import as_storable
from tcellflow.io.matrices.source import BLOCK_ROWS, check_barcodes
from tcellflow.vocabulary import LAYER_COUNTS, UNS_KEY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy import sparse

    from tcellflow.provenance import JsonValue, StepNote

__all__ = ["CellsFile", "CellsWriter", "read_cells", "write_cells", "write_cells_copy"]

_PLACES: Final = {"X": "X", LAYER_COUNTS: f"layers/{LAYER_COUNTS}"}


@dataclass(frozen=True)
class CellsFile:
    """A checked cells file; made by `read_cells`.

    Parameters
    ----------
    path
        The file.
    stamp
        Contract it carries, e.g. ``cells/1``.
    cell_ids
        Object array of str (cells,): obs_names.
    gene_names
        Object array of str (genes,): var_names.
    has_counts
        Whether it has a layer of counts; not where the input was log-normalised.
    obsm_keys
        Names of the tables in obsm.
    """

    path: Path
    stamp: str
    cell_ids: NDArray[np.object_]
    gene_names: NDArray[np.object_]
    has_counts: bool
    obsm_keys: tuple[str, ...]

    @property
    def where(self) -> Path:
        """What it is called in messages."""
        return self.path

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return len(self.cell_ids)

    @property
    def n_vars(self) -> int:
        """Number of genes."""
        return len(self.gene_names)

    @cached_property
    def obs(self) -> pd.DataFrame:
        """Columns about the cells, indexed by barcode; text columns are categorical."""
        with open_hdf5(self.path) as file:
            return read_frame(file, "obs", where=self.path)

    @cached_property
    def var(self) -> pd.DataFrame:
        """Columns about the genes, indexed by symbol."""
        with open_hdf5(self.path) as file:
            return read_frame(file, "var", where=self.path)

    @cached_property
    def notes(self) -> dict[str, JsonValue]:
        """Provenance by step, as `tcellflow.provenance.StepNote.as_dict` gave it."""
        with open_hdf5(self.path) as file:
            found = read_element(file["uns"], UNS_KEY, where=self.path)
        notes = {
            key: value for key, value in found.items() if isinstance(value, str) and value.startswith("{")
        }
        return {key: json.loads(value) for key, value in notes.items()}

    def read_entry(self, name: str) -> Any:
        """Read one entry of ``uns/tcellflow``.

        Parameters
        ----------
        name
            Its key.

        Returns
        -------
        object
            As anndata reads it.

        Raises
        ------
        ContractError
            If there is none.
        """
        return self._read_item(f"uns/{UNS_KEY}", name)

    def read_obsm(self, key: str) -> Any:
        """Read one table about the cells.

        Parameters
        ----------
        key
            Its name.

        Returns
        -------
        pandas.DataFrame or numpy.ndarray
            Rows in the order of `cell_ids`.

        Raises
        ------
        ContractError
            If there is none.
        """
        return self._read_item("obsm", key)

    def _read_item(self, place: str, name: str) -> Any:
        with open_hdf5(self.path) as file:
            if name not in file.get(place, {}):
                raise ContractError(
                    f"{place}/{name} is missing", where=self.path, mend="re-run the step that writes it"
                )
            return read_element(file[place], name, where=self.path)

    def blocks(
        self, n_rows: int = BLOCK_ROWS, layer: Literal["X", "counts"] = "X"
    ) -> Iterator[sparse.csr_matrix]:
        """Stream a matrix.

        Parameters
        ----------
        n_rows
            Most cells of a block.
        layer
            ``X`` (float32, log-normalised) or ``counts`` (int32).

        Yields
        ------
        scipy.sparse.csr_matrix
            (cells, genes), in the order of `cell_ids`.

        Raises
        ------
        ContractError
            If the file has no counts.
        InputError
            If the matrix is damaged.
        """
        with open_hdf5(self.path) as file:
            place = _PLACES[layer]
            if place not in file:
                raise ContractError(
                    "the file has no counts, for its input was log-normalised",
                    where=self.path,
                    mend="run tcellflow preprocess on raw counts",
                )
            group = file[place]
            starts = read_row_starts(group, self.n_obs, where=self.path)
            yield from read_row_blocks(group, starts, self.n_vars, n_rows=n_rows, where=self.path)


def read_cells(path: Path, contract: AnnDataContract = CELLS) -> CellsFile:
    """Open a cells file and check it against its contract.

    Parameters
    ----------
    path
        An .h5ad that tcellflow wrote.
    contract
        What it must hold.

    Returns
    -------
    CellsFile
        Tables and matrices are read when asked for.

    Raises
    ------
    InputError
        If the file is absent, not HDF5 or damaged, or barcodes are repeated.
    ContractError
        If it was not written by tcellflow or breaks its contract; all faults are listed.
    """
    with open_hdf5(path) as file:
        raise_faults(find_file_faults(file, contract), stamp=contract.stamp, where=path)
        opened = CellsFile(
            path=path,
            stamp=read_stamp(file),
            cell_ids=read_index(file["obs"], where=path),
            gene_names=read_index(file["var"], where=path),
            has_counts=_PLACES[LAYER_COUNTS] in file,
            obsm_keys=tuple(file.get("obsm", ())),
        )
    check_barcodes(opened.cell_ids, where=path)
    return opened


def write_cells_copy(
    source: CellsFile,
    path: Path,
    *,
    obs: pd.DataFrame,
    note: StepNote,
    obsm: Mapping[str, ObsmValue] | None = None,
    entries: Mapping[str, Any] | None = None,
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
    entries
        Further entries of ``uns/tcellflow``.
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
    with h5py.File(path, "r+") as file:
        _add_columns(file["obs"], as_storable(obs, where="obs"), without)
        write_obsm(file, obsm or {}, pd.Index(source.cell_ids))
        write_notes(file, note, contract, entries or {})
        faults = find_cells_faults(contract.stamp, list_places(file), contract)
        raise_faults(faults, stamp=contract.stamp, where=path.name.removesuffix(".part"))


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
