"""What a bundle of the task "states" says beyond the common entries, and its gene panel.

Invariant: the labels are those of the vocabulary, in its order; a panel in hand is the one that
``bundle.json`` describes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass as plain_dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

import numpy as np
from pydantic import AfterValidator, Field, ValidationInfo, model_validator
from pydantic.dataclasses import dataclass

from tcellflow.errors import BundleError
from tcellflow.io.bundles.fields import LOOSE, Sha256, Share, Size, Text, check_is_listed
from tcellflow.io.bundles.reliability import Reliability
from tcellflow.vocabulary import Evidence, State

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TASK_STATES: Final = "states"


def _check_panel_file(name: str, info: ValidationInfo) -> str:
    return check_is_listed(name, info, "panel")


def _check_labels(labels: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    if labels.get("state") != tuple(State):
        message = f"the state labels are not {', '.join(State)}"
        raise ValueError(message)
    return labels


def _check_evidence(evidence: dict[str, Evidence]) -> dict[State, Evidence]:
    absent = [state for state in State if state not in evidence]
    if absent:
        message = f"the kind of evidence is not named for {', '.join(absent)}"
        raise ValueError(message)
    return {state: evidence[state] for state in State}


@dataclass(frozen=True, config=LOOSE)
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

    threshold: Share
    coverage: Share
    risk: Share


def _check_curve(curve: tuple[CurvePoint, ...]) -> tuple[CurvePoint, ...]:
    if any(low.threshold >= high.threshold for low, high in pairwise(curve)):
        message = "the coverage-risk curve is not in rising order of threshold"
        raise ValueError(message)
    return curve


@dataclass(frozen=True, config=LOOSE)
class Abstention:
    """When a bundle's calls should abstain.

    Parameters
    ----------
    target_risk
        Share of wrong calls that the default threshold aims at, 0-1.
    curve
        Points in rising order of threshold.
    dataset
        Where the curve was measured.
    """

    target_risk: Share
    curve: Annotated[tuple[CurvePoint, ...], AfterValidator(_check_curve)]
    dataset: Text = ""


@dataclass(frozen=True, config=LOOSE)
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

    file: Annotated[Text, AfterValidator(_check_panel_file)]
    n_genes: Size
    sha256: Sha256


@dataclass(frozen=True, kw_only=True, config=LOOSE)
class StatesDetails(Reliability):
    """What ``bundle.json`` says of a states bundle, its reliability among it.

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
    calibration
        How the probabilities were calibrated, as its maker noted it.
    recipe
        How it was trained, as `tcellflow train states` notes it; empty without.
    """

    panel: PanelEntry
    labels: Annotated[dict[str, tuple[Text, ...]], AfterValidator(_check_labels)]
    evidence: Annotated[dict[str, Evidence], AfterValidator(_check_evidence)]
    abstention: Abstention
    calibration: dict[str, Any]
    recipe: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_ood(self) -> Self:
        if self.ood is not None and not (self.reference and self.reference.ood_quantiles):
            message = (
                "the entry 'ood' has a threshold, but 'reference' has no ood_quantiles to measure cells by"
            )
            raise ValueError(message)
        return self

    @property
    def has_axes(self) -> bool:
        """Whether its network learnt lineage and function as axes, so that states can be read anew from them.

        Those of other bundles are of one piece: seven classes, or those of a teacher.
        """
        return bool(self.recipe.get("architecture") == "axes")

    @property
    def reliability(self) -> Reliability:
        """What it states about the cells that it learnt from."""
        return self


@plain_dataclass(frozen=True)
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


def digest_symbols(symbols: NDArray[np.object_] | list[str]) -> str:
    """Compute the digest of a states bundle's gene panel.

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
    """Read a states bundle's gene panel and compare it with its entry.

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
