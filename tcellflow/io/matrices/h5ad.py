"""AnnData and MuData files (.h5ad, .h5mu) as expression matrices.

Invariant: the matrix is read by blocks; which slot is read is decided from the values and stands in
`AnnDataMatrix.slot`. anndata and scipy can read by parts too: the readers here and beside are kept because
they were measured against theirs (equal processor time; a third of the memory on mtx) and name the
damaged row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import h5py

from tcellflow.cells.barcodes import check_barcodes
from tcellflow.errors import InputError
from tcellflow.io.files.csr_blocks import BLOCK_ROWS
from tcellflow.io.files.hdf5 import open_hdf5
from tcellflow.io.h5ad.elements import read_frame, read_index
from tcellflow.io.matrices.h5ad_antibodies import read_modality_antibodies, read_obsm_antibodies
from tcellflow.io.matrices.h5ad_blocks import read_slot_blocks
from tcellflow.io.matrices.h5ad_features import read_features
from tcellflow.io.matrices.h5ad_slots import MatrixSlot, choose_slot
from tcellflow.io.matrices.slot_choice import SlotChoice
from tcellflow.io.matrices.source import MatrixKind, MatrixSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd
    from scipy import sparse

    from tcellflow.io.matrices.source import AntibodyCounts

_EXPRESSION_MODALITIES: Final = ("gex", "rna")
_ANTIBODY_MODALITIES: Final = ("prot", "adt", "protein", "proteins")


@dataclass(frozen=True)
class AnnDataMatrix(MatrixSource):
    """An AnnData matrix, or the expression modality of a MuData file; made by `open_anndata`.

    Parameters
    ----------
    path, kind, slot, barcodes, features
        As in `tcellflow.io.matrices.source.MatrixSource`.
    matrix
        Address, layout and shape of the slot that is read.
    """

    matrix: MatrixSlot

    @cached_property
    def obs(self) -> pd.DataFrame | None:
        """The user's own columns about the cells, indexed by barcode."""
        with open_hdf5(self.path) as file:
            return read_frame(file[self.matrix.root], "obs", where=self.path).set_axis(self.barcodes)

    @property
    def choice(self) -> SlotChoice:
        """How the matrix was chosen among those of the file."""
        return self.matrix.choice or SlotChoice(self.slot)

    def read_antibodies(self) -> AntibodyCounts | None:
        """Read antibody counts from obsm, or from the protein modality of a MuData file.

        Returns
        -------
        AntibodyCounts or None
            None where the file has none, or only values that are no counts (a log line says so).
        """
        with open_hdf5(self.path) as file:
            if self.kind is MatrixKind.H5MU:
                name = _find_modality(file["mod"], _ANTIBODY_MODALITIES)
                if name is not None:
                    return read_modality_antibodies(file["mod"][name], where=self.path)
            return read_obsm_antibodies(file[self.matrix.root], self.barcodes, where=self.path)

    def blocks(self, n_rows: int = BLOCK_ROWS) -> Iterator[sparse.csr_matrix]:
        """Stream the slot as CSR blocks, as `MatrixSource.blocks`.

        Raises
        ------
        InputError
            If the matrix is damaged.
        """
        with open_hdf5(self.path) as file:
            yield from read_slot_blocks(file, self.matrix, n_rows=n_rows, where=self.path)


def is_anndata(file: h5py.File) -> bool:
    """Tell whether an HDF5 file is an h5ad (AnnData): obs, var and a place for matrices."""
    return "obs" in file and "var" in file and any(name in file for name in ("X", "layers", "raw"))


def is_mudata(file: h5py.File) -> bool:
    """Tell whether an HDF5 file is an h5mu (MuData), with a group of modalities."""
    return isinstance(file.get("mod"), h5py.Group)


def open_anndata(path: Path, *, slot: str | None = None) -> AnnDataMatrix:
    """Open the expression matrix of an .h5ad file, or of the expression modality of an .h5mu file.

    Parameters
    ----------
    path
        The file.
    slot
        Where the matrix is: ``X``, ``raw``, the name of a layer, ``layers/<name>`` or ``raw/X``. Without it,
        the values decide: see `tcellflow.io.matrices.slot_choice.choose_by_content`.

    Returns
    -------
    AnnDataMatrix
        Names are read and checked; of the values only samples, to choose the slot.

    Raises
    ------
    InputError
        If the slot or the modality is missing, or parts do not fit together.
    """
    with open_hdf5(path) as file:
        is_mu = is_mudata(file)
        root = _expression_modality(file["mod"], path) if is_mu else file
        for name in ("obs", "var"):
            if not isinstance(root.get(name), h5py.Group):
                raise InputError(
                    f"{root.name.rstrip('/')}/{name} is missing or in the layout before anndata 0.7",
                    where=path,
                    mend="open the file with anndata and save it again",
                )
        barcodes = read_index(root["obs"], where=path)
        matrix = choose_slot(root, slot, n_cells=len(barcodes), where=path)
        var = root["raw/var"] if matrix.is_raw else root["var"]
        features = read_features(var, where=path)
        if matrix.shape != (len(barcodes), len(features)):
            raise InputError(
                f"{matrix.address} has the shape {matrix.shape}, but there are {len(barcodes):,} cells "
                f"and {len(features):,} features",
                where=path,
                mend="the file is damaged; export it anew",
            )
    check_barcodes(barcodes, where=path)
    kind = MatrixKind.H5MU if is_mu else MatrixKind.H5AD
    return AnnDataMatrix(path, kind, matrix.address.lstrip("/"), barcodes, features, matrix)


def _expression_modality(modalities: h5py.Group, path: Path) -> h5py.Group:
    name = _find_modality(modalities, _EXPRESSION_MODALITIES)
    if name is None:
        raise InputError(
            f"no modality is called {' or '.join(_EXPRESSION_MODALITIES)}; there are: "
            f"{', '.join(modalities) or 'none'}",
            where=path,
            mend="name the gene expression modality 'gex' or 'rna', or save it alone as .h5ad",
        )
    return modalities[name]


def _find_modality(modalities: h5py.Group, wanted: tuple[str, ...]) -> str | None:
    by_name = {name.lower(): name for name in modalities if isinstance(modalities.get(name), h5py.Group)}
    return next((by_name[name] for name in wanted if name in by_name), None)
