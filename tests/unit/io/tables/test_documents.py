"""JSON documents: sorted, byte-stable, and refused where they are no object."""

from __future__ import annotations

import pytest

from tcellflow.errors import InputError
from tcellflow.io.tables.documents import read_json, write_json
from tcellflow.provenance import StepNote

NOTE = StepNote("embed-tcr", {"backend": "kmer"})


def test_json_is_sorted_and_comes_back(tmp_path):
    """JSON is written with sorted keys and a final newline, letters beyond ASCII as they are."""
    write_json(tmp_path / "j", {"b": 1, "a": "γδ"})
    assert (tmp_path / "j").read_text(encoding="utf-8") == '{\n "a": "γδ",\n "b": 1\n}\n'
    write_json(tmp_path / "noted", {"b": 1}, NOTE)
    assert read_json(tmp_path / "noted") == {"b": 1, "tcellflow": NOTE.as_dict()}


def test_json_refuses_numbers_that_json_does_not_know(tmp_path):
    """NaN is refused: JSON readers stumble over it."""
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "j", {"a": float("nan")})


@pytest.mark.parametrize(
    ("content", "fault"), [(b"{", "not JSON"), (b"[1]", "not an object"), (b"\xff", "not JSON")]
)
def test_broken_json_is_an_input_error(tmp_path, content, fault):
    """A file that is not a JSON object is refused with its fault."""
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(InputError, match=fault):
        read_json(tmp_path / "j")
