"""What a bundle of the task "fusion" says beyond the common entries, and its panels.

Invariant: panels in hand are those that ``bundle.json`` describes, in the order of the model's axes.
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from tcellflow.io.bundles.fields import LOOSE, NonNegative, Quantiles, Share, Size, Text
from tcellflow.io.bundles.panel_tables import (
    PanelEntry,
    as_numbers,
    broken_table,
    check_panel_file,
    read_columns,
    write_columns,
)
from tcellflow.io.bundles.reliability import ConformalLevel

if TYPE_CHECKING:
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


def _check_labels(labels: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    if "class" not in labels:
        message = "the labels have no list 'class'"
        raise ValueError(message)
    return labels


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

    file: Annotated[Text, AfterValidator(check_panel_file)]
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
    between_sets
        Standard deviation of a protein's mean log1p counts between what a bundle tells and a new set, over
        proteins; 0 where it learnt from one set.
    """

    genes: PanelEntry
    proteins: PanelEntry
    labels: Annotated[dict[str, tuple[Text, ...]], AfterValidator(_check_labels)]
    coverage: FusionCoverage
    conformal: tuple[ConformalLevel, ...]
    calibration: dict[str, Any]
    familiarity: FamiliarityEntry | None = None
    between_sets: NonNegative = 0.0

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


def read_fusion_genes(folder: Path, entry: PanelEntry) -> FusionGenes:
    """Read the genes of a bundle.

    Raises
    ------
    BundleError
        If the file is no such table, or differs from its entry.
    """
    columns = read_columns(folder, entry, _GENE_COLUMNS)
    return FusionGenes(
        columns["symbol"], *(as_numbers(folder, entry.file, columns[c]) for c in _GENE_COLUMNS[1:])
    )


def read_fusion_proteins(folder: Path, entry: PanelEntry) -> FusionProteins:
    """Read the proteins of a bundle.

    Raises
    ------
    BundleError
        If the file is no such table, or differs from its entry.
    """
    columns = read_columns(folder, entry, _PROTEIN_COLUMNS)
    numbers = (as_numbers(folder, entry.file, columns[c]) for c in _PROTEIN_COLUMNS[2:])
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
        raise broken_table(folder, entry.file, "it is no table of centres, matrices and middles")
    flat = as_numbers(folder, entry.file, np.array([text for row in rows for text in row], dtype=object))
    return flat.reshape(len(rows), width)


def write_familiar_vectors(vectors: NDArray[np.float64]) -> bytes:
    """Write vectors as `read_familiar_vectors` reads them."""
    rows = ["\t".join(f"{value:.6g}" for value in row) for row in vectors]
    return ("\n".join(rows) + "\n").encode()


def write_fusion_genes(genes: FusionGenes) -> bytes:
    """Write the genes of a bundle."""
    return write_columns(_GENE_COLUMNS, (genes.symbols, genes.weights, genes.mean, genes.scale))


def write_fusion_proteins(proteins: FusionProteins) -> bytes:
    """Write the proteins of a bundle."""
    numbers = (
        proteins.cells,
        proteins.log_mean,
        proteins.log_scale,
        proteins.ratio_mean,
        proteins.ratio_scale,
    )
    return write_columns(_PROTEIN_COLUMNS, (proteins.targets, proteins.names, *numbers))
