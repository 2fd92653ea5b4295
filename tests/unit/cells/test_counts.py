"""Telling counts from other matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from factories import log_normalised, make_counts
from tcellflow.cells.counts import (
    _is_near,
    check_counts_block,
    check_log_block,
    check_log_share,
    detect_content,
    recognise_content,
)
from tcellflow.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

COUNTS = make_counts(200, 300).counts


def block_of(*rows: list[float]) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.array(rows))


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint16, np.float32, np.float64])
def test_counts_of_any_type_pass(dtype: type) -> None:
    """Whole numbers from 0 pass, whatever type they are stored as."""
    check_counts_block(COUNTS.astype(dtype), 0, ["b"] * 200, ["g"] * 300, "a.h5ad")


def test_empty_blocks_pass() -> None:
    """A block without values is a block of counts."""
    check_counts_block(sparse.csr_matrix((3, 2)), 0, ["a", "b", "c"], ["x", "y"], "a.h5ad")


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (-1.0, "negative"),
        (0.5, "fractional"),
        (np.nan, "not finite"),
        (np.inf, "not finite"),
        (2.0**31, "larger"),
    ],
)
def test_the_error_names_cell_gene_value_and_number(value: float, word: str) -> None:
    """A value that is no count is refused with its cell, gene, value and how many there are."""
    block = block_of([1, 0, 2], [0, 3, value], [0, 0, value])
    names = [f"cell{i}" for i in range(2000)]
    with pytest.raises(InputError) as caught:
        check_counts_block(block, 1024, names, ["CD3E", "CD4", "CD8A"], "donor1.h5ad: X")
    what = caught.value.what
    assert what.startswith(f"2 values in rows 1025-1027 are {word}")
    assert f"(first: {value:g} in cell cell1025, CD8A)" in what
    assert caught.value.where == "donor1.h5ad: X"


def test_a_single_bad_value_is_told_without_a_number() -> None:
    """One bad value is named alone, with its cell and gene."""
    with pytest.raises(InputError) as caught:
        check_counts_block(block_of([1, -2]), 0, ["cell0"], ["CD3E", "CD4"], "x")
    assert caught.value.what == "the value -2 in cell cell0, CD4, is negative"


def test_log_rows_are_judged_by_their_sums() -> None:
    """Cells whose values undo to 10,000 fit, others do not, and cells without values are left out."""
    counts = np.array([[3, 1, 0], [0, 0, 0], [5, 5, 10]])
    logs = np.log1p(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * 1e4)
    logs[2] /= 2
    fitting = check_log_block(block_of(*logs), 0, ["a", "b", "c"], ["x", "y", "z"], "X")
    assert fitting.tolist() == [True, False]


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf, 9.3])
def test_impossible_logarithms_are_named(value: float) -> None:
    """A value that no logarithm of counts per 10,000 can have is refused with its cell and gene."""
    with pytest.raises(InputError) as caught:
        check_log_block(block_of([0, 1.5], [value, 0]), 7, list("0123456789"), ["CD4", "CD8A"], "X")
    assert caught.value.what == f"the value {value:g} in cell 8, CD4, is no log1p(counts per 10,000)"


def test_a_twentieth_of_the_cells_may_differ() -> None:
    """Up to 5 % of the cells may sum to something else; more are refused with their number."""
    check_log_share(95, 100, where="X")
    check_log_share(0, 0, where="X")
    with pytest.raises(InputError, match="6 of 100 cells hold something else"):
        check_log_share(94, 100, where="X")


def test_the_cell_is_found_behind_empty_rows() -> None:
    """Empty rows before the bad value do not shift the cell that is named."""
    block = block_of([0, 0], [0, 0], [0, -2], [0, 0])
    with pytest.raises(InputError, match="in cell c, CD4"):
        check_counts_block(block, 0, ["a", "b", "c", "d"], ["CD3E", "CD4"], "x")


def test_counts_are_recognised() -> None:
    """Whole numbers are counts, be they molecules or millions of Smart-seq reads."""
    assert detect_content(COUNTS, where="x") == "counts"
    reads = COUNTS.astype(np.float32) * 40_000
    assert detect_content(reads, where="x") == "counts"
    assert detect_content(sparse.csr_matrix((4, 4)), where="x") == "counts"


def test_log1p_of_counts_per_ten_thousand_is_recognised() -> None:
    """scanpy's and Seurat's usual normalisation is recognised, also with a few genes filtered away."""
    logged = log_normalised(COUNTS)
    assert detect_content(logged, where="x") == "log1p_cp10k"
    low = np.argsort(np.asarray(COUNTS.sum(axis=0)).ravel())[50:]
    assert detect_content(logged[:, np.sort(low)], where="x") == "log1p_cp10k"


@pytest.mark.parametrize(
    "correct",
    [
        lambda c: c + sparse.random(*c.shape, 0.01, random_state=0),  # pseudo-aligned: some fractions
        lambda c: c.multiply(sparse.random(*c.shape, 1, random_state=0).toarray() / 5 + 0.8).tocsr() * 3,
    ],
)
def test_counts_with_fractions_are_recognised(correct) -> None:
    """Counts without their ambient part, or shared among genes, are told from normalised values."""
    corrected = sparse.csr_matrix(correct(COUNTS.astype(float)))
    assert detect_content(corrected, where="x") == "corrected_counts"
    few = COUNTS.astype(float)
    few.data[:3] += 0.5  # damage, not correction
    with pytest.raises(InputError, match="fractions"):
        detect_content(few, where="x")


def log2_normalised(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    logged = log_normalised(counts)
    logged.data /= np.float32(np.log(2))
    return logged


def per_million(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    linear = log_normalised(counts, total=1e6).astype(np.float64)
    linear.data = np.expm1(linear.data)
    return linear


def scaled(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    dense = log_normalised(counts).toarray()
    return sparse.csr_matrix((dense - dense.mean(axis=0)) / (dense.std(axis=0) + 1e-6))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (scaled, "scaled"),
        (per_million, "normalised to 1,000,000 per cell"),
        (lambda c: log_normalised(c, total=1e6), "log1p of counts per 1,000,000"),
        (log2_normalised, r"log2\(x \+ 1\)"),
        (lambda c: log_normalised(c)[:, :40], "only some of the genes"),
        (lambda c: c.multiply(1.37).tocsr(), "unknown normalisation"),
    ],
)
def test_other_matrices_are_refused(make, words: str) -> None:
    """Anything else is refused, saying what it looks like, what was seen and what would help."""
    with pytest.raises(InputError, match=words) as caught:
        detect_content(make(COUNTS), where="donor1.h5ad: X")
    assert "values from" in caught.value.what
    assert "layers['counts']" in caught.value.mend


def test_nan_is_refused() -> None:
    """NaN is no matrix of any kind."""
    with pytest.raises(InputError, match="NaN"):
        detect_content(block_of([1.0, np.nan]), where="x")


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["pbmc3k/pbmc3k", "chung2017_breast/counts", "citeseq_pbmc10k/citeseq_pbmc10k"]
)
def test_real_counts_and_their_normalisation_are_recognised(shared_data: Path, name: str) -> None:
    """Real counts (UMIs and Smart-seq reads) and their log-normalisation are told apart."""
    counts = sparse.csr_matrix(ad.read_h5ad(shared_data / f"{name}.h5ad", backed="r").X[:300])
    assert detect_content(counts, where=name) == "counts"
    assert detect_content(log_normalised(counts), where=name) == "log1p_cp10k"


@pytest.mark.parametrize(("high", "content"), [(9.22, "log1p_cp10k"), (9.2201, "corrected_counts")])
def test_the_highest_logarithm_is_that_of_a_cell_of_one_gene(high: float, content: str) -> None:
    """The border itself still holds logarithms; above it, no cell could have that much of a gene."""
    block = block_of([np.log1p(5_000), np.log1p(5_000)], [high, 0], [np.log1p(4_000), np.log1p(6_000)])
    assert (recognise_content(block) == "log1p_cp10k") == (content == "log1p_cp10k")


@pytest.mark.parametrize(("sums", "is_near"), [((9_800.0, 10_200.0), True), ((9_799.9, 10_200.1), False)])
def test_sums_two_percent_away_are_near(sums: tuple[float, ...], is_near: bool) -> None:
    """A few genes may be gone since the cells were normalised: up to 2 percent, the border included."""
    assert _is_near(np.array(sums)).tolist() == [is_near, is_near]


@pytest.mark.parametrize(("n_far", "is_log"), [(1, True), (2, False)])
def test_one_cell_in_twenty_may_have_another_sum(n_far: int, is_log: bool) -> None:
    """Logarithms are recognised where 95 percent of the cells fit, the border included."""
    near = [np.log1p(4_000.0), np.log1p(6_000.0)]
    block = block_of(*[near] * (20 - n_far), *[[np.log1p(4_000.0), np.log1p(1_000.0)]] * n_far)
    assert (recognise_content(block) == "log1p_cp10k") == is_log


@pytest.mark.parametrize(("n_fractions", "content"), [(1, "corrected_counts"), (0.5, None)])
def test_one_value_in_a_hundred_with_a_fraction_is_no_damage(n_fractions: float, content: str | None) -> None:
    """From a hundredth of the values on fractions are the work of a program, the border included."""
    n_values = int(100 / (n_fractions * 2))  # of each of two cells
    rows = np.ones((2, n_values))
    rows[1] = 2
    rows[0, 0] = 1.5
    assert recognise_content(block_of(*rows)) == content


@pytest.mark.parametrize(
    ("rows", "content"),
    [
        # fewer than half have fractions: counts, however low
        ([[1.25, 2, 1], [1, 3, 2.5]], "corrected_counts"),
        # half of them: only where some gene is abundant
        ([[1.25, 2], [3, 2.5]], None),
        ([[1.25, 15], [3, 2.5]], None),
        ([[1.25, 16], [3, 2.5]], "corrected_counts"),
        # and a cell holds no more than a droplet
        ([[1.25, 199_998.75], [3.5, 199_996.5], [2, 7.5]], "corrected_counts"),
        ([[1.25, 199_999.75], [3.5, 199_997.5], [2, 7.5]], None),
    ],
)
def test_the_borders_of_corrected_counts(rows: list[list[float]], content: str | None) -> None:
    """Half of the values, the highest value of 15 and 200,000 molecules are where the verdict changes."""
    assert recognise_content(block_of(*rows)) == content
