"""Cells on their way through screening into the cells file."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from contig_files import as_10x, make_sample_contigs, write_table
from factories import (
    ANTIBODIES,
    InBlocks,
    log_normalised,
    make_anndata,
    make_counts,
    write_10x_h5,
    write_h5ad,
)
from tcellflow.cells.quality import QcThresholds
from tcellflow.errors import InputError, OptionsError
from tcellflow.ingest.cell_flow import CellFlow
from tcellflow.ingest.inputs import SampleInputs, open_sample
from tcellflow.ingest.screening import Screening
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.h5ad.cells_writer import write_cells
from tcellflow.provenance import StepNote

SAMPLE = make_counts(50, 120)
LENIENT = QcThresholds(min_genes=1, min_counts=0, max_pct_mt=None)
# about half of the cells pass
STRICT = QcThresholds(int(np.median(np.diff(SAMPLE.counts.indptr))), min_counts=100, max_pct_mt=30.0)


def run(path, out, *, tcr=None, thresholds=LENIENT, donor=None, n_rows=1024, **options):
    """Send a matrix through; give the flow and the cells file as AnnData."""
    inputs = open_sample(path, [] if tcr is None else [tcr], None, sample_id="s1", donor=donor)
    expression = inputs.expression
    inputs = replace(inputs, expression=replace(expression, source=InBlocks(expression.source, n_rows)))
    genes = expression.genes
    var = pd.DataFrame({"gene_ids": genes.ensembl_ids, "gene_name_raw": genes.raw_names}, index=genes.symbols)
    flow, calls = CellFlow(inputs, Screening(thresholds, **options)), []
    with write_cells(out, var) as writer:
        flow.run(writer, lambda done, total: calls.append((done, total)))
        chains = None if inputs.chains is None else inputs.chains.of_cells(flow.kept_cells())
        flow.finish(writer, StepNote("preprocess"), chains=chains, sample_id="s1", donor=donor)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    read_cells(out)
    return flow, ad.read_h5ad(out)


@pytest.fixture(scope="module")
def contigs(tmp_path_factory):
    """Contigs of the first thirty cells."""
    path = tmp_path_factory.mktemp("contigs") / "c.csv"
    return write_table(path, as_10x(make_sample_contigs(SAMPLE.barcodes[:30])))


def test_kept_cells_are_written_with_their_counts(tmp_path):
    """Counts, normalised values and names of the kept cells are in the file, in input order."""
    flow, cells = run(write_10x_h5(tmp_path / "a.h5", SAMPLE), tmp_path / "c.h5ad", thresholds=STRICT)
    kept = np.isin(SAMPLE.barcodes, cells.obs_names)
    assert 0 < kept.sum() < 50
    assert list(flow.kept_cells()) == list(cells.obs_names) == SAMPLE.barcodes[kept].tolist()
    assert (cells.layers["counts"] != SAMPLE.counts[kept]).nnz == 0
    assert abs(cells.X - log_normalised(SAMPLE.counts[kept])).max() < 1e-5
    assert cells.obs["total_counts"].tolist() == SAMPLE.counts[kept].sum(axis=1).ravel().tolist()[0]
    assert set(cells.obs["sample_id"]) == set(cells.obs["donor"]) == {"s1"}
    assert flow.account()["cells"]["kept"] == kept.sum()


@pytest.mark.parametrize("n_rows", [1, 7])
@pytest.mark.parametrize("counts_in", ["X", "nowhere"])
def test_the_height_of_blocks_changes_no_byte(tmp_path, contigs, n_rows, counts_in):
    """Blocks of any height give the same file and account, for counts and for logarithms."""
    path = write_h5ad(tmp_path / "a.h5ad", SAMPLE, counts_in=counts_in)
    options = {"tcr": contigs, "thresholds": QcThresholds(min_genes=30, min_counts=0, max_pct_mt=None)}
    whole, _ = run(path, tmp_path / "whole.h5ad", **options)
    parts, _ = run(path, tmp_path / "parts.h5ad", n_rows=n_rows, **options)
    assert (tmp_path / "whole.h5ad").read_bytes() == (tmp_path / "parts.h5ad").read_bytes()
    assert whole.account() == parts.account()
    assert whole.warnings == parts.warnings


def test_logarithms_are_written_as_they_were(tmp_path):
    """Log-normalised input has no counts, its values stay, and the kind is told."""
    path = write_h5ad(tmp_path / "a.h5ad", SAMPLE, counts_in="nowhere")
    flow, cells = run(path, tmp_path / "c.h5ad")
    assert "counts" not in cells.layers
    assert abs(cells.X - log_normalised(SAMPLE.counts)).max() == 0
    assert flow.account()["counts_kind"] == cells.uns["tcellflow"]["counts_kind"] == "log1p_cp10k"
    assert "give the raw counts" in flow.warnings[-1]


def test_receptors_class_the_cells_and_make_clones(tmp_path, contigs):
    """Cells with chains are pairs of a clone, the others have no receptor."""
    _, cells = run(write_10x_h5(tmp_path / "a.h5", SAMPLE), tmp_path / "c.h5ad", tcr=contigs)
    obs = cells.obs
    assert obs["chain_pairing"].tolist() == ["single pair"] * 30 + ["no IR"] * 20
    assert obs["clone_size"].tolist() == [1] * 30 + [0] * 20
    assert obs["clone_id"].isna().tolist() == [False] * 30 + [True] * 20
    assert not obs["has_tra"][30:].any()


def test_clones_count_the_kept_cells_alone(tmp_path):
    """A clone loses the cells that quality control removes."""
    same = make_sample_contigs(SAMPLE.barcodes[:1])
    rows = pd.concat([same.assign(cell_id=c, sequence_id=same["sequence_id"] + c) for c in SAMPLE.barcodes])
    tcr = write_table(tmp_path / "c.csv", as_10x(rows))
    _, cells = run(write_10x_h5(tmp_path / "a.h5", SAMPLE), tmp_path / "c.h5ad", tcr=tcr, thresholds=STRICT)
    assert 0 < cells.n_obs < 50
    assert len(set(cells.obs["clone_id"])) == 1
    assert set(cells.obs["clone_size"]) == {cells.n_obs}


def test_the_users_columns_survive(tmp_path, caplog):
    """All columns come through with their types; those that are written anew are named."""
    obs = pd.DataFrame(
        {
            "age": np.linspace(20, 69, 50),
            "group": pd.Categorical(["u", "v"] * 25, categories=["v", "w", "u"], ordered=True),
            "flag": pd.array([True, None] * 25, dtype="boolean"),
            "n": pd.array([1, None] * 25, dtype="Int64"),
            "text": ["é", None] * 25,
            "clone_id": "theirs",
            "sample_id": "s1",
        }
    )
    with caplog.at_level("INFO", logger="tcellflow"):
        _, cells = run(write_h5ad(tmp_path / "a.h5ad", SAMPLE, obs=obs), tmp_path / "c.h5ad", n_rows=20)
    found = cells.obs.reset_index(drop=True)
    pd.testing.assert_frame_equal(found[["age", "group", "flag", "n"]], obs[["age", "group", "flag", "n"]])
    assert found["text"].isna().tolist() == [False, True] * 25
    assert set(found["text"].dropna()) == {"é"}
    assert found["clone_id"].isna().all()
    # sample_id was the same before, so that it needs no word
    assert "writes anew: clone_id" in caplog.text


def test_donors_of_the_file_stay(tmp_path):
    """The donor column is taken cell by cell, and --donor overrules it."""
    donors = np.where(np.arange(50) % 2 == 0, "d1", "d2")
    path = write_h5ad(tmp_path / "a.h5ad", SAMPLE, obs=pd.DataFrame({"donor": donors}))
    _, cells = run(path, tmp_path / "c.h5ad", thresholds=STRICT)
    of_cell = dict(zip(SAMPLE.barcodes, donors, strict=True))
    assert cells.obs["donor"].tolist() == [of_cell[name] for name in cells.obs_names]
    _, cells = run(path, tmp_path / "d.h5ad", donor="d9")
    assert set(cells.obs["donor"]) == {"d9"}


def test_library_sizes_scale_x_and_nothing_else(tmp_path):
    """With true library sizes X sums to less than 10,000, counts stay, and cells without one go."""
    totals = np.asarray(SAMPLE.counts.sum(axis=1)).ravel() * 4.0
    totals[5] = np.nan
    path = write_h5ad(tmp_path / "a.h5ad", SAMPLE, obs=pd.DataFrame({"size": totals}))
    flow, cells = run(path, tmp_path / "c.h5ad", library_size_column="size")
    kept = np.arange(50) != 5
    assert (cells.layers["counts"] != SAMPLE.counts[kept]).nnz == 0
    np.testing.assert_allclose(np.expm1(cells.X.toarray()).sum(axis=1), 2500, rtol=1e-4)
    assert flow.account()["cells"]["removed"]["no_library_size"] == 1
    assert flow.account()["matrix"]["library_size"] == "size"
    assert not any("inflated" in warning for warning in flow.warnings)


def test_library_sizes_do_not_fit_logarithms(tmp_path):
    """Normalised values cannot be scaled again: the option is refused, not ignored."""
    path = write_h5ad(
        tmp_path / "a.h5ad", SAMPLE, counts_in="nowhere", obs=pd.DataFrame({"size": np.full(50, 1e4)})
    )
    with pytest.raises(OptionsError, match="log-normalised") as caught:
        run(path, tmp_path / "c.h5ad", library_size_column="size")
    assert caught.value.where == "--library-size-column"


def test_small_matrices_are_warned_of(tmp_path):
    """A selection of genes is told, for X would be inflated."""
    flow, _ = run(write_10x_h5(tmp_path / "a.h5", SAMPLE), tmp_path / "c.h5ad")
    assert "the matrix has 120 genes: if they were selected from more, X is inflated" in flow.warnings[-1]
    assert "--library-size-column" in flow.warnings[-1]


def test_proteins_come_along(tmp_path):
    """Antibodies among the features become tables of the kept cells, with their panel in uns."""
    sample = make_counts(50, 120, antibodies=ANTIBODIES)
    flow, cells = run(
        write_10x_h5(tmp_path / "a.h5", sample), tmp_path / "c.h5ad", thresholds=STRICT, n_rows=8
    )
    kept = np.isin(sample.barcodes, cells.obs_names)
    assert np.array_equal(cells.obsm["adt_counts"].to_numpy(), sample.antibody_counts[kept])
    assert cells.obs["has_adt"].all()
    assert cells.uns["tcellflow"]["antibodies"].loc["CD3", "name_raw"] == "CD3_TotalSeqC"
    assert flow.account()["proteins"]["n_antibodies"] == 5


@pytest.mark.parametrize("n_genes", [120, 0])
@pytest.mark.parametrize("antibodies", [(), ANTIBODIES])
def test_no_cells_give_an_empty_file_of_the_same_types(tmp_path, n_genes, antibodies):
    """A matrix without cells gives every column with its type, and an account of zeros."""
    sample = make_counts(50, 120, antibodies=antibodies)
    empty = make_counts(0, n_genes, antibodies=antibodies if n_genes else ())
    flow, cells = run(write_10x_h5(tmp_path / "e.h5", empty), tmp_path / "e.h5ad")
    _, full = run(write_10x_h5(tmp_path / "f.h5", sample), tmp_path / "f.h5ad")
    assert cells.shape == (0, n_genes)
    expected = full.obs.dtypes.drop("has_adt") if antibodies and not n_genes else full.obs.dtypes
    assert cells.obs.dtypes.map(lambda t: t.name).to_dict() == expected.map(lambda t: t.name).to_dict()
    assert flow.account()["cells"]["input"] == flow.account()["cells"]["kept"] == 0
    if n_genes:
        assert list(cells.obsm) == list(full.obsm)


def test_nothing_left_is_an_error_with_reasons(tmp_path):
    """A sample of which no cell passes is refused, with the thresholds by name."""
    with pytest.raises(InputError, match="none of the 50 cells passed") as caught:
        run(
            write_10x_h5(tmp_path / "a.h5", SAMPLE),
            tmp_path / "c.h5ad",
            thresholds=QcThresholds(1000, 0, None),
        )
    assert "--min-genes" in caught.value.what


def test_a_flow_needs_expression():
    """Receptors alone have no flow of cells."""
    with pytest.raises(ValueError, match="expression"):
        CellFlow(SampleInputs(None, None, None), Screening(LENIENT))


def test_a_heavy_loss_is_warned_of(tmp_path):
    """When quality control removes more than a fifth of the cells, the user is told."""
    path = write_10x_h5(tmp_path / "a.h5", SAMPLE)
    strict, _ = run(path, tmp_path / "c.h5ad", thresholds=STRICT)
    lenient, _ = run(path, tmp_path / "d.h5ad", thresholds=LENIENT)
    assert any("quality control removed" in sentence for sentence in strict.warnings)
    assert not any("quality control removed" in sentence for sentence in lenient.warnings)


def test_cells_of_several_donors_are_flagged_as_doublets(tmp_path):
    """What a demultiplexing tool calls a doublet is one, beside the signs that the cell itself shows."""
    obs = pd.DataFrame({"donor_id": ["doublet"] * 5 + ["d1"] * 45}, index=range(50))
    flow, cells = run(write_h5ad(tmp_path / "a.h5ad", SAMPLE, obs=obs), tmp_path / "c.h5ad", n_rows=7)
    assert cells.obs["doublet_suspect"].iloc[:5].all()
    assert cells.obs["doublet_evidence"].str.contains("several_donors").sum() == 5
    assert flow.account()["gate"]["doublet_signs"]["several_donors"] == 5


def test_a_sample_without_t_cells_is_told(tmp_path):
    """Right numbers of the wrong sample are a warning where people look."""
    others = SAMPLE.rows(np.flatnonzero(SAMPLE.classes == "monocyte"))
    flow, _ = run(write_10x_h5(tmp_path / "a.h5", others), tmp_path / "c.h5ad")
    assert any(text.startswith("none of the") and "are T cells" in text for text in flow.warnings)
    flow, _ = run(write_10x_h5(tmp_path / "b.h5", SAMPLE), tmp_path / "d.h5ad")
    assert not any("are T cells" in text for text in flow.warnings)


def test_counts_with_fractions_are_used_and_told(tmp_path):
    """Corrected counts are normalised as they are; no rounded counts are written, and the account says so."""
    adata = make_anndata(SAMPLE)
    adata.X = adata.X.astype(np.float64)
    adata.X.data[::3] += 0.25
    adata.write_h5ad(tmp_path / "a.h5ad")
    flow, cells = run(tmp_path / "a.h5ad", tmp_path / "c.h5ad")
    assert flow.account()["counts_kind"] == cells.uns["tcellflow"]["counts_kind"] == "corrected_counts"
    assert "counts" not in cells.layers
    assert abs(cells.X - log_normalised(adata.X)).max() < 1e-6
    assert any("counts with fractions" in text for text in flow.warnings)


def test_matrices_passed_over_are_in_the_account(tmp_path):
    """The account names what else the file held."""
    flow, _ = run(write_h5ad(tmp_path / "a.h5ad", SAMPLE, counts_in="layers"), tmp_path / "c.h5ad")
    assert flow.account()["matrix"]["passed_over"] == [
        {"place": "X", "n_features": 120, "holds": "log1p of counts per 10,000"}
    ]
