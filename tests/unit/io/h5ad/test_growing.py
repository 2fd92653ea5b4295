"""Datasets that grow: the type and the filters in which matrices are stored."""

import hashlib

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

from factories import make_cells_obs, make_counts
from tcellflow.contracts.cells import CELLS
from tcellflow.io.h5ad.cells_copy import write_cells_copy
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.h5ad.cells_writer import write_cells
from tcellflow.io.h5ad.growing import GrowingCounts
from tcellflow.provenance import StepNote

NOTE = StepNote("preprocess")


def write(path, counts, sample, compression="none", rows=7):
    """Write a cells file of these counts, some rows at a time."""
    var = pd.DataFrame(
        {"gene_ids": sample.gene_ids, "gene_name_raw": sample.gene_names}, index=pd.Index(sample.gene_names)
    )
    with write_cells(path, var, compression) as writer:
        for start in range(0, counts.shape[0], rows):
            writer.append_counts(counts[start : start + rows])
        writer.finish(make_cells_obs(sample), note=NOTE)
    return path


@pytest.mark.parametrize(
    ("blocks", "dtype"),
    [
        ([[]], np.uint8),
        ([[0, 255]], np.uint8),
        ([[255], [256], [1]], np.uint16),
        ([[65_535], [3]], np.uint16),
        ([[65_536]], np.int32),
        ([[1], [2**31 - 1], [70_000]], np.int32),
        ([[7], [300], [70_000], [9]], np.int32),
        ([list(range(200)) * 1000, [256]], np.uint16),
    ],
)
@pytest.mark.parametrize("compression", ["none", "lzf", "gzip"])
def test_counts_take_the_smallest_type_that_holds_them(tmp_path, blocks, dtype, compression):
    """At the borders of each type, and where a later block widens what was written in several chunks."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        counts = GrowingCounts(file, "data", compression)
        for block in blocks:
            counts.append(np.array(block, dtype=np.int32))
    with h5py.File(tmp_path / "a.h5") as file:
        assert list(file) == ["data"]
        assert file["data"].dtype == dtype
        assert file["data"].compression == {"none": None}.get(compression, compression)
        np.testing.assert_array_equal(file["data"][:], [value for block in blocks for value in block])


@pytest.mark.parametrize("compression", ["none", "lzf", "gzip"])
def test_compressed_files_open_everywhere(tmp_path, compression):
    """Plain h5py, anndata in memory and backed, scanpy and our own reader see the same numbers."""
    sample = make_counts(60, 120)
    counts = sample.counts.copy()
    counts.data[-1] = 300
    path = write(tmp_path / "a.h5ad", counts, sample, compression)
    with h5py.File(path) as file:
        assert file["layers/counts/data"].dtype == np.uint16
        assert file["X/data"].compression == {"none": None}.get(compression, compression)
        assert file["X/indices"].id == file["layers/counts/indices"].id
        np.testing.assert_array_equal(file["layers/counts/data"][:], counts.data)
    adata = ad.read_h5ad(path)
    assert (adata.layers["counts"] != counts).nnz == 0
    backed = ad.read_h5ad(path, backed="r")
    assert (backed[5:9].to_memory().layers["counts"] != counts[5:9]).nnz == 0
    check = ad.AnnData(adata.layers["counts"].copy(), obs=adata.obs[[]], var=adata.var[[]])
    sc.pp.normalize_total(check, target_sum=1e4)
    sc.pp.log1p(check)
    np.testing.assert_allclose(check.X.toarray(), adata.X.toarray(), rtol=1e-5)
    blocks = list(read_cells(path).blocks(layer="counts"))
    assert blocks[0].dtype == np.int32
    assert (sp.vstack(blocks) != counts).nnz == 0


@pytest.mark.parametrize("compression", ["none", "lzf", "gzip"])
def test_the_same_blocks_give_the_same_bytes(tmp_path, compression):
    """A type that widens on the way and a filter leave no trace of chance."""
    sample = make_counts(60, 120)
    counts = sample.counts.copy()
    counts.data[-1] = 300
    paths = [write(tmp_path / f"{name}.h5ad", counts, sample, compression) for name in "ab"]
    first, second = (hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
    assert first == second


def test_a_copy_keeps_types_and_filters(tmp_path):
    """The annotated copy stores matrices as its source does."""
    sample = make_counts(60, 120)
    source = read_cells(write(tmp_path / "a.h5ad", sample.counts, sample, "gzip"))
    obs = pd.DataFrame({"new": np.arange(60)}, index=source.cell_ids)
    write_cells_copy(source, tmp_path / "b.h5ad", obs=obs, note=NOTE, contract=CELLS)
    with h5py.File(tmp_path / "b.h5ad") as file:
        assert file["layers/counts/data"].compression == "gzip"
        assert file["layers/counts/data"].dtype == np.uint8
