"""True library sizes come from a column and can never be smaller than what was seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from factories import make_counts, write_10x_h5, write_h5ad
from tcellflow.errors import InputError
from tcellflow.ingest.library_sizes import LibrarySizes
from tcellflow.io.matrices.opening import open_matrix

SAMPLE = make_counts(6, 70)
SIZES = [5000.0, 4000, np.nan, 3000, 2000, 1000]


@pytest.fixture
def source(tmp_path):
    """Give a matrix with columns that suit and columns that do not."""
    obs = pd.DataFrame(
        {
            "size": SIZES,
            "whole": pd.array([9000, None, 1, 1, 1, 1], dtype="Int64"),
            "words": ["many", "1", "1", "1", "1", "1"],
            "zero": [1, 0, 1, -4, 1, 1],
            "endless": [1, 1, np.inf, 1, 1, 1],
            "texts": pd.Categorical(["10", "20", None, "40", "50", "60"]),
        }
    )
    return open_matrix(write_h5ad(tmp_path / "a.h5ad", SAMPLE, obs=obs))


def test_sizes_are_given_by_the_block(source):
    """A block gets the sizes of its own rows, unknown ones as NaN."""
    sizes = LibrarySizes(source, "size")
    np.testing.assert_array_equal(sizes.of_rows(1, np.array([10, 10, 10])), [4000, np.nan, 3000])


@pytest.mark.parametrize(("column", "first"), [("whole", 9000), ("texts", 10)])
def test_whole_numbers_and_texts_are_understood(source, column, first):
    """Nullable integers and numbers spelt as text are sizes."""
    assert LibrarySizes(source, column).of_rows(0, np.array([1]))[0] == first


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("words", "library sizes in 'words' are no positive numbers (1; first: cell {0}, many)"),
        ("zero", "library sizes in 'zero' are no positive numbers (2; first: cell {1}, 0)"),
        ("endless", "library sizes in 'endless' are no positive numbers (1; first: cell {2}, inf)"),
        ("nothing", "there is no column 'nothing' about the cells; there are: size, whole, words"),
    ],
)
def test_what_is_no_size_is_refused(source, column, said):
    """Words, zero, negative and infinite sizes and an absent column are told with the first cell."""
    with pytest.raises(InputError) as caught:
        LibrarySizes(source, column)
    assert caught.value.what.startswith(said.format(*SAMPLE.barcodes))


def test_a_size_below_the_counts_is_refused(source):
    """A library cannot be smaller than the counts of its cell."""
    sizes = LibrarySizes(source, "size")
    sizes.of_rows(0, np.array([5000, 4000, 9000]))
    with pytest.raises(InputError) as caught:
        sizes.of_rows(3, np.array([3000, 2001, 1500]))
    assert caught.value.what == (
        "library sizes in rows 4-6 of 'size' are smaller than the counts of the cell "
        f"(2; first: cell {SAMPLE.barcodes[4]}, 2,000 for 2,001 counts)"
    )


def test_formats_without_columns_have_no_sizes(tmp_path):
    """A 10x file has no columns about its cells, and the mend says which formats have."""
    with pytest.raises(InputError, match="there are: none") as caught:
        LibrarySizes(open_matrix(write_10x_h5(tmp_path / "a.h5", SAMPLE)), "size")
    assert ".h5ad" in caught.value.mend
