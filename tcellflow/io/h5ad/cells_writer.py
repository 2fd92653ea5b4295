"""Writing the cells file (.h5ad): counts and log-normalised values, block by block.

Invariant: X and layers/counts share one sparsity pattern, stored once (hard links); the same
blocks and tables give the same bytes; a file that breaks its contract is never finished.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import h5py
import numpy as np
import pandas as pd

from tcellflow.cells.normalise import log_normalise
from tcellflow.contracts.cells import CELLS, AnnDataContract, find_cells_faults
from tcellflow.contracts.faults import raise_faults
from tcellflow.errors import InputError
from tcellflow.io.files.staged import final_name
from tcellflow.io.h5ad.cells_check import list_places
from tcellflow.io.h5ad.elements import mark_encoding, write_element
from tcellflow.io.h5ad.frames import as_storable
from tcellflow.io.h5ad.growing import GrowingCounts, GrowingDataset
from tcellflow.vocabulary import LAYER_COUNTS, UNS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy import sparse

    from tcellflow.provenance import StepNote
    from tcellflow.vocabulary import Compression

_INT32_VALUES: Final = 2**31 - 1
_COUNTS_GROUP: Final = f"layers/{LAYER_COUNTS}"
_EMPTY_GROUPS: Final = ("layers", "obsm", "obsp", "varm", "varp", "uns")
ObsmValue: TypeAlias = "pd.DataFrame | NDArray[Any]"


class CellsWriter:
    """A cells file being written; made by `write_cells`.

    Parameters
    ----------
    path
        Staged path.
    file
        Open for writing, empty.
    var
        The genes.
    compression
        How the matrices are stored.
    """

    def __init__(self, path: Path, file: h5py.File, var: pd.DataFrame, compression: Compression) -> None:
        self._path = path
        self._compression = compression
        self._file = file
        self._var = var
        self._row_lengths: list[NDArray[np.int32]] = []
        self._has_counts: bool | None = None
        self._is_finished = False
        matrix = file.create_group("X")
        self._values = GrowingDataset(matrix, "data", np.float32, compression)
        self._indices = GrowingDataset(matrix, "indices", np.int32, compression)
        self._counts: GrowingCounts | None = None

    @property
    def n_cells(self) -> int:
        """Cells written so far."""
        return sum(len(lengths) for lengths in self._row_lengths)

    def check_finished(self) -> None:
        """Refuse to leave a file without its tables.

        Raises
        ------
        ValueError
            If `finish` has not been called.
        """
        if not self._is_finished:
            message = "the cells file was not finished"
            raise ValueError(message)

    def append_counts(self, counts: sparse.csr_matrix, totals: NDArray[Any] | None = None) -> None:
        """Append cells with their counts; X is computed from them.

        Parameters
        ----------
        counts
            Whole numbers, CSR (cells, genes), indices sorted within each row.
        totals
            Library size of each cell (cells,), where the genes are a selection; else the sum
            of its counts.

        Raises
        ------
        ValueError
            If log-normalised cells were appended before, or the width is not that of var.
        """
        whole = counts.astype(np.int32, copy=False)
        self._note_kind(has_counts=True)
        self._append_rows(whole, log_normalise(whole, totals))
        self._open_counts().append(whole.data)

    def append_log(self, values: sparse.csr_matrix) -> None:
        """Append cells whose values are log-normalised already; the file has no counts then.

        Parameters
        ----------
        values
            log1p(counts per 10,000), CSR (cells, genes), indices sorted within each row.

        Raises
        ------
        ValueError
            If counts were appended before, or the width is not that of var.
        """
        self._note_kind(has_counts=False)
        self._append_rows(values, values.data.astype(np.float32, copy=False))

    def _open_counts(self) -> GrowingCounts:
        if self._counts is None:
            group = self._file.require_group(_COUNTS_GROUP)
            self._counts = GrowingCounts(group, "data", self._compression)
        return self._counts

    def _note_kind(self, *, has_counts: bool) -> None:
        if self._has_counts not in {None, has_counts}:
            message = "a cells file holds counts for all cells or for none"
            raise ValueError(message)
        self._has_counts = has_counts

    def _append_rows(self, block: sparse.csr_matrix, values: NDArray[np.float32]) -> None:
        if block.shape[1] != len(self._var):
            message = f"the block has {block.shape[1]} genes, var has {len(self._var)}"
            raise ValueError(message)
        self._row_lengths.append(np.diff(block.indptr).astype(np.int32))
        self._values.append(values)
        self._indices.append(block.indices)

    def finish(
        self,
        obs: pd.DataFrame,
        *,
        note: StepNote,
        obsm: Mapping[str, ObsmValue] | None = None,
        entries: Mapping[str, Any] | None = None,
        contract: AnnDataContract = CELLS,
    ) -> None:
        """Write the tables and check the file.

        Parameters
        ----------
        obs
            One row per appended cell, in order; the index holds the barcodes.
        note
            Provenance, stored as JSON under ``uns/tcellflow/<step>``.
        obsm
            Further tables about the cells; slashes in column names become hyphens.
        entries
            Further entries of ``uns/tcellflow``.
        contract
            What the file must hold.

        Raises
        ------
        ContractError
            If the file lacks an entry of its contract.
        InputError
            If a column cannot be stored.
        ValueError
            If tables and appended cells differ in number.
        """
        if len(obs) != self.n_cells:
            message = f"obs has {len(obs)} rows, but {self.n_cells} cells were appended"
            raise ValueError(message)
        self._write_matrices()
        self._file.attrs["encoding-type"] = "anndata"
        self._file.attrs["encoding-version"] = "0.1.0"
        for name in _EMPTY_GROUPS:
            mark_encoding(self._file.require_group(name), "dict")
        write_element(self._file, "obs", as_storable(obs, where="obs"))
        write_element(self._file, "var", as_storable(self._var, where="var"))
        write_obsm(self._file, obsm or {}, obs.index)
        write_notes(self._file, note, contract, entries or {})
        faults = find_cells_faults(contract.stamp, list_places(self._file), contract)
        raise_faults(faults, stamp=contract.stamp, where=final_name(self._path.name))
        self._is_finished = True

    def _write_matrices(self) -> None:
        lengths = np.concatenate([np.zeros(1, dtype=np.int64), *self._row_lengths])
        starts = np.cumsum(lengths, dtype=np.int64)
        # anndata and scipy expect 32-bit offsets where they suffice
        starts = starts.astype(np.int32) if len(self._values) <= _INT32_VALUES else starts
        shape = np.array([self.n_cells, len(self._var)], dtype=np.int64)
        matrix = self._file["X"]
        matrix.create_dataset("indptr", data=starts)
        self._mark_sparse(matrix, shape)
        if self._has_counts is False:
            return
        self._open_counts()
        group = self._file[_COUNTS_GROUP]
        group["indices"] = matrix["indices"]
        group["indptr"] = matrix["indptr"]
        self._mark_sparse(group, shape)

    @staticmethod
    def _mark_sparse(group: h5py.Group, shape: NDArray[np.int64]) -> None:
        mark_encoding(group, "csr_matrix")
        group.attrs["shape"] = shape


@contextmanager
def write_cells(path: Path, var: pd.DataFrame, compression: Compression = "none") -> Iterator[CellsWriter]:
    """Open a new cells file for writing.

    Parameters
    ----------
    path
        Staged path from `tcellflow.io.outputs.staging.OutputSet.path`.
    var
        The genes in column order, indexed by symbol.
    compression
        How the matrices are stored; tables are small and never compressed.

    Yields
    ------
    CellsWriter
        Append blocks, then call ``finish``.

    Raises
    ------
    ValueError
        If the block ends without ``finish``.
    """
    # The oldest file format is read by every HDF5 library, and carries no times.
    file = h5py.File(path, "w", libver=("earliest", "v110"), locking=False)
    try:
        writer = CellsWriter(path, file, var, compression)
        yield writer
        writer.check_finished()
    except BaseException:
        # closing flushes, which may fail for the same reason (a full disk): the first error counts
        with suppress(OSError, RuntimeError):
            file.close()
        raise
    file.close()


def write_obsm(file: h5py.File, tables: Mapping[str, ObsmValue], cells: pd.Index[Any]) -> None:
    """Write tables about the cells into a cells file that is being written.

    Parameters
    ----------
    file
        Open for writing, with an obsm group.
    tables
        Data frames or arrays (cells, columns); slashes in column names become hyphens.
    cells
        Names of the cells.

    Raises
    ------
    InputError
        If column names fall together or cannot be stored.
    ValueError
        If a table has another number of rows.
    """
    for key, table in sorted(tables.items()):
        if len(table) != len(cells):
            message = f"obsm {key} has {len(table)} rows for {len(cells)} cells"
            raise ValueError(message)
        if isinstance(table, pd.DataFrame):
            renamed = table.set_axis([str(name).replace("/", "-") for name in table.columns], axis=1)
            write_element(file["obsm"], key, as_storable(renamed.set_axis(cells), where=f"obsm/{key}"))
        else:
            write_element(file["obsm"], key, np.asarray(table))


def write_notes(
    file: h5py.File, note: StepNote, contract: AnnDataContract, entries: Mapping[str, Any]
) -> None:
    """Write the contract's stamp and the step's provenance into a cells file (``uns/tcellflow``).

    Parameters
    ----------
    file
        Open for writing, with an uns group.
    note
        What the step did; the notes of other steps stay.
    contract
        What the file holds.
    entries
        Further entries.

    Raises
    ------
    InputError
        If ``uns/tcellflow`` is taken by something else.
    """
    group = write_note(file, note)
    write_element(group, "contract", contract.stamp)
    for key, value in sorted(entries.items()):
        write_element(group, key, value)


def write_note(file: h5py.File, note: StepNote) -> h5py.Group:
    """Write the step's provenance into ``uns/tcellflow`` and give that group.

    Raises
    ------
    InputError
        If ``uns/tcellflow`` is taken by something else.
    """
    uns = file["uns"]
    if UNS_KEY in uns and not isinstance(uns[UNS_KEY], h5py.Group):
        raise InputError(f"uns/{UNS_KEY} is no mapping", where=file.filename, mend="remove it from the file")
    group = uns.require_group(UNS_KEY)
    mark_encoding(group, "dict")
    write_element(group, note.step, note.as_json())
    return group
