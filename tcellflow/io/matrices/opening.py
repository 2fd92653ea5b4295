"""Opening an expression matrix, whatever its format: the one door for the steps.

Invariant: the format is decided by content, never by the file's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import h5py

from tcellflow.errors import InputError
from tcellflow.io.files.hdf5 import open_hdf5
from tcellflow.io.files.kinds import check_is_file, is_hdf5, is_matrix_market
from tcellflow.io.matrices.h5ad import is_anndata, is_mudata, open_anndata
from tcellflow.io.matrices.tenx_h5 import find_tenx_groups, open_tenx_h5
from tcellflow.io.matrices.tenx_mtx import open_mtx

if TYPE_CHECKING:
    from pathlib import Path

    from tcellflow.io.matrices.source import MatrixSource

# Signs of HDF5 files that are something else, and what they are.
_OTHER_CONTENT: Final = {
    ("barcode_idx", "umi"): "Cell Ranger's molecule_info.h5",
    ("row_attrs", "col_attrs"): "a loom file",
    ("assays", "cell.names"): "an h5Seurat file",
    ("obs", "obsm"): "an AnnData file without var",
}
_MEND: Final = "give filtered_feature_bc_matrix.h5, an .h5ad or .h5mu file, or a 10x mtx folder"


def open_matrix(path: Path, *, slot: str | None = None) -> MatrixSource:
    """Open an expression matrix, whatever its format.

    Parameters
    ----------
    path
        10x .h5 (version 2 or 3), 10x mtx folder (or its matrix file), .h5ad or .h5mu.
    slot
        Only for .h5ad and .h5mu: where the matrix is (``X``, ``raw``, the name of a layer);
        see `tcellflow.io.matrices.h5ad.open_anndata`.

    Returns
    -------
    MatrixSource
        Names are read and checked; counts are read by its ``blocks``.

    Raises
    ------
    InputError
        If it is no matrix, is damaged, or `slot` is given for another format.
    """
    if path.is_dir():
        source: MatrixSource = open_mtx(path)
    else:
        check_is_file(path)
        if not is_hdf5(path) and is_matrix_market(path):
            source = open_mtx(path)
        else:
            with open_hdf5(path) as file:
                is_tenx = _is_tenx(file, path)
            if not is_tenx:
                return open_anndata(path, slot=slot)
            source = open_tenx_h5(path)
    if slot is not None:
        raise InputError(
            f"the matrix slot {slot} was asked for, but the file is a {source.kind} matrix, which has none",
            where=path,
            mend="leave --layer out",
        )
    return source


def _is_tenx(file: h5py.File, path: Path) -> bool:
    if is_mudata(file) or is_anndata(file):
        return False
    if find_tenx_groups(file):
        return True
    content = next((words for signs, words in _OTHER_CONTENT.items() if all(s in file for s in signs)), "")
    if content:
        raise InputError(f"the file is {content}, not an expression matrix", where=path, mend=_MEND)
    found = ", ".join(str(name) for name in list(file)[:8]) or "nothing"
    if isinstance(file.get("matrix"), h5py.Group):
        found = f"a group 'matrix' without its parts ({', '.join(map(str, file['matrix'])) or 'empty'})"
    raise InputError(f"the HDF5 file holds no expression matrix; it holds {found}", where=path, mend=_MEND)
