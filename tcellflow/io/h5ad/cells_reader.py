"""The cells file (.h5ad), opened and checked.

Invariant: a file is checked against its contract before anything of it is used; matrices are streamed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from tcellflow.cells.barcodes import check_barcodes
from tcellflow.cells.normalise import recover_library_sizes
from tcellflow.contracts.cells import CELLS, AnnDataContract
from tcellflow.contracts.faults import raise_faults
from tcellflow.errors import ContractError, InputError
from tcellflow.io.files.csr_blocks import BLOCK_ROWS, read_row_blocks, read_row_starts
from tcellflow.io.files.hdf5 import open_hdf5
from tcellflow.io.files.json_text import NotJsonError, parse_json
from tcellflow.io.h5ad.cells_check import find_file_faults, read_stamp
from tcellflow.io.h5ad.elements import read_element, read_frame, read_index
from tcellflow.vocabulary import LAYER_COUNTS, UNS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray
    from scipy import sparse

    from tcellflow.provenance import JsonValue

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
    def has_told_sizes(self) -> bool:
        """Whether preprocess was told which column holds the library sizes."""
        note = self.notes.get("preprocess")
        options = note.get("options") if isinstance(note, dict) else None
        return isinstance(options, dict) and options.get("library_size_column") is not None

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
        """Provenance by step, as `tcellflow.provenance.StepNote.as_dict` gave it.

        Raises
        ------
        InputError
            If a note is damaged.
        """
        with open_hdf5(self.path) as file:
            found = read_element(file["uns"], UNS_KEY, where=self.path)
        notes = {
            key: value for key, value in found.items() if isinstance(value, str) and value.startswith("{")
        }
        try:
            return {key: parse_json(value) for key, value in notes.items()}
        except NotJsonError as error:
            raise InputError(
                f"a note in uns/{UNS_KEY} is no JSON: {error}",
                where=self.path,
                mend="re-run the step that wrote the file",
            ) from error

    def read_entry(self, name: str) -> Any:
        """Read one entry of ``uns/tcellflow`` the way anndata does.

        Raises
        ------
        ContractError
            If there is none.
        """
        return self._read_item(f"uns/{UNS_KEY}", name)

    def read_obsm(self, key: str) -> Any:
        """Read one table about the cells, rows in the order of `cell_ids`.

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

    def measured_blocks(self) -> Iterator[tuple[sparse.csr_matrix, NDArray[np.float64]]]:
        """Stream X with the true library size of each cell, which is that of all genes ever counted.

        Yields
        ------
        logs : scipy.sparse.csr_matrix
            As `blocks` gives them.
        library : ndarray
            Molecules, or reads, shape (cells,).

        Raises
        ------
        InputError
            If the matrix is damaged.
        """
        totals = self.obs["total_counts"].to_numpy()
        first = 0
        for logs in self.blocks():
            yield logs, recover_library_sizes(logs, totals[first : first + logs.shape[0]])
            first += logs.shape[0]

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
            for block in read_row_blocks(group, starts, self.n_vars, n_rows=n_rows, where=self.path):
                # stored as small as they are; arithmetic in such types would overflow
                yield block.astype(np.int32) if block.dtype.kind == "u" else block


def read_cells(path: Path, contract: AnnDataContract = CELLS) -> CellsFile:
    """Open a cells file and check it against its contract; tables and matrices are read when asked for.

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
