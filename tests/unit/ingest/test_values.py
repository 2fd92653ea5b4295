"""What a matrix holds is decided once, and every value and library size is held to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from factories import ANTIBODIES, log_normalised, make_anndata, make_counts, write_10x_h5, write_h5ad
from tcellflow.errors import InputError
from tcellflow.ingest.inputs import open_sample
from tcellflow.ingest.values import LibrarySizes, ValueReader
from tcellflow.io.matrices.opening import open_matrix

SAMPLE = make_counts(50, 120)
SIZED = make_counts(6, 70)
SIZES = [5000.0, 4000, np.nan, 3000, 2000, 1000]
LOGS = log_normalised(SAMPLE.counts)


def write(folder, matrix):
    """Write a matrix of these values as h5ad."""
    adata = make_anndata(SAMPLE)
    adata.X = matrix
    adata.write_h5ad(folder / "a.h5ad")
    return folder / "a.h5ad"


def read_all(path, n_rows=10):
    """Read a whole matrix in blocks; give the reader and its values."""
    expression = open_sample(path, [], None, sample_id="s").expression
    reader, done, values = ValueReader(expression), 0, []
    for block in expression.source.blocks(n_rows):
        values.append(reader.read(block, done))
        done += block.shape[0]
    reader.check_end()
    return reader, values


def refuse(path, n_rows=10):
    """Give the error that reading ends with."""
    with pytest.raises(InputError) as caught:
        read_all(path, n_rows)
    assert caught.value.where == f"{path} (X)"
    return caught.value.what


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_counts_are_counts_whatever_their_type(tmp_path, dtype):
    """Whole numbers are read as int32 counts."""
    reader, values = read_all(write(tmp_path, SAMPLE.counts.astype(dtype)))
    assert reader.kind == "counts"
    whole = sp.vstack([part.counts for part in values])
    assert whole.dtype == np.int32
    assert (whole != SAMPLE.counts).nnz == 0
    assert all(part.logs is None for part in values)


def test_antibodies_are_left_out(tmp_path):
    """Only genes are read, though antibodies are columns too."""
    sample = make_counts(10, 90, antibodies=ANTIBODIES)
    _, values = read_all(write_10x_h5(tmp_path / "a.h5", sample))
    assert (values[0].counts != sample.counts).nnz == 0


def test_logarithms_are_kept_and_counts_estimated(tmp_path):
    """log1p(counts per 10,000) stays as it is, and the counts behind it are found."""
    reader, values = read_all(write(tmp_path, LOGS))
    assert reader.kind == "log1p_cp10k"
    assert abs(sp.vstack([part.logs for part in values]) - LOGS).max() == 0
    recovered = sp.vstack([part.counts for part in values])
    # exact wherever the cell's smallest count is 1, which nearly all have
    assert (recovered != SAMPLE.counts).nnz < 0.1 * SAMPLE.counts.nnz


@pytest.mark.parametrize(
    ("value", "word"), [(-2, "negative"), (1.5, "fractional"), (np.nan, "not finite"), (3e9, "larger than")]
)
@pytest.mark.parametrize("n_rows", [10, 100])
def test_a_single_bad_count_is_named_with_cell_and_gene(tmp_path, value, word, n_rows):
    """One value that is no count in a matrix of counts is named, in the first block or a later one."""
    dense = SAMPLE.counts.toarray().astype(np.float64)
    dense[33, 3] = value
    said = refuse(write(tmp_path, sp.csr_matrix(dense)), n_rows)
    assert said.startswith(f"the value {value:g} in cell {SAMPLE.barcodes[33]}, TRAC, is {word}")


def test_ambient_corrected_counts_are_not_rounded(tmp_path):
    """Counts with fractions are log-normalised as they are; only the gate's counts are rounded."""
    corrected = SAMPLE.counts.astype(np.float64)
    corrected.data[::3] += 0.25
    reader, values = read_all(write(tmp_path, corrected))
    assert reader.kind == "corrected_counts"
    assert abs(sp.vstack([part.logs for part in values]) - log_normalised(corrected)).max() < 1e-6
    assert (sp.vstack([part.counts for part in values]) != SAMPLE.counts).nnz == 0


@pytest.mark.parametrize("value", [-1.0, np.nan, 3e9])
def test_impossible_corrected_counts_are_named(tmp_path, value):
    """A value that no corrected count can have is refused with its cell and gene, in any block."""
    corrected = SAMPLE.counts.astype(np.float64)
    corrected.data[::3] += 0.25
    dense = corrected.toarray()
    dense[33, 3] = value
    said = refuse(write(tmp_path, sp.csr_matrix(dense)))
    assert said == f"the value {value:g} in cell {SAMPLE.barcodes[33]}, TRAC, is no corrected count"


def test_scaled_values_are_told_as_such(tmp_path):
    """A matrix of z-scores is not taken for counts with a few bad values."""
    dense = SAMPLE.counts.toarray().astype(np.float32)
    scaled = (dense - dense.mean(axis=0)) / (dense.std(axis=0) + 0.01)
    assert "looks scaled (z-scored)" in refuse(write(tmp_path, scaled))


@pytest.mark.parametrize("total", [1e3, 1e6])
def test_logarithms_of_other_sums_are_refused(tmp_path, total):
    """log1p of counts per another sum is refused, and the sum is told."""
    logs = log_normalised(SAMPLE.counts, total=total)
    assert f"log1p of counts per {total:,.0f}, not per 10,000" in refuse(write(tmp_path, logs))


def test_counts_after_logarithms_are_refused(tmp_path):
    """Logarithms in the first cells and counts in later ones are refused, and the rows told."""
    mixed = sp.vstack([LOGS[:20], SAMPLE.counts[20:]]).tocsr()
    assert refuse(write(tmp_path, mixed)).startswith("rows 21-30 hold counts")


def test_logarithms_after_counts_are_refused(tmp_path):
    """Counts in the first cells and logarithms in later ones are refused with the first of them."""
    mixed = sp.vstack([SAMPLE.counts[:20], LOGS[20:]]).tocsr()
    said = refuse(write(tmp_path, mixed))
    assert "in rows 21-30 are fractional" in said
    assert SAMPLE.barcodes[20] in said


@pytest.mark.parametrize("value", [-1.0, 9.5, np.nan])
def test_impossible_logarithms_are_refused_in_any_block(tmp_path, value):
    """A value that no log1p(counts per 10,000) can have is named, though the cells before were fine."""
    logs = LOGS.tolil()
    logs[33, 3] = value
    said = refuse(write(tmp_path, logs.tocsr()))
    assert said == f"the value {value:g} in cell {SAMPLE.barcodes[33]}, TRAC, is no log1p(counts per 10,000)"


def test_a_few_cells_may_sum_to_something_else(tmp_path):
    """One odd cell among fifty passes wherever it stands, and four do not."""
    few = LOGS.copy()
    few[49] = few[49] * 0.9
    assert read_all(write(tmp_path, few))[0].kind == "log1p_cp10k"
    many = LOGS.copy()
    for row in range(46, 50):
        many[row] = many[row] * 0.9
    assert "4 of 50 cells hold something else" in refuse(write(tmp_path, many))


def test_cells_without_values_do_not_count(tmp_path):
    """Empty cells are neither right nor wrong logarithms."""
    logs = sp.vstack([LOGS[:25], sp.csr_matrix((25, 120), dtype=np.float32)]).tocsr()
    assert read_all(write(tmp_path, logs))[0].kind == "log1p_cp10k"
    reader, _ = read_all(write(tmp_path, sp.csr_matrix((50, 120), dtype=np.float32)))
    assert reader.kind == "counts"


def test_genes_of_one_symbol_are_summed(tmp_path):
    """Two Ensembl ids of one symbol become one column."""
    names = SAMPLE.gene_names.copy()
    names[111] = names[110]
    _, values = read_all(write_10x_h5(tmp_path / "a.h5", replace(SAMPLE, gene_names=names)), 100)
    assert values[0].counts.shape[1] == 119
    assert (values[0].counts[:, 110] != SAMPLE.counts[:, 110] + SAMPLE.counts[:, 111]).nnz == 0


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
    return open_matrix(write_h5ad(tmp_path / "a.h5ad", SIZED, obs=obs))


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
    assert caught.value.what.startswith(said.format(*SIZED.barcodes))


def test_a_size_below_the_counts_is_refused(source):
    """A library cannot be smaller than the counts of its cell."""
    sizes = LibrarySizes(source, "size")
    sizes.of_rows(0, np.array([5000, 4000, 9000]))
    with pytest.raises(InputError) as caught:
        sizes.of_rows(3, np.array([3000, 2001, 1500]))
    assert caught.value.what == (
        "library sizes in rows 4-6 of 'size' are smaller than the counts of the cell "
        f"(2; first: cell {SIZED.barcodes[4]}, 2,000 for 2,001 counts)"
    )


def test_formats_without_columns_have_no_sizes(tmp_path):
    """A 10x file has no columns about its cells, and the mend says which formats have."""
    with pytest.raises(InputError, match="there are: none") as caught:
        LibrarySizes(open_matrix(write_10x_h5(tmp_path / "a.h5", SIZED)), "size")
    assert ".h5ad" in caught.value.mend
