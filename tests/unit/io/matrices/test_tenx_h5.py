"""Cell Ranger's HDF5 matrices."""

from itertools import pairwise
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
import scipy.sparse as sp

import tcellflow
from factories import ANTIBODIES, make_counts, write_10x_h5
from tcellflow.errors import ExitCode, InputError
from tcellflow.io.matrices.source import ANTIBODY_CAPTURE, GENE_EXPRESSION, MatrixKind, split_features
from tcellflow.io.matrices.tenx_h5 import find_tenx_groups, open_tenx_h5


@pytest.fixture
def sample():
    return make_counts(50, 120, antibodies=ANTIBODIES)


@pytest.fixture
def path(tmp_path, sample):
    return write_10x_h5(tmp_path / "a.h5", sample)


def whole(source, n_rows=1024):
    return sp.vstack(list(source.blocks(n_rows)), format="csr")


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file["matrix"])


def replace(group, name, values):
    del group[name]
    group[name] = values


def refuse(path):
    with pytest.raises(InputError) as caught:
        for _ in open_tenx_h5(path).blocks():
            pass
    assert caught.value.exit_code == ExitCode.INPUT
    assert caught.value.where == str(path)
    assert caught.value.mend
    return caught.value


def test_v3_gives_genes_and_antibodies_in_file_order(path, sample):
    """A version 3 file streams cells x all features with their library types."""
    source = open_tenx_h5(path)
    assert source.kind is MatrixKind.TENX_H5_V3
    assert source.slot == "matrix"
    assert source.obs is None
    assert source.read_antibodies() is None
    assert source.barcodes.tolist() == sample.barcodes.tolist()
    assert source.features.names.tolist() == [*sample.gene_names, *ANTIBODIES]
    assert source.features.ids[:120].tolist() == sample.gene_ids.tolist()
    assert set(source.features.types) == {GENE_EXPRESSION, ANTIBODY_CAPTURE}
    matrix = whole(source).toarray()
    assert np.array_equal(matrix[:, :120], sample.counts.toarray())
    assert np.array_equal(matrix[:, 120:], sample.antibody_counts)


def test_v2_reads_the_genome_group(tmp_path):
    """A version 2 file is read from the group named after its genome."""
    sample = make_counts(20, 90)
    source = open_tenx_h5(write_10x_h5(tmp_path / "v2.h5", sample, version=2, genome="hg19"))
    assert source.kind is MatrixKind.TENX_H5_V2
    assert source.slot == "hg19"
    assert source.features.ids.tolist() == sample.gene_ids.tolist()
    assert (whole(source) != sample.counts).nnz == 0


@pytest.mark.parametrize("n_rows", [1, 7, 50, 1024])
def test_block_size_does_not_change_the_matrix(path, n_rows):
    """Blocks of any height join to the same matrix, and none is higher than asked for."""
    source = open_tenx_h5(path)
    blocks = list(source.blocks(n_rows))
    assert max(block.shape[0] for block in blocks) <= n_rows
    assert all(block.indices.dtype == np.int32 and block.has_sorted_indices for block in blocks)
    assert (sp.vstack(blocks, format="csr") != whole(source)).nnz == 0


def test_blocks_start_anew_each_time(path):
    """Streaming twice gives the same blocks twice."""
    source = open_tenx_h5(path)
    assert (whole(source) != whole(source)).nnz == 0


def test_split_features_counts_other_types(tmp_path, path):
    """Genes, antibodies and others are told apart, and the others are counted by type."""

    def rename(group):
        types = group["features/feature_type"][:].astype(object)
        types[-2:] = b"CRISPR Guide Capture"
        del group["features/feature_type"]
        group["features/feature_type"] = types.astype("S")

    edit(path, rename)
    split = split_features(open_tenx_h5(path))
    assert (split.genes.sum(), split.antibodies.sum(), split.others.sum()) == (120, 3, 2)
    assert split.other_types == {"CRISPR Guide Capture": 2}
    assert (split.genes.astype(int) + split.antibodies + split.others == 1).all()


@pytest.mark.parametrize(("n_cells", "n_genes"), [(0, 80), (5, 0), (0, 0)])
def test_empty_matrix_is_valid(tmp_path, n_cells, n_genes):
    """No cells, no genes or neither is no error."""
    source = open_tenx_h5(write_10x_h5(tmp_path / "empty.h5", make_counts(n_cells, n_genes)))
    assert sum(block.shape[0] for block in source.blocks()) == n_cells
    assert len(source.features) == n_genes


def test_cells_without_counts_keep_their_row(tmp_path, sample):
    """Empty cells at both ends and in the middle stay rows."""
    counts = sample.counts.tolil()
    for row in (0, 1, 20, 49):
        counts[row] = 0
    emptied = sp.csr_matrix(counts)
    changed = type(sample)(**{**vars(sample), "counts": emptied})
    source = open_tenx_h5(write_10x_h5(tmp_path / "gaps.h5", changed))
    assert (whole(source, 7)[:, :120] != emptied).nnz == 0


def test_unsorted_indices_are_sorted(path, sample):
    """Genes out of order within a cell are put in order."""

    def reverse(group):
        starts, data, indices = group["indptr"][:], group["data"][:], group["indices"][:]
        for low, high in pairwise(starts):
            data[low:high], indices[low:high] = data[low:high][::-1], indices[low:high][::-1]
        replace(group, "data", data)
        replace(group, "indices", indices)

    edit(path, reverse)
    assert np.array_equal(whole(open_tenx_h5(path))[:, :120].toarray(), sample.counts.toarray())


def test_feature_twice_in_a_cell_is_refused(path):
    """One cell with two values for one feature is refused with its row."""

    def repeat(group):
        indices, starts = group["indices"][:], group["indptr"][:]
        indices[starts[3] + 1] = indices[starts[3]]
        replace(group, "indices", indices)

    edit(path, repeat)
    assert "row 3 holds feature" in refuse(path).what


def test_several_v2_genomes_are_named(tmp_path):
    """A file with two genomes is refused, naming both."""
    path = write_10x_h5(tmp_path / "a.h5", make_counts(5, 9), version=2, genome="hg19")
    with h5py.File(path, "r+") as file:
        file.copy("hg19", "mm10")
    error = refuse(path)
    assert "hg19, mm10" in error.what


def test_several_v3_genomes_are_named(path):
    """A version 3 file of two species is refused, naming both genomes."""

    def two(group):
        genomes = group["features/genome"][:].astype(object)
        genomes[:10] = b"mm10"
        del group["features/genome"]
        group["features/genome"] = genomes.astype("S")

    edit(path, two)
    assert "GRCh38, mm10" in refuse(path).what


@pytest.mark.parametrize(("bad", "said"), [(-1, "number -1"), (125, "number 125")])
def test_index_outside_is_refused_with_its_row(path, bad, said):
    """A feature index below zero or beyond the features names the cell's row."""

    def spoil(group):
        indices, starts = group["indices"][:], group["indptr"][:]
        indices[starts[17]] = bad
        replace(group, "indices", indices)

    edit(path, spoil)
    error = refuse(path)
    assert "row 17" in error.what
    assert said in error.what
    assert "125 features" in error.what


def test_repeated_barcodes_are_shown(path, sample):
    """Repeated barcodes are refused with examples."""

    def repeat(group):
        barcodes = group["barcodes"][:]
        barcodes[7] = barcodes[3]
        replace(group, "barcodes", barcodes)

    edit(path, repeat)
    assert f"{sample.barcodes[3]} (2 times)" in refuse(path).what


def test_transposed_shape_is_recognised(path):
    """A declared shape the wrong way round is called transposed."""
    edit(path, lambda group: replace(group, "shape", np.array([50, 125])))
    assert "looks transposed" in refuse(path).what


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda g: g.pop("data"), "lacks data"),
        (lambda g: g.pop("barcodes"), "lacks barcodes"),
        (lambda g: g["features"].pop("id"), "lacks id"),
        (lambda g: replace(g, "shape", np.array([125, 49])), "(125, 49)"),
        (lambda g: replace(g, "data", g["data"][:-5]), "declares"),
        (lambda g: replace(g, "indptr", g["indptr"][:-1]), "indptr has 50 entries"),
        (lambda g: replace(g, "indptr", g["indptr"][:][::-1]), "does not rise"),
        (lambda g: replace(g["features"], "name", g["features/name"][:-1]), "differ in length"),
        (lambda g: replace(g, "barcodes", g["barcodes"][:].reshape(2, -1)), "shape (2, 25)"),
        (lambda g: replace(g, "barcodes", np.array([b"\xff%d" % i for i in range(50)])), "not UTF-8"),
        (lambda g: replace(g, "barcodes", np.array([b"", *g["barcodes"][1:]])), "empty name"),
    ],
)
def test_parts_that_do_not_fit_are_refused(path, change, said):
    """Missing or contradicting parts are refused, saying which."""
    edit(path, change)
    assert said in refuse(path).what


def test_damaged_chunk_names_the_rows(path):
    """A chunk that cannot be decompressed is refused with the rows concerned."""
    with h5py.File(path, "r") as file:
        info = file["matrix/data"].id.get_chunk_info(0)
    with path.open("r+b") as handle:
        handle.seek(info.byte_offset + 10)
        handle.write(b"\x00" * 40)
    assert "rows 0 to 49 cannot be read" in refuse(path).what


def test_no_cell_ranger_group_is_refused(tmp_path):
    """An HDF5 file without a Cell Ranger matrix is refused."""
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["something"] = [1]
        assert find_tenx_groups(file) == []
    assert "no Cell Ranger matrix" in refuse(tmp_path / "other.h5").what


@pytest.mark.data
def test_packaged_sample_equals_scanpy(shared_data):
    """The real 10x sample in the package reads as the same counts as its h5ad."""
    folder = Path(tcellflow.__file__).parent / "data" / "samples" / "tenx_healthy_T_1k"
    source = open_tenx_h5(next(folder.glob("*.h5")))
    expected = ad.read_h5ad(shared_data / "tenx_healthy_T_1k" / "counts.h5ad")
    assert source.barcodes.tolist() == expected.obs_names.tolist()
    assert source.features.ids.tolist() == expected.var["gene_ids"].tolist()
    assert (whole(source) != expected.X).nnz == 0


def test_rows_with_more_values_than_features_are_refused_before_they_are_read(path):
    """A row is read as a whole, so surplus entries of one cell would all be held at once."""

    def surplus(group):
        n_cells = len(group["barcodes"])
        n = 100_000
        replace(group, "indptr", np.concatenate([[0], np.full(n_cells, n)]))
        replace(group, "data", np.ones(n, dtype=np.int32))
        replace(group, "indices", np.zeros(n, dtype=np.int32))

    edit(path, surplus)
    assert "the cell in row 0 holds 100,000 values for" in refuse(path).what
