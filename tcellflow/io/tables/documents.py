"""JSON documents with sorted keys: what a step or a run says of itself.

Invariant: the same content gives the same bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tcellflow.errors import InputError
from tcellflow.io.files.json_text import NotJsonError, parse_json
from tcellflow.io.files.kinds import check_is_file
from tcellflow.vocabulary import UNS_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tcellflow.provenance import JsonValue, StepNote


def write_json(path: Path, content: Mapping[str, JsonValue], note: StepNote | None = None) -> None:
    """Write a JSON document with sorted keys and a final newline, the note under the key ``tcellflow``."""
    whole = dict(content) if note is None else {**content, UNS_KEY: note.as_dict()}
    path.write_text(
        json.dumps(whole, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )


def read_json(path: Path) -> dict[str, JsonValue]:
    """Read a JSON document, which is an object.

    Raises
    ------
    InputError
        If the file is absent, a folder, or not a JSON object.
    """
    check_is_file(path)
    try:
        content = parse_json(path.read_bytes())
    except NotJsonError as error:
        raise InputError(
            f"the file is not JSON: {error}", where=path, mend="re-run the step that wrote it"
        ) from error
    if not isinstance(content, dict):
        raise InputError("the JSON is not an object", where=path, mend="re-run the step that wrote it")
    return content
