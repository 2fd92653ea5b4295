"""Who has named the true library sizes is not asked for them again."""

from __future__ import annotations

from importlib.resources import files

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from command_line import run_command
from tcellflow.api import StatePredictor
from tcellflow.inference.states.checks import check_library_size
from tcellflow.inference.states.sources import MatrixCells

SAMPLE = files("tcellflow") / "data/samples/tenx_healthy_T_1k"


@pytest.fixture(scope="module")
def selection(tmp_path_factory):
    """A selection of genes, of which one holds all other molecules, so that its sum is the library size."""
    folder = tmp_path_factory.mktemp("selection")
    done = run_command("preprocess", "--gex", SAMPLE / "sample_filtered_feature_bc_matrix.h5", "-o", folder)
    assert done.code == 0, done.stderr
    cells = ad.read_h5ad(folder / "sample.cells.h5ad")[:150]
    panel = set(StatePredictor("states").genes[:3_000])
    chosen = cells[:, [gene in panel for gene in cells.var_names]]
    counts = sparse.csr_matrix(chosen.layers["counts"], dtype=np.int32)
    adata = ad.AnnData(counts, chosen.obs[[]].copy(), chosen.var[[]].copy())
    adata.obs["n_molecules"] = np.asarray(counts.sum(axis=1)).ravel()
    path = folder / "selection.h5ad"
    adata.write_h5ad(path)
    return path


@pytest.mark.parametrize(
    ("words", "is_asked"), [((), True), (("--library-size-column", "n_molecules"), False)]
)
def test_predict_asks_for_library_sizes_only_where_preprocess_was_not_told(
    selection, tmp_path, words, is_asked
):
    """The same numbers, once as sums of the matrix and once as the column that the user named."""
    read = run_command("preprocess", "--gex", selection, "-o", tmp_path, *words)
    assert read.code == 0, read.stderr
    called = run_command("predict", tmp_path / "sample.cells.h5ad", "-o", tmp_path)
    assert called.code == 0, called.stderr
    assert ("(--library-size-column)" in called.stderr) == is_asked


def test_a_matrix_with_its_library_sizes_is_not_asked_for_them():
    """The predictor in memory follows the same rule."""
    matrix = sparse.csr_matrix(np.log1p(np.full((4, 10), 1_000, np.float32)))
    genes = np.array([f"G{number}" for number in range(10)], dtype=object)
    assert len(check_library_size(MatrixCells(matrix, genes))) == 1
    assert check_library_size(MatrixCells(matrix, genes, np.full(4, 5_000.0))) == []
