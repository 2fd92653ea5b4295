"""Provenance notes are free of time and place."""

import json

from tcellflow import __version__
from tcellflow.provenance import StepNote, digest_file


def test_a_note_does_not_depend_on_the_order_of_its_parts():
    """Two notes with the same content are the same bytes."""
    one = StepNote("predict", options={"b": 1, "a": 2}, inputs={"y": "1", "x": "2"})
    two = StepNote("predict", options={"a": 2, "b": 1}, inputs={"x": "2", "y": "1"})
    assert one.as_json() == two.as_json()
    assert json.loads(one.as_json())["version"] == __version__


def test_a_folder_is_digested_by_names_and_contents(tmp_path):
    """Renaming a file inside a folder changes its digest, its place on disk does not."""
    digests = []
    for folder, name in (("one", "a"), ("two", "a"), ("three", "b")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("x")
        digests.append(digest_file(tmp_path / folder))
    assert digests[0] == digests[1] != digests[2]


def test_a_file_digest_is_its_sha256(tmp_path):
    """The digest is the plain sha256 that sha256sum prints."""
    (tmp_path / "f").write_bytes(b"abc")
    assert digest_file(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
