"""What holds for quality control of any cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from tcellflow.cells.counts import check_counts_block, detect_content
from tcellflow.cells.gate import gate_cells
from tcellflow.cells.markers import GATE_GENES
from tcellflow.cells.quality import QcTally, QcThresholds, find_removals, measure_cells
from tcellflow.errors import InputError

seeds = st.integers(0, 2**32 - 1)


def draw(seed: int, n_cells: int, n_genes: int) -> sparse.csr_matrix:
    rng = np.random.default_rng(seed)
    return sparse.csr_matrix(rng.poisson(rng.gamma(0.3, 1, n_genes), (n_cells, n_genes)).astype(np.int32))


@given(seeds, st.integers(0, 8), st.integers(1, 12), st.data())
def test_cells_are_judged_alone(seed: int, n_cells: int, n_genes: int, data: st.DataObject) -> None:
    """Splitting the cells into blocks anywhere changes neither measurements nor verdicts nor the tally."""
    block, cut = draw(seed, n_cells, n_genes), data.draw(st.integers(0, n_cells))
    thresholds = QcThresholds(3, 2, 30.0)

    def judge(part: sparse.csr_matrix) -> np.ndarray:
        return find_removals(measure_cells(part, part[:, 0].toarray().ravel().astype(float)), thresholds)

    whole, halves = judge(block), [judge(block[:cut]), judge(block[cut:])]
    assert whole.tolist() == np.concatenate(halves).tolist()
    tally = QcTally(thresholds)
    assert tally.plus(whole) == tally.plus(halves[0]).plus(halves[1])
    assert tally.plus(whole).n_input == n_cells


@given(seeds, st.integers(0, 8), st.integers(1, 12))
def test_measurements_equal_the_dense_ones(seed: int, n_cells: int, n_genes: int) -> None:
    """Sums and detected genes equal those of the dense matrix."""
    block = draw(seed, n_cells, n_genes)
    found, dense = measure_cells(block, None), block.toarray()
    np.testing.assert_array_equal(found.total_counts, dense.sum(axis=1))
    np.testing.assert_array_equal(found.n_genes_by_counts, (dense > 0).sum(axis=1))


@given(seeds, st.integers(1, 8), st.integers(1, 8), st.sampled_from([-1.0, 0.25, np.nan, np.inf]), st.data())
def test_a_bad_value_anywhere_is_found(
    seed: int, n_cells: int, n_genes: int, bad: float, data: st.DataObject
) -> None:
    """One value that is no count is refused wherever it stands, with its cell and gene."""
    dense = draw(seed, n_cells, n_genes).toarray().astype(float)
    row, column = data.draw(st.integers(0, n_cells - 1)), data.draw(st.integers(0, n_genes - 1))
    dense[row, column] = bad
    names = [f"cell{i}" for i in range(n_cells)], [f"gene{i}" for i in range(n_genes)]
    with pytest.raises(InputError, match=rf"^the value .* in cell cell{row}, gene{column}, is "):
        check_counts_block(sparse.csr_matrix(dense), 0, *names, "x")


@given(seeds, st.integers(1, 8), st.integers(2, 12), st.floats(0.1, 1e5))
def test_scaled_counts_are_never_taken_for_counts(
    seed: int, n_cells: int, n_genes: int, factor: float
) -> None:
    """Counts times a number are counts only if all stay whole."""
    block = draw(seed, n_cells, n_genes).astype(float)
    block.data *= factor
    is_whole = (block.data == np.trunc(block.data)).all()
    try:
        kind = detect_content(block, where="x")
    except InputError:
        kind = "refused"
    assert (kind == "counts") == is_whole


@given(seeds, st.integers(0, 8), st.data())
def test_the_gate_judges_cells_alone(seed: int, n_cells: int, data: st.DataObject) -> None:
    """Splitting the cells into blocks anywhere changes no verdict and no sign of a doublet."""
    rng = np.random.default_rng(seed)
    markers = rng.poisson(rng.gamma(0.4, 3, len(GATE_GENES)), (n_cells, len(GATE_GENES))).astype(np.float32)
    present = rng.random(len(GATE_GENES)) < 0.8
    markers[:, ~present] = 0
    totals, receptor = markers.sum(axis=1) * 5, rng.random(n_cells) < 0.5
    cut = data.draw(st.integers(0, n_cells))
    whole = gate_cells(markers, present, totals, receptor)
    parts = [gate_cells(markers[s], present, totals[s], receptor[s]) for s in (slice(cut), slice(cut, None))]
    for field in ("is_t_cell", "t_cell_evidence", "other_lineage", "doublet_evidence"):
        together = getattr(whole, field).tolist()
        assert together == [value for part in parts for value in getattr(part, field)]


@given(seeds, st.integers(1, 8))
def test_a_receptor_never_speaks_against_a_t_cell(seed: int, n_cells: int) -> None:
    """A cell called T without a receptor is called T with one."""
    rng = np.random.default_rng(seed)
    markers = rng.poisson(rng.gamma(0.4, 3, len(GATE_GENES)), (n_cells, len(GATE_GENES))).astype(np.float32)
    present, totals = np.ones(len(GATE_GENES), dtype=bool), markers.sum(axis=1) * 5
    without = gate_cells(markers, present, totals, np.zeros(n_cells, dtype=bool)).is_t_cell
    with_one = gate_cells(markers, present, totals, np.ones(n_cells, dtype=bool)).is_t_cell
    assert not (without & ~with_one).any()
