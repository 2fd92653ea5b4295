"""A sample's inputs: one set of cell names, and a donor for every cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from contig_files import as_10x, as_airr, make_sample_contigs, write_table
from factories import ANTIBODIES, make_anndata, make_barcodes, make_counts, write_10x_h5, write_h5ad
from tcellflow.errors import InputError, OptionsError
from tcellflow.ingest.barcode_matching import Matching
from tcellflow.ingest.inputs import open_sample

SAMPLE = make_counts(40, 120)
CONTIGS = make_sample_contigs(SAMPLE.barcodes[:30])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Give a folder with the matrix, its contigs and one file per chain."""
    folder = tmp_path_factory.mktemp("sample")
    write_10x_h5(folder / "m.h5", SAMPLE)
    write_table(folder / "both.csv", as_10x(CONTIGS))
    write_table(folder / "tra.csv", as_10x(CONTIGS[CONTIGS["locus"] == "TRA"]))
    write_table(folder / "trb.tsv", as_airr(CONTIGS[CONTIGS["locus"] == "TRB"]), delimiter="\t")
    return folder


def with_obs(path, **columns):
    """Write the sample with some columns about its cells."""
    return write_h5ad(path, SAMPLE, obs=pd.DataFrame(columns, index=range(40)))


def with_donors(path, donors):
    """Write contigs with the donor column of Cell Ranger multi."""
    return write_table(path, as_10x(CONTIGS).assign(donor=CONTIGS["cell_id"].map(donors)))


def test_expression_and_receptors_are_opened_together(files):
    """Genes have their symbols, and chains the cell names of the matrix."""
    found = open_sample(files / "m.h5", [files / "both.csv"], None, sample_id="s1")
    assert found.expression.genes.symbols.tolist() == SAMPLE.gene_names.tolist()
    assert set(found.chains.chains["cell_id"]) == set(SAMPLE.barcodes[:30])
    assert found.receptor_match.as_dict()["n_shared"] == 30
    assert found.proteins is None
    assert found.donors is None
    assert found.warnings == ()  # one sample is one donor, unless something says otherwise


def test_genes_are_taken_without_antibodies(tmp_path):
    """Antibodies among the features are no genes."""
    sample = make_counts(10, 90, antibodies=ANTIBODIES)
    found = open_sample(write_10x_h5(tmp_path / "a.h5", sample), [], None, sample_id="s1")
    block = next(iter(found.expression.source.blocks()))
    assert (found.expression.take_genes(block) != sample.counts).nnz == 0
    assert found.proteins.names == ANTIBODIES


def test_receptors_alone_keep_their_names(files):
    """Without a matrix the receptor file's names stay, and nothing is matched."""
    found = open_sample(None, [files / "both.csv"], None, sample_id="s1")
    assert found.chains.chains["cell_id"].nunique() == 30
    assert (found.expression, found.receptor_match, found.donors) == (None, None, None)


@pytest.mark.parametrize("gex", [True, False])
def test_several_receptor_files_are_one_receptor_set(files, gex):
    """A file per chain gives the same chains as one file of all."""
    matrix = files / "m.h5" if gex else None
    apart = open_sample(matrix, [files / "tra.csv", files / "trb.tsv"], None, sample_id="s1")
    whole = open_sample(matrix, [files / "both.csv"], None, sample_id="s1")
    order, columns = ["cell_id", "locus"], ["cell_id", "locus", "junction_aa", "rank", "emb_id"]
    tables = [x.chains.chains[columns].sort_values(order, ignore_index=True) for x in (apart, whole)]
    pd.testing.assert_frame_equal(*tables)
    assert apart.chains.layout == "10x contig table + AIRR rearrangement table"


def test_each_receptor_file_is_matched_by_itself(files, tmp_path):
    """Two files that spell the cells differently both find them."""
    bare = CONTIGS[CONTIGS["locus"] == "TRB"].assign(cell_id=lambda t: t["cell_id"].str.removesuffix("-1"))
    other = write_table(tmp_path / "trb.csv", as_10x(bare))
    found = open_sample(files / "m.h5", [files / "tra.csv", other], None, sample_id="s1")
    assert found.chains.chains.groupby("cell_id")["locus"].nunique().eq(2).all()
    account = found.receptor_match.as_dict()
    assert account["rule"] == "identity,identity; drop-number,identity"
    assert (account["n_right"], account["n_shared"]) == (30, 30)


def test_a_receptor_file_of_another_sample_is_refused_by_name(files, tmp_path):
    """One file of another sample is refused, though the other belongs."""
    strange = make_sample_contigs(make_counts(30, 10, seed=9).barcodes)
    other = write_table(tmp_path / "other.csv", as_10x(strange))
    with pytest.raises(InputError) as caught:
        open_sample(files / "m.h5", [files / "both.csv", other], None, sample_id="s1")
    assert caught.value.where == str(other)
    both = open_sample(
        files / "m.h5",
        [files / "both.csv", other],
        None,
        sample_id="s1",
        matching=Matching(allow_low_overlap=True),
    )
    assert any(warning.startswith("other.csv: 0 of 40 cells") for warning in both.warnings)


# ------------------------------------------------------------------------------------- donors


@pytest.mark.parametrize("column", ["donor", "donor_id"])
def test_the_expression_file_names_the_donors(files, tmp_path, column):
    """A donor column about the cells is taken, and its chains follow."""
    names = np.where(np.arange(40) % 2 == 0, "d1", "d2")
    path = with_obs(tmp_path / "a.h5ad", **{column: names})
    found = open_sample(path, [files / "both.csv"], None, sample_id="s1")
    assert found.donors.tolist() == names.tolist()
    chains = found.chains.chains
    of_cell = dict(zip(SAMPLE.barcodes, names, strict=True))
    assert chains["donor"].tolist() == [of_cell[cell] for cell in chains["cell_id"]]
    assert found.warnings == ()


def test_the_option_overrules_all_files(tmp_path):
    """With --donor every chain is that donor's, whatever the files say."""
    path = with_obs(tmp_path / "a.h5ad", donor=["d1"] * 40)
    contigs = with_donors(tmp_path / "c.csv", dict.fromkeys(SAMPLE.barcodes, "d2"))
    found = open_sample(path, [contigs], None, sample_id="s1", donor="d3")
    assert found.donors is None
    assert set(found.chains.chains["donor"]) == {"d3"}


@pytest.mark.parametrize("gap", [None, "", " "])
def test_cells_without_donor_fall_to_the_sample_aloud(files, tmp_path, gap):
    """Gaps in the donor column are told; the other cells keep their donor."""
    path = with_obs(tmp_path / "a.h5ad", donor=[gap, *["d1"] * 39])
    found = open_sample(path, [files / "both.csv"], None, sample_id="s1")
    assert found.donors.tolist() == ["s1", *["d1"] * 39]
    assert found.warnings == ("1 of 40 cells have no donor in 'donor': they count as donor 's1'",)


def test_a_donor_column_of_gaps_is_none(tmp_path):
    """A donor column without any value is as good as none."""
    path = with_obs(tmp_path / "a.h5ad", donor=pd.Categorical([None] * 40, categories=["d1"]))
    assert open_sample(path, [], None, sample_id="s1").donors is None


def test_one_donor_of_the_receptor_file_is_the_donor_of_all_cells(files, tmp_path):
    """A receptor file that names one donor names that of cells without receptors too."""
    contigs = with_donors(tmp_path / "c.csv", dict.fromkeys(SAMPLE.barcodes, "donor1"))
    found = open_sample(files / "m.h5", [contigs], None, sample_id="s1")
    assert set(found.donors) == set(found.chains.chains["donor"]) == {"donor1"}
    assert found.warnings == ()


def test_several_donors_of_the_receptor_file_leave_cells_without_receptors_unknown(files, tmp_path):
    """Cells follow the donor of their receptor; those without any count as the sample's, aloud."""
    names = {cell: f"donor{i % 2}" for i, cell in enumerate(SAMPLE.barcodes)}
    found = open_sample(files / "m.h5", [with_donors(tmp_path / "c.csv", names)], None, sample_id="s1")
    assert found.donors.tolist() == [*list(names.values())[:30], *["s1"] * 10]
    assert "names 2 donors, but not those of 10 cells without receptors" in found.warnings[0]


def test_a_cell_of_two_donors_is_refused(files, tmp_path):
    """A cell whose chains belong to different donors is an error that names it."""
    contigs = as_10x(CONTIGS).assign(donor=np.where(np.arange(60) == 1, "d2", "d1"))
    with pytest.raises(InputError) as caught:
        open_sample(files / "m.h5", [write_table(tmp_path / "c.csv", contigs)], None, sample_id="s1")
    assert caught.value.what == (
        f"cells have chains of several donors (1; first: cell {SAMPLE.barcodes[0]}, donors d1, d2)"
    )


# ------------------------------------------------------------------------------------- refusals


def test_a_matrix_of_antibodies_alone_is_refused(tmp_path):
    """A file with nothing but antibodies is no expression, and the mend says where it belongs."""
    sample = make_counts(10, 0, antibodies=ANTIBODIES)
    with pytest.raises(InputError, match="no gene expression, only 5 antibodies") as caught:
        open_sample(write_10x_h5(tmp_path / "a.h5", sample), [], None, sample_id="s1")
    assert "--adt" in caught.value.mend


def test_cells_without_genes_are_refused(tmp_path):
    """A matrix with cells but without a gene is no expression."""
    with pytest.raises(InputError, match="10 cells but no genes"):
        open_sample(write_10x_h5(tmp_path / "a.h5", make_counts(10, 0)), [], None, sample_id="s1")


def test_rules_and_species_are_options(files):
    """An unknown rule or species is an error of the options."""
    with pytest.raises(OptionsError, match="barcode rule"):
        open_sample(
            files / "m.h5", [files / "both.csv"], None, sample_id="s", matching=Matching("identity,nothing")
        )
    with pytest.raises(OptionsError, match="species"):
        open_sample(None, [files / "both.csv"], None, sample_id="s", species="yeast")


def test_doublets_and_unassigned_cells_are_no_donors(files, tmp_path):
    """Words of demultiplexing tools are counted aloud, their cells fall to the sample."""
    words = ["doublet", "unassigned", "Negative", *["d1"] * 20, *["d2"] * 17]
    found = open_sample(with_obs(tmp_path / "a.h5ad", donor_id=words), [], None, sample_id="s1")
    assert found.donors.tolist() == ["s1"] * 3 + words[3:]
    assert found.doublets.tolist() == [True] + [False] * 39
    assert "3 of 40 cells have no donor in 'donor_id' (1 doublet, 1 unassigned, 1" in found.warnings[0]
    alone = open_sample(with_obs(tmp_path / "b.h5ad", donor=["doublet"] * 40), [], None, sample_id="s1")
    assert alone.donors is None
    assert alone.doublets.all()
    named = open_sample(tmp_path / "a.h5ad", [], None, sample_id="s1", donor="d3")
    assert (named.donors, named.doublets.sum()) == (None, 1)


def test_words_of_doublets_in_receptor_files_are_no_donors(files, tmp_path):
    """Cell Ranger's donor column is held to the same words."""
    contigs = with_donors(tmp_path / "c.csv", dict.fromkeys(SAMPLE.barcodes, "Unassigned"))
    assert open_sample(files / "m.h5", [contigs], None, sample_id="s1").donors is None


def test_doublets_of_receptor_files_are_flagged(files, tmp_path):
    """Where the receptor file calls cells doublets they are, and alone they have no clones of their own."""
    words = dict.fromkeys(SAMPLE.barcodes, "d1") | dict.fromkeys(SAMPLE.barcodes[:3], "Multiplet")
    contigs = with_donors(tmp_path / "c.csv", words)
    found = open_sample(files / "m.h5", [contigs], None, sample_id="s1")
    is_named = np.isin(SAMPLE.barcodes[:3], found.chains.chains["cell_id"])
    assert found.doublets[:3].tolist() == is_named.tolist()
    assert found.doublets.sum() == is_named.sum() > 0
    assert set(found.donors) == {"d1"}
    alone = open_sample(None, [contigs], None, sample_id="s1")
    assert set(alone.chains.chains["donor"]) == {"d1", "s1"}


@pytest.mark.parametrize(
    ("n_unknown", "n_genes", "is_refused"),
    [(20, 39, True), (20, 40, False), (19, 19, False), (60, 120, False)],
)
def test_the_borders_of_unknown_genes(tmp_path, n_unknown, n_genes, is_refused):
    """More than half must be unknown, and at least 20 of them: less is a small panel, or a mixed one."""
    names = SAMPLE.gene_names[:n_genes].copy()
    ids = SAMPLE.gene_ids[:n_genes].copy()
    names[n_genes - n_unknown :] = [f"nonsense{number}" for number in range(n_unknown)]
    ids[n_genes - n_unknown :] = "x"
    part = replace(SAMPLE, counts=SAMPLE.counts[:, :n_genes], gene_names=names, gene_ids=ids)
    path = write_10x_h5(tmp_path / "a.h5", part)
    if is_refused:
        with pytest.raises(InputError, match=f"{n_unknown} of {n_genes} gene names are unknown"):
            open_sample(path, [], None, sample_id="s1")
    else:
        assert open_sample(path, [], None, sample_id="s1").expression.genes.report.unknown.count == n_unknown


@pytest.mark.parametrize(
    ("form", "cause"),
    [
        ("{}", "row numbers or Entrez"),
        ("ENST0000{:07}", "transcripts"),
        ("ENSMUSG0000{:07}x", "another species"),
        ("NM_{:06}.1", "RefSeq"),
        ("{:05}_at", "probes of an array"),
        ("chr1:{}-200", "peaks"),
        ("nonsense{}", "unknown"),
    ],
)
def test_matrices_without_known_genes_are_refused(tmp_path, form, cause):
    """Below half of known names no marker means anything: three are shown, with the likely cause."""
    names = np.array([form.format(number + 1000) for number in range(120)], dtype=object)
    unnamed = replace(SAMPLE, gene_names=names, gene_ids=np.full(120, "x", dtype=object))
    with pytest.raises(InputError, match="120 of 120 gene names are unknown") as caught:
        open_sample(write_10x_h5(tmp_path / "a.h5", unnamed), [], None, sample_id="s1")
    assert cause in caught.value.what
    assert str(names[2]) in caught.value.what
    assert "Ensembl ids" in caught.value.mend


def test_receptors_inside_the_expression_file_are_told(tmp_path):
    """Chains in the file of --gex are read where it is given as --tcr, and named where it is not."""
    ak = pytest.importorskip("awkward")
    adata = make_anndata(SAMPLE)
    adata.obsm["airr"] = ak.Array([[{"locus": "TRA"}]] * 40)
    adata.write_h5ad(tmp_path / "a.h5ad")
    found = open_sample(tmp_path / "a.h5ad", [], None, sample_id="s1")
    assert "holds receptors too (obsm['airr'])" in found.warnings[0]


def test_the_layer_is_passed_on(tmp_path):
    """A named matrix is read; without a name the wider one is, and a line says so."""
    adata = make_anndata(SAMPLE, counts_in="raw")[:, :90].copy()
    adata.write_h5ad(tmp_path / "a.h5ad")
    found = open_sample(tmp_path / "a.h5ad", [], None, sample_id="s1")
    assert found.warnings[0].startswith("raw/X (120 features, counts) is read; passed over: X (90 features")
    named = open_sample(tmp_path / "a.h5ad", [], None, sample_id="s1", layer="X")
    assert (named.expression.source.slot, named.warnings) == ("X", ())


def test_mostly_foreign_receptors_are_told(files, tmp_path):
    """Receptors of many more cells than the matrix has look like those of another sample."""
    others = make_sample_contigs(make_barcodes(70, seed=9))
    table = write_table(tmp_path / "c.csv", pd.concat([as_10x(CONTIGS), as_10x(others)]))
    found = open_sample(files / "m.h5", [table], None, sample_id="s1")
    assert found.warnings == ("c.csv: 70 of 100 cells are not in the expression data",)
