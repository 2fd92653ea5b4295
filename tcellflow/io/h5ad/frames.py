"""Data frames as they are stored in h5ad: plain types, missing values kept missing.

Invariant: text is stored as categories in sorted order, a missing text as no category; it never
comes back as the word "nan".
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np
import pandas as pd

from tcellflow.errors import InputError

_NULLABLE: Final[dict[str, Any]] = {
    "boolean": pd.BooleanDtype(),
    "integer": pd.Int64Dtype(),
    "floating": np.dtype(np.float64),
    "mixed-integer-float": np.dtype(np.float64),
}


def as_storable(frame: pd.DataFrame, *, where: object) -> pd.DataFrame:
    """Give every column of a data frame a type that h5ad stores and anndata reads back unchanged.

    Parameters
    ----------
    frame
        Any data frame with distinct text column names.
    where
        Named in errors as the place.

    Returns
    -------
    pandas.DataFrame
        The same rows and columns: text as categories, other objects as nullable booleans,
        integers or floats; an index of str.

    Raises
    ------
    InputError
        If a column's name is empty, repeated, reserved or holds a slash, or its values are of mixed types.
    """
    names = [str(name) for name in frame.columns]
    counts = Counter(names)
    for name in names:
        fault = _name_fault(name, counts[name])
        if fault:
            raise InputError(f"the column name {name!r} {fault}", where=where, mend="rename the column")
    columns = {name: _storable_column(frame.iloc[:, i], name, where) for i, name in enumerate(names)}
    index = pd.Index(frame.index.astype(str).to_numpy(dtype=object), dtype=object)
    return pd.DataFrame({name: column.set_axis(index) for name, column in columns.items()}, index=index)


def _name_fault(name: str, count: int) -> str:
    if not name:
        return "is empty"
    if "/" in name:
        return "holds a slash"
    if name == "_index":
        return "is reserved for the row names"
    return "occurs twice" if count > 1 else ""


def _storable_column(values: pd.Series[Any], name: str, where: object) -> pd.Series[Any]:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return _with_text_categories(values)
    if not (isinstance(values.dtype, pd.StringDtype) or values.dtype == object):
        return values
    plain = values.astype(object)
    plain = plain.where(plain.notna(), np.nan)
    kind = pd.api.types.infer_dtype(plain, skipna=True)
    if kind in {"string", "empty"}:
        return pd.Series(pd.Categorical(plain, categories=sorted(set(plain.dropna()))), index=values.index)
    if kind in _NULLABLE:
        typed: pd.Series[Any] = plain.astype(_NULLABLE[kind])
        return typed
    raise InputError(
        f"the column {name!r} holds values of mixed types ({kind})",
        where=where,
        mend="make them all text or all numbers, or drop the column",
    )


def _with_text_categories(values: pd.Series[Any]) -> pd.Series[Any]:
    categories = values.cat.categories
    if categories.dtype == object or not isinstance(categories.dtype, pd.StringDtype):
        return values
    renamed: pd.Series[Any] = values.cat.rename_categories(categories.astype(object))
    return renamed
