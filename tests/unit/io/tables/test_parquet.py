"""Tables and their notes: what is written is valid and byte-stable, what is read is checked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tcellflow.contracts.columns import Column
from tcellflow.contracts.predictions import CLONOTYPES
from tcellflow.contracts.tables import EMBEDDINGS
from tcellflow.errors import ContractError, InputError
from tcellflow.io.tables.parquet import (
    open_table_writer,
    read_table,
    read_table_note,
    read_table_pieces,
    write_table,
)
from tcellflow.provenance import StepNote

NOTE = StepNote("embed-tcr", {"backend": "kmer"})
WIDTH = 3


def make_embeddings(n: int, first: int = 0) -> pa.Table:
    """Make n valid rows of the embeddings table."""
    vectors = pa.FixedSizeListArray.from_arrays(
        pa.array(np.random.default_rng(first).random(n * WIDTH, dtype=np.float32)), WIDTH
    )
    ids = pa.array([f"{number:020x}" for number in range(first, first + n)], pa.string())
    return pa.table({"vector": vectors, "kind": pa.array(["tra"] * n, pa.string()), "emb_id": ids})


def test_a_table_comes_back_as_written(tmp_path):
    """Rows, note and further metadata survive, with the columns in the contract's order."""
    table = make_embeddings(5)
    write_table(tmp_path / "t", table, EMBEDDINGS, NOTE, {"dimension": "3"})
    back = read_table(tmp_path / "t", EMBEDDINGS)
    assert back.column_names == ["emb_id", "kind", "vector"]
    assert back.select(table.column_names).to_pylist() == table.to_pylist()
    assert back.schema.metadata[b"dimension"] == b"3"
    assert read_table_note(tmp_path / "t") == NOTE.as_dict()
    assert read_table(tmp_path / "t", EMBEDDINGS, ["kind"]).column_names == ["kind"]


def test_equal_tables_give_equal_bytes(tmp_path):
    """Writing the same rows twice gives the same file."""
    for name in ("a", "b"):
        write_table(tmp_path / name, make_embeddings(5), EMBEDDINGS, NOTE, {"y": "1", "x": "2"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_pieces_make_one_table(tmp_path):
    """A table written piece by piece reads as one; without any piece it has zero rows."""
    with open_table_writer(tmp_path / "t", EMBEDDINGS, NOTE, vector_width=WIDTH) as writer:
        for first in (0, 5, 10):
            writer.write(make_embeddings(5, first))
    assert read_table(tmp_path / "t", EMBEDDINGS).num_rows == 15
    assert pq.ParquetFile(tmp_path / "t").num_row_groups == 3
    with open_table_writer(tmp_path / "none", EMBEDDINGS, NOTE, vector_width=WIDTH):
        pass
    empty = read_table(tmp_path / "none", EMBEDDINGS)
    assert (empty.num_rows, empty.schema.field("vector").type.list_size) == (0, WIDTH)


def test_a_table_that_breaks_its_contract_is_not_written(tmp_path):
    """A bug of a step is caught before its file spreads."""
    table = make_embeddings(2).set_column(1, "kind", pa.array(["tra", "gamma"]))
    with pytest.raises(ContractError, match="gamma"):
        write_table(tmp_path / "t", table, EMBEDDINGS, NOTE)


def test_vectors_with_nan_are_refused(tmp_path):
    """A vector that is not finite never leaves a step: a missing chain is null, not NaN."""
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.full(3, np.nan, np.float32)), WIDTH)
    table = make_embeddings(1).set_column(0, "vector", vectors)
    with pytest.raises(ContractError, match="NaN"):
        write_table(tmp_path / "t", table, EMBEDDINGS, NOTE)


def test_another_contract_is_refused(tmp_path):
    """A file of one kind is not read as another, and one without a stamp not at all."""
    write_table(tmp_path / "t", make_embeddings(1), EMBEDDINGS, NOTE)
    with pytest.raises(ContractError, match=r"embeddings/1.*clonotypes/3"):
        read_table(tmp_path / "t", CLONOTYPES)
    pq.write_table(make_embeddings(1), tmp_path / "bare")
    with pytest.raises(ContractError, match="no tcellflow contract"):
        read_table(tmp_path / "bare", EMBEDDINGS)


def test_older_versions_are_read_with_nulls_for_what_came_later(tmp_path):
    """A table of an older version is checked against that version; columns of later ones are null."""
    later = Column("mood", "string", "came later", nullable=True, since=2)
    newer = replace(EMBEDDINGS, version=2, columns=(*EMBEDDINGS.columns, later))
    write_table(tmp_path / "t", make_embeddings(3), EMBEDDINGS, NOTE)
    assert read_table(tmp_path / "t", newer, ["mood"]).to_pylist() == [{"mood": None}] * 3
    with pytest.raises(ContractError, match="mood"):
        write_table(tmp_path / "new", make_embeddings(3), newer, NOTE)
    table = make_embeddings(3).append_column("mood", pa.array(["good", None, "bad"]))
    write_table(tmp_path / "new", table, newer, NOTE)
    with pytest.raises(ContractError, match=r"embeddings/2.*embeddings/1"):
        read_table(tmp_path / "new", EMBEDDINGS)


def test_optional_columns_are_written_and_read_where_they_are(tmp_path):
    """A column that was asked for comes back; where it was not, the table lacks it and is whole."""
    asked = Column("asked", "string", "on request", nullable=True, since=2, optional=True)
    contract = replace(EMBEDDINGS, version=2, columns=(*EMBEDDINGS.columns, asked))
    write_table(tmp_path / "without", make_embeddings(3), contract, NOTE)
    assert "asked" not in read_table(tmp_path / "without", contract).column_names
    table = make_embeddings(3).append_column("asked", pa.array(["a", None, "b"]))
    write_table(tmp_path / "with", table, contract, NOTE)
    assert read_table(tmp_path / "with", contract)["asked"].to_pylist() == ["a", None, "b"]
    write_table(tmp_path / "old", make_embeddings(3), EMBEDDINGS, NOTE)
    assert "asked" not in read_table(tmp_path / "old", contract).column_names


def test_a_table_is_read_piece_by_piece(tmp_path):
    """Pieces hold all rows in order, each checked; an empty table gives one empty piece."""
    write_table(tmp_path / "t", make_embeddings(7), EMBEDDINGS, NOTE, {"backend": "some"})
    pieces = list(read_table_pieces(tmp_path / "t", EMBEDDINGS, 3))
    assert [piece.num_rows for piece in pieces] == [3, 3, 1]
    assert pa.concat_tables(pieces).equals(read_table(tmp_path / "t", EMBEDDINGS))
    assert pieces[0].schema.metadata[b"backend"] == b"some"
    write_table(tmp_path / "none", make_embeddings(0), EMBEDDINGS, NOTE)
    assert [piece.num_rows for piece in read_table_pieces(tmp_path / "none", EMBEDDINGS, 3)] == [0]
    broken = make_embeddings(5).set_column(1, "kind", pa.array(["tra"] * 4 + ["gamma"]))
    stamped = broken.replace_schema_metadata({"tcellflow.contract": EMBEDDINGS.stamp})
    pq.write_table(stamped, tmp_path / "broken")
    with pytest.raises(ContractError, match="gamma"):
        list(read_table_pieces(tmp_path / "broken", EMBEDDINGS, 2))
    with pytest.raises(InputError, match="does not exist"):
        list(read_table_pieces(tmp_path / "absent", EMBEDDINGS, 2))


def test_damaged_and_foreign_files_are_input_errors(tmp_path):
    """A CSV in place of a table, and a table cut short, are named as such."""
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="not a Parquet file"):
        read_table(tmp_path / "t.csv", EMBEDDINGS)
    write_table(tmp_path / "t", make_embeddings(5), EMBEDDINGS, NOTE)
    (tmp_path / "cut").write_bytes((tmp_path / "t").read_bytes()[:-200])
    with pytest.raises(InputError, match="damaged"):
        read_table(tmp_path / "cut", EMBEDDINGS)


def test_missing_files_and_folders_are_input_errors(tmp_path):
    """A path that is absent or a folder is refused with its name."""
    with pytest.raises(InputError, match="does not exist"):
        read_table(tmp_path / "absent", EMBEDDINGS)
    with pytest.raises(InputError, match="a folder stands"):
        read_table(tmp_path, EMBEDDINGS)


def test_a_table_without_note_gives_an_empty_note(tmp_path):
    """A Parquet file of others has no provenance, which is no error."""
    pq.write_table(make_embeddings(1), tmp_path / "bare")
    assert read_table_note(tmp_path / "bare") == {}
