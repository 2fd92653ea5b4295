"""The bundle commands print what was asked for on stdout and end with the documented codes."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys

import pytest

from receptor_bundles import identity_model, write_native_bundle
from state_bundles import make_states_model, write_states_bundle
from tcellflow.cli.train.options import check_libraries
from tcellflow.errors import OptionsError
from tcellflow.io.bundles.folders import PACKAGED_FOLDER, SEARCH_VARIABLE

PACKAGED = PACKAGED_FOLDER / "states-linear"
NAMES = sorted(folder.name for folder in PACKAGED_FOLDER.iterdir() if folder.is_dir())


def run(*arguments, search=""):
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from tcellflow.cli.app import main; main()", "bundle", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", SEARCH_VARIABLE: str(search), "LC_ALL": "C.UTF-8"},
    )


@pytest.fixture
def broken(tmp_path):
    """A search folder with one damaged bundle."""
    folder = shutil.copytree(PACKAGED, tmp_path / "found" / "mine")
    (folder / "CARD.md").write_text("changed")
    return folder


def test_list_shows_the_packaged_bundles():
    """The list is a plain table on stdout, sorted by name, with nothing on stderr."""
    done = run("list")
    assert (done.returncode, done.stderr) == (0, "")
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["name", "version", "task", "origin", "megabytes", "summary"]
    assert [row.split()[0] for row in rows] == NAMES
    assert rows[NAMES.index("states-linear")].split()[:4] == ["states-linear", "1", "states", "packaged"]


def test_list_gives_json():
    """The JSON list holds one object per bundle, with its digest."""
    done = run("list", "--json")
    rows = json.loads(done.stdout)
    assert [row["name"] for row in rows] == NAMES
    assert all(row["is_whole"] and len(row["sha256"]) == 64 for row in rows)


def test_a_damaged_bundle_is_listed_as_such(broken):
    """A damaged bundle does not hide the others, and its fault goes to stderr."""
    done = run("list", "--json", search=broken.parent)
    rows = {row["name"]: row["is_whole"] for row in json.loads(done.stdout)}
    assert rows == {"mine": False, **dict.fromkeys(NAMES, True)}
    assert "'CARD.md' was altered" in done.stderr


def test_show_prints_the_card():
    """show prints the card as it lies in the bundle."""
    done = run("show", "states-linear")
    assert done.returncode == 0
    assert done.stdout == (PACKAGED / "CARD.md").read_text()


def test_show_gives_json():
    """show --json prints bundle.json with the bundle's own digest."""
    found = json.loads(run("show", "states-linear", "--json").stdout)
    assert found.pop("sha256")
    assert found == json.loads((PACKAGED / "bundle.json").read_text())


def test_show_of_an_unknown_bundle_ends_with_69():
    """An unknown name ends with 69 and lists the bundles there are."""
    done = run("show", "nonsense")
    assert (done.returncode, done.stdout) == (69, "")
    assert "states-linear" in done.stderr


def test_verify_checks_all_bundles():
    """Without names every bundle is checked, one line each."""
    done = run("verify")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == NAMES
    assert "states-linear 1: whole (5 files, sha256 " in done.stdout


def test_verify_names_the_broken_one_and_goes_on(broken):
    """A damaged bundle ends the command with 69, after the others were checked."""
    done = run("verify", broken, PACKAGED, search=broken.parent)
    assert done.returncode == 69
    assert "'CARD.md' was altered" in done.stderr
    assert "states-linear 1: whole" in done.stdout
    assert run("verify", search=broken.parent).returncode == 69


def test_verify_tells_every_broken_bundle(broken, tmp_path):
    """With several damaged bundles each gets its own message."""
    other = shutil.copytree(PACKAGED, tmp_path / "other")
    (other / "model.onnx").unlink()
    done = run("verify", broken, other)
    assert done.returncode == 69
    assert "'CARD.md' was altered" in done.stderr
    assert "'model.onnx' is missing" in done.stderr


def test_verify_runs_the_ensemble_too(tmp_path):
    """A bundle whose model works but whose ensemble does not is broken."""
    whole = [("ensemble.onnx", make_states_model(n_members=3))]
    write_states_bundle(tmp_path / "whole", files=whole)
    write_states_bundle(tmp_path / "broken", files=[("ensemble.onnx", identity_model())])
    assert run("verify", tmp_path / "whole").returncode == 0
    done = run("verify", tmp_path / "broken")
    assert done.returncode == 69
    assert "ensemble.onnx" in done.stderr


def test_verify_runs_the_encoder_of_receptors_bundles(tmp_path):
    """A receptors bundle whose network does not take what its backend gives is broken."""
    assert run("verify", write_native_bundle(tmp_path / "whole")).returncode == 0
    done = run("verify", write_native_bundle(tmp_path / "broken", model=identity_model()))
    assert done.returncode == 69
    assert "does not fit the backend native" in done.stderr


def test_import_without_its_folder_ends_with_66(tmp_path):
    """A folder that is not there is an input error; another kind of weights is a usage error."""
    done = run("import", "tcr-bert", tmp_path / "nowhere", "-o", tmp_path / "b")
    assert done.returncode == 66
    assert "the configuration cannot be read" in done.stderr
    assert run("import", "word2vec", tmp_path).returncode == 2
    assert not (tmp_path / "b").exists()


def test_import_without_its_libraries_says_what_to_install(monkeypatch):
    """Where transformers is not installed, the message names it and the extra that brings it."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "transformers" else find(name)
    )
    with pytest.raises(OptionsError, match="bundle import needs transformers") as caught:
        check_libraries("torch", "transformers", command="bundle import")
    assert "pip install '.[train]'" in caught.value.mend
