"""Opening matrices of any format by content."""

import gzip
import tracemalloc

import anndata as ad
import h5py
import hdf5plugin
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from factories import (
    ANTIBODIES,
    make_cells_obs,
    make_counts,
    write_10x_h5,
    write_10x_mtx,
    write_h5ad,
    write_h5mu,
)
from tcellflow.errors import ExitCode, InputError
from tcellflow.io.files import hdf5
from tcellflow.io.h5ad.cells_writer import write_cells
from tcellflow.io.matrices.opening import open_matrix
from tcellflow.io.matrices.source import MatrixKind
from tcellflow.provenance import StepNote


@pytest.fixture
def sample():
    return make_counts(30, 90, antibodies=ANTIBODIES)


def refuse(path, **options):
    with pytest.raises(InputError) as caught:
        open_matrix(path, **options)
    assert caught.value.exit_code == ExitCode.INPUT
    assert caught.value.where == str(path)
    assert caught.value.mend
    return caught.value


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (write_10x_h5, MatrixKind.TENX_H5_V3),
        (write_10x_mtx, MatrixKind.TENX_MTX),
        (write_h5ad, MatrixKind.H5AD),
        (write_h5mu, MatrixKind.H5MU),
    ],
)
def test_format_is_decided_by_content(tmp_path, sample, write, kind):
    """A misleading file name changes nothing; every format gives the same genes and cells."""
    source = open_matrix(write(tmp_path / "misleading.txt", sample))
    assert source.kind is kind
    assert source.barcodes.tolist() == sample.barcodes.tolist()
    assert source.features.names[:90].tolist() == sample.gene_names.tolist()
    matrix = sp.vstack(list(source.blocks(7)), format="csr")
    assert (matrix[:, :90] != sample.counts).nnz == 0


def test_matrix_file_stands_for_its_folder(tmp_path, sample):
    """Naming matrix.mtx.gz itself opens its folder."""
    folder = write_10x_mtx(tmp_path / "m", sample)
    assert open_matrix(folder / "matrix.mtx.gz").kind is MatrixKind.TENX_MTX


@pytest.mark.parametrize("share", [0.3, 0.9])
@pytest.mark.parametrize("write", [write_10x_h5, write_h5ad])
def test_truncated_hdf5_is_called_so(tmp_path, sample, write, share):
    """An HDF5 file that ends early is refused as truncated, with its size."""
    path = write(tmp_path / "a.h5", sample)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "truncated" in refuse(path).what


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file"),
        (b"barcode,gene\nA,1\n", "a text file"),
        (b"PAR1....", "a Parquet file"),
        (gzip.compress(b"\x89HDF\r\n\x1a\n...", mtime=0), "a gzip-compressed file"),
        (b"PK\x03\x04abc", "a zip archive"),
        (b"\x00\x01\x02\x03", "neither HDF5 nor text"),
    ],
)
def test_other_files_are_named(tmp_path, content, said):
    """What is no HDF5 file is refused, saying what it is."""
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    assert said in refuse(path).what


def test_absent_file_is_refused(tmp_path):
    """A path that does not exist is refused."""
    assert "does not exist" in refuse(tmp_path / "nothing.h5").what


def test_folder_without_matrix_is_refused(tmp_path):
    """A folder where a file belongs is refused."""
    assert "no matrix.mtx" in refuse(tmp_path).what


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("barcode_idx", "umi"), "molecule_info.h5"),
        (("matrix", "row_attrs", "col_attrs"), "loom"),
        (("assays", "cell.names"), "h5Seurat"),
        (("photos",), "it holds photos"),
        ((), "it holds nothing"),
    ],
)
def test_other_hdf5_content_is_named(tmp_path, names, said):
    """An HDF5 file of another kind is refused, saying what it holds."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name in names:
            file[name] = [1]
    assert said in refuse(path).what


def test_group_matrix_without_parts_is_named(tmp_path):
    """A group 'matrix' without offsets is refused with what it does hold."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["matrix/data"] = [1]
    assert "without its parts (data)" in refuse(path).what


@pytest.mark.parametrize(
    ("write", "place", "said"),
    [
        (write_10x_h5, "matrix/barcodes", "cannot be read"),
        (write_10x_h5, "matrix", "cannot be read"),
        (write_h5ad, "X/indptr", "cannot be read"),
        (write_h5ad, "obs", "cannot be read"),
    ],
)
def test_damaged_hdf5_object_is_an_input_error(tmp_path, sample, write, place, said):
    """An object whose header is damaged, which h5py reports as a missing key, is an input error."""
    path = write(tmp_path / "a.h5", sample)
    with h5py.File(path) as file:
        address = h5py.h5o.get_info(file[place].id).addr
    with path.open("r+b") as handle:
        handle.seek(address)
        handle.write(b"\xff")
    assert said in refuse(path).what


@pytest.mark.parametrize("write", [write_10x_h5, write_10x_mtx])
def test_slot_is_refused_where_there_is_none(tmp_path, sample, write):
    """Asking for a slot of a format without slots is refused."""
    assert "has none" in refuse(write(tmp_path / "a", sample), slot="raw/X").what


def test_missing_filter_names_the_plugin(tmp_path, sample, monkeypatch):
    """A file compressed by a filter that is not installed asks for hdf5plugin."""
    path = write_10x_h5(tmp_path / "a.h5", sample)
    monkeypatch.setattr(hdf5, "_BUILT_IN_FILTERS", range(0))
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: False)
    error = refuse(path)
    assert "filter" in error.what
    assert "hdf5plugin" in error.mend


@pytest.mark.parametrize("name", ["Zstd", "Blosc", "LZ4"])
def test_plugin_filters_are_read(tmp_path, sample, name):
    """Files compressed with zstd, blosc or lz4 are read; the plugin is loaded when needed."""
    path = write_10x_h5(tmp_path / "a.h5", sample)
    with h5py.File(path, "r+") as file:
        data = file["matrix/data"][:]
        del file["matrix/data"]
        file["matrix"].create_dataset("data", data=data, **getattr(hdf5plugin, name)())
    matrix = sp.vstack(list(open_matrix(path).blocks()), format="csr")
    assert (matrix[:, :90] != sample.counts).nnz == 0


def test_large_chunks_are_read_once_each(tmp_path):
    """The chunk cache grows with the chunks, so a chunk that straddles blocks is kept."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros(1 << 20), chunks=(1 << 20,), compression="gzip")
        dataset = hdf5.open_dataset(file, "x", where=path)
        assert dataset.id.get_access_plist().get_chunk_cache()[1] >= 8 << 20


def test_chunks_beyond_the_cache_are_told(tmp_path, caplog):
    """Chunks too large to keep are read all the same, and the log says that it takes longer."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", shape=(1 << 25,), dtype=np.float64, chunks=(1 << 25,))
        with caplog.at_level("INFO", logger="tcellflow"):
            dataset = hdf5.open_dataset(file, "x", where=path)
        assert dataset[0] == 0
    assert "chunks too large" in caplog.text


@pytest.mark.parametrize("write", [write_10x_h5, write_h5ad])
def test_memory_does_not_grow_with_the_cells(tmp_path, write):
    """Streaming from any file into the cells file never holds more than a fraction of the matrix."""
    sample = make_counts(6000, 400)
    source = open_matrix(write(tmp_path / "a", sample))
    matrix_bytes = sample.counts.data.nbytes + sample.counts.indices.nbytes
    var = pd.DataFrame({"gene_ids": "", "gene_name_raw": ""}, index=pd.Index(sample.gene_names))
    obs = make_cells_obs(sample)
    with write_cells(tmp_path / "b", var) as writer:
        tracemalloc.start()
        for block in source.blocks(100):
            writer.append_counts(block)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        writer.finish(obs, note=StepNote("preprocess"))
    assert peak_bytes < matrix_bytes / 4


@pytest.mark.data
def test_all_real_matrices_equal_anndata(shared_data):
    """Every real h5ad streams to the matrix, names and columns that anndata reads."""
    paths = sorted(shared_data.glob("*/*.h5ad"))
    assert len(paths) >= 10
    for path in paths:
        source = open_matrix(path)
        expected = ad.read_h5ad(path)
        matrix = sp.vstack(list(source.blocks(300)), format="csr")
        assert matrix.dtype == expected.X.dtype
        assert (matrix != expected.X).nnz == 0
        assert source.barcodes.tolist() == expected.obs_names.tolist()
        assert source.features.names.tolist() == expected.var_names.tolist()
        assert source.obs.equals(expected.obs)
        antibodies = source.read_antibodies()
        assert (antibodies is None) == ("protein" not in expected.obsm)
        if antibodies is not None:
            tables = [expected.obsm[key] for key in ("protein", "hto") if key in expected.obsm]
            table = pd.concat(tables, axis=1)
            assert list(antibodies.names) == list(table.columns)
            assert np.array_equal(antibodies.counts.toarray(), table.to_numpy())
