"""Small CITE-seq sets made on the spot: four kinds of cells that genes and antibodies tell apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import yaml
from scipy import sparse

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("CD4 T cell", "CD8 T cell", "B cell", "monocyte")
MARKERS = {
    "CD4 T cell": ("CD3E", "CD3D", "CD4", "IL7R"),
    "CD8 T cell": ("CD3E", "CD3D", "CD8A", "CD8B", "GZMK"),
    "B cell": ("MS4A1", "CD79A", "CD79B", "CD19"),
    "monocyte": ("CD14", "LYZ", "S100A8", "S100A9"),
}
OTHERS = ("B2M", "ACTB", "GAPDH", "MALAT1", "RPL3", "RPS6", "VIM", "CD52", "TRBV9", "IGKC")
GENES = (*dict.fromkeys(gene for genes in MARKERS.values() for gene in genes), *OTHERS)
ANTIBODIES = {
    "CD3": ("CD4 T cell", "CD8 T cell"),
    "CD4": ("CD4 T cell", "monocyte"),
    "CD8a": ("CD8 T cell",),
    "CD19": ("B cell",),
    "CD14": ("monocyte",),
    "CD45RA": ("B cell", "CD8 T cell"),
    "IgG1-control": (),
}


def make_set(
    folder: Path,
    name: str,
    seed: int,
    *,
    n_cells: int = 160,
    antibodies: tuple[str, ...] = tuple(ANTIBODIES),
    genes: tuple[str, ...] = GENES,
    **changes: Any,
) -> dict[str, Any]:
    """Write counts and the table of cells of one set; give its entry in the manifest."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(KINDS, n_cells)
    rates = np.full((n_cells, len(genes)), 1.5)
    for kind, marked in MARKERS.items():
        rates[np.ix_(kinds == kind, np.isin(genes, marked))] = 12.0
    depth = rng.uniform(0.5, 1.5, (n_cells, 1))
    counts = rng.poisson(rates * depth).astype(np.int32)
    names = [f"{name}-{i}" for i in range(n_cells)]
    matrix = ad.AnnData(sparse.csr_matrix(counts), pd.DataFrame(index=names), pd.DataFrame(index=list(genes)))
    if antibodies:
        levels = np.array([[120.0 if kind in ANTIBODIES[a] else 6.0 for a in antibodies] for kind in kinds])
        found = rng.poisson(levels * rng.uniform(0.5, 1.5, (n_cells, 1)))
        matrix.obsm["protein"] = pd.DataFrame(found, index=names, columns=list(antibodies))
    matrix.write_h5ad(folder / f"{name}.h5ad")
    role = np.where(np.arange(n_cells) % 5 == 0, "validation", "train").astype(object)
    role[np.arange(n_cells) % 7 == 0] = "unlabelled"
    role[:3] = "test"
    table = pd.DataFrame(
        {
            "cell_id": names,
            "donor": [f"{name}-donor{i % 3}" for i in range(n_cells)],
            "kind_of_cell": kinds,
            "role": role,
        }
    )
    table.to_csv(folder / f"{name}.tsv", sep="\t", index=False)
    entry = {
        "name": name,
        "counts": f"{name}.h5ad",
        "cells": f"{name}.tsv",
        "label": "kind_of_cell",
        "licence": "CC0",
    }
    return {**entry, **changes}


def write_sets(folder: Path, *entries: Any) -> Path:
    """Write a manifest."""
    path = folder / "sets.yaml"
    path.write_text(yaml.safe_dump({"sets": list(entries)}), encoding="utf-8")
    return path
