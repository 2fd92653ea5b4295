"""The content of ``bundle.json``: what a bundle says about itself, parsed and checked.

Invariant: a `BundleDescription` is complete; every fault of the document is reported at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tcellflow.errors import BundleError
from tcellflow.io.bundles.fields import FieldReader, is_sha256
from tcellflow.io.bundles.fusion import TASK_FUSION, FusionDetails, parse_fusion
from tcellflow.io.bundles.receptors import TASK_RECEPTORS, ReceptorsDetails, parse_receptors
from tcellflow.io.bundles.states import TASK_STATES, StatesDetails, parse_states

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BUNDLE_FORMAT: Final = 1
Details = StatesDetails | ReceptorsDetails | FusionDetails
_PARSERS: Final[dict[str, Callable[[FieldReader, Mapping[str, str]], Details]]] = {
    TASK_STATES: parse_states,
    TASK_RECEPTORS: parse_receptors,
    TASK_FUSION: parse_fusion,
}
MODEL_FILE: Final = "model.onnx"
ENSEMBLE_FILE: Final = "ensemble.onnx"  # the members behind a distilled model, as one graph
CARD_FILE: Final = "CARD.md"
# Names stay inside the folder by construction: no separators, no leading dot.
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_BUNDLE_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass(frozen=True)
class Tensor:
    """One input or output of the model.

    Parameters
    ----------
    name
        Name in the ONNX graph.
    dtype
        ``float32`` or ``int64``.
    axes
        What each axis stands for, e.g. ``("B", "G")``.
    meaning
        Content with its unit.
    """

    name: str
    dtype: str
    axes: tuple[str, ...]
    meaning: str


@dataclass(frozen=True)
class BundleDescription:
    """Everything ``bundle.json`` says.

    Parameters
    ----------
    name, version, task, summary
        What it is.
    files
        Every file of the folder but ``bundle.json``, with its sha256.
    inputs, outputs
        Tensors of the model.
    details
        What only bundles of its task say.
    document
        The whole document, for display.
    """

    name: str
    version: str
    task: str
    summary: str
    files: Mapping[str, str]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    details: Details
    document: Mapping[str, Any]


def parse_bundle(document: Mapping[str, Any], *, where: object) -> BundleDescription:
    """Parse and check the content of ``bundle.json``.

    Parameters
    ----------
    document
        The JSON object.
    where
        Path for error messages.

    Returns
    -------
    BundleDescription
        The content.

    Raises
    ------
    BundleError
        If the format is of another version or any entry is missing or wrong; all faults together.
    """
    if document.get("format") != BUNDLE_FORMAT:
        raise BundleError(
            f"the bundle has format {document.get('format')!r}; this version reads {BUNDLE_FORMAT}",
            where=where,
            mend="use a bundle made for this version of tcellflow",
        )
    reader = FieldReader(document)
    for key in ("training", "metrics", "limits"):
        reader.take(key, list, [])
    for key in ("intended_use", "licence"):
        reader.take(key, str, "")
    reader.take("parity", dict, {})
    files = _read_files(reader)
    description = BundleDescription(
        name=reader.take("name", str, ""),
        version=reader.take("version", str, ""),
        task=_read_task(reader),
        summary=reader.take("summary", str, ""),
        files=files,
        inputs=_read_tensors(reader, "inputs"),
        outputs=_read_tensors(reader, "outputs"),
        # the details of an unknown task cannot be judged; that task is a fault itself
        details=_PARSERS.get(str(document.get("task")), parse_states)(reader, files),
        document=document,
    )
    reader.check(
        bool(_BUNDLE_NAME.fullmatch(description.name)), f"the name {description.name!r} is not plain"
    )
    if reader.faults:
        raise BundleError(
            f"bundle.json has {len(reader.faults)} faults: " + "; ".join(reader.faults[:20]),
            where=where,
            mend="fetch the bundle again, or have its maker mend it",
        )
    return description


def _read_task(reader: FieldReader) -> str:
    task = reader.take("task", str, "")
    reader.check(task in _PARSERS, f"the task {task!r} is not one of {', '.join(_PARSERS)}")
    return str(task)


def _read_files(reader: FieldReader) -> dict[str, str]:
    files: dict[str, str] = {}
    for name, digest in reader.take("files", dict, {}).items():
        reader.check(bool(_FILE_NAME.fullmatch(name)), f"the file name {name!r} leaves the bundle's folder")
        reader.check(is_sha256(digest), f"'{name}' has no sha256 digest")
        files[name] = str(digest)
    for name in (MODEL_FILE, CARD_FILE):
        reader.check(name in files, f"'{name}' is not listed under 'files'")
    reader.check("bundle.json" not in files, "'bundle.json' lists itself")
    return files


def _read_tensors(reader: FieldReader, key: str) -> tuple[Tensor, ...]:
    tensors = []
    for item in reader.take(key, list, []):
        is_whole = isinstance(item, dict) and {"name", "dtype", "axes", "meaning"} <= item.keys()
        if not (is_whole and isinstance(item["axes"], list)):
            reader.check(False, f"an entry of '{key}' lacks name, dtype, axes or meaning")
            continue
        tensors.append(
            Tensor(str(item["name"]), str(item["dtype"]), tuple(map(str, item["axes"])), str(item["meaning"]))
        )
    return tuple(tensors)
