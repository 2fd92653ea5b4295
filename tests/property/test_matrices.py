"""Matrices of any pattern, through every format and back."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from factories import (
    SyntheticSample,
    make_barcodes,
    write_10x_h5,
    write_10x_mtx,
    write_cells_file,
    write_h5ad,
)
from tcellflow.cells.normalise import log_normalise, sum_rows
from tcellflow.io.files.csr_blocks import row_spans
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.h5ad.frames import as_storable
from tcellflow.io.matrices.opening import open_matrix

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9)
COUNTS = hnp.arrays(np.int32, SHAPES, elements=st.integers(0, 50), fill=st.just(0))
NO_NAMES = np.empty(0, dtype=object)


def as_sample(dense):
    n_cells, n_genes = dense.shape
    return SyntheticSample(
        counts=sp.csr_matrix(dense),
        barcodes=make_barcodes(n_cells),
        gene_names=np.array([f"G{i}" for i in range(n_genes)], dtype=object),
        gene_ids=np.array([f"ENSG{i:011d}" for i in range(n_genes)], dtype=object),
        classes=np.full(n_cells, "B", dtype=object),
        antibody_counts=np.zeros((n_cells, 0), dtype=np.int32),
        antibody_names=NO_NAMES,
    )


def dense_of(blocks, shape):
    blocks = list(blocks)
    return sp.vstack(blocks).toarray() if blocks else np.zeros(shape, dtype=np.int32)


@settings(max_examples=40, deadline=None)
@given(COUNTS, st.integers(1, 12), st.booleans())
def test_every_format_gives_the_same_matrix(dense, n_rows, sorted_by_cell):
    """Any matrix of counts reads the same from every format and layout, in blocks of any height."""
    sample = as_sample(dense)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [
            write_10x_h5(folder / "3.h5", sample),
            write_10x_h5(folder / "2.h5", sample, version=2),
            write_10x_mtx(folder / "mtx", sample, sorted_by_cell=sorted_by_cell),
            *(
                write_h5ad(folder / f"{layout}.h5ad", sample, layout=layout)
                for layout in ("csr", "csc", "dense")
            ),
        ]
        for path in paths:
            source = open_matrix(path)
            assert np.array_equal(dense_of(source.blocks(n_rows), dense.shape), dense)
            assert source.features.names.tolist() == sample.gene_names.tolist()


@settings(max_examples=40, deadline=None)
@given(COUNTS, st.integers(1, 12))
def test_cells_file_keeps_any_matrix(dense, n_rows):
    """Any matrix of counts survives the cells file, and X is finite with the same pattern."""
    with tempfile.TemporaryDirectory() as name:
        cells = read_cells(write_cells_file(Path(name) / "a.h5ad", as_sample(dense)))
        assert np.array_equal(dense_of(cells.blocks(n_rows, "counts"), dense.shape), dense)
        values = dense_of(cells.blocks(n_rows), dense.shape)
    assert np.isfinite(values).all()
    assert np.array_equal(values > 0, dense > 0)


@given(COUNTS)
def test_normalised_cells_sum_to_10000(dense):
    """Undoing the logarithm gives 10,000 for every cell with counts, and sums are those of numpy."""
    counts = sp.csr_matrix(dense)
    assert sum_rows(counts).tolist() == dense.sum(axis=1).tolist()
    restored = sp.csr_matrix(
        (np.expm1(log_normalise(counts).astype(float)), counts.indices, counts.indptr), shape=counts.shape
    )
    sums = np.asarray(restored.sum(axis=1)).ravel()
    assert np.allclose(sums[dense.sum(axis=1) > 0], 1e4, rtol=1e-5)


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(1, 9), st.integers(1, 40))
def test_spans_cover_every_row_once(lengths, n_rows, max_values):
    """Spans follow each other without gaps and keep both bounds, save single rows."""
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    spans = list(row_spans(starts, n_rows, max_values=max_values))
    assert [row for low, high in spans for row in range(low, high)] == list(range(len(lengths)))
    for low, high in spans:
        assert high - low <= n_rows
        assert starts[high] - starts[low] <= max_values or high - low == 1


@given(st.lists(st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=12))
def test_text_keeps_its_values_and_gaps(values):
    """Any text survives as categories, and what was missing is missing."""
    column = as_storable(pd.DataFrame({"x": pd.Series(values, dtype=object)}), where="obs")["x"]
    assert [None if pd.isna(value) else value for value in column] == values
