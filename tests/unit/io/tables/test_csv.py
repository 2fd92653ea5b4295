"""CSV tables read back as they were written."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from tcellflow.io.tables.csv import write_csv_table


def test_plain_tables_have_no_quotes(tmp_path):
    """Text without special characters stands bare; null is empty; rounded floats stay short."""
    table = pa.table({
        "name": ["a", None],
        "p": pa.array(np.round([0.1234567, 1e-6], 6).astype(np.float32)),
        "flag": [True, False],
    })  # fmt: skip
    write_csv_table(tmp_path / "t.csv", table)
    assert (tmp_path / "t.csv").read_text() == "name,p,flag\na,0.123457,true\n,0.000001,false\n"


def test_special_characters_survive(tmp_path):
    """Names with commas, quotes and line ends come back unchanged."""
    names = ["a,b", 'say "x"', "two\nlines", "plain"]
    write_csv_table(tmp_path / "t.csv", pa.table({"name": names, "n": [1, 2, 3, 4]}))
    assert list(pd.read_csv(tmp_path / "t.csv")["name"]) == names


def test_an_empty_table_is_its_header(tmp_path):
    """A table without rows gives the header line alone."""
    write_csv_table(tmp_path / "t.csv", pa.table({"name": pa.array([], pa.string())}))
    assert (tmp_path / "t.csv").read_text() == "name\n"


def test_formulas_are_guarded_on_request(tmp_path):
    """Barcodes that a spreadsheet would run stand as they are, or behind an apostrophe."""
    names = ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\tx", "\rx", "AAAC-1", "a=b", None]
    table = pa.table({"cell_id": names, "n": [-1] * 9})
    write_csv_table(tmp_path / "plain.csv", table)
    write_csv_table(tmp_path / "guarded.csv", table, guard=True)
    assert pd.read_csv(tmp_path / "plain.csv")["cell_id"].fillna("").tolist()[:6] == names[:6]
    guarded = pd.read_csv(tmp_path / "guarded.csv")
    assert guarded["cell_id"].fillna("").tolist() == [*("'" + name for name in names[:6]), *names[6:8], ""]
    assert guarded["n"].tolist() == [-1] * 9
