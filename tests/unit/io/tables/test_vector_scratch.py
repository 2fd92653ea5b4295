"""Vectors on disk: gathered in any order, gone with the process."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.io.tables.vector_scratch import VectorScratch


def test_rows_come_back_in_any_order(tmp_path):
    """Appended rows are gathered in the order asked for, missing ones as NaN."""
    vectors = np.random.default_rng(0).random((100, 5), dtype=np.float32)
    rows = np.array([99, -1, 0, 50, 50, -1])
    with VectorScratch(tmp_path, 5) as scratch:
        for first in (0, 30, 31, 100):
            scratch.append(vectors[first : {0: 30, 30: 31, 31: 100, 100: 100}[first]])
        gathered = scratch.gather(rows)
        assert scratch.gather(np.array([], dtype=np.intp)).shape == (0, 5)
    np.testing.assert_array_equal(gathered[rows >= 0], vectors[rows[rows >= 0]])
    assert np.isnan(gathered[rows < 0]).all()


def test_the_file_has_no_name(tmp_path):
    """Nothing can be left behind, for the folder never shows the file."""
    with VectorScratch(tmp_path, 3) as scratch:
        scratch.append(np.ones((2, 3), np.float32))
        assert list(tmp_path.iterdir()) == []


def test_rows_that_were_not_appended_are_refused(tmp_path):
    """A row behind the end is an error, not a row of NaN."""
    with VectorScratch(tmp_path, 3) as scratch:
        scratch.append(np.ones((2, 3), np.float32))
        with pytest.raises(IndexError, match="row 2"):
            scratch.gather(np.array([1, 2]))
