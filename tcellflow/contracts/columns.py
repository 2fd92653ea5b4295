"""The language that contracts of tables are written in: columns, tables, and how one is compared with both.

Invariant: a check looks at everything, so that a broken file is mended in one go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from tcellflow.contracts.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import StrEnum

Dtype = Literal["string", "bool", "int32", "int64", "float32", "vector"]


@dataclass(frozen=True)
class Column:
    """One column of a table contract.

    Parameters
    ----------
    name
        Column name.
    dtype
        Arrow type; "vector" is a fixed-size list of float32 of any width.
    meaning
        What it holds, with its unit, for the reference page.
    nullable
        Whether nulls are allowed (null always means "missing", never a default).
    low, high
        Inclusive range of numbers.
    choices
        Allowed strings, as the enum that names them.
    extra_choices
        Allowed strings beside `choices`.
    pattern
        Regular expression the whole string must match.
    since
        Contract version that brought the column; it is null in tables of older versions.
    optional
        Whether the column is there only where it was asked for.
    """

    name: str
    dtype: Dtype
    meaning: str
    nullable: bool = False
    low: float | None = None
    high: float | None = None
    choices: type[StrEnum] | None = None
    extra_choices: tuple[str, ...] = ()
    pattern: str | None = None
    since: int = 1
    optional: bool = False

    @property
    def allowed(self) -> tuple[str, ...]:
        """The allowed strings, or an empty tuple where any is."""
        return (*(self.choices or ()), *self.extra_choices)


@dataclass(frozen=True)
class Table:
    """A table contract.

    Parameters
    ----------
    name
        Contract name.
    version
        Rises with each change a reader could notice.
    columns
        The columns, in file order.
    key
        Columns whose values together are unique and never null.
    meaning
        One sentence for the reference page.
    """

    name: str
    version: int
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    meaning: str

    @property
    def stamp(self) -> str:
        """The ``name/version`` written into each file."""
        return f"{self.name}/{self.version}"

    def at(self, version: int) -> Table:
        """Give the contract as an older version had it.

        Parameters
        ----------
        version
            1 to this contract's own version.

        Returns
        -------
        Table
            Without the columns that came later.
        """
        columns = tuple(column for column in self.columns if column.since <= version)
        return replace(self, version=version, columns=columns)

    def schema(self, *, vector_width: int = 0, optional: Iterable[str] = ()) -> pa.Schema:
        """Build the Arrow schema.

        Parameters
        ----------
        vector_width
            Width of "vector" columns; unused without one.
        optional
            Names of the optional columns that are there; names of other columns may be among them.

        Returns
        -------
        pyarrow.Schema
            One field per column, nullability as declared.
        """
        asked_for = set(optional)
        columns = [c for c in self.columns if not c.optional or c.name in asked_for]
        return pa.schema(
            [pa.field(c.name, _arrow_type(c.dtype, vector_width), nullable=c.nullable) for c in columns]
        )


def _arrow_type(dtype: Dtype, vector_width: int) -> pa.DataType:
    if dtype == "vector":
        return pa.list_(pa.float32(), vector_width)
    return {
        "string": pa.string(),
        "bool": pa.bool_(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float32": pa.float32(),
    }[dtype]


def find_table_faults(table: pa.Table, contract: Table) -> list[Fault]:
    """Compare a table with its contract.

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
        if column.name not in table.column_names:
            if column.optional:
                continue
            faults.append(
                Fault("the column is missing", f"column '{column.name}'", "re-run the step that wrote it")
            )
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
        right_type = values.type == _arrow_type(column.dtype, 0)
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
