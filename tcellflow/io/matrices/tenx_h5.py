"""Cell Ranger's HDF5 matrices: version 2 (one group per genome) and 3 (group ``matrix``).

Invariant: the file stores features x cells column by column, which is cells x features row by
row: cells are streamed as they lie, and nothing is transposed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import h5py
import numpy as np

from tcellflow.cells.barcodes import check_barcodes
from tcellflow.errors import InputError
from tcellflow.io.files.csr_blocks import BLOCK_ROWS, read_row_blocks, read_row_starts
from tcellflow.io.files.hdf5 import find_dataset, open_dataset, open_hdf5, read_strings
from tcellflow.io.matrices.source import GENE_EXPRESSION, FeatureTable, MatrixKind, MatrixSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy import sparse

_PARTS: Final = ("barcodes", "data", "indices", "indptr", "shape")
_V2_PARTS: Final = ("genes", "gene_names")
_RE_EXPORT: Final = "the file is damaged; export it anew"


@dataclass(frozen=True)
class TenxH5Matrix(MatrixSource):
    """A Cell Ranger HDF5 matrix; made by `open_tenx_h5`."""

    def blocks(self, n_rows: int = BLOCK_ROWS) -> Iterator[sparse.csr_matrix]:
        """Stream the matrix as CSR blocks, as `MatrixSource.blocks`.

        Raises
        ------
        InputError
            If the matrix is damaged.
        """
        with open_hdf5(self.path) as file:
            group = file[self.slot]
            starts = read_row_starts(group, len(self.barcodes), where=self.path)
            yield from read_row_blocks(group, starts, len(self.features), n_rows=n_rows, where=self.path)


def find_tenx_groups(file: h5py.File) -> list[str]:
    """List the groups of an HDF5 file that hold a 10x matrix: ``matrix`` (version 3) or genomes (2)."""
    found = []
    for name in file:
        item = file.get(name)  # None where a link leads nowhere
        if isinstance(item, h5py.Group) and "indptr" in item and ("features" in item or _V2_PARTS[0] in item):
            found.append(name)
    return found


def open_tenx_h5(path: Path) -> TenxH5Matrix:
    """Open Cell Ranger's (10x) HDF5 matrix: names are read and checked, counts are not read yet.

    Raises
    ------
    InputError
        If it holds several genomes, or its parts are missing or do not fit together.
    """
    with open_hdf5(path) as file:
        found = find_tenx_groups(file)
        if not found:
            raise InputError(
                "the HDF5 file holds no Cell Ranger matrix",
                where=path,
                mend="give filtered_feature_bc_matrix.h5",
            )
        if len(found) > 1:
            raise _several_genomes(found, path)
        group = file[found[0]]
        is_v3 = isinstance(group.get("features"), h5py.Group)
        _check_parts(group, _PARTS if is_v3 else _PARTS + _V2_PARTS, path)
        barcodes = read_strings(open_dataset(group, "barcodes", where=path), where=path)
        features = _read_v3_features(group["features"], path) if is_v3 else _read_v2_features(group, path)
        _check_shape(group, len(features), len(barcodes), path)
        read_row_starts(group, len(barcodes), where=path)
    check_barcodes(barcodes, where=path)
    kind = MatrixKind.TENX_H5_V3 if is_v3 else MatrixKind.TENX_H5_V2
    return TenxH5Matrix(path, kind, found[0], barcodes, features)


def _several_genomes(names: list[str], path: Path) -> InputError:
    return InputError(
        f"the file holds several genomes: {', '.join(names)}",
        where=path,
        mend="export one genome alone; tcellflow analyses cells of one species",
    )


def _check_parts(group: h5py.Group, parts: tuple[str, ...], path: Path) -> None:
    missing = [part for part in parts if not isinstance(group.get(part), h5py.Dataset)]
    if missing:
        raise InputError(f"{group.name} lacks {', '.join(missing)}", where=path, mend=_RE_EXPORT)


def _read_v2_features(group: h5py.Group, path: Path) -> FeatureTable:
    ids = read_strings(open_dataset(group, "genes", where=path), where=path)
    names = read_strings(open_dataset(group, "gene_names", where=path), where=path)
    _check_lengths({"genes": ids, "gene_names": names}, group.name, path)
    return FeatureTable(ids, names, np.full(len(ids), GENE_EXPRESSION, dtype=object))


def _read_v3_features(group: h5py.Group, path: Path) -> FeatureTable:
    columns_needed = ("id", "name", "feature_type")
    _check_parts(group, columns_needed, path)
    columns = {
        name: read_strings(open_dataset(group, name, where=path), where=path)
        for name in (*columns_needed, "genome")
        if name in group
    }
    _check_lengths(columns, group.name, path)
    table = FeatureTable(columns["id"], columns["name"], columns["feature_type"])
    if "genome" in columns:
        genomes = sorted(set(columns["genome"][table.types == GENE_EXPRESSION]) - {""})
        if len(genomes) > 1:
            raise _several_genomes(genomes, path)
    return table


def _check_lengths(columns: dict[str, NDArray[np.object_]], place: str, path: Path) -> None:
    if len({len(values) for values in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {len(values):,}" for name, values in columns.items())
        raise InputError(
            f"the feature columns in {place} differ in length: {lengths}", where=path, mend=_RE_EXPORT
        )


def _check_shape(group: h5py.Group, n_features: int, n_cells: int, path: Path) -> None:
    declared = find_dataset(group, "shape", where=path)
    if declared.dtype.kind not in "iu" or declared.size != 2:
        raise InputError(f"{declared.name} holds no two whole numbers", where=path, mend=_RE_EXPORT)
    shape = tuple(int(n) for n in declared[:].ravel())
    if shape == (n_features, n_cells):
        return
    words = (
        f"the matrix is declared as {shape} but there are {n_features:,} features and {n_cells:,} barcodes"
    )
    if shape == (n_cells, n_features):
        words += "; it looks transposed"
    raise InputError(words, where=path, mend="Cell Ranger stores features x cells; export the file anew")
