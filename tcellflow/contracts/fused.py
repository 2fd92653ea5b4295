"""The contract of what fuse says of cells: vectors, proteins and labels.

Invariant: what was not measured or not asked for is null; a protein is imputed without its own value.
"""

from __future__ import annotations

from typing import Final

from tcellflow.contracts.columns import Column, Table
from tcellflow.vocabulary import FusedInputs


def _share(name: str, meaning: str, *, is_family: bool = False) -> Column:
    return Column(name, "float32", meaning, nullable=True, low=0, high=1, is_family=is_family)


def _level(name: str, meaning: str) -> Column:
    return Column(name, "float32", meaning, nullable=True, is_family=True)


FUSED: Final = Table(
    name="fused",
    version=2,
    key=("cell_id",),
    meaning="One row per cell in input order: expression and surface proteins in one vector.",
    columns=(
        Column("cell_id", "string", "barcode of the cell, equal to obs_names of the cells file"),
        Column("sample_id", "string", "sample the cell belongs to"),
        Column("inputs", "string", "what the vector was made from", choices=FusedInputs),
        Column("x_fused", "vector", "fused vector; null where nothing was measured", nullable=True),
        _share("w_rna", "weight of expression in the vector of the bundle; 0 where there is none"),
        _share("w_adt", "weight of the proteins; both sum to 1"),
        Column("label", "string", "most probable label of the bundle, a Cell Ontology name", nullable=True),
        _share("label_probability", "calibrated probability of the label"),
        Column("label_entropy", "float32", "entropy of the labels in nats", nullable=True, low=0),
        Column("label_abstained", "bool", "label_set holds another number than one label", nullable=True),
        Column(
            "label_set",
            "string",
            "labels that cannot be ruled out at 90 % coverage, joined by |; may be empty",
            nullable=True,
        ),
        Column(
            "cluster",
            "int32",
            "group of near vectors (Leiden), the largest 0; null without a vector, or if not asked for",
            nullable=True,
            low=0,
            since=2,
        ),
        *(
            Column(
                f"umap_{axis}",
                "float32",
                "place on the map of fused vectors, 0-1; null as cluster",
                nullable=True,
                low=0,
                high=1,
                since=2,
            )
            for axis in (1, 2)
        ),
        Column(
            "ood_score",
            "float32",
            "share of the bundle's validation cells that lie nearer to those learnt from; 1 = unlike all",
            nullable=True,
            low=0,
            high=1,
            since=2,
        ),
        _share("panel_coverage_rna", "weighted share of the bundle's genes that the sample measured"),
        _share("panel_coverage_adt", "share of the bundle's proteins that the sample measured"),
        _level(
            "imputed_",
            "log1p counts of a protein as expression tells them, or all there is where it was not measured",
        ),
        _level("imputed_sd_", "standard deviation of the same"),
        _level("denoised_", "log1p counts of a measured protein above its background, expected"),
        _level("denoised_sd_", "standard deviation of the same"),
        _share("foreground_", "probability that a measured protein is above its background", is_family=True),
    ),
)
