"""What ``bundle.json`` and the card say of a trained fusion bundle.

Invariant: cells, sets and settings are those of the run, not of its defaults.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tcellflow.inference.fusion.standardise import (
    clr_by_protein,
    measure_centres,
    measure_rows,
)
from tcellflow.io.bundles.fusion import (
    FAMILIARITY_FILE,
    GENES_FILE,
    PROTEINS_FILE,
    TASK_FUSION,
    FusionGenes,
    FusionProteins,
)
from tcellflow.io.bundles.panel_tables import describe_panel
from tcellflow.training.description import describe_parity, describe_tensor, name_bundle, write_card

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tcellflow.inference.fusion.familiarity import Familiarity
    from tcellflow.training.fusion.cells import FusionCells
    from tcellflow.training.fusion.figures import FusionCalibration
    from tcellflow.training.fusion.options import TrainFusionOptions
    from tcellflow.training.fusion.sets import FusionSet

_LEAST_COVERAGE: Final = 0.25
_GOOD_COVERAGE: Final = 0.60


def describe_sets(sets: Sequence[FusionSet]) -> list[dict[str, Any]]:
    """Describe what was learnt from, an entry per set."""
    return [
        {
            "name": one.entry.name,
            "source": one.entry.cohort.source,
            "licence": one.entry.cohort.licence,
            "cells": len(one),
            "donors": len(set(one.donor)),
            "genes": len(one.symbols),
            "proteins": len(one.targets),
            "labels": dict(sorted(Counter(str(name) for name in one.label if name).items())),
        }
        for one in sets
    ]


def tell_genes(
    cells: FusionCells, panel: NDArray[np.object_], loadings: NDArray[np.float32], spread: NDArray[np.float32]
) -> FusionGenes:
    """Give the genes with their weights and the mean of the sets' moments."""
    weights = (np.square(loadings.astype(np.float64)) * np.square(spread)).sum(axis=1)
    n_sets = np.maximum(cells.present.sum(axis=0), 1)
    mean = sum(m.mean * p for m, p in zip(cells.moments, cells.present, strict=True)) / n_sets
    scale = sum(m.scale * p for m, p in zip(cells.moments, cells.present, strict=True)) / n_sets
    return FusionGenes(panel, weights / weights.sum(), np.asarray(mean), np.asarray(scale))


def tell_proteins(sets: Sequence[FusionSet], proteins: NDArray[np.object_]) -> FusionProteins:
    """Give the proteins with the mean over sets of what their counts are like."""
    moments: dict[str, list[tuple[float, float, float, float]]] = {str(name): [] for name in proteins}
    for one in sets:
        counts = one.proteins[one.has_adt].astype(np.float64)
        if not len(counts):
            continue
        logged, ratios = (
            measure_rows(np.log1p(counts)),
            measure_rows(clr_by_protein(counts, measure_centres(counts))),
        )
        for column, target in enumerate(one.targets):
            if str(target) in moments:
                numbers = (logged.mean, logged.scale, ratios.mean, ratios.scale)
                moments[str(target)].append(tuple(float(part[column]) for part in numbers))  # type: ignore[arg-type]
    table = np.array([np.mean(moments[str(name)], axis=0) for name in proteins])
    names = np.array([str(name) for name in proteins], dtype=object)
    measured = Counter({str(target): 0 for target in proteins})
    for one in sets:
        measured.update({str(target): int(one.has_adt.sum()) for target in one.targets})
    cells = np.array([measured[str(name)] for name in proteins], dtype=np.float64)
    return FusionProteins(proteins, names, cells, *table.T)


def tell_between_sets(sets: Sequence[FusionSet]) -> float:
    """Tell how far a protein's mean log1p counts in a new set lie from their mean over sets: the deviation.

    The root of the mean over proteins that at least two sets measured; 0 without any. Lots of antibodies,
    their amounts and depths of sequencing make these differences.
    """
    means: dict[str, list[float]] = {}
    for one in sets:
        counts = one.proteins[one.has_adt].astype(np.float64)
        for target, mean in zip(
            one.targets, np.log1p(counts).mean(axis=0) if len(counts) else (), strict=False
        ):
            means.setdefault(str(target), []).append(float(mean))
    spread = [np.var(found, ddof=1) * (1 + 1 / len(found)) for found in means.values() if len(found) > 1]
    return round(float(np.sqrt(np.mean(spread))), 4) if spread else 0.0


def describe_fusion(
    options: TrainFusionOptions,
    calibration: FusionCalibration,
    panels: tuple[FusionGenes, FusionProteins],
    classes: Sequence[str],
    measured: Mapping[str, Any],
    difference: float,
) -> dict[str, Any]:
    """Describe a run and its result: the content of ``bundle.json`` but for format and files.

    Parameters
    ----------
    options
        The run.
    calibration
        Of the network.
    panels
        Genes and proteins.
    classes
        Names of the classes.
    measured
        Entries ``training`` and ``metrics``, and ``weight_of_tokens`` where there are any.
    difference
        Largest difference between graph and network.
    """
    genes, proteins = panels
    return {
        "name": name_bundle(options.name, options.output),
        "version": options.version,
        "task": TASK_FUSION,
        "summary": "Expression and surface proteins in one vector; CITE-seq sets learnt from: "
        f"{len(measured['training'])}",
        "inputs": _INPUTS,
        "outputs": _OUTPUTS,
        "genes": describe_panel(GENES_FILE, genes.symbols),
        "proteins": describe_panel(PROTEINS_FILE, proteins.targets),
        "labels": {"class": list(classes)},
        "coverage": {"least": _LEAST_COVERAGE, "good": _GOOD_COVERAGE},
        "calibration": {"temperature": round(calibration.temperature, 4), "cells": calibration.cells},
        "conformal": [
            {"coverage": level, "least_probability": round(value, 6)}
            for level, value in sorted(calibration.conformal.items())
        ],
        "parity": describe_parity(difference),
        "recipe": {
            "architecture": options.architecture,
            "mixer": options.mixer_kind,
            "order": options.order,
            "patch_genes": options.genes_per_patch,
            "split": options.split,
            "members": options.members,
            "held_out": sorted(options.hold_out),
            "steps": options.loop.steps,
            "distil_steps": options.distil_steps,
            "learning_rate": options.loop.learning_rate,
            **asdict(options.task),
        },
        "limits": [
            "the vector alone tells clusters of a new set worse than the set's own axes; fuse joins both",
            "human cells only; antibodies whose target was not learnt are not used by the network",
            "sets of one donor each: the variation between donors is known only in part",
            "a sample of fewer than 200 cells is standardised by the cells that were learnt from",
            "a probability holds for cells like those of the validation fold",
        ],
        "intended_use": "Vectors, proteins and labels of human blood and immune cells; no clinical use",
        "licence": options.licence,
        **measured,
    }


def describe_familiarity(familiarity: Mapping[str, Familiarity]) -> dict[str, Any]:
    """Describe what vectors of known cells look like, as an entry of ``bundle.json``; none if not known."""
    if not familiarity:
        return {}
    views = {
        kind: {"centres": len(one.centres), "quantiles": list(one.quantiles)}
        for kind, one in familiarity.items()
    }
    return {"familiarity": {"file": FAMILIARITY_FILE, "views": views}}


def write_fusion_card(document: Mapping[str, Any], evaluation: str) -> str:
    """Write the card as Markdown."""
    return write_card(document, _tell(document), evaluation=evaluation)


def _tell(document: Mapping[str, Any]) -> Iterator[str]:
    recipe = document["recipe"]
    yield "\n## Data\n\n| set | cells | donors | genes | proteins | labels | licence |"
    yield "|---|---|---|---|---|---|---|"
    for one in document["training"]:
        labels = f"{sum(one['labels'].values()):,} of {len(one['labels'])} kinds" if one["labels"] else "none"
        yield (
            f"| {one['name']} | {one['cells']:,} | {one['donors']} | {one['genes']:,} | {one['proteins']} "
            f"| {labels} | {one['licence']} |"
        )
    yield (
        f"\nArchitecture {recipe['architecture']}, mixer {recipe['mixer']}; validation fold split by "
        f"{recipe['split']}; held out: {', '.join(recipe['held_out']) or 'none'}.\n"
    )
    if "weight_of_tokens" in document:
        yield f"The learnt weight of the token branch is {document['weight_of_tokens']:.3f}.\n"
    yield "## Figures\n\nCells that the network had not learnt from.\n"
    yield "| set | judged by | shown | cells | accuracy | calibration error | protein r | 90 % interval |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in document["metrics"]:
        cells = " | ".join(
            "" if row.get(key) is None else f"{row[key]:.3f}"
            for key in ("accuracy", "ece", "protein_correlation", "interval_coverage")
        )
        yield f"| {row['set']} | {row['judge']} | {row['view']} | {row['cells']:,} | {cells} |"


_INPUTS: Final = [
    describe_tensor("genes", ["B", "G"], "standardised log1p(counts per 10,000), 0 where not measured"),
    describe_tensor("gene_mask", ["1 or B", "G"], "1 where the gene was measured, else 0"),
    describe_tensor("proteins", ["B", "P"], "standardised centred log-ratio, 0 where not measured"),
    describe_tensor("protein_mask", ["1 or B", "P"], "1 where the protein was measured, else 0"),
]
_OUTPUTS: Final = [
    describe_tensor("latent", ["B", "D"], "fused vector"),
    describe_tensor("class_probabilities", ["B", "K"], "labels/class"),
    describe_tensor("protein_mean", ["B", "P"], "standardised log1p counts"),
    describe_tensor("protein_sd", ["B", "P"], "standard deviation of the same"),
    describe_tensor("weights", ["B", "2"], "of expression and proteins; sum 1, 0 for what is absent"),
]
