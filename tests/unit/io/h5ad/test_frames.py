"""Data frames made storable."""

import numpy as np
import pandas as pd
import pytest

from tcellflow.errors import InputError
from tcellflow.io.h5ad.frames import as_storable


def store(values):
    return as_storable(pd.DataFrame({"x": values}), where="obs")["x"]


@pytest.mark.parametrize("dtype", [object, "string", "string[pyarrow]", "category"])
def test_text_becomes_sorted_categories(dtype):
    """Text of any type becomes categories; missing text has none."""
    column = store(pd.Series(["b", None, "a", "b"], dtype=dtype))
    assert list(column.cat.categories) == ["a", "b"]
    assert column.cat.categories.dtype == object
    assert column.isna().tolist() == [False, True, False, False]


def test_all_missing_has_no_category():
    """A column without any value stays without any value."""
    column = store(pd.Series([None, None], dtype=object))
    assert len(column.cat.categories) == 0
    assert column.isna().all()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([True, None, False], "boolean"),
        ([1, None, 3], "Int64"),
        ([1.5, None, 3.0], "float64"),
        ([1, 2.5, None], "float64"),
    ],
)
def test_objects_become_nullable_numbers(values, dtype):
    """Booleans and numbers in object columns keep their kind, and missing ones stay missing."""
    column = store(pd.Series(values, dtype=object))
    assert column.dtype == dtype
    assert column.isna().tolist() == [value is None for value in values]
    assert column.dropna().tolist() == [value for value in values if value is not None]


@pytest.mark.parametrize("dtype", ["int8", "int32", "float32", "bool", "Int32", "boolean"])
def test_plain_types_are_left_alone(dtype):
    """Numeric columns keep their exact type."""
    assert store(pd.Series([1, 0], dtype=dtype)).dtype == dtype


def test_ordered_categories_keep_their_order():
    """The order of an ordered category survives."""
    column = store(pd.Categorical(["low", "high"], categories=["low", "high"], ordered=True))
    assert column.cat.ordered
    assert list(column.cat.categories) == ["low", "high"]


def test_index_becomes_text():
    """Row names are text, whatever they were."""
    assert as_storable(pd.DataFrame({"x": [1, 2]}, index=[7, 8]), where="obs").index.tolist() == ["7", "8"]


def test_mixed_types_are_refused():
    """A column of text and numbers is refused by name."""
    with pytest.raises(InputError, match="'x' holds values of mixed types") as caught:
        store(pd.Series(["a", 1], dtype=object))
    assert caught.value.where == "obs"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a/b"], "holds a slash"),
        ([""], "is empty"),
        (["a", "a"], "occurs twice"),
        (["_index"], "is reserved"),
    ],
)
def test_names_that_hdf5_cannot_hold_are_refused(names, said):
    """Empty, repeated and slashed column names are refused."""
    with pytest.raises(InputError, match=said):
        as_storable(pd.DataFrame(np.zeros((1, len(names))), columns=names), where="obs")
