"""predict with a bundle of every optional part, and with every option."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from factories import make_cells_obs, make_counts, write_cells_file
from state_bundles import (
    DIMENSION,
    GENES,
    REFERENCE_ENTRY,
    SPEAKING,
    make_states_model,
    write_states_bundle,
)
from step_tables import write_receptors
from tcellflow.contracts.cells import ANNOTATED
from tcellflow.contracts.predictions import CLONOTYPES, GENE_EVIDENCE, PREDICTIONS
from tcellflow.contracts.tables import EMBEDDINGS
from tcellflow.errors import InputError, OptionsError
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.tables.documents import read_json
from tcellflow.io.tables.parquet import read_table, read_table_note, write_table
from tcellflow.provenance import StepNote, digest_file
from tcellflow.steps.predict import CallOptions, PredictOptions, predict
from tcellflow.vocabulary import State

WHOLE = CallOptions(set_coverage=0.9, correct_priors=True, pool_lineage=True)
N_WHOLE = 240


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A sample of the tiny bundle's genes with receptors, vectors, and the bundle: all inputs there are."""
    folder = tmp_path_factory.mktemp("whole")
    rng = np.random.default_rng(0)
    sample = make_counts(N_WHOLE, len(GENES), seed=3)
    rates = np.where(np.arange(len(GENES)) == np.arange(N_WHOLE)[:, None] % 7, 30, 4)
    counts = sp.csr_matrix(rng.poisson(rates).astype(np.int32))
    names = np.array(GENES, dtype=object)
    sample = replace(sample, counts=counts, gene_names=names, gene_ids=np.full(len(GENES), "", dtype=object))
    write_cells_file(folder / "cells.h5ad", sample, make_cells_obs(sample).assign(is_t_cell=True))
    ids = read_cells(folder / "cells.h5ad").cell_ids
    keys = [f"{i:020x}" for i in range(9)]
    tra = [keys[i % 9] if i % 2 else None for i in range(N_WHOLE)]
    write_receptors(folder / "receptors", ids, [f"k{i % 20}" for i in range(N_WHOLE)], emb_tra=tra)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rng.normal(size=27).astype(np.float32)), DIMENSION)
    table = pa.table(
        {"emb_id": keys, "kind": ["tra"] * 9, "vector": vectors},
        schema=EMBEDDINGS.schema(vector_width=DIMENSION),
    )
    extra = {"backend": "kmer", "dimension": str(DIMENSION)}
    write_table(folder / "embeddings", table, EMBEDDINGS, StepNote("embed-tcr"), extra)
    sets = [{"coverage": 0.9, "least_probability": 0.1}]
    ensemble = [("ensemble.onnx", make_states_model(receptors=True, ood=True, n_members=4))]
    write_states_bundle(
        folder / "bundle",
        with_receptors=True,
        with_ood=True,
        conformal=sets,
        files=ensemble,
        ood={"threshold": 0.99999},
        reference={**REFERENCE_ENTRY, "ood_quantiles": [0.0, 200.0]},
    )
    return folder


def run_whole(whole, folder, **options):
    given = {
        "receptors": whole / "receptors",
        "embeddings": whole / "embeddings",
        "bundle": str(whole / "bundle"),
        "calls": WHOLE,
        "ensemble": True,
        "evidence_genes": 2,
    }
    options = PredictOptions(
        whole / "cells.h5ad", folder, "s1", threads=1, device="cpu", **{**given, **options}
    )
    return predict(options)


def test_everything_at_once_fits_the_contracts(whole, tmp_path):
    """With every option all files are valid, and name what each call used."""
    files = run_whole(whole, tmp_path)
    assert "s1.gene_evidence.parquet" in [path.name for path in files]
    predictions = read_table(tmp_path / "s1.predictions.parquet", PREDICTIONS)
    former = {"cluster", "state_voted", "vote_share"}  # of version 2
    assert predictions.column_names == [c.name for c in PREDICTIONS.columns if c.name not in former]
    for name in ("model_agreement", "epistemic", "ood_score", "prediction_set", "lineage_pooled"):
        assert predictions[name].null_count == 0, name
    assert predictions["inputs"].to_pylist()[:4] == ["gex", "gex+tra"] * 2
    assert read_table(tmp_path / "s1.clonotypes.parquet", CLONOTYPES).num_rows == 20
    evidence = read_table(tmp_path / "s1.gene_evidence.parquet", GENE_EVIDENCE).to_pandas()
    assert set(evidence["side"]) == {"for", "against"}
    assert evidence["rank"].max() == 2
    first = evidence.drop_duplicates("barcode")
    speaks = dict(zip([str(s) for s in State], SPEAKING, strict=True))
    assert (first["gene"] == first["predicted_state"].map(speaks)).mean() > 0.9
    frequent = read_json(tmp_path / "s1.metrics.json")["frequent_genes"]
    assert frequent["Treg"]["for"][0] == "FOXP3"
    note = read_table_note(tmp_path / "s1.predictions.parquet")
    assert note["options"] == {
        "correct_priors": True, "effector_by": None, "ensemble": True, "evidence_genes": 2,
        "pool_lineage": True, "set_coverage": 0.9, "target_risk": 0.1,
    }  # fmt: skip
    assert note["inputs"]["embeddings"] == digest_file(whole / "embeddings")
    obs = read_cells(tmp_path / "s1.annotated.h5ad", ANNOTATED).obs
    assert list(obs["state_prediction_set"]) == predictions["prediction_set"].to_pylist()
    np.testing.assert_allclose(obs["state_epistemic"], predictions["epistemic"].to_numpy())


def test_everything_is_byte_stable(whole, tmp_path):
    """Two runs with all options give the same bytes."""
    names = [path.name for path in run_whole(whole, tmp_path / "a")]
    run_whole(whole, tmp_path / "b")
    for name in names:
        assert digest_file(tmp_path / "a" / name) == digest_file(tmp_path / "b" / name), name


def test_receptors_change_the_calls_they_are_part_of(whole, tmp_path):
    """Cells with a chain are called with it, cells without one as from expression alone."""
    plain = {"calls": CallOptions(), "evidence_genes": 0, "ensemble": False, "h5ad": False}
    run_whole(whole, tmp_path / "with", **plain)
    run_whole(whole, tmp_path / "without", embeddings=None, **plain)
    one, two = (
        read_table(tmp_path / f / "s1.predictions.parquet", PREDICTIONS).to_pandas()
        for f in ("with", "without")
    )
    has_chain = one["inputs"] == "gex+tra"
    assert (two["inputs"] == "gex").all()
    assert (one["prob_Treg"] != two["prob_Treg"])[has_chain].mean() > 0.5
    assert (one["prob_Treg"] == two["prob_Treg"])[~has_chain].all()
    warnings = read_json(tmp_path / "without" / "s1.metrics.json")["warnings"]
    assert any("can use receptors" in warning for warning in warnings)


def test_columns_of_an_earlier_predict_do_not_outlive_it(whole, tmp_path):
    """Predicted again without sets, the annotated file has none; the users' own columns stay."""
    run_whole(whole, tmp_path / "first", evidence_genes=0)
    options = PredictOptions(
        tmp_path / "first" / "s1.annotated.h5ad", tmp_path / "again", "s1", bundle=str(whole / "bundle"),
        threads=1, device="cpu",
    )  # fmt: skip
    predict(options)
    first, again = (ad.read_h5ad(tmp_path / f / "s1.annotated.h5ad") for f in ("first", "again"))
    asked = {"state_prediction_set", "state_lineage_pooled"}
    assert asked <= set(first.obs)
    assert not asked & set(again.obs)
    assert set(make_cells_obs(make_counts(3, 5))) <= set(again.obs)


def test_vectors_need_the_table_that_assigns_them(whole, tmp_path):
    """Vectors without receptors belong to no cell, which is told before anything is written."""
    with pytest.raises(OptionsError, match="which cell has which receptor"):
        run_whole(whole, tmp_path / "o", receptors=None)
    assert not (tmp_path / "o").exists()


def test_vectors_of_another_encoder_are_refused(whole, tmp_path):
    """A bundle learnt from one encoder does not read the vectors of another."""
    other = read_table(whole / "embeddings", EMBEDDINGS).replace_schema_metadata(None)
    extra = {"backend": "tcr-bert", "dimension": str(DIMENSION)}
    write_table(tmp_path / "other", other, EMBEDDINGS, StepNote("embed-tcr"), extra)
    with pytest.raises(InputError, match="another encoder"):
        run_whole(whole, tmp_path / "o", embeddings=tmp_path / "other")
