"""The language that contracts of tables are written in: columns and tables, each with its Arrow type."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

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
    is_family
        Whether any number of columns begin with this name, e.g. one for each protein; none is needed.
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
    is_family: bool = False

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

    def members(self, family: Column, names: Iterable[str]) -> list[str]:
        """Give the names that belong to a family of columns: no other family has a longer name in common."""
        families = [c.name for c in self.columns if c.is_family]
        return [
            name
            for name in names
            if max((f for f in families if name.startswith(f)), key=len, default="") == family.name
        ]

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
        asked_for = list(optional)
        columns = []
        for column in self.columns:
            if column.is_family:
                columns += [replace(column, name=name) for name in self.members(column, asked_for)]
            elif not column.optional or column.name in asked_for:
                columns.append(column)
        return pa.schema(
            [pa.field(c.name, arrow_type(c.dtype, vector_width), nullable=c.nullable) for c in columns]
        )


def arrow_type(dtype: Dtype, vector_width: int) -> pa.DataType:
    """Give the Arrow type of a column of a contract; the width matters for vectors alone."""
    if dtype == "vector":
        return pa.list_(pa.float32(), vector_width)
    return {
        "string": pa.string(),
        "bool": pa.bool_(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float32": pa.float32(),
    }[dtype]
