"""A bundle is written whole or not at all."""

from __future__ import annotations

import shutil

import pytest

from receptor_bundles import describe_receptors_bundle, identity_model
from tcellflow.errors import BundleError, OutputError
from tcellflow.io.bundles.folders import PACKAGED_FOLDER, read_bundle
from tcellflow.io.bundles.writing import write_bundle, write_manifest

FILES = {"model.onnx": identity_model(), "vocabulary.json": b"{}", "CARD.md": b"# tiny\n"}


def test_a_written_bundle_is_whole(tmp_path):
    """What is written can be read, and nothing but the bundle lies in the folder."""
    bundle = write_bundle(tmp_path / "new" / "b", describe_receptors_bundle(), FILES)
    assert bundle == read_bundle(tmp_path / "new" / "b")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["b"]


def test_equal_content_gives_equal_bytes(tmp_path):
    """The order of files and entries does not matter."""
    document = describe_receptors_bundle()
    first = write_bundle(tmp_path / "a", document, FILES)
    second = write_bundle(tmp_path / "b", dict(reversed(document.items())), dict(reversed(FILES.items())))
    assert first.sha256 == second.sha256


def test_a_faulty_bundle_is_not_written(tmp_path):
    """Content that makes no bundle leaves nothing behind, and an older bundle stays."""
    with pytest.raises(BundleError, match="vocabulary file"):
        write_bundle(tmp_path / "b", describe_receptors_bundle(vocabulary="x"), FILES)
    assert list(tmp_path.iterdir()) == []
    old = write_bundle(tmp_path / "b", describe_receptors_bundle(), FILES)
    with pytest.raises(BundleError):
        write_bundle(tmp_path / "b", describe_receptors_bundle(loci=[]), FILES, force=True)
    assert read_bundle(tmp_path / "b") == old


def test_only_a_bundle_is_replaced_and_only_on_request(tmp_path):
    """A bundle is replaced with force alone, any other folder never."""
    write_bundle(tmp_path / "b", describe_receptors_bundle(), FILES)
    with pytest.raises(OutputError, match="stands there already"):
        write_bundle(tmp_path / "b", describe_receptors_bundle(), FILES)
    again = write_bundle(tmp_path / "b", describe_receptors_bundle(version="2"), FILES, force=True)
    assert again.description.version == "2"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    with pytest.raises(OutputError, match="place of the bundle is taken"):
        write_bundle(tmp_path / "mine", describe_receptors_bundle(), FILES, force=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "dear"


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    """A file where the parent folder belongs is an output error."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_bundle(tmp_path / "file" / "b", describe_receptors_bundle(), FILES)


def test_the_manifest_lists_the_bundles_beside_it(tmp_path):
    """The packaged manifest is what the packaged bundles give."""
    for path in PACKAGED_FOLDER.iterdir():
        if path.is_dir():
            shutil.copytree(path, tmp_path / path.name)
    write_manifest(tmp_path)
    assert (tmp_path / "MANIFEST.toml").read_bytes() == (PACKAGED_FOLDER / "MANIFEST.toml").read_bytes()
