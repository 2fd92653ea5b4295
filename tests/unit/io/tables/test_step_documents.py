"""Documents are checked before they are written and when they are read, and the check costs no byte."""

from __future__ import annotations

import pytest

from contract_archive import archived_path
from tcellflow.contracts.embed import Embed
from tcellflow.errors import ContractError, InputError
from tcellflow.io.tables.documents import read_json, write_json
from tcellflow.io.tables.step_documents import read_document, write_document
from tcellflow.provenance import StepNote

NOTE = StepNote("embed-tcr")


@pytest.fixture
def content():
    found = read_json(archived_path("embed", 1))
    del found["tcellflow"]
    return found


def test_what_is_written_is_what_was_given(tmp_path, content):
    """The bytes are those of the content with its note, and come back as the document."""
    write_document(tmp_path / "a", content, NOTE, Embed)
    write_json(tmp_path / "b", content, NOTE)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    document = read_document(tmp_path / "a", Embed)
    assert (document.note.step, document.chains.total) == ("embed-tcr", content["chains"]["total"])


def test_a_broken_document_is_not_written(tmp_path, content):
    """A step that counts wrong is stopped before its file spreads; the place is the final name."""
    content["chains"]["embedded"] = -1
    with pytest.raises(ContractError, match=r"chains: 'embedded' is -1") as caught:
        write_document(tmp_path / "s.embed.json.part", content, NOTE, Embed)
    assert caught.value.where == "s.embed.json"
    assert list(tmp_path.iterdir()) == []


def test_a_broken_file_is_refused(tmp_path):
    """A file of another content, or none, is refused with its fault."""
    (tmp_path / "x").write_text('{"backend": 3}')
    with pytest.raises(ContractError, match="'backend' is a int instead of a text"):
        read_document(tmp_path / "x", Embed)
    with pytest.raises(InputError, match="does not exist"):
        read_document(tmp_path / "nowhere", Embed)
