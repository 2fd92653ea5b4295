"""What a bundle of the task "states" says beyond the common entries, and its gene panel.

Invariant: the labels are those of the vocabulary, in its order; a panel in hand is the one that
``bundle.json`` describes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import BundleError
from tcellflow.io.bundles.fields import FieldReader, is_sha256, is_share
from tcellflow.io.bundles.reliability import Reliability, parse_reliability
from tcellflow.vocabulary import Evidence, State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

TASK_STATES: Final = "states"


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
class StatesDetails:
    """What ``bundle.json`` says of a states bundle.

    Parameters
    ----------
    panel
        Its gene panel.
    labels
        Order of each label axis.
    evidence
        The kind of truth behind each state.
    abstention
        Coverage-risk curve and its default.
    reliability
        What else it states of the cells it learnt from.
    """

    panel: PanelEntry
    labels: Mapping[str, tuple[str, ...]]
    evidence: Mapping[State, Evidence]
    abstention: Abstention
    reliability: Reliability


@dataclass(frozen=True)
class GenePanel:
    """The genes a model expects.

    Parameters
    ----------
    symbols
        Gene symbols in the order of the model's gene axis, shape (G,), object.
    weights
        Importance of each gene for the coverage, shape (G,), float64, >= 0.
    """

    symbols: NDArray[np.object_]
    weights: NDArray[np.float64]


def parse_states(reader: FieldReader, files: Mapping[str, str]) -> StatesDetails:
    """Parse the entries of a states bundle.

    Parameters
    ----------
    reader
        Over ``bundle.json``; collects the faults.
    files
        Files that the bundle lists.

    Returns
    -------
    StatesDetails
        The entries; defaults stand where there is a fault.
    """
    reader.take("calibration", dict, {})
    details = StatesDetails(
        panel=_parse_panel(reader),
        labels=_parse_labels(reader),
        evidence=_parse_evidence(reader),
        abstention=_parse_abstention(reader),
        reliability=parse_reliability(reader),
    )
    reader.check(details.panel.file in files, "the panel file is not listed under 'files'")
    return details


def _parse_panel(reader: FieldReader) -> PanelEntry:
    panel = reader.take("panel", dict, {})
    n_genes, digest = panel.get("n_genes"), panel.get("sha256")
    reader.check(isinstance(n_genes, int) and n_genes > 0, "'panel' has no number of genes")
    reader.check(is_sha256(digest), "'panel' has no sha256 digest")
    return PanelEntry(str(panel.get("file", "")), n_genes if isinstance(n_genes, int) else 0, str(digest))


def _parse_labels(reader: FieldReader) -> dict[str, tuple[str, ...]]:
    labels = {
        str(axis): tuple(map(str, names))
        for axis, names in reader.take("labels", dict, {}).items()
        if isinstance(names, list)
    }
    reader.check(labels.get("state") == tuple(State), f"the state labels are not {', '.join(State)}")
    return labels


def _parse_evidence(reader: FieldReader) -> dict[State, Evidence]:
    evidence = reader.take("evidence", dict, {})
    known = tuple(Evidence)  # a set would ask for the hash of whatever the document holds
    wrong = [state for state in State if evidence.get(state) not in known]
    reader.check(not wrong, "no kind of evidence is named for " + ", ".join(wrong))
    return {} if wrong else {state: Evidence(evidence[state]) for state in State}


def _parse_abstention(reader: FieldReader) -> Abstention:
    found = reader.take("abstention", dict, {})
    points = found.get("curve")
    numbers = ("threshold", "coverage", "risk")
    if not isinstance(points, list) or not all(
        isinstance(point, dict) and all(is_share(point.get(key)) for key in numbers) for point in points
    ):
        reader.check(False, "the coverage-risk curve is missing or not numbers within 0 and 1")
        points = []
    reader.check(is_share(found.get("target_risk")), "'abstention' has no target risk within 0 and 1")
    curve = tuple(CurvePoint(*(float(point[key]) for key in numbers)) for point in points)
    rising = all(low.threshold < high.threshold for low, high in pairwise(curve))
    reader.check(rising, "the coverage-risk curve is not in rising order of threshold")
    target = found.get("target_risk")
    return Abstention(float(target) if is_share(target) else 0.0, str(found.get("dataset", "")), curve)


def digest_symbols(symbols: NDArray[np.object_] | list[str]) -> str:
    """Compute the digest of a gene panel.

    Parameters
    ----------
    symbols
        Gene symbols in the model's order.

    Returns
    -------
    str
        sha256 of the symbols joined by newlines.
    """
    return hashlib.sha256("\n".join(symbols).encode()).hexdigest()


def read_panel(folder: Path, entry: PanelEntry) -> GenePanel:
    """Read a bundle's gene panel and compare it with its entry.

    Parameters
    ----------
    folder
        The bundle's folder.
    entry
        What ``bundle.json`` says of the panel.

    Returns
    -------
    GenePanel
        The genes in the model's order.

    Raises
    ------
    BundleError
        If the file is no table of symbols and weights, or differs from its entry.
    """
    path = folder / entry.file
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    try:
        if rows[0] != ["symbol", "weight"]:
            raise ValueError  # noqa: TRY301 - one message for every way a panel can be broken
        symbols = np.array([symbol for symbol, _ in rows[1:]], dtype=object)
        weights = np.array([float(weight) for _, weight in rows[1:]], dtype=np.float64)
    except (ValueError, IndexError) as error:
        raise BundleError(
            "the gene panel is not a table of 'symbol' and 'weight'",
            where=path,
            mend="fetch the bundle again",
        ) from error
    usable = np.isfinite(weights).all() and (weights >= 0).all() and len(set(symbols)) == len(symbols)
    if not usable or len(symbols) != entry.n_genes or digest_symbols(symbols) != entry.sha256:
        raise BundleError(
            "the gene panel differs from what bundle.json says, or repeats a gene",
            where=path,
            mend="fetch the bundle again",
        )
    return GenePanel(symbols, weights)
