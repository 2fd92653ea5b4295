"""Parquet files that declare far more than a file of their size can hold."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from step_outputs import make_step_frames, write_step_files
from tcellflow.contracts.tables import CHAINS
from tcellflow.errors import ContractError, InputError
from tcellflow.io.files.parquet_files import open_parquet
from tcellflow.io.matrices.antibody_tables import read_antibody_table
from tcellflow.io.tables.parquet import read_table, read_table_note

BARCODES = [f"{'ACGT' * 4}-{number}" for number in range(1, 4)]


@pytest.fixture
def chains(tmp_path):
    return write_step_files(tmp_path, make_step_frames(20))[0]


def change(path, edit):
    """Write a table again with a change."""
    pq.write_table(edit(pq.read_table(path)), path)
    return path


def repeat(values, n):
    """Write one value so often that only its number counts."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, dtype=np.int32)), pa.array(values))


@pytest.mark.parametrize(("value", "n"), [(1, 50_000_000), ("x" * 1000, 1_000_000), ("x" * 100_000, 10_000)])
def test_equal_values_without_end_are_refused(tmp_path, value, n):
    """A few kilobytes that stand for gigabytes are told before they are unfolded, numbers and texts."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"cell_id": repeat([value], n)}), path, compression="zstd", store_schema=False)
    for read in (lambda: read_antibody_table(path, BARCODES), lambda: _open(path)):
        with pytest.raises(InputError, match="unfolds to"):
            read()


def _open(path):
    with open_parquet(path, mend="again"):
        pass


def test_list_columns_are_refused(tmp_path, chains):
    """Lists have no place in a table of counts, nor in one of chains."""
    path = tmp_path / "adt.parquet"
    pq.write_table(pa.table({"cell_id": BARCODES, "CD3": [[1], [2], [3]]}), path)
    with pytest.raises(InputError, match="'CD3' holds lists"):
        read_antibody_table(path, BARCODES)
    change(chains, lambda t: t.append_column("mine", pa.array([[1]] * t.num_rows)))
    with pytest.raises(InputError, match="'mine' holds lists"):
        read_table(chains, CHAINS)


def test_values_that_are_no_numbers_are_told(tmp_path):
    """Missing and binary values are shown as they are."""
    for values in ([1, 2, None], [b"a", b"b", b"c"], ["1", None, "x"]):
        path = tmp_path / "adt.parquet"
        pq.write_table(pa.table({"cell_id": BARCODES, "CD3": values}), path)
        with pytest.raises(InputError, match="CD3"):
            read_antibody_table(path, BARCODES)


def test_two_columns_of_one_name_are_a_fault(chains):
    """Which of them would count?"""
    change(chains, lambda t: t.append_column("locus", t.column("locus")))
    with pytest.raises(ContractError, match="twice"):
        read_table(chains, CHAINS)


def test_texts_that_are_no_utf8_are_damage(chains):
    """Names and values are told, not met as a bug."""
    content = chains.read_bytes()
    table = pq.read_table(chains)
    place = table.schema.get_field_index("sample_id")
    values = pa.array([b"\xff\xfe"] * table.num_rows).view(pa.binary())
    broken = pa.Array.from_buffers(pa.string(), len(values), values.buffers())
    pq.write_table(table.set_column(place, table.schema.field(place), broken), chains)
    with pytest.raises(InputError, match="damaged"):
        read_table(chains, CHAINS)
    chains.write_bytes(content.replace(b"sample_id", b"sample\xff\xff\xff"))
    with pytest.raises(InputError, match="damaged"):
        read_table(chains, CHAINS)


def test_a_damaged_note_is_told(chains):
    """The note about a table's origin is JSON."""
    change(chains, lambda t: t.replace_schema_metadata({**t.schema.metadata, b"tcellflow.note": b"{"}))
    with pytest.raises(InputError, match="note"):
        read_table_note(chains)
    change(chains, lambda t: t.replace_schema_metadata({b"tcellflow.contract": b"\xff"}))
    with pytest.raises(ContractError):
        read_table(chains, CHAINS)
