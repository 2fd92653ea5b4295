"""Contig rows keep their account: every row read is kept or dropped under one reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tcellflow.errors import InputError
from tcellflow.receptors.contigs import (
    REASON_MEANINGS,
    DropReason,
    RawChains,
    as_texts,
    drop_repeated,
    join_raw_chains,
    make_rows,
)


def raw(cells: list[str | None], contigs: list[str | None], **columns: list) -> RawChains:
    rows = make_rows({"cell_id": cells, "sequence_id": contigs, **columns}, len(cells))
    return RawChains("table", "file", rows, rows_read=len(cells))


def test_absent_columns_are_missing_not_invented() -> None:
    """Texts are None, counts NaN, nothing is productive unless the file says so."""
    rows = make_rows({"cell_id": ["a", np.nan]}, 2)
    assert list(rows["cell_id"]) == ["a", None]
    assert rows["v_call"].isna().all()
    assert rows["umi_count"].isna().all()
    assert not rows["productive"].any()
    assert rows["anchored"].all()


def test_dropping_keeps_the_account() -> None:
    """Reasons add up over several drops."""
    dropped = raw(["a", "b", "c"], [None] * 3)
    dropped = dropped.without(DropReason.NOT_A_CELL, np.array([True, False, False]))
    dropped = dropped.without(DropReason.NOT_A_CELL, np.array([False, True]))
    assert list(dropped.rows["cell_id"]) == ["b"]
    assert dropped.dropped == {DropReason.NOT_A_CELL: 2}
    assert dropped.rows_read == len(dropped.rows) + sum(dropped.dropped.values())


def test_renaming_drops_cells_without_expression() -> None:
    """Cells get their names in the expression data; the others are counted."""
    renamed = raw(["a", "b", "a"], [None] * 3).renamed({"a": "A-1"})
    assert list(renamed.rows["cell_id"]) == ["A-1", "A-1"]
    assert renamed.dropped == {DropReason.NOT_IN_EXPRESSION: 1}
    assert list(renamed.cell_ids()) == ["A-1"]


def test_word_for_word_repetitions_count_once() -> None:
    """The same contig in two files is dropped as repeated."""
    part = raw(["a", "a"], ["c1", "c2"], v_call=["TRBV9", "TRBV9"])
    joined = join_raw_chains([part, part])
    assert (len(joined.rows), joined.rows_read) == (2, 4)
    assert joined.dropped == {DropReason.REPEATED: 2}


def test_rows_without_contig_names_are_never_repeated() -> None:
    """Two alike chains without names may be two chains."""
    assert len(drop_repeated(raw(["a", "a"], [None, None])).rows) == 2


def test_contradicting_contigs_are_refused() -> None:
    """One contig of one cell with two contents means that samples share barcodes."""
    with pytest.raises(InputError, match="contig c1 of cell a") as caught:
        drop_repeated(raw(["a", "a"], ["c1", "c1"], v_call=["TRBV9", "TRBV2"]))
    assert "several samples" in caught.value.what


def test_joining_keeps_layouts_warnings_and_tallies() -> None:
    """Two files of one sample become one, with both accounts."""
    first = RawChains("A", "x", raw(["a"], ["1"]).rows, 3, {DropReason.NO_CELL: 2}, ("one",))
    second = RawChains("B", "y", raw(["b"], ["1"]).rows, 2, {DropReason.NO_CELL: 1}, ("one", "two"))
    joined = join_raw_chains([first, second])
    assert (joined.layout, joined.where, joined.rows_read) == ("A + B", "x, y", 5)
    assert joined.dropped == {DropReason.NO_CELL: 3}
    assert joined.warnings == ("one", "two")


def test_every_reason_has_a_meaning() -> None:
    """Reports can explain each reason."""
    assert set(REASON_MEANINGS) == set(DropReason)


def test_texts_of_any_kind() -> None:
    """pandas strings, categories and numpy strings become str or None."""
    assert list(as_texts(pd.Series(["a", None], dtype="string"))) == ["a", None]
    assert list(as_texts(pd.Categorical(["a", np.nan]))) == ["a", None]
    assert list(as_texts(np.array(["a"]))) == ["a"]
    assert len(as_texts([])) == 0
