"""Bundles are found by name and trusted only when whole."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from receptor_bundles import describe_receptors_bundle, identity_model, write_bundle_folder
from tcellflow.errors import BundleError
from tcellflow.io.bundles import folders
from tcellflow.io.bundles.folders import (
    PACKAGED_FOLDER,
    PACKAGED_LIMIT_BYTES,
    find_bundle,
    list_bundles,
    read_bundle,
)
from tcellflow.io.bundles.receptors import ReceptorsDetails


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the packaged bundle outside the package."""
    monkeypatch.delenv("TCELLFLOW_BUNDLES", raising=False)
    return shutil.copytree(PACKAGED_FOLDER / "states-linear", tmp_path / "found" / "mine")


def edit(folder, change):
    """Change bundle.json."""
    path = folder / "bundle.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_the_packaged_bundle_is_found_by_name(monkeypatch):
    """The default bundle needs no path and no network."""
    monkeypatch.delenv("TCELLFLOW_BUNDLES", raising=False)
    bundle = read_bundle(find_bundle("states-linear"))
    assert bundle.description.task == "states"
    assert bundle.panel.symbols.size == bundle.states.panel.n_genes == bundle.panel.weights.size


def test_every_packaged_bundle_is_in_the_manifest_and_whole():
    """A bundle cannot be shipped without its manifest entry, nor an entry without its bundle."""
    shipped = {path.name for path in PACKAGED_FOLDER.iterdir() if path.is_dir()}
    manifest = folders.read_manifest()
    assert shipped == set(manifest)
    for name, entry in manifest.items():
        bundle = read_bundle(PACKAGED_FOLDER / name)
        assert entry["sha256"] == bundle.sha256
        assert (entry["version"], entry["task"]) == (bundle.description.version, bundle.description.task)


def test_packaged_bundles_stay_small():
    """All packaged bundles together stay below the limit, so that installing stays quick."""
    total = sum(path.stat().st_size for path in PACKAGED_FOLDER.rglob("*") if path.is_file())
    assert total <= PACKAGED_LIMIT_BYTES


def test_receptor_segments_and_immunoglobulins_are_not_in_the_panel():
    """The packaged panel holds no gene that would mark a clone, a donor or ambient B-cell RNA."""
    symbols = read_bundle(PACKAGED_FOLDER / "states-linear").panel.symbols
    prefixes = ("TRAV", "TRAJ", "TRBV", "TRBD", "TRBJ", "TRGV", "TRGJ", "TRDV", "TRDD", "TRDJ")
    assert [s for s in symbols if s.startswith((*prefixes, "IGH", "IGK", "IGL"))] == []
    assert {"TRDC", "TRADD"} <= set(symbols)


def test_a_search_folder_comes_first(copied, monkeypatch):
    """A bundle in TCELLFLOW_BUNDLES is found by its folder's name and hides a packaged one."""
    monkeypatch.setenv("TCELLFLOW_BUNDLES", str(copied.parent))
    assert find_bundle("mine") == copied
    shutil.copytree(copied, copied.parent / "states-linear")
    assert find_bundle("states-linear") == copied.parent / "states-linear"
    origins = {bundle.name: bundle.origin for bundle in list_bundles()}
    assert origins.pop("mine") == origins.pop("states-linear") == "folder"
    assert set(origins.values()) == {"packaged"}


def test_a_path_is_taken_as_it_is(copied):
    """A folder with a bundle.json needs no search."""
    assert find_bundle(copied) == copied
    assert read_bundle(copied).description.name == "states-linear"


def test_an_unknown_name_lists_what_there_is(monkeypatch):
    """The error for an unknown bundle names the bundles that exist."""
    monkeypatch.delenv("TCELLFLOW_BUNDLES", raising=False)
    with pytest.raises(BundleError) as caught:
        find_bundle("states-nonsense")
    assert "states-linear" in caught.value.mend


def test_a_folder_without_description_is_no_bundle(tmp_path):
    """A path to any other folder is refused."""
    with pytest.raises(BundleError, match=r"no bundle\.json"):
        find_bundle(tmp_path)


def test_a_missing_search_folder_is_told(tmp_path, monkeypatch):
    """A mistyped TCELLFLOW_BUNDLES is an error, not silence."""
    monkeypatch.setenv("TCELLFLOW_BUNDLES", str(tmp_path / "nowhere"))
    with pytest.raises(BundleError, match="TCELLFLOW_BUNDLES"):
        list_bundles()


@pytest.mark.parametrize("name", ["model.onnx", "panel.tsv", "CARD.md", "LICENSE.STCAT"])
def test_an_altered_file_is_found(copied, name):
    """One changed byte in any file is found by its digest."""
    path = copied / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=rf"'{name}' was altered"):
        read_bundle(copied)


def test_a_missing_file_is_found(copied):
    """A bundle without one of its files is refused."""
    (copied / "panel.tsv").unlink()
    with pytest.raises(BundleError, match=r"'panel\.tsv' is missing"):
        read_bundle(copied)


def test_an_unlisted_file_is_refused(copied):
    """Nothing may lie in the folder that bundle.json does not list."""
    (copied / "evil.py").write_text("print(1)")
    with pytest.raises(BundleError, match=r"'evil\.py' is not listed"):
        read_bundle(copied)


def test_a_link_is_refused(copied, tmp_path):
    """A file that is a link out of the folder is refused even if its content fits."""
    outside = shutil.copy(copied / "panel.tsv", tmp_path / "panel.tsv")
    (copied / "panel.tsv").unlink()
    (copied / "panel.tsv").symlink_to(outside)
    with pytest.raises(BundleError, match=r"'panel\.tsv' is a link"):
        read_bundle(copied)


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/passwd", "sub/../../x", ".hidden"])
def test_a_file_name_cannot_leave_the_folder(copied, name):
    """A listed name that points elsewhere is refused before anything is opened."""
    edit(copied, lambda d: d["files"].update({name: "0" * 64}))
    with pytest.raises(BundleError, match="leaves the bundle's folder"):
        read_bundle(copied)


DESCRIPTION = json.loads((PACKAGED_FOLDER / "states-linear" / "bundle.json").read_text())


@pytest.mark.parametrize("key", sorted(DESCRIPTION.keys() - {"format", "teacher_classes", "reference"}))
def test_each_entry_is_needed(copied, key):
    """A description without one of its entries is refused, and the entry is named."""
    edit(copied, lambda d: d.pop(key))
    with pytest.raises(BundleError, match=f"'{key}' is missing"):
        read_bundle(copied)


def test_all_faults_are_told_together(copied):
    """Several faults of one description come in one message."""

    def spoil(document):
        document["task"] = "cooking"
        document["labels"]["state"] = ["Naive"]
        document["evidence"]["Treg"] = ["hearsay"]
        document["inputs"][0]["axes"] = 2
        document["abstention"]["curve"][0]["risk"] = 7

    edit(copied, spoil)
    with pytest.raises(BundleError) as caught:
        read_bundle(copied)
    for word in (
        "cooking",
        "state labels",
        "'Treg' is",
        "inputs[0]: 'axes' is",
        "abstention.curve[0]: 'risk' is 7",
    ):
        assert word in caught.value.what


@pytest.mark.parametrize("content", ["[]", "not json", '{"format": 99}', "{}"])
def test_another_document_is_refused(copied, content):
    """A bundle.json of another shape or format version is refused."""
    (copied / "bundle.json").write_text(content)
    with pytest.raises(BundleError):
        read_bundle(copied)


def rewrite_panel(folder, text):
    """Replace the panel and mend its file digest, so that only its content can be wrong."""
    (folder / "panel.tsv").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    edit(folder, lambda d: d["files"].update({"panel.tsv": digest}))


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: ["gene\tweight", *rows[1:]],
        lambda rows: rows[:-1],
        lambda rows: [*rows[:-1], rows[1]],
        lambda rows: [*rows[:-1], rows[-1].split("\t")[0] + "\tnan"],
        lambda rows: [*rows[:-1], "onlyone"],
        lambda rows: [rows[0], rows[2], rows[1], *rows[3:]],
    ],
    ids=["header", "short", "repeated", "nan", "one column", "order"],
)
def test_a_broken_panel_is_refused(copied, change):
    """A panel that does not match its declared genes, order or weights is refused."""
    rows = (copied / "panel.tsv").read_text().splitlines()
    rewrite_panel(copied, "\n".join(change(rows)) + "\n")
    with pytest.raises(BundleError, match="gene panel"):
        read_bundle(copied)


def test_a_packaged_bundle_must_fit_the_manifest(copied, monkeypatch):
    """A changed packaged bundle is refused even when it is consistent in itself."""
    folder = copied.parent
    monkeypatch.setattr(folders, "PACKAGED_FOLDER", folder)
    shutil.copy(PACKAGED_FOLDER / "MANIFEST.toml", folder / "MANIFEST.toml")
    with pytest.raises(BundleError, match="not in the manifest"):
        read_bundle(copied)
    copied = copied.rename(folder / "states-linear")
    read_bundle(copied)
    edit(copied, lambda d: d.update(summary="changed"))
    with pytest.raises(BundleError, match="differs from the manifest"):
        read_bundle(copied)
    (folder / "MANIFEST.toml").unlink()
    with pytest.raises(BundleError, match="list of packaged bundles"):
        read_bundle(copied)


def write_receptors(folder, **changes):
    """A receptors bundle whose bundle.json has some entries changed; None leaves one out."""
    document = describe_receptors_bundle(**changes)
    kept = {key: value for key, value in document.items() if value is not None}
    return write_bundle_folder(folder, kept, {"model.onnx": identity_model(), "vocabulary.json": b"{}"})


def test_a_receptors_bundle_is_read(tmp_path):
    """The entries of a receptors bundle come out as they were written."""
    bundle = read_bundle(write_receptors(tmp_path / "b", loci=["TRB"], max_length=30))
    assert bundle.receptors == ReceptorsDetails(
        "native",
        "vocabulary.json",
        4,
        "class token",
        30,
        frozenset({"TRB"}),
        bundle.receptors.cluster_distances,
    )
    assert bundle.receptors.cluster_distances == {"pair": 0.1, "trb": 0.1, "tra": 0.1}


def test_a_bundle_answers_for_its_own_task_alone(tmp_path, copied):
    """Asking a bundle for what another task's bundles say is refused and names both tasks."""
    receptors, states = read_bundle(write_receptors(tmp_path / "b")), read_bundle(copied)
    for ask in (lambda: receptors.states, lambda: receptors.panel):
        with pytest.raises(BundleError, match="'receptors' instead of 'states'"):
            ask()
    with pytest.raises(BundleError, match="'states' instead of 'receptors'"):
        _ = states.receptors


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"backend": "kmer"}, "backend 'kmer'"),
        ({"backend": None}, "'backend' is missing"),
        ({"vocabulary": "words.json"}, "vocabulary file is not listed"),
        ({"dimension": 0}, "'dimension' is 0, but should be greater than 0"),
        ({"dimension": True}, "'dimension' is a bool"),
        ({"max_length": 5}, "'max_length' is 5, but should be greater than or equal to 6"),
        ({"pooling": None}, "'pooling' is missing"),
        ({"loci": []}, "not AIRR loci"),
        ({"loci": ["TRA", "TRX"]}, "not AIRR loci"),
        ({"loci": [["TRA"]]}, "not AIRR loci"),
        ({"task": ["receptors"]}, "'task' is a list"),
    ],
)
def test_a_faulty_receptors_bundle_is_refused(tmp_path, changes, fault):
    """Each entry of a receptors bundle is needed and checked."""
    with pytest.raises(BundleError, match=fault):
        read_bundle(write_receptors(tmp_path / "b", **changes))
