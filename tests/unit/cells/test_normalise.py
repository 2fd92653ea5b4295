"""Log-normalisation of counts."""

import numpy as np
import scipy.sparse as sp

from factories import make_counts
from tcellflow.cells.normalise import log_normalise, sum_rows


def test_values_are_log1p_of_counts_per_10000():
    """Each value is log1p(count / sum * 10,000), rounded once to float32."""
    counts = sp.csr_matrix(np.array([[1, 0, 3], [40, 5000, 0]], dtype=np.int32))
    values = log_normalise(counts)
    assert values.dtype == np.float32
    expected = np.log1p(np.array([1 / 4, 3 / 4, 40 / 5040, 5000 / 5040]) * 1e4).astype(np.float32)
    assert np.array_equal(values, expected)


def test_totals_replace_the_sums():
    """A library size per cell takes the place of its sum."""
    counts = sp.csr_matrix(np.array([[2, 0], [0, 33]], dtype=np.int32))
    expected = np.log1p(np.array([2 / 100 * 1e4, 33 / 50 * 1e4])).astype(np.float32)
    assert np.array_equal(log_normalise(counts, np.array([100, 50])), expected)


def test_cells_without_library_give_zeros():
    """A library size of zero gives zeros, neither NaN nor infinity."""
    counts = sp.csr_matrix(np.array([[2, 40], [0, 3]], dtype=np.int32))
    assert log_normalise(counts, np.array([0, 3])).tolist()[:2] == [0, 0]
    stored_zero = sp.csr_matrix((np.array([0], dtype=np.int32), [0], [0, 1]), shape=(1, 2))
    assert log_normalise(stored_zero).tolist() == [0]


def test_empty_cells_sum_to_zero():
    """Empty cells anywhere, the last row included, sum to zero and give no values."""
    dense = np.array([[0, 0], [1, 2], [0, 0], [0, 5], [0, 0]], dtype=np.int32)
    counts = sp.csr_matrix(dense)
    assert sum_rows(counts).tolist() == [0, 3, 0, 5, 0]
    assert len(log_normalise(counts)) == 3
    assert sum_rows(sp.csr_matrix((3, 4), dtype=np.int32)).tolist() == [0, 0, 0]


def test_sums_do_not_overflow():
    """Sums beyond 32 bits are right."""
    counts = sp.csr_matrix(np.full((1, 3), 2**31 - 1, dtype=np.int32))
    assert sum_rows(counts).tolist() == [3 * (2**31 - 1)]
    assert np.allclose(log_normalise(counts), np.log1p(1e4 / 3))


def test_every_cell_sums_to_10000():
    """Undoing the logarithm gives 10,000 per cell."""
    sample = make_counts(80, 300, seed=3)
    values = sample.counts.astype(np.float64)
    values.data = np.expm1(log_normalise(sample.counts).astype(np.float64))
    assert np.allclose(np.asarray(values.sum(axis=1)).ravel(), 1e4, rtol=1e-5)


def test_counts_around_the_width_of_the_table_are_their_own():
    """Counts that are looked up and counts that are computed give the same formula, at the border too."""
    counts = sp.csr_matrix(np.array([[30, 31, 32, 33], [32, 1, 31, 64]], dtype=np.int32))
    expected = np.log1p(counts.toarray() * 1e4 / counts.toarray().sum(axis=1, keepdims=True))
    np.testing.assert_allclose(log_normalise(counts), expected.ravel(), rtol=1e-6)
