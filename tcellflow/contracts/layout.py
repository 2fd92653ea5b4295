"""Columns to a table as its contract lays it out: order, types, rounding, and NaN as null.

Invariant: floats are rounded before they are written, so that tables are equal across machines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tcellflow.contracts.columns import Table

DECIMALS: Final = 6  # beyond float32's own precision for probabilities


def lay_out(columns: Mapping[str, Any], contract: Table, *, vector_width: int = 0) -> pa.Table:
    """Lay out columns as a table, by its contract.

    Parameters
    ----------
    columns
        Arrays by name, all of the contract's and those of its optional ones that are wanted; floats are
        rounded to six decimals, NaN and None become null.
    contract
        What the table must hold.
    vector_width
        Width of "vector" columns; unused without one.

    Returns
    -------
    pyarrow.Table
        Columns in the contract's order.
    """
    schema = contract.schema(vector_width=vector_width, optional=columns)
    return pa.Table.from_arrays([_array(columns[field.name], field.type) for field in schema], schema=schema)


def _array(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
    if not pa.types.is_floating(kind):
        return values if isinstance(values, pa.Array) else pa.array(values, kind)
    rounded = np.round(values.astype(np.float64), DECIMALS)
    # sums of float32 probabilities may pass 1 by their last bit
    bounded = np.where((rounded > 1) & (rounded < 1 + 1e-5), 1.0, rounded)
    return pa.array(bounded.astype(np.float32), kind, mask=np.isnan(bounded))
