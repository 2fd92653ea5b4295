"""Contracts: what the schema produces is valid, and every single breach is caught."""

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcellflow.contracts.columns import Column
from tcellflow.contracts.table_faults import find_table_faults
from tcellflow.contracts.tables import TABLES
from tcellflow.io.tables.parquet import read_table, write_table
from tcellflow.provenance import StepNote

ROWS = 4
NUMBERS = {"int32", "int64", "float32"}
quick = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def values_for(column: Column) -> st.SearchStrategy:
    """Give a strategy for one valid, non-null value of a column."""
    if column.allowed:
        return st.sampled_from([str(value) for value in column.allowed])
    if column.pattern:
        return st.from_regex(column.pattern, fullmatch=True).filter(str.isascii)
    if column.dtype == "string":
        return st.text(max_size=8)
    if column.dtype == "bool":
        return st.booleans()
    if column.dtype == "vector":
        return st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=2)
    low = 0 if column.low is None else int(column.low)
    high = 1 if column.high is None else max(int(column.high), low + 1)
    if column.dtype == "float32":
        return st.floats(low, min(high, column.high or high), width=32)
    return st.integers(low, low + 50)


@st.composite
def valid_tables(draw, contract):
    """Draw a valid table of a few rows, with some of the optional columns."""
    optional = [column.name for column in contract.columns if column.optional]
    asked_for = draw(st.sets(st.sampled_from(optional))) if optional else set()
    schema = contract.schema(vector_width=2, optional=asked_for)
    declared = {column.name: column for column in contract.columns}
    arrays = []
    for field in schema:
        column = declared[field.name]
        if column.name in contract.key:
            values = draw(st.lists(values_for(column), min_size=ROWS, max_size=ROWS))
            if column.name == contract.key[0]:
                values = draw(st.lists(values_for(column), min_size=ROWS, max_size=ROWS, unique=True))
        else:
            one = values_for(column)
            values = draw(st.lists(st.none() | one if column.nullable else one, min_size=ROWS, max_size=ROWS))
        arrays.append(pa.array(values, field.type))
    return pa.table(arrays, schema=schema)


@pytest.mark.parametrize("contract", TABLES, ids=lambda c: c.name)
@quick
@given(data=st.data())
def test_what_is_valid_is_accepted_and_survives_a_round_trip(contract, data, tmp_path_factory):
    """A valid table is written and read back unchanged."""
    table = data.draw(valid_tables(contract))
    assert find_table_faults(table, contract) == []
    path = tmp_path_factory.mktemp("contract") / "t.parquet"
    write_table(path, table, contract, StepNote("test"))
    assert read_table(path, contract).equals(table)


@pytest.mark.parametrize("contract", TABLES, ids=lambda c: c.name)
@quick
@given(data=st.data())
def test_any_column_taken_away_is_a_fault(contract, data):
    """No column of a contract can vanish unseen, but for those that are there on request alone."""
    table = data.draw(valid_tables(contract))
    column = data.draw(st.sampled_from([c for c in contract.columns if c.name in table.column_names]))
    faults = find_table_faults(table.drop_columns([column.name]), contract)
    expected = [] if column.optional else [f"column '{column.name}'"]
    assert [fault.place for fault in faults] == expected


@pytest.mark.parametrize("contract", TABLES, ids=lambda c: c.name)
@quick
@given(data=st.data())
def test_any_number_out_of_range_is_a_fault(contract, data):
    """A number below its range is found in whichever row it stands."""
    ranged = [c for c in contract.columns if c.dtype in NUMBERS and c.low is not None]
    if not ranged:
        return
    table = data.draw(valid_tables(contract))
    column = data.draw(st.sampled_from([c for c in ranged if c.name in table.column_names]))
    row = data.draw(st.integers(0, ROWS - 1))
    values = table.column(column.name).to_pylist()
    values[row] = int(column.low) - 1
    index = table.column_names.index(column.name)
    broken = table.set_column(
        index, table.schema.field(column.name), pa.array(values, table.schema.field(index).type)
    )
    faults = find_table_faults(broken, contract)
    assert f"first: row {row}" in faults[0].what
