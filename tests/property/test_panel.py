"""What holds for every alignment of a matrix to a panel."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from tcellflow.genes.panel import align_panel

GENES = [f"GENE{i}" for i in range(12)]
gene_lists = st.lists(st.sampled_from(GENES), unique=True, max_size=12)


@given(gene_lists, gene_lists, st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_gather_equals_dense_indexing(symbols: list[str], panel: list[str], n_rows: int, seed: int) -> None:
    """Gathering equals taking the columns of the dense matrix and zeros for absent genes."""
    dense = np.random.default_rng(seed).poisson(0.5, size=(n_rows, len(symbols))).astype(np.int32)
    alignment = align_panel(symbols, panel)
    expected = np.zeros((n_rows, len(panel)), dtype=np.float32)
    for place, gene in enumerate(panel):
        if gene in symbols:
            expected[:, place] = dense[:, symbols.index(gene)]
    np.testing.assert_array_equal(alignment.gather(sparse.csr_matrix(dense)), expected)


@given(gene_lists, gene_lists, st.data())
def test_coverage_lies_between_none_and_all(
    symbols: list[str], panel: list[str], data: st.DataObject
) -> None:
    """Coverage is 0 without a shared gene, 1 when every weighted gene is there, never outside 0-1."""
    weights = np.array(data.draw(st.lists(st.floats(0, 1e6), min_size=len(panel), max_size=len(panel))))
    coverage = align_panel(symbols, panel, weights).coverage
    assert 0.0 <= coverage <= 1.0 + 1e-12
    if not set(symbols) & set(panel):
        assert coverage == 0.0
    if set(panel) <= set(symbols) and weights.sum() > 0:
        assert abs(coverage - 1.0) < 1e-12


@given(gene_lists, gene_lists)
def test_rows_are_independent(symbols: list[str], panel: list[str]) -> None:
    """Gathering two halves and stacking them equals gathering the whole."""
    rng = np.random.default_rng(len(symbols))
    block = sparse.csr_matrix(rng.poisson(0.7, size=(6, len(symbols))))
    alignment = align_panel(symbols, panel)
    halves = np.vstack([alignment.gather(block[:2]), alignment.gather(block[2:])])
    np.testing.assert_array_equal(halves, alignment.gather(block))
