"""Contracts find every fault of a table, each with its place and its mend."""

from dataclasses import replace

import pyarrow as pa
import pytest

from tcellflow.contracts.columns import Column, Table
from tcellflow.contracts.faults import raise_faults
from tcellflow.contracts.table_faults import find_table_faults
from tcellflow.errors import ContractError
from tcellflow.vocabulary import Arm

TOY = Table(
    name="toy",
    version=3,
    key=("cell_id",),
    meaning="A table for tests.",
    columns=(
        Column("cell_id", "string", "key"),
        Column("arm", "string", "choice", choices=Arm, nullable=True),
        Column("share", "float32", "range", low=0, high=1, nullable=True),
        Column("code", "string", "pattern", pattern="[a-f]{2}", nullable=True),
        Column("vector", "vector", "embedding"),
    ),
)


def toy(**changes):
    """Build a valid two-row table with some columns replaced."""
    columns = {
        "cell_id": pa.array(["a", "b"]),
        "arm": pa.array(["VJ", None]),
        "share": pa.array([0.5, None], pa.float32()),
        "code": pa.array(["ab", None]),
        "vector": pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32(), 2)),
    }
    return pa.table(columns | changes)


def only_fault(table):
    """Give the single fault of a table."""
    (fault,) = find_table_faults(table, TOY)
    return fault


def test_valid_table_has_no_faults():
    """A table that keeps its contract is accepted, nulls where allowed."""
    assert find_table_faults(toy(), TOY) == []


def test_further_columns_are_allowed():
    """A column the contract does not know is no fault."""
    assert find_table_faults(toy(extra=pa.array([1, 2])), TOY) == []


def test_optional_columns_may_be_absent_but_not_wrong():
    """A column that is there only where asked for may be missing; where it is there it is checked."""
    asked = Column("asked", "float32", "on request", low=0, high=1, optional=True)
    contract = replace(TOY, columns=(*TOY.columns, asked))
    assert find_table_faults(toy(), contract) == []
    assert "asked" not in contract.schema(vector_width=2).names
    assert contract.schema(vector_width=2, optional=["asked", "else"]).names[-1] == "asked"
    (fault,) = find_table_faults(toy(asked=pa.array([0.5, 2.0], pa.float32())), contract)
    assert "within 0 and 1" in fault.what


def test_empty_table_is_valid():
    """Zero rows keep the contract."""
    assert find_table_faults(TOY.schema(vector_width=2).empty_table(), TOY) == []


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"cell_id": pa.array(["a", None])}, "column 'cell_id'", "1 nulls (first: row 1)"),
        ({"cell_id": pa.array([1, 2])}, "column 'cell_id'", "type int64 instead of string"),
        ({"cell_id": pa.array(["a", "a"])}, "key (cell_id)", "{'cell_id': 'a'}"),
        ({"arm": pa.array(["VJ", "VVJ"])}, "column 'arm'", "first: row 1, 'VVJ'"),
        ({"share": pa.array([-0.1, 0.2], pa.float32())}, "column 'share'", "not within 0 and 1"),
        ({"share": pa.array([0.2, float("nan")], pa.float32())}, "column 'share'", "first: row 1, nan"),
        ({"share": pa.array([float("inf"), 0.2], pa.float32())}, "column 'share'", "first: row 0, inf"),
        ({"code": pa.array(["ab", "xyz"])}, "column 'code'", "first: row 1, 'xyz'"),
        (
            {"vector": pa.array([[1.0, 2.0], [3.0, float("nan")]], pa.list_(pa.float32(), 2))},
            "column 'vector'",
            "NaN",
        ),
        ({"vector": pa.array([[1.0], [2.0]], pa.list_(pa.float32()))}, "column 'vector'", "type list"),
    ],
)
def test_each_breach_is_found_and_placed(changes, place, words):
    """Every kind of breach is told with the column and the first row."""
    fault = only_fault(toy(**changes))
    assert fault.place == place
    assert words in fault.what
    assert fault.mend


def test_missing_column_is_found():
    """A column that is not there is a fault."""
    assert only_fault(toy().drop_columns(["arm"])).place == "column 'arm'"


def test_all_faults_are_told_together():
    """Several faults come in one error, none hides another."""
    table = toy(arm=pa.array(["x", "y"]), share=pa.array([2.0, 3.0], pa.float32()))
    with pytest.raises(ContractError) as caught:
        raise_faults(find_table_faults(table, TOY), stamp=TOY.stamp, where="toy.parquet")
    assert "2 faults" in caught.value.what
    assert "column 'arm'" in caught.value.what
    assert "column 'share'" in caught.value.what
    assert "toy/3" in caught.value.what
