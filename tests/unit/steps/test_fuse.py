"""fuse writes one row per cell with any panel and either modality, and refuses what cannot be fused."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import tcellflow
from tcellflow import api
from tcellflow.contracts.cells import FUSED_CELLS
from tcellflow.contracts.fused import FUSED
from tcellflow.errors import InputError, OptionsError, OutputError
from tcellflow.io.h5ad.cells_reader import CellsFile, read_cells
from tcellflow.io.tables.documents import read_json
from tcellflow.io.tables.parquet import read_table
from tcellflow.provenance import digest_file
from tcellflow.steps.fuse import FuseOptions, fuse
from tcellflow.steps.predict import PredictOptions, predict
from tcellflow.steps.preprocess import PreprocessOptions, preprocess


@pytest.fixture(scope="module")
def cells_path(tmp_path_factory):
    """The cells of the packaged sample of three modalities."""
    source = Path(tcellflow.__file__).parent / "data" / "samples" / "trex_pt17_trimodal"
    folder = tmp_path_factory.mktemp("cells")
    gex = source / "sample_filtered_feature_bc_matrix.h5"
    preprocess(PreprocessOptions(output=folder, prefix="s1", gex=gex))
    return folder / "s1.cells.h5ad"


def run(cells, folder, **options):
    fuse(FuseOptions(cells, folder, "s1", threads=1, device="cpu", **options))
    table = read_table(folder / "s1.fused.parquet", FUSED)
    return table, read_json(folder / "s1.fuse.json")


def change(cells_path, path, edit, rows=slice(None)):
    """Write the cells file anew after a change of its antibodies."""
    cells = ad.read_h5ad(cells_path)[rows].copy()
    cells.obsm["adt_counts"] = edit(cells.obsm["adt_counts"].copy())
    cells.write_h5ad(path)
    return path


def vectors(table):
    return np.array(table.column("x_fused").to_pylist(), dtype=np.float32)


@pytest.fixture(scope="module")
def whole(cells_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fused")
    return (*run(cells_path, folder), folder)


def test_every_cell_has_a_row_and_a_vector(whole, cells_path):
    """Rows follow the cells; both files hold the same vectors; proteins are told with their deviation."""
    table, account, folder = whole
    cells = read_cells(cells_path)
    assert table.column("cell_id").to_pylist() == list(cells.cell_ids)
    copy = ad.read_h5ad(folder / "s1.fused.h5ad")
    read_cells(folder / "s1.fused.h5ad", FUSED_CELLS)
    assert list(copy.obs_names) == list(cells.cell_ids)
    assert np.array_equal(copy.obsm["X_fused"], vectors(table))
    assert vectors(table).shape == (cells.n_obs, 64)
    assert account["inputs"]["rna+adt"] == cells.n_obs
    names = table.column_names
    assert {"imputed_CD4", "imputed_sd_CD4", "denoised_CD4", "foreground_CD4"} <= set(names)
    foreground = table.column("foreground_CD8A").to_numpy()
    counts = np.log1p(copy.obsm["adt_counts"].to_numpy())
    column = list(copy.obsm["adt_counts"].columns).index("CD8")
    assert np.corrcoef(foreground, counts[:, column])[0, 1] > 0.7


def test_labels_agree_with_the_proteins(whole):
    """Cells labelled CD8 show the protein CD8, those labelled CD4 hardly."""
    frame = whole[0].to_pandas()
    is_cd8 = frame["label"].str.contains("CD8-positive")
    assert frame.loc[is_cd8, "foreground_CD8A"].mean() > 0.7
    assert frame.loc[frame["label"].str.contains("CD4-positive"), "foreground_CD8A"].mean() < 0.4


@pytest.mark.parametrize(("threads", "n_rows"), [(1, 50), (2, 7)])
def test_cuts_and_threads_change_no_byte(cells_path, whole, tmp_path, monkeypatch, threads, n_rows):
    """The same files whatever the size of the blocks and the number of threads."""
    blocks = CellsFile.blocks
    monkeypatch.setattr(CellsFile, "blocks", lambda self: blocks(self, n_rows))
    fuse(FuseOptions(cells_path, tmp_path, "s1", threads=threads, device="cpu"))
    for name in ("s1.fused.parquet", "s1.fuse.json", "s1.fused.h5ad"):
        assert digest_file(tmp_path / name) == digest_file(whole[2] / name), name


@pytest.mark.parametrize(("inputs", "weights"), [("rna", (1, 0)), ("adt", (0, 1))])
def test_a_modality_can_be_left_out(cells_path, tmp_path, inputs, weights):
    """What is not used weighs nothing and has no part in the vector."""
    table, account = run(cells_path, tmp_path, inputs=inputs, h5ad=False)
    assert set(table.column("inputs").to_pylist()) == {inputs}
    assert set(table.column("w_rna").to_pylist()) == {weights[0]}
    assert account["axes"]["adt" if inputs == "rna" else "rna"] == 0
    assert np.isfinite(vectors(table)).all()


def test_rna_alone_never_sees_the_proteins(cells_path, tmp_path):
    """With --inputs rna other antibody counts give the same table."""
    one, _ = run(cells_path, tmp_path / "one", inputs="rna", h5ad=False)
    other_path = change(cells_path, tmp_path / "other.h5ad", lambda frame: frame * 0)
    other, _ = run(other_path, tmp_path / "two", inputs="rna", h5ad=False)
    assert one.equals(other)


def test_no_antibodies_at_all(cells_path, tmp_path):
    """Expression alone is fused; asking for proteins is refused, and nothing is written."""
    cells = ad.read_h5ad(cells_path)
    for key in ("adt_counts", "adt_clr"):
        del cells.obsm[key]
    cells.write_h5ad(tmp_path / "rna.h5ad")
    table, _ = run(tmp_path / "rna.h5ad", tmp_path / "out", h5ad=False)
    assert set(table.column("inputs").to_pylist()) == {"rna"}
    with pytest.raises(OptionsError, match="no antibody counts"):
        run(tmp_path / "rna.h5ad", tmp_path / "none", inputs="rna+adt")
    assert not list((tmp_path / "none").glob("*"))


@pytest.mark.parametrize(
    ("edit", "entry", "name"),
    [
        (lambda frame: frame.assign(**{frame.columns[0]: 0}), "constant", None),
        (lambda frame: frame.add_prefix("nothing"), "unknown", "nothingCD4"),
        (lambda frame: frame.iloc[:, :1].set_axis(["IgG1-control"], axis=1), "isotypes", "IgG1-control"),
        (lambda frame: frame.iloc[:, :1].set_axis(["CD300LF"], axis=1), "not_learnt", "CD300LF"),
    ],
)  # fmt: skip
def test_useless_antibodies_are_masked_and_listed(cells_path, tmp_path, edit, entry, name):
    """All-zero, unknown, isotype and unlearnt antibodies stop nothing."""
    table, account = run(change(cells_path, tmp_path / "c.h5ad", edit), tmp_path / "out", h5ad=False)
    assert account["panel"][entry]
    assert name is None or name in account["panel"][entry]
    assert np.isfinite(vectors(table)).all()
    assert name is None or account["inputs"]["adt"] == 0
    assert name is None or set(table.column("w_adt").to_pylist()) == {0}


def test_two_clones_of_one_protein_are_one(cells_path, tmp_path):
    """Antibodies against one product are summed."""

    def split(frame: pd.DataFrame) -> pd.DataFrame:
        name = "CD4"
        half = frame[name] // 2
        return frame.assign(**{name: half, "CD4_RPA-T4": frame[name] - half})

    changed, _ = run(change(cells_path, tmp_path / "c.h5ad", split), tmp_path / "out", h5ad=False)
    before, _ = run(cells_path, tmp_path / "before", h5ad=False)
    assert np.array_equal(vectors(changed), vectors(before))


@pytest.mark.parametrize(("value", "message"), [(np.nan, "NaN"), (-3.0, "negative"), (0.5, "fractions")])
def test_counts_that_are_none_are_refused(cells_path, tmp_path, value, message):
    """NaN, negative numbers and fractions end with exit code 66 and leave nothing behind."""

    def spoil(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype(float)
        frame.iloc[3, 0] = value
        return frame

    path = change(cells_path, tmp_path / "c.h5ad", spoil)
    with pytest.raises(InputError, match=message):
        run(path, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


def test_expression_that_is_not_finite_is_refused(cells_path, tmp_path):
    """NaN in X ends with exit code 66."""
    cells = ad.read_h5ad(cells_path)
    cells.X.data[5] = np.nan
    cells.write_h5ad(tmp_path / "c.h5ad")
    with pytest.raises(InputError, match="expression holds"):
        run(tmp_path / "c.h5ad", tmp_path / "out")


def test_one_cell_is_fused_by_the_bundles_scale(cells_path, tmp_path):
    """A single cell has the bundle's vector, and a warning says so."""
    path = change(cells_path, tmp_path / "c.h5ad", lambda frame: frame, slice(0, 1))
    table, account = run(path, tmp_path / "out", h5ad=False)
    assert np.isfinite(vectors(table)).all()
    assert account["axes"] == {"latent": 64, "rna": 0, "adt": 0}
    assert any("fewer than 200 cells" in text for text in account["warnings"])


@pytest.mark.parametrize("inputs", ["auto", "rna"])
def test_genes_of_another_species(cells_path, tmp_path, inputs):
    """Unknown genes are masked where antibodies are; without these the sample is refused."""
    cells = ad.read_h5ad(cells_path)
    cells.var_names = [f"mm-{name.capitalize()}" for name in cells.var_names]
    cells.write_h5ad(tmp_path / "c.h5ad")
    if inputs == "rna":
        with pytest.raises(InputError, match="none of its proteins"):
            run(tmp_path / "c.h5ad", tmp_path / "out", inputs=inputs)
        return
    table, account = run(tmp_path / "c.h5ad", tmp_path / "out", h5ad=False)
    assert set(table.column("inputs").to_pylist()) == {"adt"}
    assert any("expression was not used" in text for text in account["warnings"])


def test_finished_files_are_not_replaced(cells_path, whole):
    """Without --force."""
    with pytest.raises(OutputError):
        run(cells_path, whole[2])


def test_cells_have_groups_and_places(whole, cells_path, tmp_path):
    """Table, copy and account tell the same groups; without them the rest is the same."""
    table, account, folder = whole
    copy = ad.read_h5ad(folder / "s1.fused.h5ad")
    cluster = table.column("cluster").to_numpy()
    assert np.bincount(cluster).tolist() == list(account["graph"]["clusters"])
    assert copy.obs["fuse_cluster"].astype(int).tolist() == cluster.tolist()
    places = np.column_stack([table.column(f"umap_{axis}").to_numpy() for axis in (1, 2)])
    assert np.array_equal(copy.obsm["X_fused_umap"], places)
    plain, account = run(cells_path, tmp_path, clusters=False, umap=False)
    assert account["graph"] is None
    for name in ("cluster", "umap_1", "umap_2"):
        assert plain.column(name).null_count == len(plain)
    assert np.array_equal(vectors(plain), vectors(table))
    assert "fuse_cluster" not in ad.read_h5ad(tmp_path / "s1.fused.h5ad").obs


def test_a_notebook_gets_the_same(cells_path, whole):
    """`api.fuse` of the cells in memory gives the numbers of the file."""
    cells = ad.read_h5ad(cells_path)
    found = api.fuse(cells, library_size_column="total_counts", threads=1, device="cpu")
    copy = ad.read_h5ad(whole[2] / "s1.fused.h5ad")
    assert list(found.obs.index) == list(copy.obs_names)
    np.testing.assert_allclose(found.obsm["X_fused"], copy.obsm["X_fused"], atol=1e-5)
    for key in ("adt_imputed", "adt_denoised", "adt_foreground"):
        np.testing.assert_allclose(found.obsm[key], copy.obsm[key], atol=1e-5)
    assert found.obs["fuse_cluster"].tolist() == copy.obs["fuse_cluster"].tolist()
    cells.obsm.update(found.obsm)


def test_a_notebook_names_its_antibodies(cells_path):
    """A key, a table or an array with names; what cannot be read is refused."""
    cells = ad.read_h5ad(cells_path)
    table = cells.obsm["adt_counts"]
    plain = ad.AnnData(cells.layers["counts"], cells.obs[["total_counts"]], cells.var)
    options = {"clusters": False, "umap": False, "threads": 1, "device": "cpu"}
    by_table = api.fuse(plain, proteins=table, **options)
    plain.obsm["protein"] = table.to_numpy()
    with pytest.raises(InputError, match="no names"):
        api.fuse(plain, **options)
    plain.uns["protein_names"] = list(table.columns)
    by_array = api.fuse(plain, **options)
    assert np.array_equal(by_table.obsm["X_fused"], by_array.obsm["X_fused"])
    assert set(by_array.obs["fuse_inputs"]) == {"rna+adt"}
    with pytest.raises(InputError, match="no obsm"):
        api.fuse(plain, proteins="other", **options)
    with pytest.raises(InputError, match="not the cells"):
        api.fuse(plain, proteins=table.iloc[::-1], **options)
    with pytest.raises(InputError, match="holds no cells"):
        api.fuse(plain[:0].copy(), **options)
    del plain.obsm["protein"]
    with pytest.raises(OptionsError, match="no antibody counts"):
        api.fuse(plain, inputs="rna+adt", **options)


def test_predict_takes_the_fused_table(cells_path, whole, tmp_path):
    """The annotated file holds the vectors, proteins and groups; those of other cells are refused."""
    fused = whole[2] / "s1.fused.parquet"
    options = PredictOptions(cells_path, tmp_path, "s1", fused=fused, bundle="states-linear", device="cpu")
    predict(options)
    found, copy = ad.read_h5ad(tmp_path / "s1.annotated.h5ad"), ad.read_h5ad(whole[2] / "s1.fused.h5ad")
    read_cells(tmp_path / "s1.annotated.h5ad")
    for key in ("X_fused", "X_fused_umap"):
        assert np.array_equal(found.obsm[key], copy.obsm[key])
    assert found.obsm["adt_denoised"].equals(copy.obsm["adt_denoised"])
    assert found.obs["fuse_cluster"].equals(copy.obs["fuse_cluster"])
    few = change(cells_path, tmp_path / "few.h5ad", lambda frame: frame, slice(0, 100))
    with pytest.raises(InputError, match="are not those of the cells file"):
        predict(PredictOptions(few, tmp_path / "few", "s1", fused=fused, device="cpu"))


def test_new_cells_are_put_into_the_space_of_others(cells_path, whole, tmp_path):
    """Cells that were part of a sample get the vectors, proteins and labels that they had there."""
    few = change(cells_path, tmp_path / "few.h5ad", lambda frame: frame, slice(10, 50))
    table, account = run(few, tmp_path / "out", reference=cells_path, h5ad=False)
    before = whole[0].slice(10, 40)
    np.testing.assert_allclose(vectors(table), vectors(before), atol=2e-6)
    for name in ("label", "imputed_CD4", "ood_score", "w_rna"):
        assert table.column(name).to_pylist() == before.column(name).to_pylist()
    assert account["axes"] == whole[1]["axes"]
    alone, _ = run(few, tmp_path / "alone", h5ad=False)
    assert not np.allclose(vectors(alone), vectors(before), atol=0.1)


def test_a_reference_with_other_genes_and_antibodies(cells_path, whole, tmp_path):
    """What new cells lack is left out of the axes: their vectors stay near those of the same cells."""
    cells = ad.read_h5ad(cells_path)
    cells = cells[:, [i for i in range(cells.n_vars) if i % 5]].copy()
    cells.obsm["adt_counts"] = cells.obsm["adt_counts"].iloc[:, 3:]
    cells.write_h5ad(tmp_path / "other.h5ad")
    table, _ = run(tmp_path / "other.h5ad", tmp_path / "out", reference=cells_path, h5ad=False)
    apart = np.linalg.norm(vectors(table) - vectors(whole[0]), axis=1)
    usual = np.linalg.norm(vectors(whole[0]) - vectors(whole[0])[::-1], axis=1)
    assert np.median(apart) < 0.5 * np.median(usual)


def test_a_refit_tells_the_samples_own_proteins_better(cells_path, whole, tmp_path):
    """Maps of the sample tell counts of cells that they had not seen; vectors of whole cells stay."""
    table, account = run(cells_path, tmp_path, refit=True)
    counts = ad.read_h5ad(tmp_path / "s1.fused.h5ad").obsm["adt_counts"]
    assert account["refit"]["n_cells"] == len(counts)
    gained = []
    for antibody, name in (("CD8", "CD8A"), ("CD4", "CD4"), ("CD45RA", "CD45RA"), ("CD279", "PD-1")):
        column = f"imputed_{name}"
        if antibody in counts and column in whole[0].column_names and column in table.column_names:
            truth = np.log1p(counts[antibody])
            told = [np.corrcoef(one.column(column).to_numpy(), truth)[0, 1] for one in (whole[0], table)]
            gained.append(told[1] - told[0])
    assert gained
    assert np.mean(gained) > 0
    assert np.array_equal(vectors(table), vectors(whole[0]))
    names = {name for name in table.column_names if name.startswith("imputed_sd_")}
    assert len(names) > len([n for n in whole[0].column_names if n.startswith("imputed_sd_")])


def test_a_refit_never_uses_a_cells_own_value(cells_path, tmp_path):
    """A cell with a far higher count is told the same count of it, but for the sample's scale."""
    before, _ = run(cells_path, tmp_path / "before", refit=True, clusters=False, umap=False, h5ad=False)

    def raise_one(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.copy()
        frame.iloc[10, list(frame.columns).index("CD4")] += 3_000
        return frame

    path = change(cells_path, tmp_path / "c.h5ad", raise_one)
    after, _ = run(path, tmp_path / "after", refit=True, clusters=False, umap=False, h5ad=False)
    told = [one.column("imputed_CD4").to_numpy() for one in (before, after)]
    moved = told[1] - told[0]
    assert abs(moved[10]) < 0.05
    assert np.abs(moved[[i for i in range(10, 300) if i % 5 != 0]]).mean() > 0


def test_a_refit_places_new_cells_without_antibodies(cells_path, whole, tmp_path):
    """Cells with genes alone come nearer to where their antibodies would have put them."""
    few = change(cells_path, tmp_path / "few.h5ad", lambda frame: frame, slice(10, 90))
    options = {"reference": cells_path, "h5ad": False, "clusters": False, "umap": False}
    cells = ad.read_h5ad(few)
    for key in ("adt_counts", "adt_clr"):
        del cells.obsm[key]
    cells.write_h5ad(tmp_path / "genes.h5ad")
    plain, _ = run(tmp_path / "genes.h5ad", tmp_path / "plain", **options)
    refit, account = run(tmp_path / "genes.h5ad", tmp_path / "refit", refit=True, **options)
    assert set(refit.column("inputs").to_pylist()) == {"rna"}
    assert account["refit"]["n_cells"] > 200
    truth = vectors(whole[0])[10:90]
    apart = [np.linalg.norm(vectors(one) - truth, axis=1).mean() for one in (plain, refit)]
    assert apart[1] < apart[0]


@pytest.mark.parametrize("option", [{"refit": True}, {"adt_norm": "dsb"}, {"adt_norm": "mixture"}])
def test_too_few_cells_to_learn_from_are_refused(cells_path, tmp_path, option):
    """Below 200 cells, with nothing written."""
    path = change(cells_path, tmp_path / "c.h5ad", lambda frame: frame, slice(0, 150))
    with pytest.raises(InputError, match="200"):
        run(path, tmp_path / "out", **option)
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"inputs": "rna", "refit": True}, "--refit learns from antibodies"),
        ({"inputs": "adt", "refit": True}, "--refit learns from genes"),
        ({"inputs": "rna", "adt_norm": "dsb"}, "--adt-norm learns from antibodies"),
    ],
)
def test_nothing_is_learnt_from_what_is_not_used(cells_path, tmp_path, options, words):
    """Such options contradict each other."""
    with pytest.raises(OptionsError, match=words):
        FuseOptions(cells_path, tmp_path, "s1", **options).check()
    with pytest.raises(OptionsError, match=words):
        api.fuse(ad.read_h5ad(cells_path), **options)


@pytest.mark.parametrize("kind", ["mixture", "dsb"])
def test_noise_is_taken_off_antibodies(cells_path, whole, tmp_path, kind):
    """Vectors change, told proteins and foreground do not; cuts of the sample change nothing."""
    table, account = run(cells_path, tmp_path, adt_norm=kind, h5ad=False, clusters=False, umap=False)
    assert account["adt_norm"] == kind
    assert not np.array_equal(vectors(table), vectors(whole[0]))
    for name in ("foreground_CD4", "denoised_CD4", "imputed_CD4"):
        assert table.column(name).equals(whole[0].column(name))
    few = change(cells_path, tmp_path / "few.h5ad", lambda frame: frame, slice(10, 50))
    placed, _ = run(few, tmp_path / "few", reference=cells_path, adt_norm=kind, h5ad=False)
    np.testing.assert_allclose(vectors(placed), vectors(table)[10:50], atol=2e-6)


def test_antibodies_of_one_name_are_refused(cells_path, tmp_path):
    """Nobody could tell which is which."""
    path = change(cells_path, tmp_path / "c.h5ad", lambda frame: frame.iloc[:, :2])
    cells = ad.read_h5ad(path)
    table = cells.obsm.pop("adt_counts").set_axis(["CD4", "CD4"], axis=1)
    with pytest.raises(InputError, match="repeated"):
        api.fuse(cells, proteins=table, threads=1, device="cpu")


def test_antibodies_alone_that_the_bundle_does_not_know_are_refused(cells_path, tmp_path):
    """No gene is to be used, and no protein is known."""
    edit = lambda frame: frame.iloc[:, :1].set_axis(["CD300LF"], axis=1)  # noqa: E731
    with pytest.raises(InputError, match="none of its proteins"):
        run(change(cells_path, tmp_path / "c.h5ad", edit, slice(0, 150)), tmp_path / "out", inputs="adt")
    assert not list((tmp_path / "out").glob("*"))


def test_a_panel_that_the_bundle_does_not_know_has_axes_of_its_own(cells_path, tmp_path):
    """From 200 cells on proteins that nobody learnt have a part in the vector, and `inputs` says so."""
    edit = lambda frame: frame.iloc[:, :2].set_axis(["CD300LF", "CD37"], axis=1)  # noqa: E731
    table, account = run(change(cells_path, tmp_path / "c.h5ad", edit), tmp_path / "out", h5ad=False)
    assert account["panel"]["not_learnt"] == ["CD300LF", "CD37"]
    assert account["inputs"]["rna+adt"] == len(table)
    assert np.abs(vectors(table)[:, 44:]).max() > 0


def keep_genes(cells_path, path, n_genes, rows=slice(None)):
    """Write the cells with a random choice of genes."""
    cells = ad.read_h5ad(cells_path)[rows]
    chosen = np.sort(np.random.default_rng(0).permutation(cells.n_vars)[:n_genes])
    cells[:, chosen].copy().write_h5ad(path)
    return path


def test_few_genes_have_axes_of_their_own(cells_path, tmp_path):
    """What the bundle cannot read is not told by it; the vector is its own, and a warning says so."""
    path = keep_genes(cells_path, tmp_path / "few.h5ad", 4_000)
    table, account = run(path, tmp_path / "out", inputs="rna", h5ad=False)
    assert 0.03 < account["panel"]["coverage_rna"] < 0.25
    assert account["inputs"]["rna"] == len(table)
    assert set(table.column("w_rna").to_pylist()) == {1}
    assert table.column("label").null_count == len(table)
    assert account["axes"] == {"latent": 0, "rna": 20, "adt": 0}
    assert np.isfinite(vectors(table)).all()
    assert any("too few to read" in text for text in account["warnings"])


def test_few_genes_of_few_cells_are_refused(cells_path, tmp_path):
    """A sample that neither the bundle nor axes of its own can tell anything about."""
    path = keep_genes(cells_path, tmp_path / "few.h5ad", 4_000, slice(0, 150))
    with pytest.raises(InputError, match="at least 200 cells"):
        run(path, tmp_path / "out", inputs="rna")


def test_few_genes_beside_proteins(cells_path, tmp_path):
    """The bundle reads the proteins alone; genes have a part in the vector through their own axes."""
    path = keep_genes(cells_path, tmp_path / "few.h5ad", 4_000)
    table, account = run(path, tmp_path / "out", h5ad=False)
    assert account["inputs"]["rna+adt"] == len(table)
    assert set(table.column("w_rna").to_pylist()) == {0}
    assert np.abs(vectors(table)[:, 24:44]).max() > 0


def test_another_assay_has_no_part(cells_path, tmp_path):
    """Of a few genes alone nothing is used."""
    path = keep_genes(cells_path, tmp_path / "few.h5ad", 150)
    table, account = run(path, tmp_path / "out", h5ad=False)
    assert account["inputs"]["adt"] == len(table)
    assert account["axes"]["rna"] == 0
    assert any("was not used" in text for text in account["warnings"])


def test_cells_that_nobody_stained(cells_path, tmp_path):
    """A cell without any antibody count among full ones is fused as one that was not measured."""
    empty = np.arange(320) % 4 == 0
    path = change(cells_path, tmp_path / "c.h5ad", lambda frame: frame * ~empty[: len(frame), None])
    table, account = run(path, tmp_path / "out", h5ad=False)
    rows = np.flatnonzero(empty[: len(table)])
    assert account["inputs"]["rna"] == len(rows)
    assert any("taken for not measured" in text for text in account["warnings"])
    assert any("--refit" in text for text in account["warnings"])
    plain, _ = run(cells_path, tmp_path / "rna", inputs="rna", h5ad=False)
    assert table.column("label").take(rows).to_pylist() == plain.column("label").take(rows).to_pylist()


def test_axes_of_genes_are_of_cells_that_have_some(cells_path, whole):
    """Cells without expression do not make an axis of their own."""
    cells = ad.read_h5ad(cells_path)
    counts = cells.layers["counts"].copy().tolil()
    counts[::3] = 0
    some = ad.AnnData(counts.tocsr(), cells.obs[[]], cells.var[[]], obsm={"adt": cells.obsm["adt_counts"]})
    found = api.fuse(some, threads=1, device="cpu", clusters=False, umap=False)
    part = found.obsm["X_fused"][:, 24:44]
    rows = np.arange(len(part)) % 3 > 0
    assert not part[~rows].any()
    assert np.abs(part[rows].mean(axis=0)).max() < 0.3 * part[rows].std()


def test_hashtags_are_listed(cells_path, tmp_path):
    """They are not used, and named."""
    path = change(cells_path, tmp_path / "c.h5ad", lambda f: f.assign(Hashtag1=f.iloc[:, 0].to_numpy()))
    _, account = run(path, tmp_path / "out", h5ad=False)
    assert account["panel"]["hashtags"] == ["Hashtag1"]


@pytest.mark.parametrize("inputs", ["rna+adt", "adt"])
def test_isotypes_alone_are_no_proteins(cells_path, tmp_path, inputs):
    """Who asks for proteins is told that there are none."""
    edit = lambda frame: frame.iloc[:, :1].set_axis(["IgG1-control"], axis=1)  # noqa: E731
    with pytest.raises(OptionsError, match="no antibody that binds"):
        run(change(cells_path, tmp_path / "c.h5ad", edit), tmp_path / "out", inputs=inputs)


def test_noise_cannot_be_learnt_without_antibodies(cells_path, tmp_path):
    """An option that would do nothing is refused."""
    cells = ad.read_h5ad(cells_path)
    for key in ("adt_counts", "adt_clr"):
        del cells.obsm[key]
    cells.write_h5ad(tmp_path / "rna.h5ad")
    with pytest.raises(InputError, match="0 cells have antibodies"):
        run(tmp_path / "rna.h5ad", tmp_path / "out", adt_norm="dsb")


def test_flags_of_antibodies_in_a_notebook(cells_path):
    """Missing flags are false; words are refused."""
    cells = ad.read_h5ad(cells_path)
    flags = pd.array([None, False, *[True] * (cells.n_obs - 2)], dtype="boolean")
    cells.obs["has_adt"] = flags
    asked = {"threads": 1, "device": "cpu", "clusters": False, "umap": False}
    found = api.fuse(cells, **asked)
    assert found.obs["fuse_inputs"].tolist()[:2] == ["rna", "rna"]
    cells.obs["has_adt"] = ["False", *["True"] * (cells.n_obs - 1)]
    with pytest.raises(InputError, match="not true or false"):
        api.fuse(cells, **asked)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"inputs": "RNA"}, "no 'RNA'"), ({"adt_norm": "DSB"}, "no 'DSB'"), ({"device": "tpu"}, "no device"),
        ({"resolution": float("inf")}, "no groups"), ({"resolution": -1.0}, "no groups"),
    ],
)  # fmt: skip
def test_choices_that_do_not_exist_are_refused(cells_path, options, words):
    """A notebook has no shell that would refuse them."""
    with pytest.raises(OptionsError, match=words):
        api.fuse(ad.read_h5ad(cells_path), **options)


def test_a_mouse_in_a_notebook_is_refused(cells_path):
    """Genes in mouse spelling are no human genes."""
    cells = ad.read_h5ad(cells_path)
    mouse = ad.AnnData(cells.layers["counts"], cells.obs[["total_counts"]], cells.var[[]])
    mouse.var_names = [name.capitalize() for name in cells.var_names]
    with pytest.raises(InputError, match=r"mouse|species"):
        api.fuse(mouse, threads=1, device="cpu", clusters=False, umap=False)
