"""States that rest on programmes: from the files of a real sample to calls, whatever the sample lacks."""

from __future__ import annotations

from dataclasses import fields, replace
from importlib.resources import files
from itertools import pairwise

import anndata as ad
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from tcellflow import api
from tcellflow.contracts.predictions import PREDICTIONS
from tcellflow.contracts.programmes import PROGRAMMES
from tcellflow.contracts.tables import RECEPTORS
from tcellflow.genes.panel import align_panel
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.inference.states.sources import MatrixCells
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.tables.cell_receptors import read_cell_receptors
from tcellflow.io.tables.documents import read_json
from tcellflow.io.tables.parquet import read_table
from tcellflow.pipeline import RunOptions, run_sample
from tcellflow.states.programmes import read_programmes
from tcellflow.states.trust import TYPICAL_SHIFT, read_trust
from tcellflow.states.unconventional import MAIT_J, MAIT_V
from tcellflow.steps.embed_tcr import EmbedTcrOptions
from tcellflow.steps.predict import CallOptions, PredictOptions, predict
from tcellflow.steps.preprocess import PreprocessOptions
from tcellflow.vocabulary import Programme, State

SAMPLE = files("tcellflow") / "data/samples/tenx_healthy_T_1k"
GEX, TCR = SAMPLE / "sample_filtered_feature_bc_matrix.h5", SAMPLE / "filtered_contig_annotations.csv"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The packaged sample through preprocess, embed-tcr and predict."""
    folder = tmp_path_factory.mktemp("run")
    run_sample(
        RunOptions(
            PreprocessOptions(folder, "s", gex=GEX, tcr=(TCR,)),
            embed_tcr=EmbedTcrOptions((), folder, "s", backend="kmer"),
            predict=PredictOptions(folder, folder, "s", device="cpu"),
            steps=("preprocess", "embed-tcr", "predict"),
            threads=1,
        )
    )
    return folder


@pytest.fixture(scope="module")
def cells(done):
    return ad.read_h5ad(done / "s.cells.h5ad")


@pytest.fixture(scope="module")
def calls(done):
    return read_table(done / "s.predictions.parquet", PREDICTIONS).to_pandas().set_index("barcode")


@pytest.fixture(scope="module")
def receptors(done):
    return read_table(done / "s.receptors.parquet", RECEPTORS).to_pandas().set_index("cell_id")


def count(cells, gene):
    return np.asarray(cells.layers["counts"][:, cells.var_names.get_loc(gene)].todense()).ravel()


def predict_again(done, folder, **options):
    asked = {"cells": done / "s.cells.h5ad", "receptors": done / "s.receptors.parquet", **options}
    predict(PredictOptions(output=folder, prefix="s", threads=1, device="cpu", h5ad=False, **asked))
    return read_table(folder / "s.predictions.parquet", PREDICTIONS).to_pandas().set_index("barcode")


def test_mait_cells_are_found(cells, calls, receptors):
    """Canonical alpha chains with KLRB1 or SLC4A10 are innate-like: at least 28 of the sample's 32."""
    canonical = (receptors["v_call_tra"] == MAIT_V) & receptors["j_call_tra"].isin(MAIT_J)
    mait = canonical.to_numpy() & ((count(cells, "KLRB1") > 0) | (count(cells, "SLC4A10") > 0))
    assert mait.sum() == 32
    assert (calls["lineage"][mait] == "innate_like").sum() >= 28
    assert (calls["unconventional"][mait] == "MAIT").sum() >= 28


def test_gamma_delta_cells_are_found(cells, calls, receptors):
    """Cells with TRDC and neither alpha nor beta chain are gamma-delta: all but one at most."""
    none = ~receptors["has_tra"] & ~receptors["has_trb"]
    found = (count(cells, "TRDC") >= 2) & none.to_numpy()
    assert found.sum() >= 8
    assert (calls["lineage"][found] == "gamma_delta").sum() >= found.sum() - 1
    assert (calls["unconventional"][found] == "gamma_delta").sum() >= found.sum() - 1


def test_nothing_contradicts(calls):
    """State, lineage, function and cycle are read from one distribution."""
    states = calls[[name for name in calls if name.startswith("prob_")]].to_numpy()
    np.testing.assert_allclose(states.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(states.max(axis=1), calls["state_probability"], atol=1e-6)
    np.testing.assert_allclose(calls["p_cycling"], calls["prob_Proliferating"], atol=1e-6)
    lineages = calls[[name for name in calls if name.startswith("p_lineage_")]].sum(axis=1)
    np.testing.assert_allclose(lineages, 1, atol=1e-5)
    resting = calls["predicted_state"] != "Proliferating"
    treg = calls["predicted_state"] == "Treg"
    assert (calls["lineage"][treg] == "Treg").all()
    assert not (calls["lineage"][resting & ~treg] == "Treg").any()
    assert (calls["th"].notna() == (calls["predicted_state"] == "Th_effector")).all()
    unconventional = calls["lineage"].isin(["innate_like", "gamma_delta"])
    assert (calls["unconventional"].notna() == unconventional).all()
    assert ((calls["cycle"] == "cycling") == ~resting).all()


def test_evidence_tells_what_rests_on_programmes(calls):
    """Effector and Exhausted rest on programmes, naive and memory cells on gates."""
    kinds = calls.groupby("predicted_state")["state_evidence"].unique().map(list)
    assert kinds["Effector"] == ["marker"]
    assert kinds["Naive"] == kinds["Memory"] == ["gated"]


def test_reported_calls_are_trusted(done, calls):
    """A state is reported from the trust on that left-out sets ask for, in a sample of this shift."""
    metrics = read_json(done / "s.metrics.json")
    threshold = metrics["abstention"]["threshold"]
    assert threshold == read_trust().threshold(0.1)
    low = calls["abstain_reason"] == "low_confidence"
    assert (calls["confidence"][~calls["abstained"]] >= threshold - 1e-6).all()
    assert (calls["confidence"][low] < threshold).all()
    assert 0 < low.sum() < len(calls)
    assert 0 < metrics["shift"]["parts"] < TYPICAL_SHIFT  # healthy blood


def test_prediction_sets_are_of_the_whole_decision(done, calls, tmp_path):
    """A set holds every state whose probability reaches the level of the sample's shift."""
    found = predict_again(done, tmp_path, calls=CallOptions(set_coverage=0.9))
    shift = read_json(tmp_path / "s.metrics.json")["shift"]["parts"]
    least = read_trust().least_probability(0.9, shift)
    for barcode in calls.index[:50]:
        row = found.loc[barcode]
        inside = {state for state in State if row[f"prob_{state}"] >= least}
        assert set(filter(None, row["prediction_set"].split("|"))) == inside


def test_programmes_are_of_t_cells(done, calls, cells):
    """Cells outside the gate have no programmes, T cells nearly all; the annotated file has the same."""
    table = read_table(done / "s.programmes.parquet", PROGRAMMES).to_pandas().set_index("cell_id")
    assert list(table.columns) == [f"programme_{name}" for name in Programme]
    outside = ~calls["is_t_cell"]
    assert outside.any()
    assert table[outside].isna().all(axis=None)
    assert table.loc[~outside, "programme_cytotoxic"].notna().mean() > 0.95
    annotated = ad.read_h5ad(done / "s.annotated.h5ad").obsm["programmes"]
    pd.testing.assert_frame_equal(annotated, table, check_names=False)
    expected = api.score_programmes(cells)
    np.testing.assert_allclose(table, expected, atol=2e-6)


def test_means_of_programmes_are_those_of_the_table(done, calls):
    """Metrics hold the means over T cells and over those called each state."""
    table = read_table(done / "s.programmes.parquet", PROGRAMMES).to_pandas().set_index("cell_id")
    metrics = read_json(done / "s.metrics.json")
    means = metrics["programmes"]
    t_cells = calls["is_t_cell"]
    assert means["all"]["mait"] == pytest.approx(table.loc[t_cells, "programme_mait"].mean(), abs=1e-5)
    naive = t_cells & (calls["predicted_state"] == "Naive")
    found = means["states"]["Naive"]["naive_stemness"]
    assert found == pytest.approx(table.loc[naive, "programme_naive_stemness"].mean(), abs=1e-5)
    assert means["states"]["Exhausted"]["cytotoxic"] is None  # no such cell
    assert metrics["unconventional"]["MAIT"] == (calls["unconventional"][t_cells] == "MAIT").sum()


def test_gamma_and_delta_chains_decide_the_lineage(done, cells, receptors, calls, tmp_path):
    """TRG and TRD chains without alpha and beta make a cell gamma-delta, unless expression contradicts."""
    frame = pq.read_table(done / "s.receptors.parquet").to_pandas()
    table = pq.read_table(done / "s.receptors.parquet")
    none = (~receptors["has_tra"] & ~receptors["has_trb"] & calls["is_t_cell"]).to_numpy()
    other = none & (calls["lineage"] != "gamma_delta").to_numpy()
    unlike = np.flatnonzero((calls["lineage"] == "CD4") & (calls["p_lineage_gamma_delta"] < 1e-4))[:20]
    chosen = np.append(np.flatnonzero(other), unlike)
    for name, value in {"has_tra": False, "has_trb": False, "has_trg": True, "has_trd": True}.items():
        frame.loc[chosen, name] = value
    frame.loc[chosen, ["v_call_tra", "j_call_tra", "v_call_trb", "j_call_trb"]] = None
    pq.write_table(pa.Table.from_pandas(frame, table.schema, preserve_index=False), tmp_path / "r.parquet")
    found = predict_again(done, tmp_path / "o", receptors=tmp_path / "r.parquet")
    assert other.sum() > 10
    assert (found["lineage"][other] == "gamma_delta").mean() > 0.5
    before = calls["p_lineage_gamma_delta"].iloc[chosen]
    assert (found["p_lineage_gamma_delta"].iloc[chosen] > before).all()


def test_a_receptors_table_without_genes_is_no_evidence_against_mait(done, calls, receptors, tmp_path):
    """A table of an older version tells which chains there are; their genes say nothing, not "another"."""
    table = pq.read_table(done / "s.receptors.parquet")
    late = [column.name for column in RECEPTORS.columns if column.since == 3]
    metadata = {**table.schema.metadata, b"tcellflow.contract": b"receptors/2"}
    pq.write_table(table.drop_columns(late).replace_schema_metadata(metadata), tmp_path / "r.parquet")
    facts = read_cell_receptors(tmp_path / "r.parquet", read_cells(done / "s.cells.h5ad")).facts
    assert facts is None
    found = predict_again(done, tmp_path / "o", receptors=tmp_path / "r.parquet")
    canonical = (receptors["v_call_tra"] == MAIT_V) & receptors["j_call_tra"].isin(MAIT_J)
    by_genes = calls["lineage"][canonical.to_numpy()] == "innate_like"
    without = found["lineage"][canonical.to_numpy()] == "innate_like"
    assert 0.4 * by_genes.sum() < without.sum() <= by_genes.sum()
    # chains that are there still speak against gamma-delta
    both = (receptors["has_tra"] & receptors["has_trb"]).to_numpy()
    assert (found["lineage"][both] == "gamma_delta").sum() <= 2


def test_expression_alone_gives_every_call(done, calls, tmp_path):
    """Without any receptor file the states are nearly the same; only lineages know less."""
    run_sample(
        RunOptions(
            PreprocessOptions(tmp_path, "s", gex=GEX),
            predict=PredictOptions(tmp_path, tmp_path, "s", device="cpu", h5ad=False),
            steps=("preprocess", "predict"),
            threads=1,
        )
    )
    found = read_table(tmp_path / "s.predictions.parquet", PREDICTIONS).to_pandas().set_index("barcode")
    both = found.index.intersection(calls.index)
    assert (found["predicted_state"][both] == calls["predicted_state"][both]).mean() > 0.95
    assert found["predicted_state"].notna().all()


def test_the_gates_word_can_decide(done, calls, tmp_path):
    """By gate no cytotoxic memory cell is Effector, the sample says so, and programmes stay the same."""
    found = predict_again(done, tmp_path, effector_by="gate")
    effector = found["predicted_state"] == "Effector"
    assert not (found["function"][effector] == "effector_memory").any()
    assert (calls["function"][calls["predicted_state"] == "Effector"] != "effector").any()
    assert (found["state_evidence"][effector] == "gated").all()
    warnings = read_json(tmp_path / "s.metrics.json")["warnings"]
    assert any("--effector-by gate" in sentence for sentence in warnings)
    one, two = (read_table(f / "s.programmes.parquet", PROGRAMMES) for f in (done, tmp_path))
    assert one.equals(two)


@pytest.fixture(scope="module")
def source(cells):
    counts = sparse.csr_matrix(cells.layers["counts"])
    return MatrixCells(
        sparse.csr_matrix(cells.X), cells.var_names.to_numpy(dtype=object), np.asarray(counts.sum(1)).ravel()
    )


def call(predictor, source, rows=slice(None)):
    part = replace(source, matrix=source.matrix[rows], library=source.library[rows])
    panel = align_panel(part.gene_names, predictor.genes)
    return predictor.call_cells(part, panel)


def test_calls_do_not_depend_on_chunks_or_threads(source):
    """Every value of every cell is the same to the last bit alone, in any company and with more threads."""
    predictor = StatePredictor("states", threads=1, device="cpu")
    whole = call(predictor, source)
    two = call(StatePredictor("states", threads=2, device="cpu"), source)
    cuts = [0, 1, 8, 263, 700, source.n_obs]
    parts = [call(predictor, source, slice(a, b)) for a, b in pairwise(cuts)]
    for field in fields(whole.calls):
        expected = getattr(whole.calls, field.name)
        np.testing.assert_array_equal(getattr(two.calls, field.name), expected)
        joined = np.concatenate([getattr(part.calls, field.name) for part in parts])
        np.testing.assert_array_equal(joined, expected, err_msg=field.name)
    np.testing.assert_array_equal(two.programmes, whole.programmes)
    np.testing.assert_array_equal(np.concatenate([part.programmes for part in parts]), whole.programmes)


def as_logs(counts, library):
    logs = sparse.csr_matrix(counts, dtype=np.float64)
    logs.data = np.log1p(logs.data * np.repeat(1e4 / library, np.diff(logs.indptr))).astype(np.float32)
    return sparse.csr_matrix(logs, dtype=np.float32)


def thin(cells, share, seed=0):
    counts = sparse.csr_matrix(cells.layers["counts"]).copy()
    counts.data = np.random.default_rng(seed).binomial(counts.data, share)
    counts.eliminate_zeros()
    return counts


def test_depth_hardly_moves_programmes_and_states(cells, source):
    """At a quarter of the molecules programmes move by .08 on average at most, and most states stay."""
    predictor = StatePredictor("states", threads=1, device="cpu")
    whole = call(predictor, source)
    counts = thin(cells, 0.25)
    library = np.asarray(counts.sum(axis=1)).ravel()
    less = call(predictor, MatrixCells(as_logs(counts, library), source.gene_names, library))
    moved = np.abs(whole.programmes - less.programmes)
    assert np.nanmean(moved) <= 0.08
    sure = whole.calls.confidence >= 0.8
    assert (whole.calls.predicted_state == less.calls.predicted_state)[sure].mean() > 0.9
    assert less.calls.confidence.mean() < whole.calls.confidence.mean()


def test_reads_count_as_the_molecules_they_are_worth(cells, source):
    """The same cells as parts per million are called as they are with their molecules."""
    predictor = StatePredictor("states", threads=1, device="cpu")
    whole = call(predictor, source)
    million = call(predictor, replace(source, library=np.full(source.n_obs, 1e6)))
    known = ~np.isnan(whole.programmes) & ~np.isnan(million.programmes)
    assert known.mean() > 0.7
    assert np.abs(whole.programmes - million.programmes)[known].mean() < 0.03
    assert (whole.calls.predicted_state == million.calls.predicted_state).mean() > 0.95


def test_a_selection_of_genes_keeps_the_true_library(cells, tmp_path, caplog):
    """Missing genes leave programmes as they were where enough of them remain; else they are null."""
    wanted = set(StatePredictor("states", device="cpu").genes) | set(read_programmes().genes)
    some = ad.AnnData(
        cells.layers["counts"].copy(), obs=cells.obs[["total_counts"]].copy(), var=cells.var[[]].copy()
    )
    some.obs = some.obs.rename(columns={"total_counts": "n_molecules"})
    everything = api.score_programmes(some)
    lost = {"TRDC", "TRGC1", "TRGC2", "KLRB1", "SLC4A10", "ZBTB16", "CXCR6", "NCR3", "RORC", "IL18RAP"}
    chosen = some[:, [gene in wanted - lost for gene in some.var_names]].copy()
    found = api.score_programmes(chosen, library_size_column="n_molecules")
    both = everything.notna() & found.notna()
    assert np.abs(everything - found).where(both)["programme_cytotoxic"].mean() < 0.02
    called = api.predict_states(chosen, library_size_column="n_molecules")
    assert called["predicted_state"].notna().all()
    assert found["programme_mait"].notna().sum() < everything["programme_mait"].notna().sum()


def test_log_normalised_input_is_estimated_and_told(cells, calls, tmp_path):
    """Without counts molecules are estimated: nearly the same calls, and one warning."""
    logs = ad.AnnData(cells.X.copy(), obs=cells.obs[[]].copy(), var=cells.var[[]].copy())
    logs.write_h5ad(tmp_path / "logs.h5ad")
    run_sample(
        RunOptions(
            PreprocessOptions(tmp_path, "s", gex=tmp_path / "logs.h5ad"),
            predict=PredictOptions(tmp_path, tmp_path, "s", device="cpu", h5ad=False),
            steps=("preprocess", "predict"),
            threads=1,
        )
    )
    found = read_table(tmp_path / "s.predictions.parquet", PREDICTIONS).to_pandas().set_index("barcode")
    both = found.index.intersection(calls.index)
    assert len(both) > 1_000
    assert (found["predicted_state"][both] == calls["predicted_state"][both]).mean() > 0.95
    warnings = read_json(tmp_path / "s.metrics.json")["warnings"]
    assert sum("molecules of each cell are estimated" in sentence for sentence in warnings) == 1


def with_programmes(cells, names, *, factor=1):
    """The same cells with molecules of programmes added, a multiple of what cells that run them have."""
    table, rng = read_programmes(), np.random.default_rng(0)
    counts = sparse.lil_matrix(cells.layers["counts"])
    library = np.asarray(cells.layers["counts"].sum(axis=1)).ravel()
    place = {gene: i for i, gene in enumerate(cells.var_names)}
    for name in names:
        for pair in np.flatnonzero(table.programme_of == table.names.index(name)):
            gene = table.genes[table.gene_of[pair]]
            if table.plus[pair] > table.minus[pair] and gene in place:
                more = rng.poisson(library * table.plus[pair] * factor)
                column = counts[:, place[gene]].toarray().ravel() + more
                counts[:, place[gene]] = column[:, None]
    return ad.AnnData(sparse.csr_matrix(counts), obs=cells.obs[[]].copy(), var=cells.var[[]].copy())


def test_tumour_like_cells_are_exhausted_and_cytotoxic_ones_effector(cells, calls):
    """CD8 cells that run exhaustion beside cytotoxicity are Exhausted, those that run the latter Effector."""
    chosen = calls["is_t_cell"] & (calls["lineage"] == "CD8")
    some = cells[(chosen & calls["predicted_state"].isin(["Memory", "Effector"])).to_numpy()][:40]
    cytotoxic = ["cytotoxic", "terminal_effector"]
    exhausted = api.predict_states(
        with_programmes(some, ["exhaustion_core", "exhaustion_terminal", *cytotoxic], factor=2)
    )
    assert (exhausted["predicted_state"] == "Exhausted").mean() > 0.8
    assert set(exhausted.loc[exhausted["predicted_state"] == "Exhausted", "state_evidence"]) == {"marker"}
    assert (exhausted["state_function"] == "exhausted_terminal").mean() > 0.5
    by_programme = api.predict_states(with_programmes(some, cytotoxic))["predicted_state"] == "Effector"
    assert by_programme.mean() > 0.8
    by_gate = api.predict_states(with_programmes(some, cytotoxic), effector_by="gate")
    assert (by_gate["predicted_state"] == "Effector").sum() < by_programme.sum()


def test_chains_of_scirpy_tell_mait_cells(cells, receptors, calls):
    """An object with receptors in obsm gets the lineages that the files give."""
    ir = pytest.importorskip("awkward")
    chains = pd.read_csv(TCR)
    of_cell = {
        name: [
            {"locus": r["chain"], "v_call": r["v_gene"], "j_call": r["j_gene"], "junction_aa": r["cdr3"],
             "junction": r["cdr3_nt"], "productive": True, "umi_count": int(r["umis"]),
             "consensus_count": int(r["reads"])}
            for _, r in rows.iterrows()
        ]
        for name, rows in chains[chains["productive"].astype(str) == "True"].groupby("barcode")
    }  # fmt: skip
    some = cells[:300].copy()
    given = ad.AnnData(some.layers["counts"].copy(), obs=some.obs[[]].copy(), var=some.var[[]].copy())
    given.obsm["airr"] = ir.Array([of_cell.get(name, []) for name in given.obs_names])
    found = api.predict_states(given)
    same = found["state_unconventional"].fillna("") == calls["unconventional"].iloc[:300].fillna("")
    assert same.mean() > 0.98
    assert (found["state_unconventional"] == "MAIT").sum() > 3
