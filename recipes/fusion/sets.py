"""The CITE-seq sets behind the fusion bundle as a manifest, with a table of cells for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anndata as ad
import numpy as np
import pandas as pd
import yaml

from recipes.fusion.classes import CORD_BLOOD, ECCITE, GATED, MARROW, PATIENT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class SetSource:
    """Where a set lies: file, columns of labels from the coarsest on, their classes, library size, donor."""

    file: str
    labels: tuple[str, ...] = ()
    classes: Mapping[str, str | list[str]] | None = None
    library: str | None = None
    donor: str | None = None
    licence: str = "CC BY 4.0 (10x Genomics)"
    adt: str | None = None


_GATES: Final = ("cell_type_l1", "cell_type_l2")
SETS: Final = {
    "citeseq_pbmc10k": SetSource(
        "citeseq_pbmc10k/citeseq_pbmc10k.h5ad", _GATES, GATED, "n_umi_all_genes"
    ),
    "citeseq_pbmc5k": SetSource("citeseq_pbmc5k/citeseq_pbmc5k.h5ad", _GATES, GATED),
    "citeseq_malt_1k": SetSource("citeseq_malt_1k/citeseq_malt_1k.h5ad", _GATES, GATED),
    "citeseq_cbmc8k": SetSource(
        "citeseq_cbmc8k/citeseq_cbmc8k.h5ad", ("rna_annotation",), CORD_BLOOD, "n_umi_2000_hvg",
        licence="GEO GSE100866, public",
    ),
    "eccite_pbmc_3300": SetSource(
        "eccite_pbmc_3300/eccite_pbmc_3300.h5ad", ("cluster_name_ours",), ECCITE, "n_umi_2000_hvg",
        donor="eccite", licence="GEO GSE126310, public; Apache-2.0 (scDCC)",
    ),
    "eccite_pbmc_500": SetSource(
        "eccite_pbmc_500/eccite_pbmc_500.h5ad", donor="eccite", licence="GEO GSE126310, public"
    ),
    "abseq_bm_250": SetSource(
        "abseq_bm_250/abseq_bm_250.h5ad", ("ct",), MARROW, licence="CC BY 4.0 (figshare 13398065)"
    ),
    "trex_pt17_trimodal": SetSource(
        "trex_pt17_trimodal/counts.h5ad", ("adt_state",), PATIENT, licence="MIT (Trex)",
        adt="trex_pt17_trimodal/proteins.parquet",
    ),
}  # fmt: skip


def write_sets(data: Path, folder: Path) -> Path:
    """Write the tables of cells and the manifest; give its path."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = [_write_set(data, folder, name, source) for name, source in SETS.items()]
    path = folder / "sets.yaml"
    path.write_text(yaml.safe_dump({"sets": entries}, sort_keys=False, width=110), encoding="utf-8")
    return path


def _write_set(data: Path, folder: Path, name: str, source: SetSource) -> dict[str, Any]:
    obs = ad.read_h5ad(data / source.file, backed="r").obs
    table = pd.DataFrame({"cell_id": obs.index.to_numpy(dtype=object)})
    label = np.full(len(table), "", dtype=object)
    for column in source.labels:
        found = obs[column].astype(str).to_numpy(dtype=object)
        label = np.where(np.isin(found, list(source.classes or ())), found, label)
    table["label"] = label
    table["donor"] = source.donor or name
    if source.library:
        table["library_size"] = pd.to_numeric(obs[source.library], errors="coerce").to_numpy()
    table.fillna("").to_csv(folder / f"{name}.tsv", sep="\t", index=False)
    entry: dict[str, Any] = {
        "name": name,
        "counts": str((data / source.file).resolve()),
        "cells": f"{name}.tsv",
    }
    if source.adt:
        entry["adt"] = str((data / source.adt).resolve())
    if source.classes:
        seen = sorted(set(label) - {""})
        entry |= {"label": "label", "classes": {one: source.classes[one] for one in seen}}
    return {**entry, "licence": source.licence, "source": source.file.split("/")[0]}
