"""Parts of an AnnData file other than the matrix: data frames, names and features.

Invariant: anndata is imported only when a data frame is read, for it takes a second.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np
import pandas as pd

from tcellflow.errors import InputError
from tcellflow.io.files.hdf5 import open_dataset, read_strings
from tcellflow.io.matrices.source import ANTIBODY_CAPTURE, GENE_EXPRESSION, FeatureTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ENSEMBL: Final = re.compile(r"ENS[A-Z]{0,4}G\d{11}(\.\d+)?")
_ID_COLUMNS: Final = ("gene_ids", "gene_id", "ensembl_id", "ensembl_ids", "ensembl", "feature_id", "id")
_NAME_COLUMNS: Final = (
    "gene_symbols",
    "gene_symbol",
    "feature_name",
    "gene_name",
    "gene_names",
    "symbol",
    "name",
)
_TYPE_COLUMN: Final = "feature_types"  # "feature_type" of public atlases is the gene's biotype
_SAMPLE: Final = 50
# Words of other tools for the two types that tcellflow tells apart.
_TYPE_WORDS: Final = {
    "gene expression": GENE_EXPRESSION,
    "gex": GENE_EXPRESSION,
    "rna": GENE_EXPRESSION,
    "antibody capture": ANTIBODY_CAPTURE,
    "adt": ANTIBODY_CAPTURE,
    "protein": ANTIBODY_CAPTURE,
}


def read_element(group: h5py.Group, name: str, *, where: object) -> Any:
    """Read one element the way anndata does.

    Parameters
    ----------
    group, name
        Its place; it must exist.
    where
        File concerned.

    Returns
    -------
    object
        A data frame, array, sparse matrix, mapping or scalar.

    Raises
    ------
    InputError
        If anndata cannot read it.
    """
    from anndata.io import read_elem  # noqa: PLC0415 (takes a second: only where a file needs it)

    try:
        return read_elem(group[name])
    except Exception as error:  # (anndata raises whatever the content provokes)
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{group.name.rstrip('/')}/{name} cannot be read: {text}",
            where=where,
            mend="open the file with anndata and save it again",
        ) from error


def read_frame(group: h5py.Group, name: str, *, where: object) -> pd.DataFrame:
    """Read a data frame.

    Parameters
    ----------
    group, name
        Its place; it must exist.
    where
        File concerned.

    Returns
    -------
    pandas.DataFrame
        As anndata gives it.

    Raises
    ------
    InputError
        If it is no data frame or cannot be read.
    """
    frame = read_element(group, name, where=where)
    if not isinstance(frame, pd.DataFrame):
        raise InputError(
            f"{group.name.rstrip('/')}/{name} is not a data frame",
            where=where,
            mend="open the file with anndata and save it again",
        )
    return frame


def read_index(group: h5py.Group, *, where: object) -> NDArray[np.object_]:
    """Read the row names of a data frame without the rest of it.

    Parameters
    ----------
    group
        The data frame's group.
    where
        File concerned.

    Returns
    -------
    numpy.ndarray
        Object array of str.

    Raises
    ------
    InputError
        If there are none.
    """
    name = str(group.attrs.get("_index", "_index"))
    if name not in group:
        raise InputError(
            f"{group.name} has no row names", where=where, mend="open the file with anndata and save it again"
        )
    return _read_names(group, name, where=where)


def _read_names(group: h5py.Group, name: str, *, where: object) -> NDArray[np.object_]:
    if isinstance(group[name], h5py.Dataset):
        return read_strings(open_dataset(group, name, where=where), where=where)
    values = pd.Series(read_element(group, name, where=where)).astype(object)
    return values.where(values.notna(), "").astype(str).to_numpy(dtype=object)


def read_features(group: h5py.Group, *, where: object) -> FeatureTable:
    """Read names, ids and types of the features from a var data frame.

    Parameters
    ----------
    group
        The group of var or raw/var.
    where
        File concerned.

    Returns
    -------
    FeatureTable
        Where the row names are Ensembl ids, names come from the first column of symbols, if any.

    Raises
    ------
    InputError
        If there are no row names.
    """
    index = read_index(group, where=where)
    n_ids = sum(_ENSEMBL.fullmatch(name) is not None for name in index[:_SAMPLE])
    if n_ids * 2 > min(len(index), _SAMPLE):
        found = _first_column(group, _NAME_COLUMNS, len(index), where=where)
        ids, names = index, index if found is None else np.where(found == "", index, found)
    else:
        found = _first_column(group, _ID_COLUMNS, len(index), where=where)
        ids, names = np.full(len(index), "", dtype=object) if found is None else found, index
    types = _first_column(group, (_TYPE_COLUMN,), len(index), where=where)
    if types is None:
        types = np.full(len(index), GENE_EXPRESSION, dtype=object)
    else:
        types = np.array([_TYPE_WORDS.get(word.lower(), word) for word in types], dtype=object)
    return FeatureTable(ids, names, types)


def _first_column(
    group: h5py.Group, names: tuple[str, ...], length: int, *, where: object
) -> NDArray[np.object_] | None:
    by_name = {name.lower(): name for name in group}
    for name in names:
        if name in by_name:
            values = _read_names(group, by_name[name], where=where)
            if len(values) == length:
                return values
    return None
