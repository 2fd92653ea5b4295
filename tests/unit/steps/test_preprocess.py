"""preprocess: one pass from a sample's files to cells, chains and one account of both."""

from __future__ import annotations

import json
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from contig_files import as_10x, make_contig, make_sample_contigs, write_table
from factories import (
    ANTIBODIES,
    make_barcodes,
    make_counts,
    write_10x_h5,
    write_10x_mtx,
    write_h5ad,
    write_h5mu,
)
from tcellflow.contracts.tables import CHAINS
from tcellflow.errors import InputError, OptionsError, OutputError
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.tables.parquet import read_table
from tcellflow.steps.preprocess import PreprocessOptions, preprocess

SAMPLE = make_counts(60, 160, antibodies=ANTIBODIES)
# cells 0-39 have a pair each; 3 contigs of strange cells and 2 that are no chains are read too
CONTIGS = pd.concat(
    [
        make_sample_contigs(SAMPLE.barcodes[:40]),
        make_sample_contigs(make_barcodes(2, seed=8)).iloc[:3],
        pd.DataFrame([make_contig("TRA", SAMPLE.barcodes[50], productive=False, sequence_id="x")]),
        pd.DataFrame([make_contig("TRB", SAMPLE.barcodes[51], junction_aa="", sequence_id="y")]),
    ],
    ignore_index=True,
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Give a folder with the sample's files."""
    folder = tmp_path_factory.mktemp("inputs")
    write_10x_h5(folder / "m.h5", SAMPLE)
    write_table(folder / "c.csv", as_10x(CONTIGS))
    return folder


def options(inputs, output, **changes):
    """Give the usual options with changes."""
    usual = PreprocessOptions(
        output=output, prefix="s1", gex=inputs / "m.h5", tcr=(inputs / "c.csv",), donor="d1", min_genes=1
    )
    return replace(usual, **changes)


def contents(folder):
    """Give names and bytes of all files."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def read_qc(folder):
    """Give the account."""
    return json.loads((folder / "s1.qc.json").read_text())


@pytest.fixture(scope="module")
def done(inputs, tmp_path_factory):
    """Run the step once; give the output folder."""
    folder = tmp_path_factory.mktemp("done") / "out"
    files = preprocess(options(inputs, folder))
    assert [path.name for path in files] == ["s1.cells.h5ad", "s1.chains.parquet", "s1.qc.json"]
    return folder


# ------------------------------------------------------------------------------------- outputs


def test_the_outputs_keep_their_contracts(done):
    """Cells and chains are valid by their contracts and name the same cells."""
    cells = read_cells(done / "s1.cells.h5ad")
    chains = read_table(done / "s1.chains.parquet", CHAINS).to_pandas()
    assert cells.n_obs == 60
    assert set(chains["cell_id"]) == set(SAMPLE.barcodes[:40])
    assert chains["emb_id"].notna().all()
    with_chains = cells.obs.index[cells.obs["has_tra"] & cells.obs["has_trb"]]
    assert set(with_chains) == set(chains["cell_id"])
    assert set(cells.obs["donor"]) == set(chains["donor"]) == {"d1"}


def test_the_cells_open_in_anndata_whole_and_backed(done):
    """anndata reads the file without a warning, in memory and from disk."""
    path = done / "s1.cells.h5ad"
    whole = ad.read_h5ad(path)
    backed = ad.read_h5ad(path, backed="r")
    assert (whole.layers["counts"] != SAMPLE.counts).nnz == 0
    assert (whole.X[:10] != backed[:10].to_memory().X).nnz == 0
    backed.file.close()
    assert whole.X.dtype == np.float32
    assert list(whole.obsm) == ["adt_clr", "adt_counts"]
    whole.write_h5ad(done.parent / "again.h5ad")
    assert (ad.read_h5ad(done.parent / "again.h5ad").X != whole.X).nnz == 0


@pytest.mark.slow
def test_the_cells_serve_scanpy(done):
    """scanpy takes X as log-normalised and finds the same sums under the same names."""
    import scanpy as sc  # noqa: PLC0415 (takes seconds)

    adata = sc.read_h5ad(done / "s1.cells.h5ad")
    mine = adata.obs[["total_counts", "n_genes_by_counts"]].copy()
    check = ad.AnnData(adata.layers["counts"], obs=pd.DataFrame(index=adata.obs_names), var=adata.var)
    check.var["mt"] = check.var_names.str.startswith("MT-")
    sc.pp.calculate_qc_metrics(check, qc_vars=["mt"], inplace=True, percent_top=None)
    np.testing.assert_array_equal(mine["total_counts"], check.obs["total_counts"])
    np.testing.assert_array_equal(mine["n_genes_by_counts"], check.obs["n_genes_by_counts"])
    np.testing.assert_allclose(adata.obs["pct_counts_mt"], check.obs["pct_counts_mt"], rtol=1e-5)
    sc.pp.normalize_total(check, target_sum=1e4)
    sc.pp.log1p(check)
    assert abs(check.X - adata.X).max() < 1e-4
    sc.pp.pca(adata, n_comps=5)


def test_the_chains_open_in_pandas(done):
    """pandas reads the table as it is, with text, numbers and gaps."""
    chains = pd.read_parquet(done / "s1.chains.parquet")
    assert list(chains.columns) == [column.name for column in CHAINS.columns]
    assert chains["rank"].tolist() == [1] * 80
    assert set(chains["sample_id"]) == {"s1"}


def test_two_runs_give_the_same_bytes(inputs, done, tmp_path):
    """The same input gives the same files, byte for byte."""
    preprocess(options(inputs, tmp_path / "elsewhere"))
    assert contents(tmp_path / "elsewhere") == contents(done)


def test_the_order_of_contigs_changes_no_cell(inputs, done, tmp_path):
    """Shuffled contigs give the same cells, clones and chains."""
    shuffled = CONTIGS.sample(frac=1, random_state=1)
    tcr = write_table(tmp_path / "c.csv", as_10x(shuffled))
    preprocess(options(inputs, tmp_path / "out", tcr=(tcr,)))
    left, right = (ad.read_h5ad(f / "s1.cells.h5ad") for f in (done, tmp_path / "out"))
    pd.testing.assert_frame_equal(left.obs, right.obs)
    tables = [pd.read_parquet(f / "s1.chains.parquet") for f in (done, tmp_path / "out")]
    tables = [t.sort_values(["cell_id", "arm", "rank"], ignore_index=True) for t in tables]
    pd.testing.assert_frame_equal(*tables)


# ------------------------------------------------------------------------------------- account


def test_the_account_adds_up(inputs, tmp_path):
    """Cells and contigs of the input are all kept or counted under a reason, and the parts agree."""
    few = int(np.quantile(np.diff(SAMPLE.counts.indptr), 0.1)) + 1
    preprocess(options(inputs, tmp_path, min_genes=few, t_cells_only=True))
    qc, cells = read_qc(tmp_path), ad.read_h5ad(tmp_path / "s1.cells.h5ad")
    chains = pd.read_parquet(tmp_path / "s1.chains.parquet")
    account = qc["cells"]
    assert account["input"] == qc["matrix"]["n_cells"] == 60
    assert account["kept"] == cells.n_obs == 60 - sum(account["removed"].values())
    assert account["removed"]["too_few_genes"] > 0
    assert account["removed"]["not_a_t_cell"] > 0
    contigs = qc["receptors"]["contigs"]
    assert contigs["read"] == len(CONTIGS) == contigs["kept"] + sum(contigs["dropped"].values())
    assert contigs["kept"] == len(chains)
    assert contigs["dropped"]["cell_not_in_expression_data"] == 3
    assert contigs["dropped"]["not_productive"] == contigs["dropped"]["no_junction"] == 1
    assert contigs["dropped"]["cell_removed_by_quality_control"] == 80 - len(chains) > 0
    assert set(chains["cell_id"]) <= set(cells.obs_names)
    assert sum(qc["gate"]["evidence"].values()) == cells.n_obs
    pairing = {kind: n for kind, n in qc["receptors"]["cells"]["chain_pairing"].items() if n}
    assert pairing == cells.obs["chain_pairing"].value_counts().to_dict()
    for name in qc["distributions"]:
        assert sum(qc["distributions"][name]["counts"]) == 60
    levels = qc["receptors"]["genes"]["v"]
    named = sum(n for level, n in levels.items() if level not in {"renamed", "not_functional"})
    assert named == len(chains)


def test_the_account_tells_what_was_done(done):
    """Kind of values, barcode rule, proteins, warnings and provenance are all there."""
    qc = read_qc(done)
    assert qc["sample_id"] == "s1"
    assert qc["counts_kind"] == "counts"
    assert qc["receptors"]["clones"]["nucleotides"] > 0
    assert qc["receptors"]["clones"]["amino_acids"] == 0
    assert qc["receptors"]["barcodes"]["rule"] == "identity,identity"
    assert qc["proteins"]["n_antibodies"] == 5
    assert any("160 genes" in warning for warning in qc["warnings"])
    assert set(qc["tcellflow"]["inputs"]) == {"gex", "tcr"}
    assert qc["tcellflow"]["options"]["donor"] == "d1"
    assert "output" not in qc["tcellflow"]["options"]


def test_warnings_are_logged_and_written(inputs, tmp_path, caplog):
    """What the user should know is said at once and kept in the account, word for word."""
    preprocess(options(inputs, tmp_path, donor=None))
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == read_qc(tmp_path)["warnings"]
    assert any("genes" in line for line in said)


def test_progress_ends_at_the_number_of_cells(inputs, tmp_path):
    """Progress is told in cells of the input."""
    calls = []
    preprocess(options(inputs, tmp_path), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (60, 60)


# ------------------------------------------------------------------------------------- inputs


def test_every_matrix_format_gives_the_same_cells(inputs, done, tmp_path):
    """10x h5, mtx folder, h5ad and h5mu of one sample end in the same matrix, clones and proteins."""
    expected = ad.read_h5ad(done / "s1.cells.h5ad")
    for name, path in {
        "mtx": write_10x_mtx(tmp_path / "mtx", SAMPLE),
        "h5ad": write_h5ad(tmp_path / "a.h5ad", SAMPLE, counts_in="layers"),
        "h5mu": write_h5mu(tmp_path / "a.h5mu", SAMPLE),
    }.items():
        preprocess(options(inputs, tmp_path / name, gex=path))
        found = ad.read_h5ad(tmp_path / name / "s1.cells.h5ad")
        assert (found.X != expected.X).nnz == 0
        pd.testing.assert_frame_equal(found.obs[expected.obs.columns], expected.obs)
        pd.testing.assert_frame_equal(found.obsm["adt_clr"], expected.obsm["adt_clr"])
        assert (tmp_path / name / "s1.chains.parquet").exists()


def test_receptors_alone_give_chains_and_an_account(inputs, tmp_path):
    """Without expression there is no cells file, and every cell with a chain is classed."""
    files = preprocess(options(inputs, tmp_path, gex=None))
    assert [path.name for path in files] == ["s1.chains.parquet", "s1.qc.json"]
    qc = read_qc(tmp_path)
    assert qc["receptors"]["contigs"]["kept"] == 83
    assert sum(qc["receptors"]["cells"]["chain_pairing"].values()) == 42
    assert "cells" not in qc
    assert "barcodes" not in qc["receptors"]


def test_expression_alone_gives_cells_and_an_account(inputs, tmp_path):
    """Without receptors there is no chains file, and no cell has a receptor."""
    files = preprocess(options(inputs, tmp_path, tcr=()))
    assert [path.name for path in files] == ["s1.cells.h5ad", "s1.qc.json"]
    assert set(ad.read_h5ad(files[0]).obs["chain_pairing"]) == {"no IR"}
    assert "receptors" not in read_qc(tmp_path)


def test_its_own_output_can_be_read_again(inputs, done, tmp_path):
    """A cells file is a valid input and comes out the same."""
    preprocess(options(inputs, tmp_path, gex=done / "s1.cells.h5ad"))
    left, right = (ad.read_h5ad(f / "s1.cells.h5ad") for f in (done, tmp_path))
    assert (left.X != right.X).nnz == 0
    pd.testing.assert_frame_equal(left.obs, right.obs)
    pd.testing.assert_frame_equal(left.obsm["adt_clr"], right.obsm["adt_clr"])


def test_orphans_can_be_rescued(inputs, tmp_path):
    """With rescue a cell of one chain joins the paired clone that shares it."""
    pair = make_sample_contigs(SAMPLE.barcodes[:1])
    alone = pair.iloc[:1].assign(cell_id=SAMPLE.barcodes[1], sequence_id="z")
    tcr = write_table(tmp_path / "c.csv", as_10x(pd.concat([pair, alone])))
    for orphans, n_clones in (("strict", 2), ("rescue", 1)):
        preprocess(options(inputs, tmp_path / orphans, tcr=(tcr,), orphans=orphans))
        obs = ad.read_h5ad(tmp_path / orphans / "s1.cells.h5ad").obs
        assert obs["clone_id"].nunique() == n_clones


def test_an_empty_sample_gives_empty_files(tmp_path):
    """No cells and no contigs are valid: all files are there, with columns and without rows."""
    gex = write_10x_h5(tmp_path / "e.h5", SAMPLE.rows(np.zeros(60, dtype=bool)))
    tcr = write_table(tmp_path / "e.csv", as_10x(CONTIGS.iloc[:0]))
    preprocess(PreprocessOptions(output=tmp_path / "out", prefix="s1", gex=gex, tcr=(tcr,)))
    assert read_cells(tmp_path / "out" / "s1.cells.h5ad").n_obs == 0
    assert pq.read_table(tmp_path / "out" / "s1.chains.parquet").num_rows == 0
    assert "the receptor files hold no contigs" in read_qc(tmp_path / "out")["warnings"]


def test_files_without_t_cell_receptors_say_what_they_hold(inputs, tmp_path):
    """A B-cell file gives an empty table and a warning with the numbers, not a riddle."""
    bcr = CONTIGS.assign(locus="IGH", v_call="IGHV3-23", d_call="", j_call="IGHJ4", c_call="IGHM")
    bcr.loc[:1, "productive"] = False
    tcr = write_table(tmp_path / "b.csv", as_10x(bcr))
    preprocess(options(inputs, tmp_path, tcr=(tcr,)))
    assert pq.read_table(tmp_path / "s1.chains.parquet").num_rows == 0
    warning = next(w for w in read_qc(tmp_path)["warnings"] if "no T-cell receptor" in w)
    assert warning == (
        "no T-cell receptor chain is left of 85 contigs "
        "(82: it is an immunoglobulin chain; 3: the cell is not in the expression data)"
    )


# ------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"gex": None, "tcr": ()}, "--gex, --tcr"),
        ({"gex": None, "adt": "a.csv"}, "--adt"),
        ({"gex": None, "library_size_column": "n"}, "--library-size-column"),
        ({"gex": None, "t_cells_only": True}, "--t-cells-only"),
        ({"donor": " "}, "--donor"),
        ({"min_genes": -1}, "--min-genes"),
        ({"min_counts": -1}, "--min-counts"),
        ({"max_pct_mt": 101.0}, "--max-pct-mt"),
        ({"species": "yeast"}, "--species"),
        ({"barcode_rule": "nonsense"}, "--barcode-rule"),
        ({"prefix": "a/b"}, "--prefix"),
    ],
)
def test_contradicting_options_are_refused_by_name(inputs, tmp_path, changes, where):
    """An option that cannot work is named, and nothing is written."""
    with pytest.raises(OptionsError) as caught:
        preprocess(options(inputs, tmp_path / "out", **changes))
    assert caught.value.where == where
    assert caught.value.mend
    assert not (tmp_path / "out").exists()


def test_an_existing_output_is_told_before_any_work(inputs, tmp_path):
    """An output that exists is refused before the inputs are opened, and kept."""
    (tmp_path / "s1.qc.json").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        preprocess(options(inputs, tmp_path, gex=tmp_path / "not there.h5"))
    assert contents(tmp_path) == {"s1.qc.json": b"mine"}


def test_force_replaces_and_a_failing_run_keeps(inputs, done, tmp_path):
    """--force replaces finished outputs, but a run that fails leaves the old ones whole."""
    for name, content in contents(done).items():
        (tmp_path / name).write_bytes(content[:-1])
    before = contents(tmp_path)
    with pytest.raises(InputError):
        preprocess(options(inputs, tmp_path, min_genes=10_000, force=True))
    assert contents(tmp_path) == before
    preprocess(options(inputs, tmp_path, force=True))
    assert contents(tmp_path) == contents(done)


@pytest.mark.parametrize(
    "changes", [{"min_genes": 10_000}, {"adt": "c.csv"}, {"gex": "c.csv"}, {"tcr": ("m.h5",)}]
)
def test_a_failing_run_leaves_nothing(inputs, tmp_path, changes):
    """Whatever step fails, no file and no folder stays behind."""
    filled = {
        name: tuple(inputs / v for v in value)
        if isinstance(value, tuple)
        else inputs / value
        if isinstance(value, str)
        else value
        for name, value in changes.items()
    }
    with pytest.raises((InputError, OptionsError)):
        preprocess(options(inputs, tmp_path / "a" / "out", **filled))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("tell_all", "n_lines"), [(False, 5), (True, 7)])
def test_most_warnings_are_left_to_the_account(tmp_path, monkeypatch, caplog, tell_all, n_lines):
    """A terminal gets five lines, the last of which names the account; who sees no account gets all."""
    monkeypatch.setattr("tcellflow.steps.preprocess.order_warnings", lambda _: [f"w{i}" for i in range(7)])
    path = write_10x_h5(tmp_path / "a.h5", SAMPLE)
    preprocess(PreprocessOptions(output=tmp_path, prefix="s", gex=path, min_genes=1), tell_all=tell_all)
    told = [r.getMessage() for r in caplog.records if r.name == "tcellflow.steps.preprocess"]
    assert len(told) == n_lines
    assert told[-1] == ("w6" if tell_all else "3 more warnings are in s.qc.json")
