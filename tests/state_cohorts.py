"""Small labelled cohorts made on the spot: a few genes tell the states, the rest is noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import yaml
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MARKERS = {
    "naive": ("CCR7", "LEF1", "SELL"),
    "memory": ("S100A4", "IL7R", "ANXA1"),
    "treg": ("FOXP3", "IL2RA", "CTLA4"),
    "B": ("MS4A1", "CD79A", "CD79B"),
}
COMMON = ("CD3E", "CD3D", "TRAC", "B2M", "ACTB", "GAPDH", "MALAT1", "RPL3", "RPS6", "VIM", "CD52", "CD4")
CYCLING = ("MKI67", "TOP2A", "TYMS")
CLONAL = ("TRBV9", "TRAV1-2", "IGHV3-23", "IGKC")
GENES = (*(gene for genes in MARKERS.values() for gene in genes), *COMMON, *CYCLING, *CLONAL)
MAP = {
    "naive": {"lineage": "CD4", "function": "naive"},
    "memory": {"lineage": "CD4", "function": "memory", "cycle": "?"},
    "treg": {"lineage": "Treg", "function": "regulatory"},
}


def write_cohort(folder: Path, name: str, seed: int, *, n_cells: int = 90, **changes: Any) -> dict[str, Any]:
    """Write counts and the table of cells of one cohort; give its entry in the manifest."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(["naive", "memory", "treg", "B"], n_cells, p=[0.35, 0.35, 0.2, 0.1])
    rates = np.full((n_cells, len(GENES)), 2.0)
    for label, genes in MARKERS.items():
        rates[np.ix_(labels == label, np.isin(GENES, genes))] = 20.0
    is_cycling = np.arange(n_cells) % 9 == 0
    rates[np.ix_(is_cycling, np.isin(GENES, CYCLING))] = 20.0
    counts = rng.poisson(rates * rng.uniform(0.5, 1.5, (n_cells, 1))).astype(np.int32)
    names = [f"{name}-{i}" for i in range(n_cells)]
    matrix = ad.AnnData(sparse.csr_matrix(counts), pd.DataFrame(index=names), pd.DataFrame(index=list(GENES)))
    matrix.write_h5ad(folder / f"{name}.h5ad")
    table = pd.DataFrame(
        {
            "cell_id": names,
            "donor": [f"{name}-donor{i % 3}" for i in range(n_cells)],
            "clone": "",
            "library_size": counts.sum(axis=1) + 10,
            "kind": np.where(labels == "B", "B", "T"),
            "gate": labels,
            "cycle": np.where(is_cycling, "cycling", "resting"),
        }
    )
    table.to_csv(folder / f"{name}.tsv", sep="\t", index=False)
    entry = {
        "name": name,
        "counts": f"{name}.h5ad",
        "cells": f"{name}.tsv",
        "licence": "CC0",
        "labels": [
            {"column": "gate", "evidence": "gated", "map": MAP},
            {
                "column": "cycle",
                "evidence": "marker",
                "map": {c: {"cycle": c} for c in ("cycling", "resting")},
            },
        ],
    }
    return {**entry, **changes}


def write_manifest(folder: Path, *entries: Any) -> Path:
    """Write a manifest."""
    path = folder / "cohorts.yaml"
    path.write_text(yaml.safe_dump({"cohorts": list(entries)}), encoding="utf-8")
    return path


def write_three(folder: Path) -> Path:
    """Write a manifest of three cohorts."""
    return write_manifest(folder, *(write_cohort(folder, f"set{i}", i) for i in range(3)))


AIRR = (
    "cell_id",
    "sequence_id",
    "locus",
    "productive",
    "v_call",
    "j_call",
    "junction",
    "junction_aa",
    "umi_count",
)
SEGMENTS = {"TRA": ("TRAV12-1", "TRAJ33"), "TRB": ("TRBV20-1", "TRBJ2-7")}
# What stands in the middle of the chains of each kind of cell: here receptors tell the state.
MOTIFS = {"naive": "RRKRR", "memory": "DDEDD", "treg": "WWYWW", "B": "AGAGA"}


def write_airr(path: Path, chains: Sequence[tuple[str, str, str, int]]) -> str:
    """Write an AIRR table of (cell, locus, junction_aa, molecules); give its name."""
    rows = [
        (cell, f"{cell}_{number}", locus, "T", *SEGMENTS[locus], "", junction, molecules)
        for number, (cell, locus, junction, molecules) in enumerate(chains)
    ]
    pd.DataFrame(rows, columns=list(AIRR)).to_csv(path, sep="\t", index=False)
    return path.name


def add_receptors(folder: Path, entry: dict[str, Any], seed: int) -> dict[str, Any]:
    """Give the cells of a cohort receptors that tell their gate: pairs, single chains, and none."""
    rng = np.random.default_rng(seed)
    table = pd.read_csv(folder / entry["cells"], sep="\t", dtype=str, keep_default_na=False)
    chains = []
    for number, (cell, gate) in enumerate(zip(table["cell_id"], table["gate"], strict=True)):
        ends = ["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 4)) for _ in range(2)]
        for locus, end in zip(("TRA", "TRB"), ends, strict=True):
            if number % 5 and not (number % 5 == 1 and locus == "TRA"):
                chains.append((cell, locus, f"CA{MOTIFS[gate]}{end}F", 5))
    return {**entry, "receptors": write_airr(folder / f"{entry['name']}.airr.tsv", chains)}


def without_counts(entry: dict[str, Any]) -> dict[str, Any]:
    """Give the entry of a cohort of which receptors alone are known."""
    return {key: value for key, value in entry.items() if key != "counts"}


def write_three_with_receptors(folder: Path) -> Path:
    """Write a manifest of two cohorts with receptors, one without, and one of receptors alone."""
    entries = [write_cohort(folder, f"set{i}", i) for i in range(4)]
    for number in (0, 1, 3):
        entries[number] = add_receptors(folder, entries[number], number)
    return write_manifest(folder, *entries[:3], without_counts(entries[3]))
