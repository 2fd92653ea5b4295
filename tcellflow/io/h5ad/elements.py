"""Elements of AnnData files as anndata reads and writes them: data frames, names, mappings.

Invariant: anndata is imported only where an element is read or written, for it takes a second.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd

from tcellflow.errors import InputError
from tcellflow.io.files.hdf5 import open_dataset, read_strings, read_text_attribute

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_element(group: h5py.Group, name: str, *, where: object) -> Any:
    """Read one existing element of an h5ad file the way anndata does.

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
    """Read an existing element of an h5ad file that is a data frame.

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
    """Read the row names of a data frame element without the rest of it, as objects of str.

    Raises
    ------
    InputError
        If there are none.
    """
    name = read_text_attribute(group, "_index", "_index")
    if not name or name not in group:
        raise InputError(
            f"{group.name} has no row names", where=where, mend="open the file with anndata and save it again"
        )
    return read_names(group, name, where=where)


def read_names(group: h5py.Group, name: str, *, where: object) -> NDArray[np.object_]:
    """Read one column of names of a data frame element as objects of str; missing ones are empty.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if isinstance(group[name], h5py.Dataset):
        return read_strings(open_dataset(group, name, where=where), where=where)
    found = read_element(group, name, where=where)
    if (
        not isinstance(found, pd.Categorical | pd.api.extensions.ExtensionArray | np.ndarray)
        or found.ndim != 1
    ):
        raise InputError(
            f"{group.name.rstrip('/')}/{name} is no column of names",
            where=where,
            mend="open the file with anndata and save it again",
        )
    values = pd.Series(found).astype(object)
    return values.where(values.notna(), "").astype(str).to_numpy(dtype=object)


def mark_encoding(group: h5py.Group, encoding: str) -> None:
    """Mark an element of an h5ad file as a mapping or sparse matrix, as anndata recognises it."""
    group.attrs["encoding-type"] = encoding
    group.attrs["encoding-version"] = "0.1.0"


def write_element(group: h5py.Group, name: str, value: Any) -> None:
    """Write one element of an h5ad file the way anndata does, replacing what was there."""
    from anndata.io import write_elem  # noqa: PLC0415 (takes a second: only where a file is written)

    with warnings.catch_warnings():
        # anndata announces changes of other formats (zarr) for every file
        warnings.simplefilter("ignore", FutureWarning)
        write_elem(group, name, value)
