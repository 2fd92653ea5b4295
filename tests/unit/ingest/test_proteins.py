"""Antibody counts are found wherever they are, and gene expression is never taken for them."""

from __future__ import annotations

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from factories import (
    ANTIBODIES,
    make_barcodes,
    make_counts,
    write_10x_h5,
    write_10x_mtx,
    write_h5ad,
    write_h5mu,
)
from tcellflow.errors import InputError, OptionsError
from tcellflow.ingest.barcode_matching import Matching
from tcellflow.ingest.proteins import open_proteins
from tcellflow.io.matrices.opening import open_matrix
from tcellflow.io.matrices.source import split_features

SAMPLE = make_counts(30, 80, antibodies=ANTIBODIES)
BARE = make_counts(30, 80)
TABLE = pd.DataFrame(SAMPLE.antibody_counts, index=SAMPLE.barcodes, columns=list(ANTIBODIES))


@pytest.fixture
def gex(tmp_path):
    """Give a matrix without antibodies."""
    return write_10x_h5(tmp_path / "gex.h5", BARE)


def find(gex, adt=None):
    """Find the antibody counts of a sample."""
    source = open_matrix(gex)
    return open_proteins(source, split_features(source), adt, Matching())


def write_protein_h5ad(path, counts=SAMPLE.antibody_counts, **columns):
    """Write the antibody counts as an h5ad file of their own."""
    var = pd.DataFrame(columns, index=list(ANTIBODIES))
    ad.AnnData(
        sp.csr_matrix(counts), obs=pd.DataFrame(index=SAMPLE.barcodes.astype(str)), var=var
    ).write_h5ad(path)
    return path


WRITERS = {
    "csv": lambda folder: TABLE.to_csv(folder / "adt.csv") or folder / "adt.csv",
    "transposed tsv": lambda folder: TABLE.T.to_csv(folder / "adt.tsv", sep="\t") or folder / "adt.tsv",
    "parquet": lambda folder: TABLE.to_parquet(folder / "adt.parquet") or folder / "adt.parquet",
    "10x h5 of both": lambda folder: write_10x_h5(folder / "both.h5", SAMPLE),
    "10x h5 of antibodies": lambda folder: write_10x_h5(
        folder / "adt.h5", make_counts(30, 0, antibodies=ANTIBODIES)
    ),
    "mtx folder": lambda folder: write_10x_mtx(folder / "mtx", SAMPLE),
    "h5ad": lambda folder: write_protein_h5ad(folder / "adt.h5ad"),
}


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_beside_the_matrix_gives_the_same_counts(gex, tmp_path, layout):
    """Tables, matrices of antibodies and matrices of both are read alike."""
    adt = WRITERS[layout](tmp_path)
    found = find(gex, adt)
    assert found.names == ANTIBODIES
    assert found.counts.dtype == np.int32
    if layout != "10x h5 of antibodies":  # drawn anew
        assert np.array_equal(found.counts.toarray(), SAMPLE.antibody_counts)
    assert found.has_adt.all()
    assert (found.path, found.place) == (adt, adt.name)
    assert found.barcodes.n_shared == 30


def test_counts_inside_the_matrix_come_by_the_block(tmp_path):
    """Antibodies among the features are named, and their counts are left in the matrix."""
    path = write_10x_h5(tmp_path / "a.h5", SAMPLE)
    for adt in (None, path):
        found = find(path, adt)
        assert (found.names, found.counts, found.barcodes) == (ANTIBODIES, None, None)
        assert found.place == "features of 10x h5 v3"
        assert found.has_adt.all()


@pytest.mark.parametrize("writer", [write_h5ad, write_h5mu])
def test_counts_beside_x_are_found(tmp_path, writer):
    """obsm and a protein modality are read without being asked for."""
    found = find(writer(tmp_path / "a.h5ad", SAMPLE))
    assert found.names == ANTIBODIES
    assert np.array_equal(found.counts.toarray(), SAMPLE.antibody_counts)


def test_no_antibodies_are_none(gex):
    """A matrix without antibodies has none, which is no fault unless asked for."""
    assert find(gex) is None
    with pytest.raises(InputError, match="no antibody counts"):
        find(gex, gex)


def test_cells_without_antibodies_are_marked(gex, tmp_path):
    """Cells that the antibody file lacks have an empty row and no mark; strange cells are left out."""
    part = pd.concat([TABLE.iloc[10:20], TABLE.iloc[:2].set_axis(make_barcodes(2, seed=3))])
    part.to_csv(tmp_path / "adt.csv")
    found = find(gex, tmp_path / "adt.csv")
    assert found.has_adt.tolist() == [False] * 10 + [True] * 10 + [False] * 10
    assert np.array_equal(found.counts[10:20].toarray(), SAMPLE.antibody_counts[10:20])
    assert found.counts[:10].nnz == found.counts[20:].nnz == 0


def test_rows_follow_the_matrix_not_the_file(gex, tmp_path):
    """Shuffled cells with another suffix find their rows."""
    names = [cell.removesuffix("-1") for cell in SAMPLE.barcodes]
    TABLE.set_axis(names).sample(frac=1, random_state=0).to_csv(tmp_path / "adt.csv")
    found = find(gex, tmp_path / "adt.csv")
    assert np.array_equal(found.counts.toarray(), SAMPLE.antibody_counts)
    assert found.barcodes.rule == "drop-number,identity"


def test_counts_in_two_places_are_contradicting_options(tmp_path):
    """Antibody counts inside the matrix and beside it are refused."""
    TABLE.to_csv(tmp_path / "adt.csv")
    with pytest.raises(OptionsError, match=r"in the expression file already \(5, features of"):
        find(write_10x_h5(tmp_path / "a.h5", SAMPLE), tmp_path / "adt.csv")


def test_gene_expression_is_no_panel(gex, tmp_path):
    """A matrix of genes, known by their Ensembl ids, is not taken for antibodies."""
    other = write_10x_h5(tmp_path / "genes.h5", BARE)
    with pytest.raises(InputError, match="holds gene expression, not antibody counts: 80 features") as caught:
        find(gex, other)
    assert caught.value.where == str(other)


def test_thousands_of_columns_are_no_panel(gex, tmp_path):
    """A table of more columns than any panel has antibodies is refused."""
    wide = pd.DataFrame(0, index=SAMPLE.barcodes, columns=[f"G{i}" for i in range(2001)])
    wide.to_csv(tmp_path / "wide.csv")
    with pytest.raises(InputError, match="2,001 features"):
        find(gex, tmp_path / "wide.csv")


def test_repeated_names_go_by_their_ids(tmp_path):
    """Two antibodies of one name are told apart by the ids that Cell Ranger keeps distinct."""
    sample = make_counts(30, 80, antibodies=("CD3_a", "CD3_b", "CD4"))
    path = write_10x_h5(tmp_path / "a.h5", sample)
    with h5py.File(path, "r+") as file:
        names = file["matrix/features/name"][:]
        names[80:82] = b"CD3"
        file["matrix/features/name"][:] = names
    assert find(path).names == ("CD3_a", "CD3_b", "CD4")


@pytest.mark.parametrize("name", ["unmapped", "Unmapped"])
def test_unmapped_reads_are_no_antibody(gex, tmp_path, name):
    """The last row of CITE-seq-Count is left out, aloud."""
    TABLE.T.pipe(lambda t: pd.concat([t, t.iloc[:1].set_axis([name])])).to_csv(tmp_path / "adt.csv")
    found = find(gex, tmp_path / "adt.csv")
    assert found.names == ANTIBODIES
    assert np.array_equal(found.counts.toarray(), SAMPLE.antibody_counts)
    assert found.warnings == ("adt.csv: 'unmapped' is no antibody and is left out",)


def test_normalised_values_are_refused(gex, tmp_path):
    """Logarithms in an antibody matrix are refused with cell and antibody."""
    path = write_protein_h5ad(tmp_path / "log.h5ad", np.log1p(SAMPLE.antibody_counts))
    with pytest.raises(InputError, match="fractional") as caught:
        find(gex, path)
    assert "CD3_TotalSeqC" in caught.value.what


def test_low_overlap_is_told_with_the_file(gex, tmp_path):
    """A doubtful overlap of cells is a warning that names the antibody file."""
    part = pd.concat([TABLE.iloc[:10], TABLE.set_axis(make_barcodes(30, seed=3))])
    part.to_csv(tmp_path / "adt.csv")
    assert find(gex, tmp_path / "adt.csv").warnings[0].startswith("adt.csv: 10 of 30 cells")


def test_absent_files_and_empty_folders_are_refused(gex, tmp_path):
    """What is not there is an input error."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError):
            find(gex, path)
