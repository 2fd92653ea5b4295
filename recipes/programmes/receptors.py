"""MAIT and gamma-delta cells of the sets with receptors, by their chains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np

from recipes.datasets.labels import find_set
from recipes.programmes.contrasts import MAIT_J, Receptors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from recipes.datasets.cells import LabelledSet

WITH_CHAINS = ("tenx_healthy_T_1k", "screp_ards", "trex_pt17_trimodal")
LEAST_TRDC = 2  # molecules, in a cell without any alpha-beta chain


def read_receptors(data: Path, sets: Mapping[str, LabelledSet]) -> dict[str, Receptors]:
    """Read what the chains say, for sets that have them."""
    return {name: _read(data, name, sets[name]) for name in WITH_CHAINS if name in sets}


def _read(data: Path, name: str, cells: LabelledSet) -> Receptors:
    description = find_set(name)
    obs = ad.read_h5ad(data / name / description.file, backed="r").obs
    obs = obs.loc[list(cells.names)]
    v, j = (obs[c].astype(object).fillna("").astype(str) for c in ("TRA_v", "TRA_j"))
    beta = obs["TRB_cdr3_aa"].astype(object).fillna("").astype(str)
    alpha = obs["TRA_cdr3_aa"].astype(object).fillna("").astype(str)
    is_mait = (v.str.startswith("TRAV1-2") & j.str.split("*").str[0].isin(MAIT_J)).to_numpy()
    place = list(cells.symbols).index("TRDC") if "TRDC" in set(cells.symbols) else -1
    trdc = np.zeros(len(cells)) if place < 0 else cells.counts[:, [place]].toarray()[:, 0]
    without = ((alpha == "") & (beta == "")).to_numpy()
    is_gd = cells.is_t & without & (trdc >= LEAST_TRDC)
    return Receptors(is_mait, is_gd, ((alpha != "") & (beta != "")).to_numpy())
