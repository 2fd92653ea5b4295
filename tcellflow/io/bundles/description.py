"""The content of ``bundle.json``: what a bundle says about itself, parsed and checked.

Invariant: a `BundleDescription` is complete; every fault of the document is reported at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, cast

from pydantic import AfterValidator, SkipValidation
from pydantic.dataclasses import dataclass

from tcellflow.contracts.faults import raise_faults, validate
from tcellflow.errors import BundleError
from tcellflow.io.bundles.fields import LOOSE, Sha256, Text
from tcellflow.io.bundles.fusion import TASK_FUSION, FusionDetails
from tcellflow.io.bundles.language import TASK_LANGUAGE, LanguageDetails
from tcellflow.io.bundles.receptors import TASK_RECEPTORS, ReceptorsDetails
from tcellflow.io.bundles.states import TASK_STATES, StatesDetails

BUNDLE_FORMAT: Final = 1
MODEL_FILE: Final = "model.onnx"
ENSEMBLE_FILE: Final = "ensemble.onnx"  # the members behind a distilled model, as one graph
CARD_FILE: Final = "CARD.md"
Details = StatesDetails | ReceptorsDetails | FusionDetails | LanguageDetails
_DETAILS: Final[dict[str, type[Details]]] = {
    TASK_STATES: StatesDetails,
    TASK_RECEPTORS: ReceptorsDetails,
    TASK_FUSION: FusionDetails,
    TASK_LANGUAGE: LanguageDetails,
}
# Names stay inside the folder by construction: no separators, no leading dot.
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_MEND: Final = "fetch the bundle again, or have its maker mend it"


def plain_name(name: str) -> str:
    """Make a name plain: lower-case letters, digits, dots and hyphens, of which none comes first."""
    return re.sub(r"[^a-z0-9.-]+", "-", name.lower()).lstrip(".-") or "bundle"


def _check_name(name: str) -> str:
    if name != plain_name(name):
        message = f"the name {name!r} is not plain"
        raise ValueError(message)
    return name


def _check_task(task: str) -> str:
    if task not in _DETAILS:
        message = f"the task {task!r} is not one of {', '.join(_DETAILS)}"
        raise ValueError(message)
    return task


def _check_file_name(name: str) -> str:
    if not _FILE_NAME.fullmatch(name):
        message = f"the file name {name!r} leaves the bundle's folder"
        raise ValueError(message)
    return name


def _check_files(files: dict[str, str]) -> dict[str, str]:
    absent = [f"'{name}' is not listed" for name in (MODEL_FILE, CARD_FILE) if name not in files]
    if "bundle.json" in files:
        absent.append("'bundle.json' lists itself")
    if absent:
        message = "the list is wrong: " + ", ".join(absent)
        raise ValueError(message)
    return files


@dataclass(frozen=True, config=LOOSE)
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

    name: Text
    dtype: Text
    axes: tuple[Text, ...]
    meaning: Text


@dataclass(frozen=True, config=LOOSE)
class Source:
    """One data set that a bundle was made from; what is not stated is None."""

    name: Text | None = None
    licence: Text | None = None
    paper: Text | None = None
    source: Text | None = None


@dataclass(frozen=True, config=LOOSE)
class BundleDescription:
    """Everything ``bundle.json`` says.

    Parameters
    ----------
    name, version, task, summary, intended_use, licence
        What it is, and what it may be used for.
    limits
        What it is not good for, as sentences.
    files
        Every file of the folder but ``bundle.json``, with its sha256.
    inputs, outputs
        Tensors of the model.
    training
        The data behind it.
    metrics, parity
        Measurements of it, as its maker noted them.
    details
        What only bundles of its task say.
    document
        The whole document, for display.
    """

    name: Annotated[Text, AfterValidator(_check_name)]
    version: Text
    task: Annotated[Text, AfterValidator(_check_task)]
    summary: Text
    intended_use: Text
    licence: Text
    limits: tuple[Text, ...]
    files: Annotated[
        dict[Annotated[Text, AfterValidator(_check_file_name)], Sha256], AfterValidator(_check_files)
    ]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    training: tuple[Source, ...]
    metrics: list[Any]
    parity: dict[str, Any]
    details: SkipValidation[Details]
    document: SkipValidation[Mapping[str, Any]]


def parse_bundle(document: Mapping[str, Any], *, where: object) -> BundleDescription:
    """Parse and check the description of a bundle: the content of ``bundle.json``.

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
    files = document.get("files")
    # the details of an unknown task cannot be judged; that task is a fault itself
    details, of_task = validate(
        document,
        _DETAILS.get(str(document.get("task")), StatesDetails),
        mend=_MEND,
        context={"files": files if isinstance(files, dict) else {}},
    )
    whole, common = validate(
        {**document, "details": details, "document": document}, BundleDescription, mend=_MEND
    )
    raise_faults(
        [*common, *of_task], stamp=f"bundle/{BUNDLE_FORMAT}", where=where, mend=_MEND, error=BundleError
    )
    return cast("BundleDescription", whole)  # None has faults
