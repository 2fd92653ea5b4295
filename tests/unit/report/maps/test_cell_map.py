"""The map section: every cell under its own barcode, told without markup; broken vectors are refused."""

from __future__ import annotations

import json
import re

import h5py
import numpy as np
import pytest

from step_outputs import make_step_frames, write_step_files
from tcellflow.errors import ContractError, InputError
from tcellflow.io.h5ad.latent import has_latent, read_latent
from tcellflow.report.content import compose_report
from tcellflow.report.inputs import read_report_inputs
from tcellflow.report.maps.scatter import colour_class, tell_script
from tcellflow.report.page import render_page
from tcellflow.report.roles import Role, recognise_file
from tcellflow.vocabulary import State

HOSTILE = "</script><script>alert(1)</script><!--\u2028&"


def write_annotated(path, barcodes, vectors):
    with h5py.File(path, "w") as file:
        obs = file.create_group("obs")
        obs.attrs["_index"] = "_index"
        obs.create_dataset("_index", data=np.array(barcodes, object), dtype=h5py.string_dtype())
        file.create_group("obsm").create_dataset("X_state", data=vectors)
    return path


def make_inputs(folder, n_cells, rename=str):
    frames = make_step_frames(n_cells)
    frames.predictions["barcode"] = [rename(b) for b in frames.predictions["barcode"]]
    barcodes = frames.predictions["barcode"].to_list()
    paths = [p for p in write_step_files(folder, frames) if "predictions" in p.name or "metrics" in p.name]
    vectors = np.random.default_rng(0).normal(size=(n_cells, 8)).astype(np.float32)
    path = write_annotated(folder / "annotated.h5ad", barcodes[::-1], vectors)
    return read_report_inputs([*paths, path]), frames.predictions


def test_cells_keep_their_calls(tmp_path):
    """In whatever order the vectors come, each barcode on the map has its own state, clone and confidence."""
    inputs, calls = make_inputs(tmp_path, 60)
    drawn = compose_report(inputs, "x").cell_map
    by_barcode = calls.set_index("barcode")
    assert drawn.barcodes == tuple(calls["barcode"])[::-1]
    for i, barcode in enumerate(drawn.barcodes):
        row = by_barcode.loc[barcode]
        assert drawn.states.names[drawn.states.values[i]] == row["state"]
        assert drawn.clones[drawn.clone_of[i]] == row["clone_id"]
    assert sum(drawn.states.counts) == drawn.n_shown == 60


def test_names_cannot_leave_the_script_data(tmp_path):
    """Barcodes with markup are whole in the data, and no sign of markup is in its text."""
    inputs, _ = make_inputs(tmp_path, 20, rename=lambda b: f"{HOSTILE}{b}")
    drawn = compose_report(inputs, "x").cell_map
    text = str(tell_script(drawn))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text)["barcodes"] == list(drawn.barcodes)
    page = render_page(compose_report(inputs, "x"))
    assert len(re.findall(r"<script\b", page)) == 3


@pytest.mark.parametrize("n_cells", [0, 1, 2])
def test_few_cells_have_a_page(tmp_path, n_cells):
    """No cell gives a page without a map, one and two cells give one with it."""
    inputs, _ = make_inputs(tmp_path, n_cells)
    page = render_page(compose_report(inputs, "x"))
    assert ('id="map-plot"' in page) == (n_cells > 0)


def test_large_samples_are_taken_at_equal_steps(tmp_path):
    """At most so many cells are read, first and last among them, and the file's number is kept."""
    vectors = np.arange(1000, dtype=np.float32)[:, None]
    path = write_annotated(tmp_path / "a.h5ad", [f"c{i}" for i in range(1000)], vectors)
    latent = read_latent(path, 10)
    assert latent.n_cells == 1000
    assert list(latent.cell_ids) == [f"c{i}" for i in (0, 111, 222, 333, 444, 555, 666, 777, 888, 999)]
    assert latent.vectors[:, 0].tolist() == [int(name[1:]) for name in latent.cell_ids]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.ones((3, 2), np.float32), "for 4 cells"),
        (np.ones(4, np.float32), "for 4 cells"),
        (np.full((4, 2), np.nan, np.float32), "no numbers"),
    ],
)
def test_broken_vectors_are_refused(tmp_path, vectors, message):
    """A latent of another length or with missing numbers is a broken contract."""
    path = write_annotated(tmp_path / "a.h5ad", list("abcd"), vectors)
    with pytest.raises(ContractError, match=message):
        read_latent(path, 100)


def test_only_annotated_files_are_recognised(tmp_path):
    """An HDF5 file without the latent is none of the report's; a damaged one says so."""
    path = write_annotated(tmp_path / "a.h5ad", ["a"], np.ones((1, 2), np.float32))
    assert recognise_file(path) is Role.ANNOTATED
    with h5py.File(path, "a") as file:
        del file["obsm/X_state"]
    assert not has_latent(path)
    with pytest.raises(InputError, match="no annotated cells file"):
        recognise_file(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError):
        has_latent(path)


def test_each_state_has_one_colour():
    """All outcomes differ in colour class, and other words have none."""
    assert len({colour_class(str(state)) for state in State} | {colour_class("Unresolved")}) == 8
    assert colour_class(HOSTILE) == ""
