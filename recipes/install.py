"""Put a bundle that a recipe trained in the place of the packaged one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tcellflow.io.bundles.folders import PACKAGED_FOLDER
from tcellflow.io.bundles.writing import write_manifest

if TYPE_CHECKING:
    from pathlib import Path


def install_bundle(bundle: Path, name: str) -> None:
    """Replace the packaged bundle of this name, and renew the manifest of all."""
    target = PACKAGED_FOLDER / name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(bundle, target)
    write_manifest(PACKAGED_FOLDER)
