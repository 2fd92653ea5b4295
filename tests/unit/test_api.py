"""The public face: cheap to import, typed, and the same answers as the commands give."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse

from tcellflow import api
from tcellflow.contracts.predictions import PREDICTIONS
from tcellflow.errors import InputError, OptionsError
from tcellflow.inference import states as older
from tcellflow.io.tables.parquet import read_table

SAMPLE = Path(str(files("tcellflow"))) / "data" / "samples" / "tenx_healthy_T_1k"
GEX, TCR = SAMPLE / "sample_filtered_feature_bc_matrix.h5", SAMPLE / "filtered_contig_annotations.csv"
HEAVY = ("numpy", "scipy", "pandas", "pyarrow", "anndata", "h5py", "onnxruntime")
TYPED = """
from typing import assert_type
from pathlib import Path
import anndata as ad
import pandas as pd
from tcellflow.api import StatePredictor, embed_receptors, predict_states, run
from tcellflow.inference.states.calls import StateCalls

def use(adata: ad.AnnData, table: pd.DataFrame) -> None:
    assert_type(predict_states(adata, target_risk=0.1), pd.DataFrame)
    assert_type(embed_receptors(table).cells, pd.DataFrame)
    assert_type(run("out", gex="a.h5", tcr=["b.csv"]), list[Path])
    assert_type(StatePredictor("states").predict_cells(adata.X, list(adata.var_names)), StateCalls)
"""


@pytest.fixture(scope="module")
def adata():
    cells = sc.read_10x_h5(GEX)
    cells.var_names_make_unique()
    return cells


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What the command makes of the same files, without receptors."""
    folder = tmp_path_factory.mktemp("run")
    paths = api.run(folder, gex=GEX, prefix="s", donor="d", steps=["preprocess", "predict"])
    return {path.name.removeprefix("s."): path for path in paths}


@pytest.fixture(scope="module")
def states(adata):
    return api.predict_states(adata)


def as_logs(cells):
    """The same cells as log1p(counts per 10,000) in X, and nothing else."""
    logs = ad.AnnData(cells.X.copy(), obs=cells.obs[[]].copy(), var=cells.var.copy())
    sc.pp.normalize_total(logs, target_sum=10_000)
    sc.pp.log1p(logs)
    return logs


def test_importing_the_functions_loads_nothing_heavy():
    """A notebook that imports the functions waits for none of the numerical libraries."""
    code = "import sys; from tcellflow.api import embed_receptors, predict_states, run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & set(HEAVY) == set()


def test_every_public_name_is_there():
    """Each name of ``__all__`` can be had, the lazy class too; any other is refused as usual."""
    assert all(callable(getattr(api, name)) for name in api.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = api.nonsense


def test_the_older_path_of_the_predictor_is_the_same_class():
    """Code that imports the predictor from where it was goes on working."""
    assert older.StatePredictor is api.StatePredictor
    with pytest.raises(AttributeError, match="nonsense"):
        _ = older.nonsense


@pytest.mark.slow
def test_types_are_what_they_say(tmp_path):
    """A strict type checker sees the types of every public function."""
    (tmp_path / "use.py").write_text(TYPED)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", str(tmp_path / "use.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_states_are_those_of_the_command(states, adata, outputs):
    """Cell by cell the same probabilities as in the files of a run; trust also knows the other cells."""
    table = read_table(outputs["predictions.parquet"], PREDICTIONS).to_pandas().set_index("barcode")
    assert list(states.index) == list(adata.obs_names)
    ours = states.loc[table.index]
    mine = ours["predicted_state"].astype(object)
    pd.testing.assert_series_equal(mine, table["predicted_state"], check_names=False, check_dtype=False)
    np.testing.assert_array_equal(ours["state_probability"], table["state_probability"])
    # quality control, which the object did not pass, left some cells out: discord differs a little, most on
    # the calls of a rare state
    np.testing.assert_allclose(ours["state_confidence"], table["confidence"], atol=0.03)
    assert np.median(np.abs(ours["state_confidence"] - table["confidence"])) < 0.001
    assert (ours["state"].astype(object) == table["state"]).mean() > 0.98
    assert {"Not_T", "Unresolved"} <= set(states["state"])


@pytest.fixture(scope="module")
def first_cells(adata):
    """Calls of the first cells alone: a sample of its own, with its own shift."""
    return api.predict_states(adata[:100].copy())


def test_the_object_is_not_changed(adata):
    """Neither matrix nor annotation of the caller are touched."""
    before = adata[:50].copy()
    given = before.copy()
    api.predict_states(given)
    pd.testing.assert_frame_equal(given.obs, before.obs)
    assert (given.X != before.X).nnz == 0


@pytest.mark.parametrize("form", ["csc", "dense", "layer", "raw", "logs"])
def test_counts_are_found_wherever_they_are(adata, first_cells, form):
    """By columns, dense, as a layer, in raw, or log-normalised alone: the calls are those of the counts."""
    cells = adata[:100].copy()
    asked = None
    if form == "csc":
        cells.X = sparse.csc_matrix(cells.X)
    elif form == "dense":
        cells.X = cells.X.toarray()
    elif form == "layer":
        cells.layers["counts"] = cells.X.copy()
        cells.X = cells.X * -1
    elif form == "raw":
        cells.raw = cells
        cells, asked = cells[:, :50].copy(), "raw"
    else:
        cells = as_logs(cells)
    found = api.predict_states(cells, layer=asked)
    assert (found["state"] == first_cells["state"]).mean() >= (0.95 if form == "logs" else 1)


def test_a_backed_object_gives_the_same(adata, first_cells, tmp_path):
    """An object that stays on disk is read block by block."""
    adata[:100].write_h5ad(tmp_path / "x.h5ad")
    backed = ad.read_h5ad(tmp_path / "x.h5ad", backed="r")
    pd.testing.assert_frame_equal(api.predict_states(backed), first_cells, check_dtype=False)


def test_verdicts_that_tcellflow_wrote_are_kept(outputs):
    """Cells of a cells file are judged as preprocess judged them."""
    cells = ad.read_h5ad(outputs["cells.h5ad"])[:60].copy()
    cells.obs["is_t_cell"] = np.arange(60) % 2 == 0
    found = api.predict_states(cells)
    assert ((found["state"] == "Not_T") == (np.arange(60) % 2 == 1)).all()


def test_receptors_of_scirpy_speak_for_a_t_cell(adata):
    """Without T genes, a cell is a T cell where ``chain_pairing`` says that it has a receptor."""
    cells = adata[:60].copy()
    is_t_gene = cells.var_names.str.match(r"(CD3[DEG]|CD[256]|CD8B|CD28|TR[AB]C\d?|TRAT1|THEMIS|BCL11B)$")
    cells = cells[:, ~is_t_gene].copy()
    without = api.predict_states(cells)["is_t_cell"].mean()
    cells.obs["chain_pairing"] = pd.Categorical(["single pair"] * 59 + [None])
    with_receptors = api.predict_states(cells)["is_t_cell"]
    assert with_receptors.iloc[:59].mean() > max(0.9, without)


def test_library_sizes_can_be_named(adata, states):
    """Where genes were selected, obs names the molecules over all of them; else values are inflated."""
    cells = adata[:80].copy()
    cells.obs["n_molecules"] = np.asarray(cells.X.sum(axis=1)).ravel()
    panel = set(api.StatePredictor("states").genes[:3_000])
    chosen = cells[:, [gene in panel for gene in cells.var_names]].copy()
    named = api.predict_states(chosen, library_size_column="n_molecules")["state_probability"]
    not_named = api.predict_states(chosen)["state_probability"]
    truth = states["state_probability"].iloc[:80]
    assert abs(named - truth).mean() < abs(not_named - truth).mean()


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda a: (a, {"layer": "nonsense"}), InputError, "no matrix in layers/nonsense"),
        (lambda a: (a, {"layer": "raw"}), InputError, "no matrix in layers/raw"),
        (lambda a: (ad.AnnData(obs=a.obs), {}), InputError, "no matrix in X"),
        (lambda a: (a[[0, 0]].copy(), {}), InputError, "more than once"),
        (lambda a: (a, {"target_risk": 2.0}), OptionsError, "target risk"),
        (lambda a: (a, {"library_size_column": "nonsense"}), InputError, "no column 'nonsense'"),
    ],
)
def test_what_cannot_be_called_is_refused(adata, change, error, text):
    """A missing layer, repeated names or impossible options are told in the words of the command."""
    cells, options = change(adata[:20].copy())
    with pytest.raises(error, match=text):
        api.predict_states(cells, **options)


def test_programmes_of_the_sample_are_plausible_and_only_of_t_cells(adata, states):
    """Naive cells run the naive programme, MAIT cells theirs; cells that are no T cells have none."""
    found = api.score_programmes(adata)
    assert list(found.index) == list(adata.obs_names)
    known = found.to_numpy()[np.isfinite(found.to_numpy())]
    assert known.min() >= 0
    assert known.max() <= 1
    assert found[~states["is_t_cell"]].isna().all(axis=None)
    naive = states["state"] == "Naive"
    memory = states["state"] == "Memory"
    column = found["programme_naive_stemness"]
    assert column[naive].mean() > column[memory].mean() + 0.3
    assert 10 < (found["programme_mait"] > 0.5).sum() < 100


def test_programmes_hardly_move_with_depth(adata):
    """A quarter of the molecules gives nearly the same numbers, or none."""
    cells = adata[:300].copy()
    thinned = cells.copy()
    rng = np.random.default_rng(0)
    thinned.X.data = rng.binomial(cells.X.data.astype(int), 0.25).astype(np.float32)
    thinned.X.eliminate_zeros()
    moved = (api.score_programmes(thinned) - api.score_programmes(cells)).abs().to_numpy()
    assert np.nanmean(moved) < 0.08


def test_receptor_vectors_are_those_of_the_command(tmp_path):
    """A contig table gives each cell the vectors that embed-tcr writes for it."""
    found = api.embed_receptors(pd.read_csv(TCR))
    api.run(tmp_path, tcr=TCR, prefix="s", donor="d", steps=["preprocess", "embed-tcr"])
    cells = pd.read_parquet(tmp_path / "s.receptors.parquet").set_index("cell_id")
    vectors = pd.read_parquet(tmp_path / "s.embeddings.parquet").set_index("emb_id")["vector"]
    assert (found.cells["chain_pairing"] == cells["chain_pairing"].reindex(found.cells.index)).all()
    for key, column in (("X_tra", "emb_tra"), ("X_trb", "emb_trb"), ("X_tcr", "emb_pair")):
        ids = cells[column].reindex(found.cells.index)
        assert ((found.obsm[key] == 0).all(axis=1) == ids.isna()).all()
        assert (found.cells[f"has_{key}"] == ids.notna()).all()
        there = ids.notna().to_numpy()
        np.testing.assert_array_equal(found.obsm[key][there], np.stack(vectors[ids[there]]))


def test_a_table_without_cells_gives_a_vector_per_row():
    """Each row is a cell of its own; what cannot be embedded is 0, in its place."""
    table = pd.DataFrame(
        {
            "locus": ["TRB", "TRB", "TRA"],
            "junction_aa": ["CASSIRSSYEQYF", "C*F", "CAVSDLEPNSSASKIIF"],
            "v_call": ["TRBV19", "TRBV19", "TRAV12-2"],
            "j_call": ["TRBJ2-7", "TRBJ2-7", "TRAJ3"],
        }
    )
    found = api.embed_receptors(table)
    assert (
        found.obsm["X_trb"].any(axis=1).tolist() == found.cells["has_X_trb"].tolist() == [True, False, False]
    )
    assert (
        found.obsm["X_tra"].any(axis=1).tolist() == found.cells["has_X_tra"].tolist() == [False, False, True]
    )


def test_receptors_of_an_anndata_object_keep_its_order():
    """scirpy's object gives its own cells in their order, cells without receptor included."""
    scirpy = pytest.importorskip("scirpy")
    cells = scirpy.io.read_10x_vdj(TCR)[::-1].copy()
    found = api.embed_receptors(cells, backend="kmer")
    assert list(found.cells.index) == list(cells.obs_names)
    cells.obsm.update(found.obsm)
    assert {"X_tra", "X_trb", "X_tcr"} <= set(cells.obsm)
    with pytest.raises(InputError, match="no receptors"):
        api.embed_receptors(ad.AnnData(obs=pd.DataFrame(index=["a"])))
