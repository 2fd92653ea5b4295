"""A matrix is predicted in a few lines, whatever kind of matrix it is."""

from __future__ import annotations

from dataclasses import fields

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from state_bundles import DIMENSION, GENES, write_states_bundle
from tcellflow.errors import BundleError, InputError, OptionsError
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.inference.states.sources import ReceptorBlock

N_CELLS = 1_100  # more than one block


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_states_bundle(tmp_path_factory.mktemp("bundles") / "b", with_receptors=True)


@pytest.fixture(scope="module")
def predictor(bundle):
    return StatePredictor(bundle, threads=1, device="cpu")


@pytest.fixture(scope="module")
def matrix():
    rng = np.random.default_rng(0)
    return (rng.uniform(0, 3, (N_CELLS, len(GENES))) * (rng.random((N_CELLS, len(GENES))) < 0.6)).astype("f4")


def assert_same(one, two):
    for field in fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(two, field.name))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_every_kind_of_matrix_gives_the_same_calls(predictor, matrix, kind):
    """Dense or sparse, by rows or columns: the calls are those of the plain array."""
    assert_same(predictor.predict_cells(kind(matrix), GENES), predictor.predict(matrix))


def test_a_backed_anndata_is_streamed(predictor, matrix, tmp_path):
    """X of an AnnData that stays on disk gives the same calls, in the order of its genes."""
    order = np.random.default_rng(1).permutation(len(GENES))
    adata = ad.AnnData(sparse.csr_matrix(matrix[:, order]), var=pd.DataFrame(index=[GENES[i] for i in order]))
    adata.write_h5ad(tmp_path / "x.h5ad")
    backed = ad.read_h5ad(tmp_path / "x.h5ad", backed="r")
    assert_same(predictor.predict_cells(backed.X, backed.var_names), predictor.predict(matrix))


def test_missing_genes_are_masked_and_told(predictor, matrix, caplog):
    """Genes that the matrix lacks are masks, not zeros; low coverage is said."""
    keep = [3, 4, 5, 6]
    found = predictor.predict_cells(matrix[:, keep], [GENES[i] for i in keep])
    present = np.isin(np.arange(len(GENES)), keep)
    assert_same(found, predictor.predict(np.where(present, matrix, 0), present))
    assert "most cells will stay Unresolved" in caplog.text


def test_receptors_follow_their_cells(predictor, matrix):
    """Vectors are cut into the same blocks as the cells."""
    rng = np.random.default_rng(2)
    receptors = ReceptorBlock(*(rng.normal(size=(N_CELLS, DIMENSION)).astype(np.float32) for _ in range(2)))
    found = predictor.predict_cells(sparse.csr_matrix(matrix), GENES, receptors)
    assert_same(found, predictor.predict(matrix, receptors=receptors))


def test_no_cells_give_no_calls(predictor, matrix):
    """A matrix without rows gives empty arrays."""
    assert len(predictor.predict_cells(matrix[:0], GENES)) == 0


def test_counts_and_foreign_genes_are_refused(predictor, matrix):
    """Raw counts, impossible values, repeated and unknown genes are errors, never calls."""
    with pytest.raises(InputError, match="whole numbers, so they are counts"):
        predictor.predict_cells(np.round(matrix), GENES)
    with pytest.raises(InputError, match="cannot be log1p"):
        predictor.predict_cells(matrix - 0.5, GENES)
    with pytest.raises(InputError, match="repeated"):
        predictor.predict_cells(matrix, [GENES[0], *GENES[:-1]])
    with pytest.raises(InputError, match="at least 25%"):
        predictor.predict_cells(matrix, [f"G{i}" for i in range(len(GENES))])


def test_a_bundle_is_opened_by_name_folder_or_itself(bundle, predictor, matrix, monkeypatch):
    """A name, a folder and a bundle in hand give the same predictor; an unknown name is an error."""
    monkeypatch.setenv("TCELLFLOW_BUNDLES", str(bundle.folder.parent))
    for given in (bundle.folder.name, bundle.folder):
        opened = StatePredictor(given, threads=1, device="cpu")
        assert_same(opened.predict(matrix), predictor.predict(matrix))
    with pytest.raises(BundleError, match="no bundle 'nonsense'"):
        StatePredictor("nonsense")


def test_the_threshold_is_the_bundles(predictor):
    """The confidence for a target risk is read off the bundle's curve; an impossible one is refused."""
    assert predictor.threshold() == 0.5
    assert predictor.threshold(target_risk=0.02) == 0.9
    with pytest.raises(OptionsError, match="cannot reach"):
        predictor.threshold(target_risk=0.001)
