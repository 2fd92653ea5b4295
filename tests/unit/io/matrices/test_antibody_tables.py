"""Antibody tables are read either way round, and refused with the cell and the antibody named."""

import gzip

import numpy as np
import pandas as pd
import pytest

from tcellflow.errors import InputError
from tcellflow.io.matrices.antibody_tables import read_antibody_table

CELLS = ["ACGTACGTACGTAAAA-1", "ACGTACGTACGTAAAC-1", "ACGTACGTACGTAAAG-1"]
COUNTS = np.array([[1, 0], [20, 3], [0, 0]])
TABLE = pd.DataFrame(COUNTS, index=CELLS, columns=["CD3", "CD4"])


def assert_is_the_table(path, cells=tuple(CELLS)):
    """Check that reading gives the small table."""
    found = read_antibody_table(path, CELLS)
    assert found.names == ("CD3", "CD4")
    assert list(found.cell_ids) == list(cells)
    assert found.counts.dtype == np.int32
    assert np.array_equal(found.counts.toarray(), COUNTS)


@pytest.mark.parametrize("sep", [",", "\t", ";"])
@pytest.mark.parametrize("transposed", [False, True])
def test_text_tables_are_read_either_way_round(tmp_path, sep, transposed):
    """Cells may be rows or columns, and any common delimiter works."""
    (TABLE.T if transposed else TABLE).to_csv(tmp_path / "adt.txt", sep=sep)
    assert_is_the_table(tmp_path / "adt.txt")


def test_parquet_is_read(tmp_path):
    """A Parquet table with the cells in its index is read."""
    TABLE.to_parquet(tmp_path / "adt.parquet")
    assert_is_the_table(tmp_path / "adt.parquet")


def test_gzip_bom_and_windows_line_ends_are_read(tmp_path):
    """A table from a spreadsheet program is read like any other."""
    text = "\ufeff" + TABLE.to_csv().replace("\n", "\r\n")
    (tmp_path / "adt.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert_is_the_table(tmp_path / "adt.csv.gz")


def test_cells_with_another_suffix_are_recognised_as_cells(tmp_path):
    """The orientation does not hang on the library suffix; reconciling comes later."""
    bare = [cell.removesuffix("-1") for cell in CELLS]
    TABLE.set_axis(bare).T.to_csv(tmp_path / "adt.csv")
    assert_is_the_table(tmp_path / "adt.csv", bare)


@pytest.mark.parametrize("sep", [",", "\t", ";"])
def test_names_may_hold_delimiters(tmp_path, sep):
    """Quoted names with commas, tabs or semicolons inside are names, not columns."""
    names = ["CD3, human", "CD4, human", "CD8\thuman; rat", "x"]
    TABLE.assign(a=0, b=0).set_axis(names, axis=1).to_csv(tmp_path / "adt.csv", sep=sep, quoting=1)
    assert read_antibody_table(tmp_path / "adt.csv", CELLS).names == tuple(names)


@pytest.mark.parametrize("sep", [",", "\t"])
def test_r_writes_no_name_over_the_row_names(tmp_path, sep):
    """A header that is one field shorter than the rows starts with the first column."""
    TABLE.to_csv(tmp_path / "adt.txt", sep=sep, index_label=False)
    assert_is_the_table(tmp_path / "adt.txt")


@pytest.mark.parametrize("kind", [object, "category", "string"])
def test_parquet_may_hold_the_names_in_its_first_column(tmp_path, kind):
    """Names in a column, as R and polars write them, are the rows."""
    table = TABLE.rename_axis("barcode").reset_index()
    table.astype({"barcode": kind}).to_parquet(tmp_path / "adt.parquet")
    assert_is_the_table(tmp_path / "adt.parquet")
    table.rename(columns={"barcode": "cell_id"})[["CD3", "CD4", "cell_id"]].to_parquet(tmp_path / "b.parquet")
    assert_is_the_table(tmp_path / "b.parquet")


def test_repeated_cells_of_a_wide_table_are_found(tmp_path):
    """A cell that occurs twice among ten thousand columns is refused."""
    cells = [f"ACGTACGTACGT{i:05d}" for i in range(12_000)]
    lines = [",".join(["", *cells, cells[7]]), ",".join(["CD3", *["1"] * 12_001])]
    (tmp_path / "adt.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=f"first: {cells[7]}"):
        read_antibody_table(tmp_path / "adt.csv", cells)


def test_values_are_shown_as_written(tmp_path):
    """A fraction is shown as a plain number."""
    TABLE.assign(CD4=[1.0, 0.5, 2.0]).to_csv(tmp_path / "adt.csv")
    with pytest.raises(InputError, match=rf"first: cell {CELLS[1]}, value 0\.5\)"):
        read_antibody_table(tmp_path / "adt.csv", CELLS)


def test_header_only_is_an_empty_table(tmp_path):
    """A table without rows is valid and empty."""
    (tmp_path / "adt.csv").write_text("cell,CD3,CD4\n")
    assert read_antibody_table(tmp_path / "adt.csv", CELLS).counts.shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cell,CD3\nACGTACGTACGTAAAA-1,-2\n", "cell ACGTACGTACGTAAAA-1"),
        ("cell,CD3\nACGTACGTACGTAAAA-1,0.5\n", "whole numbers"),
        ("cell,CD3\nACGTACGTACGTAAAA-1,many\n", "'many'"),
        ("cell,CD3\nACGTACGTACGTAAAA-1,\n", "CD3"),
        ("cell,CD3\nACGTACGTACGTAAAA-1,1\nACGTACGTACGTAAAA-1,2\n", "more than once"),
        ("cell,CD3,CD3\nACGTACGTACGTAAAA-1,1,2\n", "same name"),
        ("cell,CD3\nTTTTTTTTTTTTTTTT-1,1\n", "neither the rows"),
        ("cell,CD3\nACGTACGTACGTAAAA-1,1,2,3\n", "cannot be read"),
        ("just words\n", "no comma"),
        ("", "empty"),
        ("\n\n", "empty"),
    ],
)
def test_bad_tables_are_refused_with_the_place(tmp_path, text, words):
    """Each fault of a table is named in words."""
    (tmp_path / "adt.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        read_antibody_table(tmp_path / "adt.csv", CELLS)
    assert words in caught.value.what


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("adt.csv.gz", b"cell,CD3\n", "not gzip-compressed"),
        ("adt.csv.gz", gzip.compress(b"cell,CD3\n" * 99, mtime=0)[:-12], "damaged"),
        ("adt.csv", b"\xff\xfe\x00binary,", "neither text nor Parquet"),
        ("adt.parquet", b"PAR1nonsense", "damaged"),
    ],
)
def test_unreadable_files_are_refused(tmp_path, name, content, words):
    """A file that is not what its name says is refused."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_antibody_table(tmp_path / name, CELLS)
    assert words in caught.value.what


def test_a_folder_is_refused(tmp_path):
    """A folder in the place of a table is told as such."""
    with pytest.raises(InputError, match="folder"):
        read_antibody_table(tmp_path, CELLS)
