"""The cells file: writing, checked reading, copies."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

from factories import log_normalised, make_cells_obs, make_counts, write_cells_file, write_h5ad
from tcellflow.contracts.cells import CELLS
from tcellflow.errors import ContractError, ExitCode, InputError
from tcellflow.io.h5ad import cells_writer
from tcellflow.io.h5ad.cells_copy import write_cells_copy
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.h5ad.cells_writer import write_cells
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.provenance import StepNote

NOTE = StepNote("preprocess", {"min_genes": 200}, {"gex": "0" * 64})


@pytest.fixture
def sample():
    return make_counts(60, 120, antibodies=("CD3", "CD66a/c/e"))


@pytest.fixture
def path(tmp_path, sample):
    return write_cells_file(tmp_path / "s.cells.h5ad", sample)


@pytest.fixture
def var(sample):
    return pd.DataFrame(
        {"gene_ids": sample.gene_ids, "gene_name_raw": sample.gene_names}, index=pd.Index(sample.gene_names)
    )


def whole(cells, **options):
    return sp.vstack(list(cells.blocks(**options)), format="csr")


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refuse(path, kind=ContractError):
    with pytest.raises(kind) as caught:
        read_cells(path)
    assert caught.value.where == str(path)
    assert caught.value.mend
    return caught.value


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def replace(group, name, values):
    del group[name]
    group[name] = values


def test_what_was_written_is_read(path, sample):
    """Counts, normalised values, tables and provenance survive saving and reloading."""
    cells = read_cells(path)
    assert (cells.n_obs, cells.n_vars) == (60, 120)
    assert cells.stamp == "cells/1"
    assert cells.cell_ids.tolist() == sample.barcodes.tolist()
    assert cells.gene_names.tolist() == sample.gene_names.tolist()
    assert cells.has_counts
    counts, values = whole(cells, layer="counts"), whole(cells)
    assert (counts.dtype, values.dtype) == (np.int32, np.float32)
    assert (counts != sample.counts).nnz == 0
    assert (values != log_normalised(sample.counts)).nnz == 0
    assert cells.var["gene_ids"].tolist() == sample.gene_ids.tolist()
    assert cells.notes["preprocess"]["step"] == "preprocess"
    assert cells.read_entry("contract") == "cells/1"
    expected = make_cells_obs(sample)
    assert cells.obs["total_counts"].tolist() == expected["total_counts"].tolist()
    assert cells.obs["is_t_cell"].dtype == bool
    assert cells.obs["clone_size"].dtype == np.int32
    assert cells.obs["chain_pairing"].tolist() == expected["chain_pairing"].tolist()


def test_missing_text_stays_missing(path, sample):
    """Cells without a clone have no clone_id, not the word 'nan'."""
    clone_id = read_cells(path).obs["clone_id"]
    assert clone_id.isna().tolist() == make_cells_obs(sample)["clone_id"].isna().tolist()
    assert list(clone_id.cat.categories) == ["d1-clone1"]


def test_antibody_table_loses_slashes_only(path, sample):
    """Antibody counts come back as a data frame; a slash in a name becomes a hyphen."""
    cells = read_cells(path)
    assert cells.obsm_keys == ("adt_counts",)
    table = cells.read_obsm("adt_counts")
    assert list(table.columns) == ["CD3", "CD66a-c-e"]
    assert table.index.tolist() == sample.barcodes.tolist()
    assert np.array_equal(table.to_numpy(), sample.antibody_counts)


@pytest.mark.parametrize("n_rows", [7, 60, 1024])
def test_block_size_does_not_change_the_matrix(path, sample, n_rows):
    """Blocks of any height join to the same matrix."""
    assert (whole(read_cells(path), n_rows=n_rows, layer="counts") != sample.counts).nnz == 0


def test_anndata_and_scanpy_open_it_unchanged(path, sample):
    """anndata reads the file in memory and backed; scanpy's normalisation gives the same X."""
    adata = ad.read_h5ad(path)
    assert (adata.layers["counts"] != sample.counts).nnz == 0
    again = ad.AnnData(sample.counts.astype(np.float32))
    sc.pp.normalize_total(again, target_sum=1e4)
    sc.pp.log1p(again)
    assert abs(adata.X - again.X).max() < 1e-6
    backed = ad.read_h5ad(path, backed="r")
    assert (adata.X[10:20] != backed[10:20].to_memory().X).nnz == 0
    backed.file.close()


def test_file_saved_again_by_anndata_is_still_valid(path, tmp_path, sample):
    """A user may open and save the file with anndata, compressed or not."""
    for compression in (None, "gzip"):
        ad.read_h5ad(path).write_h5ad(tmp_path / "again.h5ad", compression=compression)
        cells = read_cells(tmp_path / "again.h5ad")
        assert (whole(cells, layer="counts") != sample.counts).nnz == 0
        assert cells.notes["preprocess"]["version"]


def test_the_pattern_is_stored_once(path):
    """layers/counts points to the offsets and indices of X instead of copying them."""
    with h5py.File(path) as file:
        for name in ("indices", "indptr"):
            assert file[f"layers/counts/{name}"] == file[f"X/{name}"]
        assert file["X/indptr"].dtype == np.int32


def test_offsets_widen_beyond_32_bits(tmp_path, sample, var, monkeypatch):
    """With more values than 32-bit offsets can address, offsets are 64-bit, and all still open."""
    monkeypatch.setattr(cells_writer, "_INT32_VALUES", 100)
    path = write_cells_file(tmp_path / "a.h5ad", sample)
    with h5py.File(path) as file:
        assert file["X/indptr"].dtype == np.int64
    assert (whole(read_cells(path), layer="counts") != sample.counts).nnz == 0
    assert (ad.read_h5ad(path).layers["counts"] != sample.counts).nnz == 0


def test_same_content_same_bytes(tmp_path, sample, path):
    """Writing the same sample later and in another process gives the same bytes."""
    time.sleep(1.1)  # HDF5 keeps times in whole seconds
    again = write_cells_file(tmp_path / "again.h5ad", sample)
    assert digest(again) == digest(path)
    code = (
        "from pathlib import Path; from factories import make_counts, write_cells_file\n"
        f"write_cells_file(Path({str(tmp_path / 'other.h5ad')!r}), "
        "make_counts(60, 120, antibodies=('CD3', 'CD66a/c/e')))"
    )
    tests = Path(__file__).resolve().parents[3]
    environment = os.environ | {"PYTHONPATH": str(tests), "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert digest(tmp_path / "other.h5ad") == digest(path)


def test_block_borders_do_not_show_in_the_bytes(tmp_path, sample, var):
    """The blocks a file was appended in leave no trace in it."""
    digests = set()
    for step in (7, 60):
        path = tmp_path / f"{step}.h5ad"
        with write_cells(path, var) as writer:
            for start in range(0, 60, step):
                writer.append_counts(sample.counts[start : start + step])
            writer.finish(make_cells_obs(sample), note=NOTE)
        digests.add(digest(path))
    assert len(digests) == 1


def test_library_sizes_may_be_given(tmp_path, sample, var):
    """With a library size per cell, X is normalised by it instead of by the sum."""
    sizes = np.arange(1, 61) * 1000
    with write_cells(tmp_path / "a.h5ad", var) as writer:
        writer.append_counts(sample.counts[:20], sizes[:20])
        writer.append_counts(sample.counts[20:], sizes[20:])
        writer.finish(make_cells_obs(sample), note=NOTE)
    dense = np.log1p(sample.counts.toarray() * (1e4 / sizes)[:, None])
    assert np.allclose(whole(read_cells(tmp_path / "a.h5ad")).toarray(), dense, atol=1e-6)


def test_log_values_are_kept_without_counts(tmp_path, sample, var):
    """A file appended from log-normalised values has no counts, and says so when asked."""
    values = log_normalised(sample.counts)
    with write_cells(tmp_path / "a.h5ad", var) as writer:
        writer.append_log(values)
        writer.finish(make_cells_obs(sample), note=NOTE)
    cells = read_cells(tmp_path / "a.h5ad")
    assert not cells.has_counts
    assert (whole(cells) != values).nnz == 0
    assert "counts" not in ad.read_h5ad(tmp_path / "a.h5ad").layers
    with pytest.raises(ContractError, match="no counts"):
        next(cells.blocks(layer="counts"))


@pytest.mark.parametrize(("n_cells", "n_genes"), [(0, 80), (3, 0), (0, 0)])
def test_empty_files_are_valid(tmp_path, n_cells, n_genes):
    """A file without cells or without genes opens here and in anndata."""
    path = write_cells_file(tmp_path / "a.h5ad", make_counts(n_cells, n_genes))
    cells = read_cells(path)
    assert (cells.n_obs, cells.n_vars) == (n_cells, n_genes)
    assert sum(block.shape[0] for block in cells.blocks(layer="counts")) == n_cells
    assert ad.read_h5ad(path).shape == (n_cells, n_genes)


def test_cells_without_counts_are_kept(tmp_path, sample, var):
    """A cell without any count has an empty row in X, not NaN."""
    counts = sp.vstack([sp.csr_matrix((2, 120), dtype=np.int32), sample.counts[2:]], format="csr")
    with write_cells(tmp_path / "a.h5ad", var) as writer:
        writer.append_counts(counts)
        writer.finish(make_cells_obs(sample), note=NOTE)
    values = whole(read_cells(tmp_path / "a.h5ad"))
    assert values[:2].nnz == 0
    assert np.isfinite(values.data).all()


def test_further_entries_are_stored(tmp_path, sample, var):
    """Further entries of uns/tcellflow come back by name."""
    with write_cells(tmp_path / "a.h5ad", var) as writer:
        writer.append_counts(sample.counts)
        writer.finish(make_cells_obs(sample), note=NOTE, entries={"classes": np.array(["a", "b"])})
    cells = read_cells(tmp_path / "a.h5ad")
    assert cells.read_entry("classes").tolist() == ["a", "b"]
    with pytest.raises(ContractError, match="uns/tcellflow/absent is missing"):
        cells.read_entry("absent")
    with pytest.raises(ContractError, match="obsm/absent is missing"):
        cells.read_obsm("absent")


def write(path, var, counts, obs, **options):
    with write_cells(path, var) as writer:
        writer.append_counts(counts)
        writer.finish(obs, note=NOTE, **options)


def test_missing_obs_column_is_not_written(tmp_path, sample, var):
    """A step that forgets a column of the contract is stopped, naming the column and the file."""
    obs = make_cells_obs(sample).drop(columns="is_t_cell")
    with pytest.raises(ContractError, match="obs/is_t_cell: the entry is missing") as caught:
        write(tmp_path / "s.cells.h5ad.part", var, sample.counts, obs)
    assert caught.value.where == "s.cells.h5ad"


def test_tables_of_other_sizes_are_refused(tmp_path, sample, var):
    """Wrong widths and lengths are bugs of the step, told as such."""
    obs = make_cells_obs(sample)
    with pytest.raises(ValueError, match="119 genes"):
        write(tmp_path / "a", var, sample.counts[:, :119], obs)
    with pytest.raises(ValueError, match="60 rows, but 10 cells"):
        write(tmp_path / "a", var, sample.counts[:10], obs)
    with pytest.raises(ValueError, match="obsm x has 2 rows"):
        write(tmp_path / "a", var, sample.counts, obs, obsm={"x": np.zeros((2, 3))})


@pytest.mark.parametrize("first", ["append_counts", "append_log"])
def test_counts_and_log_values_do_not_mix(tmp_path, sample, var, first):
    """A file holds counts for all cells or for none."""
    second = {"append_counts": "append_log", "append_log": "append_counts"}[first]

    def mix():
        with write_cells(tmp_path / "a", var) as writer:
            getattr(writer, first)(sample.counts)
            getattr(writer, second)(sample.counts)

    with pytest.raises(ValueError, match="for all cells or for none"):
        mix()


def test_unfinished_file_is_refused(tmp_path, sample, var):
    """Leaving the block without the tables is a bug, told as such."""
    with pytest.raises(ValueError, match="not finished"), write_cells(tmp_path / "a", var) as writer:
        writer.append_counts(sample.counts)


def test_antibodies_that_fall_together_are_refused(tmp_path, sample, var):
    """Two antibody names that differ by slash and hyphen alone are refused."""
    obs = make_cells_obs(sample)
    adt = pd.DataFrame(sample.antibody_counts, index=obs.index, columns=["A/B", "A-B"])
    with pytest.raises(InputError, match="occurs twice"):
        write(tmp_path / "a", var, sample.counts, obs, obsm={"adt_counts": adt})


def break_off(path, var, counts):
    with write_cells(path, var) as writer:
        writer.append_counts(counts)
        raise KeyError


def test_failure_leaves_no_output(tmp_path, sample, var):
    """A file that broke off is removed by the staging around it."""
    with pytest.raises(KeyError), stage_outputs(tmp_path / "out", "s", force=False) as outputs:
        break_off(outputs.path("cells.h5ad"), var, sample.counts)
    assert not (tmp_path / "out").exists()


def test_first_error_wins_when_closing_fails_too(tmp_path, sample, var, monkeypatch):
    """If closing fails while an error is on its way, the first error is told."""

    class Stubborn(h5py.File):
        def close(self):
            super().close()
            message = "cannot flush"
            raise OSError(message)

    monkeypatch.setattr(h5py, "File", Stubborn)
    with pytest.raises(KeyError):
        break_off(tmp_path / "a.h5ad", var, sample.counts)


def test_foreign_h5ad_is_sent_to_preprocess(tmp_path, sample):
    """An h5ad that tcellflow did not write is refused with the way out."""
    error = refuse(write_h5ad(tmp_path / "a.h5ad", sample))
    assert error.exit_code == ExitCode.CONTRACT
    assert "not written by tcellflow" in error.what
    assert "tcellflow preprocess" in error.mend


@pytest.mark.parametrize("content", [b"", b"text", b"\x89HDF\r\n\x1a\n" + b"\0" * 100])
def test_unreadable_file_is_an_input_error(tmp_path, content):
    """What is no HDF5 file, or a damaged one, is an input error."""
    (tmp_path / "a.h5ad").write_bytes(content)
    assert refuse(tmp_path / "a.h5ad", InputError).exit_code == ExitCode.INPUT


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.pop("X"), "X: the entry is missing"),
        (lambda f: f.pop("obs/donor"), "obs/donor: the entry is missing"),
        (lambda f: [f.pop("obs/donor"), f.pop("var/gene_ids")], "2 faults"),
        (lambda f: replace(f, "obs/is_t_cell", np.zeros(60)), "has the type number instead of bool"),
        (
            lambda f: replace(f, "obs/clone_size", np.array([b"a"] * 60)),
            "has the type string instead of int32",
        ),
        (lambda f: replace(f, "obs/sample_id", np.arange(60)), "has the type integer instead of string"),
        (lambda f: replace(f, "uns/tcellflow/contract", "cells/9"), "contract 'cells/9'"),
        (lambda f: replace(f, "uns/tcellflow/contract", "cells"), "contract 'cells'"),
        (lambda f: replace(f, "uns/tcellflow/contract", "other/1"), "carries the contract 'other/1'"),
        (lambda f: f["X"].attrs.__setitem__("encoding-type", "csc_matrix"), "not stored row by row"),
        (lambda f: f["layers/counts"].attrs.__setitem__("shape", np.array([6, 1])), "has the shape (6, 1)"),
        (lambda f: f["obs"].pop("_index"), "has no row names"),
    ],
)
def test_broken_contract_is_refused_with_all_faults(path, change, said):
    """Missing entries, wrong types, sizes and versions are refused with their place."""
    edit(path, change)
    error = refuse(path)
    assert said in str(error)


def test_repeated_barcodes_are_refused(path):
    """A cells file with repeated barcodes is refused."""
    edit(path, lambda f: f["obs/_index"].__setitem__(3, f["obs/_index"][4]))
    assert "occur more than once" in refuse(path, InputError).what


def test_damaged_matrix_is_told_when_streamed(path):
    """Indices outside the genes are refused while streaming, with their row."""
    edit(path, lambda f: f["X/indices"].__setitem__(0, 500))
    with pytest.raises(InputError, match="row 0 refers to feature number 500"):
        list(read_cells(path).blocks())


class TestCopy:
    """Copies with further columns."""

    NOTE = StepNote("predict", bundle={"name": "b"})

    def columns(self, sample):
        n = len(sample.barcodes)
        return pd.DataFrame(
            {
                "state": ["Naive", None] * (n // 2),
                "is_t_cell": [False] * n,
                "score": np.arange(n, dtype="f4"),
            },
            index=pd.Index(sample.barcodes),
        )

    def copy(self, path, target, sample, **options):
        write_cells_copy(
            read_cells(path), target, obs=self.columns(sample), note=self.NOTE, contract=CELLS, **options
        )
        return read_cells(target)

    def test_columns_and_tables_are_added(self, path, tmp_path, sample):
        """New columns come last, present ones are replaced in place, the rest stays."""
        before = digest(path)
        latent = np.ones((60, 4), dtype=np.float32)
        cells = self.copy(
            path, tmp_path / "b.h5ad", sample, obsm={"X_state": latent}, uns={"tcellflow/order": ["a"]}
        )
        assert digest(path) == before
        assert list(cells.obs.columns) == [*make_cells_obs(sample).columns, "state", "score"]
        assert not cells.obs["is_t_cell"].any()
        assert cells.obs["state"].isna().sum() == 30
        assert cells.obs["score"].dtype == np.float32
        assert np.array_equal(cells.read_obsm("X_state"), latent)
        assert set(cells.notes) == {"preprocess", "predict"}
        assert list(cells.read_entry("order")) == ["a"]
        assert (whole(cells, layer="counts") != sample.counts).nnz == 0
        adata = ad.read_h5ad(tmp_path / "b.h5ad")
        assert set(adata.obsm) == {"adt_counts", "X_state"}

    def test_same_content_same_bytes(self, path, tmp_path, sample):
        """Copying twice gives the same bytes."""
        self.copy(path, tmp_path / "b", sample)
        time.sleep(1.1)  # HDF5 keeps times in whole seconds
        self.copy(path, tmp_path / "c", sample)
        assert digest(tmp_path / "b") == digest(tmp_path / "c")

    def test_a_copy_can_be_copied(self, path, tmp_path, sample):
        """A copy of a copy replaces what the first one added."""
        self.copy(path, tmp_path / "b.h5ad", sample)
        again = self.copy(tmp_path / "b.h5ad", tmp_path / "c.h5ad", sample)
        assert list(again.obs.columns).count("state") == 1

    def test_what_the_user_added_stays(self, path, tmp_path, sample):
        """Columns, layers and tables beside the contract survive the copy."""
        adata = ad.read_h5ad(path)
        adata.obs["mine"] = "x"
        adata.layers["scaled"] = adata.X * 2
        adata.obsm["X_umap"] = np.zeros((60, 2))
        adata.write_h5ad(tmp_path / "user.h5ad")
        self.copy(tmp_path / "user.h5ad", tmp_path / "b.h5ad", sample)
        copied = ad.read_h5ad(tmp_path / "b.h5ad")
        assert "mine" in copied.obs
        assert "scaled" in copied.layers
        assert "X_umap" in copied.obsm

    def test_other_cells_are_refused(self, path, tmp_path, sample):
        """Columns about other cells, or in another order, are a bug, told as such."""
        with pytest.raises(ValueError, match="in its order"):
            write_cells_copy(
                read_cells(path), tmp_path / "b.h5ad", obs=self.columns(sample)[::-1], note=self.NOTE
            )

    def test_incomplete_annotation_is_refused(self, path, tmp_path, sample):
        """A copy that lacks entries of its contract is refused with their names."""
        with pytest.raises(ContractError, match="obs/predicted_state"):
            write_cells_copy(read_cells(path), tmp_path / "b.h5ad", obs=self.columns(sample), note=self.NOTE)

    def test_taken_uns_is_refused(self, path, tmp_path, sample):
        """A file whose uns/tcellflow became something else between reading and copying is refused."""
        cells = read_cells(path)
        edit(path, lambda f: replace(f, "uns/tcellflow", 3))
        with pytest.raises(InputError, match="no mapping"):
            write_cells_copy(cells, tmp_path / "b.h5ad", obs=self.columns(sample), note=self.NOTE)
