"""The JSON documents of the steps on disk: qc.json, embed.json and metrics.json, checked both ways.

Invariant: what is read or written fits its contract; the check changes no byte of what is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tcellflow.contracts.documents import check_document
from tcellflow.contracts.entries import Document
from tcellflow.io.files.staged import final_name
from tcellflow.io.tables.documents import read_json, write_json
from tcellflow.vocabulary import UNS_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tcellflow.provenance import JsonValue, StepNote

_Document = TypeVar("_Document", bound=Document)


def write_document(
    path: Path, content: Mapping[str, JsonValue], note: StepNote, contract: type[Document]
) -> None:
    """Check the JSON document of a step and write it with its note.

    Raises
    ------
    ContractError
        If it breaks its contract (a bug of the step, caught before it spreads).
    """
    whole = {**content, UNS_KEY: note.as_dict()}
    check_document(whole, contract, where=final_name(path.name))
    write_json(path, whole)


def read_document(path: Path, contract: type[_Document]) -> _Document:
    """Read the JSON document of a step and check it.

    Raises
    ------
    InputError
        If the file is absent, a folder, or not a JSON object.
    ContractError
        If it breaks its contract.
    """
    return check_document(read_json(path), contract, where=path)
