"""predict writes one row per cell, one per clone, and says why a call abstains."""

from __future__ import annotations

import json
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from factories import log_normalised, make_cells_obs, make_counts, write_cells_file
from step_tables import write_receptors
from tcellflow.contracts.cells import ANNOTATED
from tcellflow.contracts.predictions import CLONOTYPES, PREDICTIONS
from tcellflow.contracts.programmes import PROGRAMMES
from tcellflow.errors import BundleError, ContractError, InputError, OptionsError, OutputError
from tcellflow.genes.panel import align_panel
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.io.bundles.folders import PACKAGED_FOLDER, read_bundle
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.h5ad.cells_writer import write_cells
from tcellflow.io.tables.documents import read_json
from tcellflow.io.tables.parquet import read_table, read_table_note
from tcellflow.provenance import StepNote, digest_file
from tcellflow.steps.predict import CallOptions, PredictOptions, predict
from tcellflow.vocabulary import REPORTED_STATES, STATE_COLORS, State

SUFFIXES = [
    "predictions.parquet", "predictions.csv", "clonotypes.parquet", "programmes.parquet", "metrics.json",
    "annotated.h5ad",
]  # fmt: skip
N_CELLS = 90
BUNDLE = "states-linear"  # cells made of noise are strange to the default bundle


@pytest.fixture(scope="module")
def bundle():
    return read_bundle(PACKAGED_FOLDER / BUNDLE)


def make_sample(bundle, *, n_cells: int = N_CELLS, n_genes: int = 2600, seed: int = 0):
    """Counts of the panel's weightiest genes; a few counts per gene, different in every cell."""
    sample = make_counts(n_cells, n_genes, seed=seed)
    order = np.argsort(-bundle.panel.weights, kind="stable")[:n_genes]
    rng = np.random.default_rng(seed)
    counts = sp.csr_matrix(rng.poisson(rng.gamma(0.5, 0.6, n_genes), (n_cells, n_genes)).astype(np.int32))
    return replace(
        sample,
        counts=counts,
        gene_names=bundle.panel.symbols[order],
        gene_ids=np.full(n_genes, "", dtype=object),
    )


@pytest.fixture(scope="module")
def sample(bundle):
    return make_sample(bundle)


@pytest.fixture(scope="module")
def obs(sample):
    """Cells of which the first five have a reason of their own."""
    table = make_cells_obs(sample)
    table["is_t_cell"] = True
    table.iloc[:2, table.columns.get_loc("is_t_cell")] = False
    table.iloc[1:4, table.columns.get_loc("doublet_suspect")] = True
    table["clone_id"] = [f"clone{i % 7}" if i % 3 else None for i in range(N_CELLS)]
    return table


@pytest.fixture(scope="module")
def cells_path(tmp_path_factory, sample, obs):
    lil = sample.counts.tolil()
    lil[4] = 0  # a cell without any gene of the panel
    path = tmp_path_factory.mktemp("cells") / "s1.cells.h5ad"
    return write_cells_file(path, replace(sample, counts=sp.csr_matrix(lil.tocsr())), obs)


@pytest.fixture(scope="module")
def outputs(cells_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("predicted")
    predict(PredictOptions(cells_path, folder, "s1", bundle=BUNDLE, threads=1, device="cpu"))
    return folder


@pytest.fixture(scope="module")
def table(outputs):
    return read_table(outputs / "s1.predictions.parquet", PREDICTIONS)


@pytest.fixture(scope="module")
def frame(table):
    return table.to_pandas()


def run(cells, folder, **options):
    return predict(
        PredictOptions(cells, folder, "s1", threads=1, device="cpu", **{"bundle": BUNDLE, **options})
    )


def test_all_outputs_fit_their_contracts(outputs, cells_path):
    """Exactly the five files appear, each valid against its contract."""
    assert sorted(p.name for p in outputs.iterdir()) == sorted(f"s1.{suffix}" for suffix in SUFFIXES)
    predictions = read_table(outputs / "s1.predictions.parquet", PREDICTIONS)
    assert predictions.column("barcode").to_pylist() == list(read_cells(cells_path).cell_ids)
    read_table(outputs / "s1.clonotypes.parquet", CLONOTYPES)
    read_cells(outputs / "s1.annotated.h5ad", ANNOTATED)


def test_the_paths_given_back_are_the_files(cells_path, tmp_path):
    """The step gives back the finished files, and progress ends at the number of cells."""
    seen = []
    files = predict(
        PredictOptions(cells_path, tmp_path, "s1", bundle=BUNDLE, threads=1, device="cpu"),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert sorted(p.name for p in files) == sorted(f"s1.{suffix}" for suffix in SUFFIXES)
    assert seen[-1] == (N_CELLS, N_CELLS)


def test_the_csv_is_the_table(outputs, frame):
    """The CSV has the same columns and values, starting with the original classifier's eleven."""
    read = pd.read_csv(outputs / "s1.predictions.csv")
    assert list(read.columns) == list(frame.columns)
    assert list(read.columns[:11]) == [
        "barcode",
        "predicted_state",
        "confidence",
        "model_agreement",
        *(f"prob_{s}" for s in ("Effector", "Exhausted", "Memory", "Naive")),
        *(f"prob_{s}" for s in ("Proliferating", "Th_effector", "Treg")),
    ]
    for column in read.columns:
        if frame[column].dtype == np.float32:
            np.testing.assert_array_equal(read[column].astype(np.float32), frame[column])
        else:
            assert [*read[column].fillna("")] == [*frame[column].fillna("")]
    text = (outputs / "s1.predictions.csv").read_text()
    assert '"' not in text
    decimals = [len(field.split(".")[1]) for field in text.split("\n")[1].split(",") if field[:2] == "0."]
    assert max(decimals) <= 6


def test_probabilities_are_those_of_the_predictor(bundle, cells_path, frame):
    """The step reports what the predictor gives for the same cells, rounded."""
    cells = read_cells(cells_path)
    panel = align_panel(cells.gene_names, bundle.panel.symbols, bundle.panel.weights)
    [block] = cells.blocks()
    calls = StatePredictor(bundle, threads=1, device="cpu").predict(panel.gather(block), panel.present)
    found = frame[[f"prob_{s}" for s in State]].to_numpy()
    np.testing.assert_allclose(found, calls.state_probabilities, atol=1e-6)
    assert list(frame["predicted_state"]) == list(calls.predicted_state)
    np.testing.assert_allclose(frame["panel_coverage"], panel.coverage, atol=1e-6)


def test_abstention_tells_the_strongest_reason(frame):
    """Not a T cell goes before doublet, doublet before coverage, coverage before low confidence."""
    assert list(frame["abstain_reason"][:5]) == [
        "not_t_cell", "not_t_cell", "doublet", "doublet", "coverage",
    ]  # fmt: skip
    assert list(frame["state"][:5]) == ["Not_T", "Not_T", *["Unresolved"] * 3]
    rest = frame.iloc[5:]
    low = rest["confidence"] < 0.67
    assert (rest["abstain_reason"][low] == "low_confidence").all()
    assert (rest["state"][low] == "Unresolved").all()
    assert rest["abstain_reason"][~low].isna().all()
    assert (rest["state"][~low] == rest["predicted_state"][~low]).all()
    assert (frame["abstained"] == frame["abstain_reason"].notna()).all()


def test_an_abstaining_cell_keeps_its_probabilities(frame):
    """Probabilities, prediction and evidence stand also where no state is reported."""
    assert frame["predicted_state"].notna().all()
    assert set(frame["state_evidence"]) == {"teacher"}
    np.testing.assert_allclose(frame[[f"prob_{s}" for s in State]].sum(axis=1), 1, atol=1e-5)


def test_what_a_linear_model_cannot_know_is_null(table):
    """Agreement, epistemic and out-of-distribution columns are null, not constants."""
    for column in ("model_agreement", "epistemic", "ood_score", "p_function_exhausted_progenitor"):
        assert table.column(column).null_count == N_CELLS
    assert set(table.column("inputs").to_pylist()) == {"gex"}


def test_every_file_is_byte_stable(cells_path, outputs, tmp_path):
    """A second run with more threads gives the same bytes in every file."""
    predict(PredictOptions(cells_path, tmp_path, "s1", bundle=BUNDLE, threads=2, device="cpu"))
    for suffix in SUFFIXES:
        assert digest_file(tmp_path / f"s1.{suffix}") == digest_file(outputs / f"s1.{suffix}"), suffix


def test_the_annotated_file_opens_in_anndata(outputs, frame, cells_path):
    """Calls, probabilities in the noted class order, latent and provenance come back with anndata."""
    adata = ad.read_h5ad(outputs / "s1.annotated.h5ad")
    assert list(adata.obs["state"].astype(str)) == list(frame["state"])
    assert list(adata.uns["tcellflow"]["state_classes"]) == [str(s) for s in State]
    assert list(adata.obs["state"].cat.categories) == list(REPORTED_STATES)
    assert adata.obs["state"].cat.ordered
    assert list(adata.uns["state_colors"]) == [STATE_COLORS[state] for state in REPORTED_STATES]
    assert list(adata.obsm["state_probabilities"]) == list(State)
    np.testing.assert_array_equal(adata.obsm["state_probabilities"], frame[[f"prob_{s}" for s in State]])
    assert adata.obsm["X_state"].shape == (N_CELLS, 68)
    programmes = read_table(outputs / "s1.programmes.parquet", PROGRAMMES).to_pandas().set_index("cell_id")
    pd.testing.assert_frame_equal(adata.obsm["programmes"], programmes, check_names=False)
    assert adata.uns["tcellflow"]["contract"] == "annotated/2"
    note = json.loads(adata.uns["tcellflow"]["predict"])
    assert note["bundle"]["name"] == "states-linear"
    before = ad.read_h5ad(cells_path)
    assert (adata.X != before.X).nnz == 0
    assert (adata.layers["counts"] != before.layers["counts"]).nnz == 0
    assert list(adata.obs["sample_id"]) == list(before.obs["sample_id"])


def test_predicting_the_annotated_file_again_changes_nothing(outputs, frame, tmp_path):
    """An annotated file can be predicted again: columns are replaced, not doubled."""
    run(outputs / "s1.annotated.h5ad", tmp_path)
    again = read_table(tmp_path / "s1.predictions.parquet", PREDICTIONS).to_pandas()
    pd.testing.assert_frame_equal(again, frame)


def test_the_note_holds_inputs_and_bundle(outputs, cells_path, bundle):
    """Each output notes the digests of the cells file and of the bundle."""
    note = read_table_note(outputs / "s1.predictions.parquet")
    assert note["inputs"] == {"cells": digest_file(cells_path)}
    assert note["bundle"] == {"name": "states-linear", "version": "1", "sha256": bundle.sha256}
    assert read_json(outputs / "s1.metrics.json")["tcellflow"] == note


def test_the_metrics_count_what_the_table_holds(outputs, frame):
    """Counts of the metrics equal those of the table; every class is listed."""
    metrics = read_json(outputs / "s1.metrics.json")
    t_cells = frame[frame["is_t_cell"]]
    assert metrics["n_cells"] == N_CELLS
    assert metrics["n_t_cells"] == len(t_cells) == N_CELLS - 2
    counts = t_cells["predicted_state"].value_counts()
    assert metrics["predicted_states"] == {str(s): int(counts.get(s, 0)) for s in State}
    assert sum(metrics["states"].values()) == N_CELLS
    assert metrics["states"]["Not_T"] == 2
    assert metrics["abstained"]["doublet"] == 2
    assert metrics["abstained"]["ood"] == 0
    assert metrics["mean_confidence"] == pytest.approx(t_cells["confidence"].mean(), abs=1e-5)
    assert metrics["abstention"] == {
        "dataset": "citeseq_pbmc10k",
        "target_risk": 0.1,
        "threshold": 0.67,
        "ood_threshold": None,
    }
    assert metrics["shift"]["ood"] is None
    assert 0 < metrics["shift"]["score"] == metrics["shift"]["confidence"] <= 1
    assert metrics["inputs"] == {"gex": N_CELLS}
    assert sum(metrics["latent_classes"].values()) == N_CELLS - 2
    assert metrics["bundle"]["limits"]


def test_a_larger_target_risk_calls_more_cells(cells_path, outputs, tmp_path):
    """--target-risk lowers the threshold along the bundle's curve."""
    run(cells_path, tmp_path, calls=CallOptions(target_risk=0.3))
    strict, loose = (read_json(folder / "s1.metrics.json") for folder in (outputs, tmp_path))
    assert loose["abstention"]["threshold"] < strict["abstention"]["threshold"]
    assert loose["abstained"]["low_confidence"] < strict["abstained"]["low_confidence"]
    assert loose["predicted_states"] == strict["predicted_states"]


def test_an_unreachable_target_risk_leaves_nothing_behind(cells_path, tmp_path):
    """A target that the bundle never reached is refused and no file appears."""
    with pytest.raises(OptionsError, match="cannot reach"):
        run(cells_path, tmp_path / "new", calls=CallOptions(target_risk=0.0001))
    assert not (tmp_path / "new").exists()


def test_an_unknown_bundle_is_refused(cells_path, tmp_path):
    """A bundle that does not exist is refused before anything is computed."""
    with pytest.raises(BundleError, match="no bundle 'nonsense'"):
        run(cells_path, tmp_path, bundle="nonsense")


def test_finished_outputs_are_not_replaced_unasked(cells_path, outputs, tmp_path):
    """Existing outputs stop the step; --force replaces them."""
    (tmp_path / "s1.predictions.csv").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        run(cells_path, tmp_path)
    assert (tmp_path / "s1.predictions.csv").read_text() == "mine"
    run(cells_path, tmp_path, force=True)
    assert digest_file(tmp_path / "s1.predictions.csv") == digest_file(outputs / "s1.predictions.csv")


def test_the_copy_can_be_left_out(cells_path, tmp_path):
    """--no-h5ad writes the tables alone."""
    files = run(cells_path, tmp_path, h5ad=False)
    assert sorted(p.name for p in files) == sorted(f"s1.{s}" for s in SUFFIXES if s != "annotated.h5ad")


@pytest.mark.parametrize(("n_genes", "is_refused"), [(300, True), (900, False)])
def test_few_panel_genes_are_refused_or_warned_of(bundle, tmp_path, n_genes, is_refused):
    """Below 25 % of the panel's weight the step refuses, below 60 % the metrics carry a warning."""
    path = write_cells_file(tmp_path / "c.h5ad", make_sample(bundle, n_cells=20, n_genes=n_genes))
    if is_refused:
        with pytest.raises(InputError, match=r"at least 25% are needed"):
            run(path, tmp_path / "out")
        return
    run(path, tmp_path / "out")
    metrics = read_json(tmp_path / "out" / "s1.metrics.json")
    assert 0.25 < metrics["panel"]["coverage"] < 0.6
    assert any("most cells will stay Unresolved" in warning for warning in metrics["warnings"])


def test_a_selection_normalised_by_its_own_sum_is_warned_of(bundle, sample, tmp_path):
    """Few genes whose sum is the library size give a warning; with the true size there is none."""
    path = write_cells_file(tmp_path / "own.h5ad", sample)
    run(path, tmp_path / "own")
    assert any(
        "--library-size-column" in w for w in read_json(tmp_path / "own" / "s1.metrics.json")["warnings"]
    )
    var = pd.DataFrame(
        {"gene_ids": sample.gene_ids, "gene_name_raw": sample.gene_names}, index=pd.Index(sample.gene_names)
    )
    with write_cells(tmp_path / "true.h5ad", var) as writer:
        writer.append_counts(sample.counts, np.asarray(sample.counts.sum(axis=1)).ravel() * 4)
        writer.finish(make_cells_obs(sample), note=StepNote("preprocess"))
    run(tmp_path / "true.h5ad", tmp_path / "true")
    assert read_json(tmp_path / "true" / "s1.metrics.json")["warnings"] == []


def test_cells_without_counts_can_be_predicted(sample, obs, tmp_path):
    """A cells file of log-normalised input gives the same calls as one of counts."""
    var = pd.DataFrame(
        {"gene_ids": sample.gene_ids, "gene_name_raw": sample.gene_names}, index=pd.Index(sample.gene_names)
    )
    write_cells_file(tmp_path / "counts.h5ad", sample, obs)
    with write_cells(tmp_path / "log.h5ad", var) as writer:
        writer.append_log(log_normalised(sample.counts))
        writer.finish(obs, note=StepNote("preprocess"))
    run(tmp_path / "counts.h5ad", tmp_path / "a", h5ad=False)
    run(tmp_path / "log.h5ad", tmp_path / "b", h5ad=False)
    one, two = (read_table(tmp_path / f / "s1.predictions.parquet", PREDICTIONS) for f in "ab")
    assert one.column("predicted_state").equals(two.column("predicted_state"))


def test_no_cells_give_empty_valid_tables(bundle, sample, tmp_path):
    """An empty cells file gives empty tables, an annotated file and no error, whatever its genes."""
    for name, genes in (("full", 2600), ("tiny", 50)):
        empty = make_sample(bundle, n_genes=genes).rows(np.zeros(N_CELLS, dtype=bool))
        path = write_cells_file(tmp_path / f"{name}.h5ad", empty)
        run(path, tmp_path / name)
        assert read_table(tmp_path / name / "s1.predictions.parquet", PREDICTIONS).num_rows == 0
        assert read_table(tmp_path / name / "s1.clonotypes.parquet", CLONOTYPES).num_rows == 0
        assert read_cells(tmp_path / name / "s1.annotated.h5ad", ANNOTATED).n_obs == 0
        metrics = read_json(tmp_path / name / "s1.metrics.json")
        assert metrics["n_cells"] == 0
        assert metrics["mean_confidence"] is None
        lines = (tmp_path / name / "s1.predictions.csv").read_text().splitlines()
        assert len(lines) == 1


def test_embeddings_are_told_to_be_unused(cells_path, outputs, tmp_path):
    """Embeddings given to an expression-only bundle are not silently dropped; a missing file is an error."""
    file = tmp_path / "s1.embeddings.parquet"
    file.write_bytes(b"any")
    run(cells_path, tmp_path / "a", embeddings=file)
    assert read_json(tmp_path / "a" / "s1.metrics.json")["unused_inputs"] == ["embeddings"]
    assert read_json(outputs / "s1.metrics.json")["unused_inputs"] == []
    with pytest.raises(InputError, match="does not exist"):
        run(cells_path, tmp_path / "b", embeddings=tmp_path / "nowhere.parquet")


def test_clones_come_from_the_receptors_where_given(cells_path, tmp_path):
    """--receptors overrides the clones of the cells file, matched by cell and not by row."""
    ids = read_cells(cells_path).cell_ids
    wanted = [f"other{i % 4}" for i in range(N_CELLS)]
    path = write_receptors(tmp_path / "r.parquet", ids[::-1], wanted[::-1])
    run(cells_path, tmp_path / "out", receptors=path)
    found = read_table(tmp_path / "out" / "s1.predictions.parquet", PREDICTIONS)
    assert found.column("clone_id").to_pylist() == wanted
    clones = read_table(tmp_path / "out" / "s1.clonotypes.parquet", CLONOTYPES)
    assert clones.column("clone_id").to_pylist() == ["other0", "other1", "other2", "other3"]
    note = read_table_note(tmp_path / "out" / "s1.predictions.parquet")
    assert note["inputs"]["receptors"] == digest_file(path)


def test_receptors_of_another_sample_are_refused(cells_path, tmp_path):
    """Receptors whose cells carry another sample's name are refused, however equal the barcodes are."""
    ids = read_cells(cells_path).cell_ids
    path = write_receptors(tmp_path / "r.parquet", ids, ["c"] * N_CELLS, sample_id="s2")
    with pytest.raises(InputError, match="none of the 90 cells"):
        run(cells_path, tmp_path / "out", receptors=path)


def test_a_file_of_another_kind_is_refused(outputs, tmp_path):
    """A table in place of the cells file, or cells in place of receptors, is refused."""
    with pytest.raises((InputError, ContractError)):
        run(outputs / "s1.predictions.parquet", tmp_path / "out")
    with pytest.raises(InputError):
        run(outputs / "s1.annotated.h5ad", tmp_path / "out", receptors=outputs / "s1.metrics.json")


def test_a_column_of_the_users_is_kept_under_another_name(sample, obs, tmp_path, caplog):
    """A column named like ours is not lost, and the user is told where it went."""
    path = write_cells_file(tmp_path / "c.h5ad", sample, obs.assign(state="stimulated"))
    run(path, tmp_path / "o")
    cells = ad.read_h5ad(tmp_path / "o" / "s1.annotated.h5ad")
    assert set(cells.obs["state_input"]) == {"stimulated"}
    assert "stimulated" not in set(cells.obs["state"])
    assert "'state' is kept as 'state_input'" in caplog.text


def test_a_cut_receptors_table_is_refused(sample, obs, tmp_path):
    """Cells that have a receptor in the cells file must be in the receptors table."""
    paired = obs.assign(chain_pairing=["single pair"] * 3 + ["no IR"] * (N_CELLS - 3))
    path = write_cells_file(tmp_path / "c.h5ad", sample, paired)
    ids = read_cells(path).cell_ids
    receptors = write_receptors(tmp_path / "r.parquet", ids[:2], ["c1", "c2"])
    with pytest.raises(InputError, match=r"1 cells that have a receptor .*first: " + ids[2]):
        run(path, tmp_path / "o", receptors=receptors)
    assert not (tmp_path / "o").exists()


def test_an_ensemble_that_is_not_there_is_refused(cells_path, tmp_path):
    """A bundle without members says so."""
    with pytest.raises(OptionsError, match="keeps no ensemble"):
        run(cells_path, tmp_path, ensemble=True)
