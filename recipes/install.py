"""Put a bundle that a recipe trained in the place of the packaged one."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from tcellflow.io.bundles.description import CARD_FILE
from tcellflow.io.bundles.folders import DESCRIPTION_FILE, PACKAGED_FOLDER
from tcellflow.io.bundles.writing import write_manifest
from tcellflow.provenance import digest_file

if TYPE_CHECKING:
    from pathlib import Path


def install_bundle(bundle: Path, name: str) -> None:
    """Replace the packaged bundle of this name, and renew the manifest of all."""
    target = PACKAGED_FOLDER / name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(bundle, target)
    write_manifest(PACKAGED_FOLDER)


def install_card(text: str, name: str) -> None:
    """Replace the card of the packaged bundle of this name, and renew the digests that name it."""
    folder = PACKAGED_FOLDER / name
    (folder / CARD_FILE).write_text(text, encoding="utf-8")
    document = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
    document["files"][CARD_FILE] = digest_file(folder / CARD_FILE)
    lines = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (folder / DESCRIPTION_FILE).write_text(lines + "\n", encoding="utf-8")
    write_manifest(PACKAGED_FOLDER)
