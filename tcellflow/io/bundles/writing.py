"""Writing bundles: the folder with its digests, and the list of the packaged ones.

Invariant: a folder under its final name is a whole bundle that was read back; the same content
gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcellflow.errors import OutputError
from tcellflow.io.bundles.description import BUNDLE_FORMAT
from tcellflow.io.bundles.folders import DESCRIPTION_FILE, MANIFEST_FILE, Bundle, read_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_bundle(
    folder: Path, document: Mapping[str, Any], files: Mapping[str, bytes], *, force: bool = False
) -> Bundle:
    """Write a bundle's folder, having read it back under another name.

    Parameters
    ----------
    folder
        Where it goes; its parent is made if absent.
    document
        Content of ``bundle.json`` without ``format`` and ``files``.
    files
        Name to content, ``model.onnx`` and ``CARD.md`` among them.
    force
        Whether a bundle that is there may be replaced.

    Returns
    -------
    Bundle
        The verified bundle.

    Raises
    ------
    OutputError
        If the place is taken, or cannot be written.
    BundleError
        If the content makes no whole bundle; nothing is left behind then.
    """
    _check_place(folder, force=force)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    whole = {**document, "format": BUNDLE_FORMAT, "files": digests}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
            made = Path(scratch) / folder.name
            made.mkdir()
            for name, content in files.items():
                (made / name).write_bytes(content)
            text = json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
            (made / DESCRIPTION_FILE).write_text(text, encoding="utf-8")
            bundle = read_bundle(made)
            if folder.exists():
                shutil.rmtree(folder)
            made.replace(folder)
    except OSError as error:
        raise OutputError(
            f"the bundle cannot be written: {error.strerror}", where=folder, mend="choose another folder"
        ) from error
    return replace(bundle, folder=folder)


def _check_place(folder: Path, *, force: bool) -> None:
    if not folder.exists():
        return
    is_bundle = (folder / DESCRIPTION_FILE).is_file()
    is_empty = folder.is_dir() and not any(folder.iterdir())
    if not (is_empty or (is_bundle and force)):
        raise OutputError(
            "a bundle stands there already" if is_bundle else "the place of the bundle is taken",
            where=folder,
            mend="add --force to replace it, or choose another folder"
            if is_bundle
            else "choose another folder",
        )


def write_manifest(folder: Path) -> None:
    """Write the list of the bundles that lie side by side in a folder.

    Parameters
    ----------
    folder
        Folder of bundles, e.g. ``tcellflow/bundles``.

    Raises
    ------
    BundleError
        If one of them is not whole.
    """
    lines = ["# Packaged bundles with the sha256 of their bundle.json; written by the build scripts."]
    for path in sorted(folder.glob(f"*/{DESCRIPTION_FILE}")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        about = json.loads(path.read_text(encoding="utf-8"))
        lines += ["", f"[bundles.{path.parent.name}]"]
        lines += [f'version = "{about["version"]}"', f'task = "{about["task"]}"', f'sha256 = "{digest}"']
    (folder / MANIFEST_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
