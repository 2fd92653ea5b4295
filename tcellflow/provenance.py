"""Who made this file: the note every output carries, free of time and place.

Invariant: the same input, options and versions give the same note, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tcellflow import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class StepNote:
    """What made a file: step, version, options, inputs and bundle.

    Parameters
    ----------
    step
        Command that wrote the file.
    options
        The options that change the content; never paths or thread counts.
    inputs
        Role of each input ("gex", "tcr") to its sha256.
    bundle
        Name, version and sha256 of the bundle used; empty without one.
    """

    step: str
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    bundle: Mapping[str, JsonValue] = field(default_factory=dict)

    def as_dict(self) -> dict[str, JsonValue]:
        """Give the note as JSON-ready data with sorted keys.

        Returns
        -------
        dict
            Keys ``step``, ``version``, ``options``, ``inputs``, ``bundle``.
        """
        return {
            "step": self.step,
            "version": __version__,
            "options": dict(sorted(self.options.items())),
            "inputs": dict(sorted(self.inputs.items())),
            "bundle": dict(sorted(self.bundle.items())),
        }

    def as_json(self) -> str:
        """Give the note as canonical JSON.

        Returns
        -------
        str
            One line, sorted keys, no spaces.
        """
        return json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))


def digest_file(path: Path) -> str:
    """Compute the sha256, for a provenance note, of a file, or of a folder's files in name order.

    Parameters
    ----------
    path
        File or folder; links are followed.

    Returns
    -------
    str
        Hexadecimal digest, 64 characters.
    """
    digest = hashlib.sha256()
    for part in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        if path.is_dir():
            digest.update(part.relative_to(path).as_posix().encode() + b"\0")
        with part.open("rb") as handle:
            while block := handle.read(_BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()
