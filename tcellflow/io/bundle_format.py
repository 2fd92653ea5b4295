"""The content of ``bundle.json``: what a bundle says about itself, parsed and checked.

Invariant: a `BundleDescription` is complete; every fault of the document is reported at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from tcellflow.errors import BundleError
from tcellflow.vocabulary import Evidence, State

if TYPE_CHECKING:
    from collections.abc import Mapping

BUNDLE_FORMAT: Final = 1
TASK_STATES: Final = "states"
TASKS: Final = (TASK_STATES,)
MODEL_FILE: Final = "model.onnx"
CARD_FILE: Final = "CARD.md"
# Names stay inside the folder by construction: no separators, no leading dot.
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_BUNDLE_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Tensor:
    """One input or output of the model.

    Parameters
    ----------
    name
        Name in the ONNX graph.
    dtype
        ``float32``.
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
class CurvePoint:
    """One point of a coverage-risk curve.

    Parameters
    ----------
    threshold
        Calls below this confidence abstain, 0-1.
    coverage
        Share of cells still called, 0-1.
    risk
        Share of wrong calls among them, 0-1.
    """

    threshold: float
    coverage: float
    risk: float


@dataclass(frozen=True)
class Abstention:
    """When a bundle's calls should abstain.

    Parameters
    ----------
    target_risk
        Share of wrong calls that the default threshold aims at, 0-1.
    dataset
        Where the curve was measured.
    curve
        Points in rising order of threshold.
    """

    target_risk: float
    dataset: str
    curve: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class PanelEntry:
    """The gene panel of a bundle.

    Parameters
    ----------
    file
        Table with the columns ``symbol`` and ``weight``.
    n_genes
        Number of genes, in the order of the model's gene axis.
    sha256
        Digest of the symbols joined by newlines.
    """

    file: str
    n_genes: int
    sha256: str


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
    panel
        Its gene panel.
    labels
        Order of each label axis.
    evidence
        The kind of truth behind each state.
    abstention
        Coverage-risk curve and its default.
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
    panel: PanelEntry
    labels: Mapping[str, tuple[str, ...]]
    evidence: Mapping[State, Evidence]
    abstention: Abstention
    document: Mapping[str, Any]


class _Reader:
    """Takes fields out of a document and collects what is wrong instead of stopping."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.faults: list[str] = []

    def take(self, key: str, kind: type | tuple[type, ...], default: Any) -> Any:
        value = self.document.get(key)
        if value is None:
            self.faults.append(f"'{key}' is missing")
            return default
        if not isinstance(value, kind) or isinstance(value, bool):
            self.faults.append(f"'{key}' is a {type(value).__name__}")
            return default
        return value

    def check(self, holds: bool, fault: str) -> None:  # noqa: FBT001 - reads as a sentence
        if not holds:
            self.faults.append(fault)


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
    reader = _Reader(document)
    for key in ("training", "metrics", "limits"):
        reader.take(key, list, [])
    for key in ("intended_use", "licence"):
        reader.take(key, str, "")
    reader.take("calibration", dict, {})
    reader.take("parity", dict, {})
    description = BundleDescription(
        name=reader.take("name", str, ""),
        version=reader.take("version", str, ""),
        task=reader.take("task", str, ""),
        summary=reader.take("summary", str, ""),
        files=_read_files(reader),
        inputs=_read_tensors(reader, "inputs"),
        outputs=_read_tensors(reader, "outputs"),
        panel=_read_panel(reader),
        labels=_read_labels(reader),
        evidence=_read_evidence(reader),
        abstention=_read_abstention(reader),
        document=document,
    )
    reader.check(
        bool(_BUNDLE_NAME.fullmatch(description.name)), f"the name {description.name!r} is not plain"
    )
    reader.check(description.task in TASKS, f"the task {description.task!r} is not one of {', '.join(TASKS)}")
    reader.check(description.panel.file in description.files, "the panel file is not listed under 'files'")
    if reader.faults:
        raise BundleError(
            f"bundle.json has {len(reader.faults)} faults: " + "; ".join(reader.faults[:20]),
            where=where,
            mend="fetch the bundle again, or have its maker mend it",
        )
    return description


def _read_files(reader: _Reader) -> dict[str, str]:
    files: dict[str, str] = {}
    for name, digest in reader.take("files", dict, {}).items():
        reader.check(bool(_FILE_NAME.fullmatch(name)), f"the file name {name!r} leaves the bundle's folder")
        reader.check(
            isinstance(digest, str) and bool(_SHA256.fullmatch(digest)), f"'{name}' has no sha256 digest"
        )
        files[name] = str(digest)
    for name in (MODEL_FILE, CARD_FILE):
        reader.check(name in files, f"'{name}' is not listed under 'files'")
    reader.check("bundle.json" not in files, "'bundle.json' lists itself")
    return files


def _read_tensors(reader: _Reader, key: str) -> tuple[Tensor, ...]:
    tensors = []
    for item in reader.take(key, list, []):
        if not (isinstance(item, dict) and {"name", "dtype", "axes", "meaning"} <= item.keys()):
            reader.check(False, f"an entry of '{key}' lacks name, dtype, axes or meaning")
            continue
        tensors.append(
            Tensor(str(item["name"]), str(item["dtype"]), tuple(map(str, item["axes"])), str(item["meaning"]))
        )
    return tuple(tensors)


def _read_panel(reader: _Reader) -> PanelEntry:
    panel = reader.take("panel", dict, {})
    n_genes, digest = panel.get("n_genes"), panel.get("sha256")
    reader.check(isinstance(n_genes, int) and n_genes > 0, "'panel' has no number of genes")
    reader.check(isinstance(digest, str) and bool(_SHA256.fullmatch(digest)), "'panel' has no sha256 digest")
    return PanelEntry(str(panel.get("file", "")), n_genes if isinstance(n_genes, int) else 0, str(digest))


def _read_labels(reader: _Reader) -> dict[str, tuple[str, ...]]:
    labels = {
        str(axis): tuple(map(str, names))
        for axis, names in reader.take("labels", dict, {}).items()
        if isinstance(names, list)
    }
    reader.check(labels.get("state") == tuple(State), f"the state labels are not {', '.join(State)}")
    return labels


def _read_evidence(reader: _Reader) -> dict[State, Evidence]:
    evidence = reader.take("evidence", dict, {})
    known = set(Evidence)
    wrong = [state for state in State if evidence.get(state) not in known]
    reader.check(not wrong, "no kind of evidence is named for " + ", ".join(wrong))
    return {} if wrong else {state: Evidence(evidence[state]) for state in State}


def _read_abstention(reader: _Reader) -> Abstention:
    found = reader.take("abstention", dict, {})
    points = found.get("curve")
    numbers = ("threshold", "coverage", "risk")
    if not isinstance(points, list) or not all(
        isinstance(point, dict) and all(_is_share(point.get(key)) for key in numbers) for point in points
    ):
        reader.check(False, "the coverage-risk curve is missing or not numbers within 0 and 1")
        points = []
    reader.check(_is_share(found.get("target_risk")), "'abstention' has no target risk within 0 and 1")
    curve = tuple(CurvePoint(*(float(point[key]) for key in numbers)) for point in points)
    rising = all(low.threshold < high.threshold for low, high in pairwise(curve))
    reader.check(rising, "the coverage-risk curve is not in rising order of threshold")
    target = found.get("target_risk")
    return Abstention(float(target) if _is_share(target) else 0.0, str(found.get("dataset", "")), curve)


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
