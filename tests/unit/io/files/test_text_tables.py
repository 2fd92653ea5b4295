"""Delimited text of any dialect is read as strings, or refused with what is wrong and where."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from contig_files import write_table
from tcellflow.errors import InputError
from tcellflow.io.files.text_tables import check_columns, find_delimiter, open_text_table
from tcellflow.io.files.text_values import MISSING, parse_booleans, parse_counts

if TYPE_CHECKING:
    from pathlib import Path

TABLE = pd.DataFrame({"name": ["TRBV9", "a,b;c", 'say "x"'], "value": ["1", "2", "3"]})


def read(path: Path, *columns: str) -> dict[str, list]:
    table = open_text_table(path)
    return table.read(columns or table.columns).to_dict("list")


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff", "## made by a pipeline\n#####\n"])
def test_dialects_are_recognised_by_content(
    tmp_path: Path, delimiter: str, line_end: str, start: str
) -> None:
    """Delimiter, line ends, byte-order mark and preamble do not depend on the file's name."""
    path = write_table(
        tmp_path / "t.tsv", TABLE, delimiter=delimiter, line_end=line_end, start=start.replace("\n", line_end)
    )
    assert read(path) == TABLE.to_dict("list")


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv"])
def test_gzip_is_recognised_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    """A compressed file is read under any name."""
    (tmp_path / name).write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert read(tmp_path / name) == {"a": ["1"], "b": ["2"]}


def test_a_name_in_gz_must_not_lie(tmp_path: Path) -> None:
    """Plain text under a .gz name is refused, for it may be half a download."""
    (tmp_path / "t.csv.gz").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"ends in \.gz but it is not gzip"):
        open_text_table(tmp_path / "t.csv.gz")


def test_cut_off_gzip_is_refused(tmp_path: Path) -> None:
    """Half a compressed file is an error, not a short table."""
    whole = write_table(tmp_path / "t.csv.gz", pd.concat([TABLE] * 500)).read_bytes()
    (tmp_path / "t.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged or cut off"):
        read(tmp_path / "t.csv.gz")


@pytest.mark.parametrize("word", MISSING)
def test_missing_words_are_missing(tmp_path: Path, word: str) -> None:
    """Every word of the list is None, quoted or not."""
    (tmp_path / "t.csv").write_text(f'a,b,c\n{word},"{word}", {word} \n')
    assert read(tmp_path / "t.csv") == {"a": [None], "b": [None], "c": [None]}


def test_values_stay_strings(tmp_path: Path) -> None:
    """Numbers, booleans and leading zeros are not interpreted."""
    (tmp_path / "t.csv").write_text("a,b,c\n007,True,1e5\n")
    assert read(tmp_path / "t.csv") == {"a": ["007"], "b": ["True"], "c": ["1e5"]}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_text_of_excel_is_read(tmp_path: Path, encoding: str) -> None:
    """UTF-16 with its mark is what Excel saves as Unicode text."""
    start = "" if encoding == "utf-16" else "\ufeff"
    path = write_table(tmp_path / "t.txt", TABLE, delimiter="\t", start=start, encoding=encoding)
    assert read(path) == TABLE.to_dict("list")


@pytest.mark.parametrize("content", [b"a,b\n\xe9,2\n", b"\xe9,b\n1,2\n", b"a,b\n1\n\xe9,2\n"])
def test_other_encodings_are_refused(tmp_path: Path, content: bytes) -> None:
    """Latin-1 text is named as what it is not: UTF-8."""
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match="not UTF-8"):
        read(tmp_path / "t.csv")


@pytest.mark.parametrize("content", ["a,b\n", "a,b", "a,b\r\n"])
def test_a_header_without_rows_is_a_valid_table(tmp_path: Path, content: str) -> None:
    """Zero rows are zero rows."""
    (tmp_path / "t.csv").write_text(content)
    assert read(tmp_path / "t.csv") == {"a": [], "b": []}


@pytest.mark.parametrize("content", ["", "\n\n", "## only a preamble\n"])
def test_empty_files_are_refused(tmp_path: Path, content: str) -> None:
    """A file without a header line is empty."""
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(InputError, match="empty"):
        open_text_table(tmp_path / "t.csv")


def test_binary_files_are_refused(tmp_path: Path) -> None:
    """Zero bytes are no text."""
    (tmp_path / "t.csv").write_bytes(b"ab\0\1\2\n")
    with pytest.raises(InputError, match="not a text table"):
        open_text_table(tmp_path / "t.csv")


def test_absent_files_and_folders_are_refused(tmp_path: Path) -> None:
    """The path must be a file."""
    with pytest.raises(InputError, match="does not exist"):
        open_text_table(tmp_path / "no.csv")
    with pytest.raises(InputError, match="folder"):
        open_text_table(tmp_path)


def test_rows_that_are_too_long_are_named(tmp_path: Path) -> None:
    """A delimiter without quotes breaks a row, and the error says which."""
    (tmp_path / "t.csv").write_text("a,b\n1,2\n1,2,3\n")
    with pytest.raises(InputError, match=r"header of 2 columns: row 2 has 3 fields"):
        read(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "body",
    [
        '1,2\n3,"4\n5,6\n',  # never closed
        '1,2\n3,"4\n5,6"\n7,8\n',  # closed two rows on: as many fields as there should be
        '1,2\n3,"4\n5,6\n7,8"\n',
    ],
)
def test_open_quotes_never_swallow_rows(tmp_path: Path, body: str) -> None:
    """A stray quote is an error with its row, even where the rows behind it still fit the header."""
    (tmp_path / "t.csv").write_text("a,b\n" + body)
    with pytest.raises(InputError, match="in row 2 a quote is opened and not closed"):
        read(tmp_path / "t.csv")


def test_quotes_and_empty_lines_that_do_no_harm(tmp_path: Path) -> None:
    """Quotes inside a field, and empty lines, change nothing."""
    (tmp_path / "t.csv").write_text('a,b\n1,5" x\n\n"2","say ""hi"""\n\n')
    assert read(tmp_path / "t.csv") == {"a": ["1", "2"], "b": ['5" x', 'say "hi"']}


def test_empty_last_fields_may_be_left_out(tmp_path: Path) -> None:
    """Short rows are filled as missing."""
    (tmp_path / "t.csv").write_text("a,b,c\n1,2,3\n4\n")
    assert read(tmp_path / "t.csv") == {"a": ["1", "4"], "b": ["2", None], "c": ["3", None]}


def test_a_file_that_ends_within_a_row_is_cut_off(tmp_path: Path) -> None:
    """A short last row without a line end is half a download."""
    (tmp_path / "t.csv").write_text("a,b,c\n1,2,3\n4,5")
    with pytest.raises(InputError, match="cut off: its last row has 2 of 3 fields"):
        read(tmp_path / "t.csv")


def test_row_names_of_r_are_a_column(tmp_path: Path) -> None:
    """A header that is one field short belongs to a table with row names."""
    (tmp_path / "t.tsv").write_text("a\tb\nr1\t1\t2\nr2\t3\t4\n")
    assert read(tmp_path / "t.tsv") == {"": ["r1", "r2"], "a": ["1", "3"], "b": ["2", "4"]}


def test_columns_are_read_by_name(tmp_path: Path) -> None:
    """Only wanted columns are read, absent ones are left out, of twins the first counts."""
    (tmp_path / "t.csv").write_text(' a ,b,"a"\n1,2,3\n')
    assert read(tmp_path / "t.csv", "a", "x") == {"a": ["1"]}


def test_missing_columns_are_told_together(tmp_path: Path) -> None:
    """One error lists all missing columns and what there is."""
    (tmp_path / "t.csv").write_text("a," + ",".join(f"b{n}" for n in range(25)) + "\n")
    table = open_text_table(tmp_path / "t.csv")
    check_columns(table, ["a", ("x", "b1")], layout="thing")
    with pytest.raises(InputError, match="lacks 2 of its columns: x, y or z; it has a, b0") as caught:
        check_columns(table, ["a", "x", ("y", "z")], layout="thing")
    assert "and 6 more" in caught.value.what


@pytest.mark.parametrize("word", ["True", "true", "TRUE", "T", "t", "1", "1.0", "yes", "Y"])
def test_words_for_yes(word: str) -> None:
    """One parser knows all spellings of true."""
    true, known = parse_booleans(pd.Series([word, None]), where="x")
    assert (list(true), list(known)) == ([True, False], [True, False])


@pytest.mark.parametrize("word", ["False", "false", "FALSE", "F", "0", "no", "N"])
def test_words_for_no(word: str) -> None:
    """False is known and not true."""
    true, known = parse_booleans(pd.Series([word]), where="x")
    assert (list(true), list(known)) == ([False], [True])


def test_other_words_are_neither() -> None:
    """An unknown word is an error with its row."""
    with pytest.raises(InputError, match=r"column 'productive' holds 'maybe' in row 2: neither yes nor no"):
        parse_booleans(pd.Series(["True", "maybe"], name="productive"), where="x")


def test_counts_may_be_floats_and_missing() -> None:
    """TPM are accepted, gaps are NaN."""
    counts = parse_counts(pd.Series(["9.29463", "3", None]), where="x")
    assert list(counts[:2]) == [9.29463, 3.0]
    assert counts[2] != counts[2]


@pytest.mark.parametrize("word", ["many", "-1", "inf"])
def test_impossible_counts_are_refused(word: str) -> None:
    """Negative, infinite and verbal counts are errors with their row."""
    with pytest.raises(InputError, match=rf"column 'umis' holds '{word}' in row 1: not a count"):
        parse_counts(pd.Series([word], name="umis"), where="x")


@pytest.mark.parametrize(
    ("header", "first_row", "delimiter"),
    [
        ("cell,CD3;x;y", "c1,5", ","),  # names hold other signs
        ("CD3\tCD4", "c1\t5\t6", "\t"),  # R names no column of row names
        ("a,b,c", "1,2", ","),  # a row that is cut short
        ("a;b", "", ";"),
        ("a", "1", None),
    ],
)
def test_the_delimiter_fits_header_and_first_row(header: str, first_row: str, delimiter: str | None) -> None:
    """Of several signs in the header the one counts by which the first row has as many fields."""
    assert find_delimiter(header, first_row) == delimiter
