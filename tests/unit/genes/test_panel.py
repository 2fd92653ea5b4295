"""Aligning a matrix to a panel of genes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from tcellflow.errors import BundleError, InputError
from tcellflow.genes.panel import align_panel


def test_columns_follow_the_panel_order() -> None:
    """Columns are given in panel order, and an unmeasured gene has column -1."""
    alignment = align_panel(["CD3E", "CD4", "CD8A"], ["CD8A", "FOXP3", "CD3E"])
    assert alignment.columns.tolist() == [2, -1, 0]
    assert alignment.present.tolist() == [True, False, True]


def test_gather_takes_the_panel_out_of_a_block() -> None:
    """Gathering gives float32 values in panel order, with zeros for absent genes."""
    block = sparse.csr_matrix(np.array([[1, 0, 3], [0, 5, 0], [0, 0, 0]], dtype=np.int32))
    gathered = align_panel(["CD3E", "CD4", "CD8A"], ["CD8A", "FOXP3", "CD3E"]).gather(block)
    assert gathered.dtype == np.float32
    assert gathered.tolist() == [[3, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_gather_sums_repeated_entries() -> None:
    """Two stored entries of one cell and gene are summed."""
    block = sparse.csr_matrix((np.array([1, 2, 4]), np.array([1, 1, 0]), np.array([0, 3])), shape=(1, 2))
    assert align_panel(["CD4", "CD8A"], ["CD8A"]).gather(block).tolist() == [[3]]


def test_gather_works_on_a_slice_of_rows() -> None:
    """A block of no rows gives an array of no rows and the panel's width."""
    alignment = align_panel(["CD4", "CD8A"], ["CD8A", "CD4", "FOXP3"])
    assert alignment.gather(sparse.csr_matrix((0, 2), dtype=np.float32)).shape == (0, 3)


def test_coverage_is_weighted() -> None:
    """The coverage is the weight of the measured genes over the weight of all."""
    alignment = align_panel(["CD4"], ["CD4", "FOXP3"], np.array([3.0, 1.0]))
    assert alignment.coverage == pytest.approx(0.75)


def test_coverage_without_weights_counts_genes() -> None:
    """Without weights each gene counts alike."""
    assert align_panel(["CD4"], ["CD4", "FOXP3", "CTLA4", "IL2RA"]).coverage == pytest.approx(0.25)


@pytest.mark.parametrize("weights", [None, np.zeros(0), np.zeros(1)])
def test_coverage_of_nothing_is_zero(weights: np.ndarray | None) -> None:
    """An empty panel, or one without any weight, is covered by 0 and not by NaN."""
    panel = [] if weights is None or not weights.size else ["CD4"]
    assert align_panel(["CD4"], panel, weights).coverage == 0.0


def test_a_block_of_another_width_is_a_bug() -> None:
    """A block that does not belong to the aligned matrix raises ValueError."""
    with pytest.raises(ValueError, match="5 genes"):
        align_panel(["CD4"], ["CD4"]).gather(sparse.csr_matrix((1, 5)))


def test_repeated_matrix_symbols_are_refused() -> None:
    """A symbol that occurs twice in the matrix is an input error that names it."""
    with pytest.raises(InputError, match="CD4"):
        align_panel(["CD4", "CD4"], ["CD4"])


def test_repeated_panel_symbols_are_refused() -> None:
    """A panel that lists a gene twice is a bundle error that names it."""
    with pytest.raises(BundleError, match="FOXP3"):
        align_panel(["CD4"], ["FOXP3", "CD4", "FOXP3"])


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [1.0, np.nan]])
def test_unfitting_weights_are_refused(weights: list[float]) -> None:
    """Weights of another length, negative or not finite are a bundle error."""
    with pytest.raises(BundleError, match="weights"):
        align_panel(["CD4"], ["CD4", "FOXP3"], np.array(weights))
