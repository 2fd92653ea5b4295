"""The faults of a table against its contract: columns, types, values and keys.

Invariant: a check looks at everything, so that a broken file is mended in one go.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from tcellflow.contracts.columns import arrow_type
from tcellflow.contracts.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tcellflow.contracts.columns import Column, Table


def find_table_faults(table: pa.Table, contract: Table) -> list[Fault]:
    """Find the faults of a table against its contract.

    Parameters
    ----------
    table
        The table; column order does not matter, further columns are allowed.
    contract
        What it should hold.

    Returns
    -------
    list of Fault
        Everything wrong, in column order; empty when the table is valid.
    """
    faults: list[Fault] = []
    for column in contract.columns:
        if column.is_family:
            for name in contract.members(column, table.column_names):
                faults += _find_column_faults(table.column(name), replace(column, name=name))
            continue
        if column.name not in table.column_names:
            if column.optional:
                continue
            faults.append(
                Fault("the column is missing", f"column '{column.name}'", "re-run the step that wrote it")
            )
            continue
        if table.column_names.count(column.name) > 1:
            faults.append(Fault("the column is there twice", f"column '{column.name}'", "keep one of them"))
            continue
        faults += _find_column_faults(table.column(column.name), column)
    if not faults:
        faults += _find_key_faults(table, contract)
    return faults


def _find_column_faults(values: pa.ChunkedArray, column: Column) -> Iterable[Fault]:
    place = f"column '{column.name}'"
    if column.dtype == "vector":
        right_type = pa.types.is_fixed_size_list(values.type) and values.type.value_type == pa.float32()
        if right_type and values.null_count == 0:
            flat = pc.list_flatten(values)
            if not pc.all(pc.is_finite(flat), min_count=0).as_py():
                yield Fault("holds NaN or infinite numbers", place, "re-run the step that wrote it")
    else:
        right_type = values.type == arrow_type(column.dtype, 0)
    if not right_type:
        yield Fault(
            f"has type {values.type} instead of {column.dtype}", place, "re-run the step that wrote it"
        )
        return
    if values.null_count and not column.nullable:
        row = pc.index(pc.is_null(values), True).as_py()
        yield Fault(f"holds {values.null_count} nulls (first: row {row})", place, "fill or drop these rows")
    bad = _bad_values(values, column)
    if bad is not None:
        mask, rule = bad
        mask = pc.and_(pc.fill_null(mask, False), pc.is_valid(values))
        count = pc.sum(mask).as_py() or 0
        if count:
            row = pc.index(mask, True).as_py()
            yield Fault(
                f"holds {count} values that are not {rule} (first: row {row}, {values[row].as_py()!r})",
                place,
                f"make them {rule}",
            )


def _bad_values(values: pa.ChunkedArray, column: Column) -> tuple[pa.ChunkedArray, str] | None:
    if column.allowed:
        rule = "one of " + ", ".join(column.allowed)
        return pc.invert(pc.is_in(values, value_set=pa.array(list(column.allowed), pa.string()))), rule
    if column.pattern is not None:
        matcher = re.compile(column.pattern)
        unique = pc.unique(values).to_pylist()
        bad = [value for value in unique if value is not None and not matcher.fullmatch(value)]
        return pc.is_in(values, value_set=pa.array(bad, pa.string())), f"like {column.pattern}"
    if column.low is not None or column.high is not None:
        low = -float("inf") if column.low is None else column.low
        high = float("inf") if column.high is None else column.high
        as_float = values.cast(pa.float64())
        inside = pc.and_(pc.greater_equal(as_float, low), pc.less_equal(as_float, high))
        return pc.or_(pc.invert(inside), pc.is_nan(as_float)), f"within {low:g} and {high:g}"
    return None


def _find_key_faults(table: pa.Table, contract: Table) -> list[Fault]:
    if not contract.key or table.num_rows == 0:
        return []
    keys = table.select(list(contract.key))
    counts = keys.group_by(list(contract.key)).aggregate([([], "count_all")])
    repeated = counts.filter(pc.greater(counts["count_all"], 1))
    if repeated.num_rows == 0:
        return []
    first: dict[str, Any] = repeated.slice(0, 1).to_pylist()[0]
    first.pop("count_all")
    return [
        Fault(
            f"{repeated.num_rows} keys occur more than once (first: {first})",
            "key (" + ", ".join(contract.key) + ")",
            "keep one row per key",
        )
    ]
