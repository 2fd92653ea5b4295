"""The files open in scanpy, mudata and scirpy, whose own functions run on them and agree."""

from __future__ import annotations

import importlib.util

import anndata as ad
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from command_line import run_command
from tcellflow.vocabulary import STATE_COLORS, State

mpl.use("Agg")
sc = pytest.importorskip("scanpy")
mudata = pytest.importorskip("mudata")
ir = pytest.importorskip("scirpy")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of the libraries about one another
]
NAME = "tenx_healthy_T_1k"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of the packaged sample that writes a MuData file."""
    folder = tmp_path_factory.mktemp("run")
    done = run_command("run", "--demo", "-o", folder, "--mudata", "--no-describe")
    assert done.code == 0, done.stderr
    return folder


@pytest.fixture
def cells(folder):
    """The T cells of the annotated file."""
    adata = ad.read_h5ad(folder / f"{NAME}.annotated.h5ad")
    return adata[adata.obs["is_t_cell"]].copy()


@pytest.fixture
def together(folder):
    """The MuData file."""
    with mudata.set_options(pull_on_update=False):
        yield mudata.read_h5mu(folder / f"{NAME}.h5mu")


def test_scanpy_draws_a_map_in_the_colours_of_the_report(cells):
    """Neighbours, map and figure need no preparation; each state has its colour."""
    sc.pp.neighbors(cells, use_rep="X_state", random_state=0)
    sc.tl.umap(cells, random_state=0)
    assert np.isfinite(cells.obsm["X_umap"]).all()
    axes = sc.pl.umap(cells, color="state", show=False)
    legend = {text.get_text() for text in axes.get_legend().get_texts()}
    assert {"Naive", "Memory"} <= legend
    colors = dict(zip(cells.obs["state"].cat.categories, cells.uns["state_colors"], strict=True))
    assert all(colors[state] == STATE_COLORS[state] for state in State if state in colors)
    mpl.pyplot.close("all")


def test_scanpy_ranks_the_genes_of_states(cells):
    """Naive cells are told from memory cells by CCR7, on the expression that the file holds."""
    sc.tl.rank_genes_groups(cells, "state", groups=["Naive", "Memory"], reference="rest")
    table = sc.get.rank_genes_groups_df(cells, "Naive").set_index("names")
    assert table["scores"]["CCR7"] > 5
    assert table["pvals_adj"]["CCR7"] < 1e-6
    assert list(cells.obsm["state_probabilities"].columns) == [str(state) for state in State]


def test_modalities_hold_the_same_cells_as_the_annotated_file(folder, together):
    """Expression is that of the annotated file; cells with chains are those with a chain in the table."""
    adata = ad.read_h5ad(folder / f"{NAME}.annotated.h5ad")
    assert list(together.mod) == ["gex", "airr"]
    gex = together["gex"]
    assert list(gex.obs_names) == list(adata.obs_names) == list(together.obs_names)
    assert (gex.X != adata.X).nnz == 0
    pd.testing.assert_frame_equal(gex.obs, adata.obs)
    chains = pd.read_parquet(folder / f"{NAME}.chains.parquet")
    chains = chains[chains["cell_id"].isin(adata.obs_names)]
    assert set(together["airr"].obs_names) == set(chains["cell_id"])
    cell = chains["cell_id"].value_counts().index[0]
    (row,) = np.flatnonzero(together["airr"].obs_names == cell)
    records = together["airr"].obsm["airr"][int(row)].to_list()
    wanted = chains[chains["cell_id"] == cell]
    assert [record["junction_aa"] for record in records] == list(wanted["junction_aa"])
    assert [record["umi_count"] for record in records] == list(wanted["umi_count"])
    together.update()  # the mapping of axes is one that mudata accepts
    assert together.n_obs == adata.n_obs


def test_scirpy_judges_chains_as_the_file_does(together):
    """chain_qc of scirpy gives the pairing that stands in the file."""
    ours = together["airr"].obs["chain_pairing"].astype(str).copy()
    ir.pp.index_chains(together)
    ir.tl.chain_qc(together)
    theirs = together["airr"].obs["chain_pairing"].astype(str)
    assert (ours == theirs).mean() == 1


def test_scirpy_counts_and_draws_clones(together):
    """group_abundance counts our clones by state; the network of clonotypes is drawn by state."""
    together["airr"].obs["clone_id"] = together["airr"].obs["clone_id"].astype(str)
    counts = ir.tl.group_abundance(together["airr"], groupby="clone_id", target_col="state")
    assert int(counts.to_numpy().sum()) == together["airr"].n_obs
    ir.pp.index_chains(together)
    ir.pp.ir_dist(together)
    ir.tl.define_clonotypes(together, receptor_arms="all", dual_ir="primary_only")
    ir.tl.clonotype_network(together, min_cells=2)
    axes = ir.pl.clonotype_network(together, color="state", show_labels=False)
    assert axes is not None
    mpl.pyplot.close("all")


def test_the_same_run_gives_the_same_file(folder, tmp_path):
    """Predict alone writes the same bytes as the run, chains given by hand; the annotated file is another."""
    words = ("predict", folder / f"{NAME}.annotated.h5ad", "-o", tmp_path, "--prefix", NAME,
             "--receptors", folder / f"{NAME}.receptors.parquet")  # fmt: skip
    chains = ("--chains", folder / f"{NAME}.chains.parquet", "--mudata")
    assert run_command(*words, *chains).code == 0
    again = tmp_path / f"{NAME}.h5mu"
    first = again.read_bytes()
    assert run_command(*words, *chains, "--force").code == 0
    assert again.read_bytes() == first


@pytest.mark.parametrize(
    ("words", "says"),
    [(("--mudata", "--no-h5ad"), "not to be written"), (("--chains", "chains.parquet"), "not asked for")],
)
def test_options_of_the_file_that_contradict_each_other_are_refused(folder, tmp_path, words, says):
    """Nothing is written, and the exit code is that of options."""
    done = run_command("predict", folder / f"{NAME}.annotated.h5ad", "-o", tmp_path, *words)
    assert (done.code, says in done.stderr) == (78, True)
    assert not list(tmp_path.iterdir())


def test_without_awkward_the_extra_is_named(monkeypatch, tmp_path):
    """Before anything is computed the message says what to install."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "awkward" else find(name))
    done = run_command("run", "--demo", "-o", tmp_path, "--mudata")
    assert (done.code, "[scirpy]" in done.stderr) == (78, True)
    assert not list(tmp_path.iterdir())
