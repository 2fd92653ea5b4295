"""The packaged samples: what their notes say, readable by the field's own tools."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "tcellflow" / "data" / "samples"
PROVENANCE = tomllib.loads((SAMPLES / "PROVENANCE.toml").read_text())
MATRIX = "sample_filtered_feature_bc_matrix.h5"
CONTIGS = "filtered_contig_annotations.csv"


def test_every_packaged_file_has_its_note_and_checksum():
    """The files that ship are exactly those that PROVENANCE.toml names, byte for byte."""
    noted = {
        f"{name}/{file}": digest
        for name, note in PROVENANCE.items()
        for file, digest in note["sha256"].items()
    }
    shipped = {
        path.relative_to(SAMPLES).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in SAMPLES.glob("*/*")
    }
    assert shipped == noted


def test_samples_stay_small():
    """All samples together weigh less than five megabytes."""
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 5e6


@pytest.mark.parametrize("name", sorted(PROVENANCE))
def test_matrix_has_the_layout_cell_ranger_writes(name):
    """The matrix has the groups, types and attributes of the 10x layout 3, cells contiguous."""
    note = PROVENANCE[name]
    with h5py.File(SAMPLES / name / MATRIX) as handle:
        assert set(handle["matrix"]) == {"barcodes", "data", "features", "indices", "indptr", "shape"}
        assert set(handle["matrix/features"]) == {"_all_tag_keys", "feature_type", "genome", "id", "name"}
        assert handle["matrix/data"].dtype == np.int32
        assert handle["matrix/barcodes"].dtype.kind == "S"
        n_features = note["genes"] + note.get("antibodies", 0)
        assert handle["matrix/shape"][()].tolist() == [n_features, note["cells"]]
        assert len(handle["matrix/indptr"]) == note["cells"] + 1
        assert len(set(handle["matrix/features/id"][()])) == n_features
        assert handle.attrs["filetype"] == b"matrix"


@pytest.mark.parametrize("name", sorted(PROVENANCE))
def test_contigs_are_those_of_the_note(name):
    """The contig table has the number of rows its note says, and nearly all belong to cells of the matrix."""
    contigs = pd.read_csv(SAMPLES / name / CONTIGS)
    with h5py.File(SAMPLES / name / MATRIX) as handle:
        cells = set(handle["matrix/barcodes"][()].astype(str))
    assert len(contigs) == PROVENANCE[name]["contigs"]
    assert contigs["barcode"].isin(cells).mean() > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PROVENANCE))
def test_scanpy_and_scirpy_read_the_samples_unchanged(name):
    """scanpy.read_10x_h5 and scirpy.io.read_10x_vdj read the files as they are."""
    sc = pytest.importorskip("scanpy")
    scirpy = pytest.importorskip("scirpy")
    note = PROVENANCE[name]
    cells = sc.read_10x_h5(SAMPLES / name / MATRIX, gex_only=False)
    assert cells.n_obs == note["cells"]
    kinds = cells.var["feature_types"].value_counts().to_dict()
    assert kinds.pop("Gene Expression") == note["genes"]
    assert kinds.pop("Antibody Capture", 0) == note.get("antibodies", 0)
    receptors = scirpy.io.read_10x_vdj(SAMPLES / name / CONTIGS)
    assert receptors.n_obs > 0.8 * note["cells"]


@pytest.mark.data
@pytest.mark.slow
def test_samples_rebuild_byte_for_byte(shared_data, tmp_path):
    """Building the samples from their sources gives the very bytes that ship."""
    command = [sys.executable, "-m", "recipes.samples.build", shared_data, tmp_path]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    built = {path.relative_to(tmp_path) for path in tmp_path.glob("*/*")}
    assert built == {path.relative_to(SAMPLES) for path in SAMPLES.glob("*/*")}
    for name in built:
        assert (tmp_path / name).read_bytes() == (SAMPLES / name).read_bytes(), name


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PROVENANCE))
def test_packaged_counts_equal_the_source(shared_data, name):
    """Every packaged count is the count of the source, cell by cell and gene by gene."""
    sc = pytest.importorskip("scanpy")
    ad = pytest.importorskip("anndata")
    packaged = sc.read_10x_h5(SAMPLES / name / MATRIX)
    source = ad.read_h5ad(shared_data / name / "counts.h5ad")
    source.obs_names = source.obs_names.str.removeprefix("Pt17_")
    source = source[packaged.obs_names]
    packaged.var_names_make_unique()  # the source did so; the packaged file has the vendor's names
    assert packaged.var_names.tolist() == source.var_names.tolist()
    assert (packaged.X != source.X).nnz == 0
