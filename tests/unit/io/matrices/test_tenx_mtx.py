"""Cell Ranger's mtx folders."""

import logging

import numpy as np
import pytest
import scipy.sparse as sp

from factories import ANTIBODIES, make_counts, write_10x_mtx
from tcellflow.errors import InputError
from tcellflow.io.matrices import mtx_entries, tenx_mtx
from tcellflow.io.matrices.source import ANTIBODY_CAPTURE, GENE_EXPRESSION, MatrixKind
from tcellflow.io.matrices.tenx_mtx import open_mtx

BANNER = "%%MatrixMarket matrix coordinate integer general"


@pytest.fixture
def sample():
    return make_counts(40, 100, antibodies=ANTIBODIES)


@pytest.fixture
def full(sample):
    return sp.hstack([sample.counts, sp.csr_matrix(sample.antibody_counts)], format="csr")


def whole(source, n_rows=1024):
    return sp.vstack(list(source.blocks(n_rows)), format="csr")


def make_folder(folder, entries, sizes="3 2 4", banner=BANNER, end="\n"):
    folder.mkdir(exist_ok=True)
    (folder / "barcodes.tsv").write_text("A-1\nB-1\n")
    (folder / "features.tsv").write_text("".join(f"E{i}\tG{i}\tGene Expression\n" for i in range(3)))
    (folder / "matrix.mtx").write_text(end.join([banner, "% made by hand", sizes, *entries]) + end)
    return folder


def refuse(path):
    with pytest.raises(InputError) as caught:
        for _ in open_mtx(path).blocks():
            pass
    assert caught.value.mend
    return caught.value


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("with_bom", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_v3_folder_reads_whatever_its_text_form(tmp_path, sample, full, line_end, with_bom, compressed):
    """Windows line ends, byte-order marks and gzip change nothing."""
    folder = write_10x_mtx(
        tmp_path / "m", sample, line_end=line_end, with_bom=with_bom, compressed=compressed
    )
    source = open_mtx(folder)
    assert source.kind is MatrixKind.TENX_MTX
    assert source.obs is None
    assert source.read_antibodies() is None
    assert source.barcodes.tolist() == sample.barcodes.tolist()
    assert source.features.names.tolist() == [*sample.gene_names, *ANTIBODIES]
    assert set(source.features.types) == {GENE_EXPRESSION, ANTIBODY_CAPTURE}
    assert (whole(source) != full).nnz == 0


def test_v2_folder_has_genes_only(tmp_path):
    """genes.tsv with two columns is read as gene expression."""
    sample = make_counts(12, 80)
    source = open_mtx(write_10x_mtx(tmp_path / "m", sample, version=2))
    assert source.features.ids.tolist() == sample.gene_ids.tolist()
    assert set(source.features.types) == {GENE_EXPRESSION}
    assert (whole(source) != sample.counts).nnz == 0


@pytest.mark.parametrize("n_rows", [1, 7, 39, 40, 1024])
@pytest.mark.parametrize("chunk_bytes", [50, 4096])
def test_blocks_do_not_depend_on_chunks(tmp_path, monkeypatch, sample, full, n_rows, chunk_bytes):
    """Cells that straddle two chunks of text come out whole, in blocks of any height."""
    monkeypatch.setattr(mtx_entries, "_CHUNK_BYTES", chunk_bytes)
    source = open_mtx(write_10x_mtx(tmp_path / "m", sample, compressed=False))
    blocks = list(source.blocks(n_rows))
    assert max(block.shape[0] for block in blocks) <= n_rows
    assert (sp.vstack(blocks, format="csr") != full).nnz == 0


def test_many_values_make_lower_blocks(tmp_path, monkeypatch, sample, full):
    """Blocks are bounded by values too, while entries are still being read."""
    monkeypatch.setattr(tenx_mtx, "MAX_BLOCK_VALUES", 100)
    monkeypatch.setattr(mtx_entries, "_CHUNK_BYTES", 256)
    source = open_mtx(write_10x_mtx(tmp_path / "m", sample, compressed=False))
    blocks = list(source.blocks())
    assert max(block.nnz for block in blocks) <= 100
    assert (sp.vstack(blocks, format="csr") != full).nnz == 0


def test_entries_sorted_by_gene_are_gathered(tmp_path, sample, full, caplog):
    """A matrix sorted by gene reads the same, and the log says that it is held in memory."""
    folder = write_10x_mtx(tmp_path / "m", sample, sorted_by_cell=False)
    with caplog.at_level(logging.INFO, logger="tcellflow"):
        assert (whole(open_mtx(folder), 7) != full).nnz == 0
    assert "gathered in memory" in caplog.text


def test_late_disorder_is_refused_with_its_line(tmp_path, monkeypatch):
    """An entry that goes back to a cell already given away names its line."""
    monkeypatch.setattr(mtx_entries, "_CHUNK_BYTES", 8)
    folder = make_folder(tmp_path / "m", ["1 1 5", "2 2 1", "3 2 1", "3 1 1"])
    with pytest.raises(InputError, match="line 7 goes back to cell 1"):
        list(open_mtx(folder).blocks(1))


def test_real_values_stay_fractional(tmp_path):
    """A matrix declared real keeps its fractions, for quality control to judge."""
    folder = make_folder(tmp_path / "m", ["1 1 0.5", "2 2 3"], "3 2 2", BANNER.replace("integer", "real"))
    assert whole(open_mtx(folder)).toarray().tolist() == [[0.5, 0, 0], [0, 3, 0]]


def test_tabs_and_spaces_are_tolerated(tmp_path):
    """Entries separated by tabs or several spaces are read."""
    folder = make_folder(tmp_path / "m", ["1\t1\t5", "2  1 4", " 3 2 7", ""], "3 2 3")
    assert whole(open_mtx(folder)).toarray().tolist() == [[5, 4, 0], [0, 0, 7]]


def test_single_column_holds_names(tmp_path):
    """A feature list with one column gives names without ids."""
    folder = make_folder(tmp_path / "m", ["1 1 5"], "3 2 1")
    (folder / "features.tsv").write_text("CD3D\nCD4\nCD8A\n")
    features = open_mtx(folder).features
    assert features.names.tolist() == ["CD3D", "CD4", "CD8A"]
    assert features.ids.tolist() == ["", "", ""]


def test_quoted_names_lose_their_quotes(tmp_path):
    """Lists written by R with quotes give plain names."""
    folder = make_folder(tmp_path / "m", ["1 1 5"], "3 2 1")
    (folder / "features.tsv").write_text('"E1"\t"CD3D"\n"E2"\t"CD4"\n"E3"\t"CD8A"\n')
    (folder / "barcodes.tsv").write_text('"A-1"\n"B-1"\n')
    source = open_mtx(folder)
    assert source.features.names.tolist() == ["CD3D", "CD4", "CD8A"]
    assert source.barcodes.tolist() == ["A-1", "B-1"]


@pytest.mark.parametrize(("n_cells", "n_genes"), [(0, 80), (4, 0)])
def test_empty_matrix_is_valid(tmp_path, n_cells, n_genes):
    """No cells or no genes is no error."""
    source = open_mtx(write_10x_mtx(tmp_path / "m", make_counts(n_cells, n_genes)))
    assert sum(block.shape[0] for block in source.blocks()) == n_cells


def test_named_prefix_is_followed(tmp_path, sample, full):
    """Files with a common prefix, as public archives name them, belong together."""
    folder = write_10x_mtx(tmp_path / "m", sample)
    for path in list(folder.iterdir()):
        path.rename(folder / f"GSM1_{path.name}")
    assert (whole(open_mtx(folder)) != full).nnz == 0
    for path in list(folder.iterdir()):
        (folder / path.name.replace("GSM1", "GSM2")).write_bytes(path.read_bytes())
    assert "GSM1_matrix.mtx, GSM2_matrix.mtx" in refuse(folder).what
    assert (whole(open_mtx(folder / "GSM2_matrix.mtx.gz")) != full).nnz == 0


@pytest.mark.parametrize(
    ("entries", "sizes", "said"),
    [
        (["1 1 5", "2 1 x"], "3 2 2", "line 5 is not two whole numbers and a whole number: '2 1 x'"),
        (["1 1 5", "2 1"], "3 2 2", "line 5 is not"),
        (["1 1 5", "2 1 1.5"], "3 2 2", "line 5 is not"),
        (["1 1 5", "4 1 1"], "3 2 2", "line 5 names feature 4, but there are 3"),
        (["1 1 5", "1 3 1"], "3 2 2", "line 5 names cell 3, but there are 2"),
        (["0 1 5"], "3 2 1", "line 4 names feature 0"),
        (["1 1 99999999999"], "3 2 1", "line 4 holds a number beyond"),
        (["1 1 5"], "3 2 2", "declares 2 entries, but 1 are there"),
        (["1 1 5", "2 1 1"], "3 2 1", "declares 1 entries, but 2 and more are there"),
        (["1 1 5", "1 1 1"], "3 2 2", "row 0 holds feature number 0 twice"),
        (["1 1 5"], "3 2", "line 3 should hold three sizes"),
        (["1 1 5"], "3 two 1", "line 3 should hold three sizes"),
        (["1 1 5"], "3 2 " + "9" * 5000, "line 3 should hold three sizes"),
        (["1 1 5"], "3 2 7", "line 3 declares 7 entries for 3 features x 2 cells"),
        (["1 1 5"] * 400_000, "3 2 1", "declares 1 entries, but 400,000 and more are there"),
        (["1 1 5"] * 3_000_000, "3 2 1", "and more are there"),
    ],
)
def test_bad_lines_are_refused_with_their_number(tmp_path, entries, sizes, said):
    """Whatever is no entry of the matrix is refused, naming its line."""
    assert said in refuse(make_folder(tmp_path / "m", entries, sizes)).what


@pytest.mark.parametrize(
    ("banner", "said"),
    [
        ("hello", "line 1 is not a Matrix Market header"),
        ("%%MatrixMarket matrix array integer general", "line 1 is not a Matrix Market header"),
        ("%%MatrixMarket matrix coordinate pattern general", "pattern general"),
        ("%%MatrixMarket matrix coordinate integer symmetric", "integer symmetric"),
        ("\x00\x01", "binary content"),
    ],
)
def test_other_headers_are_refused(tmp_path, banner, said):
    """Only coordinates of general counts are read."""
    assert said in refuse(make_folder(tmp_path / "m", ["1 1 5"], "3 2 1", banner)).what


def test_transposed_matrix_is_recognised(tmp_path):
    """A matrix of cells x features is called transposed."""
    error = refuse(make_folder(tmp_path / "m", ["1 1 5"], "2 3 1"))
    assert "looks transposed" in error.what
    assert "features x cells" in error.mend


def test_sizes_must_match_the_lists(tmp_path):
    """Sizes that differ from the lists are refused with all four numbers."""
    assert (
        "5 features x 2 cells, but features.tsv lists 3 features"
        in refuse(make_folder(tmp_path / "m", ["1 1 5"], "5 2 1")).what
    )
    assert "header line" in refuse(make_folder(tmp_path / "n", ["1 1 5"], "2 2 1")).mend


@pytest.mark.parametrize("name", ["barcodes.tsv", "features.tsv"])
def test_missing_list_is_named(tmp_path, name):
    """A folder without one of its lists says which."""
    folder = make_folder(tmp_path / "m", ["1 1 5"], "3 2 1")
    (folder / name).unlink()
    assert name in refuse(folder).what


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ("notes.txt", "no matrix.mtx"),
        ("zarr.json", "Zarr store"),
        (".zgroup", "Zarr store"),
    ],
)
def test_folder_without_matrix_is_refused(tmp_path, inside, said):
    """A folder that is no mtx folder says what it is."""
    (tmp_path / inside).write_text("")
    assert said in refuse(tmp_path).what


def test_outer_folder_points_to_the_inner(tmp_path):
    """Cell Ranger's outs folder points to the matrix in it."""
    (tmp_path / "filtered_feature_bc_matrix").mkdir()
    assert "filtered_feature_bc_matrix" in refuse(tmp_path).mend


def test_gz_that_is_not_gzip_is_refused(tmp_path, sample):
    """A name that ends in .gz promises gzip."""
    folder = write_10x_mtx(tmp_path / "m", sample)
    (folder / "matrix.mtx.gz").write_text(BANNER)
    assert "not gzip" in refuse(folder).what


@pytest.mark.parametrize("name", ["matrix.mtx.gz", "barcodes.tsv.gz"])
def test_truncated_gzip_is_refused(tmp_path, sample, name):
    """A gzip file that ends early is refused by name."""
    folder = write_10x_mtx(tmp_path / "m", sample)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    error = refuse(folder)
    assert "gzip file is damaged or cut off" in error.what
    assert error.where == str(folder / name)


def test_lists_must_be_utf8(tmp_path):
    """A list in another encoding is refused."""
    folder = make_folder(tmp_path / "m", ["1 1 5"], "3 2 1")
    (folder / "barcodes.tsv").write_bytes(b"A\xff\nB\n")
    assert "not UTF-8" in refuse(folder).what


def test_repeated_barcodes_are_shown(tmp_path):
    """Repeated barcodes are refused with examples, naming the list."""
    folder = make_folder(tmp_path / "m", ["1 1 5"], "3 2 1")
    (folder / "barcodes.tsv").write_text("A-1\nA-1\n")
    error = refuse(folder)
    assert "A-1 (2 times)" in error.what
    assert error.where.endswith("barcodes.tsv")


def test_values_are_int32(tmp_path, sample):
    """Whole numbers are kept in 32 bits."""
    assert whole(open_mtx(write_10x_mtx(tmp_path / "m", sample))).dtype == np.int32


@pytest.mark.parametrize("sign", [" ", ",", ";"])
def test_features_with_other_separators_are_read(tmp_path, sign):
    """Spaces, commas and semicolons between id, name and type are understood, as hands write them."""
    sample = make_counts(8, 70)
    folder = write_10x_mtx(tmp_path / "m", sample, compressed=False)
    path = folder / "features.tsv"
    path.write_text(path.read_text().replace("\t", sign))
    source = open_mtx(folder)
    assert source.features.ids.tolist() == sample.gene_ids.tolist()
    assert source.features.names.tolist() == sample.gene_names.tolist()
    assert set(source.features.types) == {"Gene Expression"}
