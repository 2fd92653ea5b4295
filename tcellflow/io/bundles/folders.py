"""Bundles: folders with a trained model, found by name and verified file by file.

Invariant: a `Bundle` in hand is whole. Every file in its folder is listed in ``bundle.json`` with
a matching sha256, nothing lies outside the folder, and nothing in it is executable.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from tcellflow.errors import BundleError
from tcellflow.io.bundles.description import MODEL_FILE, BundleDescription, parse_bundle
from tcellflow.io.bundles.onnx_structure import check_onnx_is_plain
from tcellflow.io.bundles.receptors import TASK_RECEPTORS, ReceptorsDetails
from tcellflow.io.bundles.states import TASK_STATES, GenePanel, StatesDetails, read_panel
from tcellflow.io.files.json_text import NotJsonError, parse_json
from tcellflow.provenance import digest_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcellflow.provenance import JsonValue

DESCRIPTION_FILE: Final = "bundle.json"
TRAINED_FOLDER: Final = "bundle"  # of the bundle within the folder of a training
MANIFEST_FILE: Final = "MANIFEST.toml"
SEARCH_VARIABLE: Final = "TCELLFLOW_BUNDLES"
PACKAGED_FOLDER: Final = Path(__file__).resolve().parents[2] / "bundles"
PACKAGED_LIMIT_BYTES: Final = 60_000_000  # all packaged bundles together, so that the wheel stays small
_MAX_DESCRIPTION_BYTES = 4_000_000

Origin = Literal["folder", "packaged"]


@dataclass(frozen=True)
class Bundle:
    """A verified bundle.

    Parameters
    ----------
    folder
        Where it lies.
    sha256
        Digest of its ``bundle.json``, which lists the digests of all other files.
    description
        What ``bundle.json`` says.
    gene_panel
        Genes of a states bundle, None for other tasks.
    """

    folder: Path
    sha256: str
    description: BundleDescription
    gene_panel: GenePanel | None = None

    @property
    def model_path(self) -> Path:
        """The ONNX file."""
        return self.folder / MODEL_FILE

    @property
    def states(self) -> StatesDetails:
        """What only a states bundle says; a `BundleError` for other tasks."""
        details = self.description.details
        if not isinstance(details, StatesDetails):
            raise self._is_of_other_task(TASK_STATES)
        return details

    @property
    def panel(self) -> GenePanel:
        """Genes of a states bundle; a `BundleError` for other tasks."""
        if self.gene_panel is None:
            raise self._is_of_other_task(TASK_STATES)
        return self.gene_panel

    @property
    def receptors(self) -> ReceptorsDetails:
        """What only a receptors bundle says; a `BundleError` for other tasks."""
        details = self.description.details
        if not isinstance(details, ReceptorsDetails):
            raise self._is_of_other_task(TASK_RECEPTORS)
        return details

    def _is_of_other_task(self, task: str) -> BundleError:
        return BundleError(
            f"the bundle's task is '{self.description.task}' instead of '{task}'",
            where=self.folder,
            mend="choose a bundle of this task; 'tcellflow bundle list' shows them",
        )

    def note(self) -> dict[str, JsonValue]:
        """Give what a step's provenance note says about the bundle.

        Returns
        -------
        dict
            Keys ``name``, ``version``, ``sha256``.
        """
        return {"name": self.description.name, "version": self.description.version, "sha256": self.sha256}


@dataclass(frozen=True)
class BundlePlace:
    """A bundle's folder, found but not yet read.

    Parameters
    ----------
    name
        Name of the folder.
    folder
        The folder.
    origin
        ``folder`` for one of `SEARCH_VARIABLE`, ``packaged`` for one that came with tcellflow.
    """

    name: str
    folder: Path
    origin: Origin


def list_bundles() -> list[BundlePlace]:
    """List the bundle folders that can be named, in search order; a later one of the same name is hidden.

    Returns
    -------
    list of BundlePlace
        First those of the folders in ``TCELLFLOW_BUNDLES``, then the packaged ones; by name within.

    Raises
    ------
    BundleError
        If ``TCELLFLOW_BUNDLES`` names something that is not a folder.
    """
    found: dict[str, BundlePlace] = {}
    for folder, origin in _search_folders():
        for child in sorted(folder.iterdir()):
            if (child / DESCRIPTION_FILE).is_file():
                found.setdefault(child.name, BundlePlace(child.name, child, origin))
    return list(found.values())


def _search_folders() -> Iterator[tuple[Path, Origin]]:
    for text in filter(None, os.environ.get(SEARCH_VARIABLE, "").split(os.pathsep)):
        folder = Path(text).expanduser()
        if not folder.is_dir():
            raise BundleError(
                f"{SEARCH_VARIABLE} names a folder that does not exist",
                where=folder,
                mend="correct the variable or unset it",
            )
        yield folder, "folder"
    yield PACKAGED_FOLDER, "packaged"


def find_bundle(name: str | Path) -> Path:
    """Find a bundle's folder by its path or its name.

    Parameters
    ----------
    name
        A folder with a ``bundle.json``, the name of a bundle that `list_bundles` lists, or the folder of a
        training, which holds its bundle.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    BundleError
        If there is no such bundle; the message lists those there are.
    """
    path = Path(name)
    if (path / DESCRIPTION_FILE).is_file():
        return path
    places = list_bundles()
    for place in places:
        if place.name == str(name):
            return place.folder
    if (path / TRAINED_FOLDER / DESCRIPTION_FILE).is_file():
        return path / TRAINED_FOLDER
    if path.is_dir() and len(path.parts) > 1:
        raise BundleError(
            "the folder is not a bundle: it holds no bundle.json", where=path, mend="name a bundle's folder"
        )
    raise BundleError(
        f"there is no bundle '{name}'",
        where=f"{SEARCH_VARIABLE} and the packaged bundles",
        mend="choose one of: " + (", ".join(place.name for place in places) or "none is installed"),
    )


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle's folder and verify all of it.

    Parameters
    ----------
    folder
        From `find_bundle`.

    Returns
    -------
    Bundle
        The verified bundle.

    Raises
    ------
    BundleError
        If ``bundle.json`` is missing or incomplete, a file is missing, unlisted, linked or altered,
        an ONNX model reaches outside its file or uses foreign operators, a gene panel is broken,
        or a packaged bundle differs from the manifest.
    """
    document = _read_description(folder / DESCRIPTION_FILE)
    description = parse_bundle(document, where=folder / DESCRIPTION_FILE)
    _check_files(folder, description)
    digest = digest_file(folder / DESCRIPTION_FILE)
    if folder.resolve().parent == PACKAGED_FOLDER:
        _check_manifest(folder.name, digest)
    for name in sorted(name for name in description.files if name.endswith(".onnx")):
        check_onnx_is_plain(folder / name)
    details = description.details
    panel = read_panel(folder, details.panel) if isinstance(details, StatesDetails) else None
    return Bundle(folder, digest, description, panel)


def _read_description(path: Path) -> dict[str, JsonValue]:
    try:
        if path.stat().st_size > _MAX_DESCRIPTION_BYTES:
            raise BundleError("bundle.json is implausibly large", where=path, mend="fetch the bundle again")
        document = parse_json(path.read_bytes())
    except OSError as error:
        raise BundleError(
            f"bundle.json cannot be read: {error.strerror}", where=path, mend="name a bundle's folder"
        ) from error
    except NotJsonError as error:
        raise BundleError(
            f"bundle.json is not JSON: {error}", where=path, mend="fetch the bundle again"
        ) from error
    if not isinstance(document, dict):
        raise BundleError("bundle.json is not a JSON object", where=path, mend="fetch the bundle again")
    return document


def _check_files(folder: Path, description: BundleDescription) -> None:
    faults = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            faults.append(f"'{name}' is a link")
        elif name != DESCRIPTION_FILE and name not in description.files:
            faults.append(f"'{name}' is not listed in bundle.json")
    for name, digest in sorted(description.files.items()):
        path = folder / name
        if path.is_symlink():
            continue
        if not path.is_file():
            faults.append(f"'{name}' is missing")
        elif digest_file(path) != digest:
            faults.append(f"'{name}' was altered (its sha256 differs)")
    if faults:
        raise BundleError(
            f"the bundle is not as it was made: {'; '.join(faults[:20])}",
            where=folder,
            mend="fetch the bundle again, and keep nothing else in its folder",
        )


def read_manifest() -> dict[str, dict[str, JsonValue]]:
    """Read the list of the packaged bundles' folders.

    Returns
    -------
    dict
        Name to its entry: ``version``, ``task``, ``sha256`` of its ``bundle.json``.

    Raises
    ------
    BundleError
        If the manifest is missing or damaged.
    """
    path = PACKAGED_FOLDER / MANIFEST_FILE
    try:
        manifest = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BundleError(
            f"the list of packaged bundles cannot be read: {error}", where=path, mend="reinstall tcellflow"
        ) from error
    entries: dict[str, dict[str, JsonValue]] = manifest.get("bundles", {})
    return entries


def _check_manifest(name: str, digest: str) -> None:
    entry = read_manifest().get(name)
    if entry is None or entry.get("sha256") != digest:
        fault = "is not in the manifest" if entry is None else "differs from the manifest"
        raise BundleError(
            f"the packaged bundle '{name}' {fault}", where=PACKAGED_FOLDER / name, mend="reinstall tcellflow"
        )
