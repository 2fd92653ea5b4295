"""What a bundle of the task "fusion" says beyond the common entries, and its panels.

Invariant: panels in hand are those that ``bundle.json`` describes, in the order of the model's axes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass as plain_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
from pydantic import AfterValidator, ValidationInfo
from pydantic.dataclasses import dataclass

from tcellflow.errors import BundleError
from tcellflow.io.bundles.fields import LOOSE, Quantiles, Sha256, Share, Size, Text, check_is_listed
from tcellflow.io.bundles.reliability import ConformalLevel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

TASK_FUSION: Final = "fusion"
GENES_FILE: Final = "genes.tsv"
PROTEINS_FILE: Final = "proteins.tsv"
FAMILIARITY_FILE: Final = "familiarity.tsv"
_GENE_COLUMNS: Final = ("symbol", "weight", "mean", "scale")
_PROTEIN_COLUMNS: Final = (
    "target", "name", "cells", "log_mean", "log_scale", "ratio_mean", "ratio_scale",
)  # fmt: skip


def _check_panel_file(name: str, info: ValidationInfo) -> str:
    return check_is_listed(name, info, "panel")


def _check_labels(labels: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    if "class" not in labels:
        message = "the labels have no list 'class'"
        raise ValueError(message)
    return labels


@dataclass(frozen=True, config=LOOSE)
class FusionPanelEntry:
    """A panel as ``bundle.json`` names it: file, number of rows, and the digest of their first column."""

    file: Annotated[Text, AfterValidator(_check_panel_file)]
    rows: Size
    sha256: Sha256


@dataclass(frozen=True, config=LOOSE)
class FusionCoverage:
    """Weighted shares of the genes below which a sample is refused (``least``) or warned of (``good``)."""

    least: Share
    good: Share


@dataclass(frozen=True, config=LOOSE)
class FamiliarView:
    """Known cells shown with the same modalities: how many groups, and distances of cells not learnt from."""

    centres: Size
    quantiles: Quantiles


@dataclass(frozen=True, config=LOOSE)
class FamiliarityEntry:
    """What ``bundle.json`` says of vectors of known cells.

    Parameters
    ----------
    file
        Table of vectors, view by view: the centres of groups, the rows of the matrix that whitens, and both
        again of all known cells as one group.
    views
        By `FusedInputs`.
    """

    file: Annotated[Text, AfterValidator(_check_panel_file)]
    views: dict[str, FamiliarView]


@dataclass(frozen=True, config=LOOSE)
class FusionDetails:
    """What ``bundle.json`` says of a fusion bundle.

    Parameters
    ----------
    genes, proteins
        Its panels.
    labels
        Order of the axis ``class``; no name where it learnt from no labels.
    coverage
        How many of the genes a sample must measure.
    conformal
        Prediction sets of classes.
    calibration
        How the probabilities were calibrated, as its maker noted it.
    familiarity
        What vectors of known cells look like; None where the maker did not measure it.
    """

    genes: FusionPanelEntry
    proteins: FusionPanelEntry
    labels: Annotated[dict[str, tuple[Text, ...]], AfterValidator(_check_labels)]
    coverage: FusionCoverage
    conformal: tuple[ConformalLevel, ...]
    calibration: dict[str, Any]
    familiarity: FamiliarityEntry | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Order of the class axis."""
        return self.labels["class"]


@plain_dataclass(frozen=True)
class FusionGenes:
    """The genes of a bundle and its cells' log-expression, in the order of the gene axis.

    Parameters
    ----------
    symbols
        Shape (G,), str.
    weights
        Share of the axes' variance that rests on a gene, shape (G,), sum 1.
    mean, scale
        Of log1p(counts per 10,000), shape (G,).
    """

    symbols: NDArray[np.object_]
    weights: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]


@plain_dataclass(frozen=True)
class FusionProteins:
    """The proteins of a bundle and its cells' counts, in the order of the protein axis.

    Parameters
    ----------
    targets
        As `tcellflow.proteins.targets.find_targets` names them, shape (P,).
    names
        As people write them, shape (P,).
    cells
        Cells that were measured for training, shape (P,).
    log_mean, log_scale
        Of log1p counts, shape (P,).
    ratio_mean, ratio_scale
        Of the centred log-ratio by protein, shape (P,).
    """

    targets: NDArray[np.object_]
    names: NDArray[np.object_]
    cells: NDArray[np.float64]
    log_mean: NDArray[np.float64]
    log_scale: NDArray[np.float64]
    ratio_mean: NDArray[np.float64]
    ratio_scale: NDArray[np.float64]


def read_fusion_genes(folder: Path, entry: FusionPanelEntry) -> FusionGenes:
    """Read the genes of a bundle.

    Raises
    ------
    BundleError
        If the file is no such table, or differs from its entry.
    """
    columns = _read_table(folder, entry, _GENE_COLUMNS)
    return FusionGenes(
        columns["symbol"], *(_as_numbers(folder, entry, columns[c]) for c in _GENE_COLUMNS[1:])
    )


def read_fusion_proteins(folder: Path, entry: FusionPanelEntry) -> FusionProteins:
    """Read the proteins of a bundle.

    Raises
    ------
    BundleError
        If the file is no such table, or differs from its entry.
    """
    columns = _read_table(folder, entry, _PROTEIN_COLUMNS)
    numbers = (_as_numbers(folder, entry, columns[c]) for c in _PROTEIN_COLUMNS[2:])
    return FusionProteins(columns["target"], columns["name"], *numbers)


def read_familiar_vectors(folder: Path, entry: FamiliarityEntry) -> NDArray[np.float64]:
    """Read the vectors of `FamiliarityEntry`, (views of K + 2 D + 1, D).

    Raises
    ------
    BundleError
        If the file is no such table.
    """
    rows = [line.split("\t") for line in (folder / entry.file).read_text(encoding="utf-8").splitlines()]
    width = len(rows[0]) if rows else 0
    if any(len(row) != width for row in rows) or len(rows) != sum(
        view.centres + 2 * width + 1 for view in entry.views.values()
    ):
        raise _broken(folder, entry, "it is no table of centres, matrices and middles")
    flat = _as_numbers(folder, entry, np.array([text for row in rows for text in row], dtype=object))
    return flat.reshape(len(rows), width)


def write_familiar_vectors(vectors: NDArray[np.float64]) -> bytes:
    """Write vectors as `read_familiar_vectors` reads them."""
    rows = ["\t".join(f"{value:.6g}" for value in row) for row in vectors]
    return ("\n".join(rows) + "\n").encode()


def write_fusion_genes(genes: FusionGenes) -> bytes:
    """Write the genes of a bundle."""
    return _write_table(_GENE_COLUMNS, (genes.symbols, genes.weights, genes.mean, genes.scale))


def write_fusion_proteins(proteins: FusionProteins) -> bytes:
    """Write the proteins of a bundle."""
    numbers = (
        proteins.cells,
        proteins.log_mean,
        proteins.log_scale,
        proteins.ratio_mean,
        proteins.ratio_scale,
    )
    return _write_table(_PROTEIN_COLUMNS, (proteins.targets, proteins.names, *numbers))


def describe_panel(file: str, keys: Sequence[str] | NDArray[np.object_]) -> dict[str, Any]:
    """Give the entry of a panel in ``bundle.json``."""
    digest = hashlib.sha256("\n".join(map(str, keys)).encode()).hexdigest()
    return {"file": file, "rows": len(keys), "sha256": digest}


def _write_table(names: Sequence[str], columns: Sequence[NDArray[Any]]) -> bytes:
    rows = [
        "\t".join(value if isinstance(value, str) else f"{value:.6g}" for value in row)
        for row in zip(*columns, strict=True)
    ]
    return ("\n".join(["\t".join(names), *rows]) + "\n").encode()


def _read_table(
    folder: Path, entry: FusionPanelEntry, names: Sequence[str]
) -> dict[str, NDArray[np.object_]]:
    rows = [line.split("\t") for line in (folder / entry.file).read_text(encoding="utf-8").splitlines()]
    if not rows or rows[0] != list(names) or any(len(row) != len(names) for row in rows):
        raise _broken(folder, entry, f"it is no table of {', '.join(names)}")
    if len(rows) - 1 != entry.rows:
        raise _broken(folder, entry, f"it has {len(rows) - 1} rows, not {entry.rows}")
    columns = {
        name: np.array(column, dtype=object)
        for name, column in zip(names, zip(*rows[1:], strict=True), strict=True)
    }
    if describe_panel(entry.file, columns[names[0]])["sha256"] != entry.sha256:
        raise _broken(folder, entry, "it is another panel than bundle.json describes")
    return columns


def _as_numbers(
    folder: Path, entry: FusionPanelEntry | FamiliarityEntry, texts: NDArray[np.object_]
) -> NDArray[np.float64]:
    try:
        numbers = np.array([float(text) for text in texts], dtype=np.float64)
    except ValueError as error:
        raise _broken(folder, entry, str(error)) from error
    if not np.isfinite(numbers).all():
        raise _broken(folder, entry, "a number is not finite")
    return numbers


def _broken(folder: Path, entry: FusionPanelEntry | FamiliarityEntry, why: str) -> BundleError:
    return BundleError(
        f"the table is broken: {why}",
        where=folder / entry.file,
        mend="fetch the bundle again, or have its maker mend it",
    )
