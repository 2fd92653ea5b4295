"""One row per cell over several samples: pairing, clone and the keys of its vectors.

Invariant: the rows are the cells given, in their order; cells without a receptor have a row too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tcellflow.receptors.clonotypes import assign_clones
from tcellflow.receptors.pairing import summarise_cells
from tcellflow.vocabulary import Locus

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.receptors.clonotypes import DualChains, Orphans


def describe_cells(
    cells: pd.DataFrame,
    chains: pd.DataFrame,
    *,
    orphans: Orphans = "strict",
    dual_chains: DualChains = "primary",
) -> pd.DataFrame:
    """Describe the receptor of every cell, one row per cell.

    Parameters
    ----------
    cells
        ``sample_id``, ``cell_id`` and ``donor``; distinct within a sample.
    chains
        Rows of the chains table for these cells.
    orphans, dual_chains
        As in `tcellflow.receptors.clonotypes.assign_clones`.

    Returns
    -------
    pandas.DataFrame
        The columns of `cells` with ``has_tra``, ``has_trb``, ``chain_pairing``, ``receptor_type``,
        ``receptor_subtype``, ``doublet_suspect``, ``clone_id`` (None without a chain), ``clone_size``
        (Int32, cells of the clone in its sample; missing without a chain), the genes of the first alpha and
        beta chain (``v_call_tra``, ``j_call_tra``, ``v_call_trb``, ``j_call_trb``; None where unknown),
        ``has_trg`` and ``has_trd``.
    """
    described = cells.reset_index(drop=True)
    # samples are taken one by one: barcodes repeat between them, and clones count cells of one sample
    chains_of = dict(list(chains.groupby("sample_id", sort=False)))
    parts = [
        _describe_sample(chains_of.get(sample, chains.iloc[:0]), names, orphans, dual_chains)
        for sample, names in described.groupby("sample_id", sort=False)["cell_id"]
    ]
    nothing = _describe_sample(chains.iloc[:0], described["cell_id"].iloc[:0], orphans, dual_chains)
    return described.join(pd.concat(parts) if parts else nothing)


def _describe_sample(
    chains: pd.DataFrame, names: pd.Series[str], orphans: Orphans, dual_chains: DualChains
) -> pd.DataFrame:
    cell_ids = names.to_numpy(dtype=object)
    clones = assign_clones(chains, orphans=orphans, dual_chains=dual_chains)
    rows = clones.index.get_indexer(pd.Index(cell_ids))
    has_clone = rows >= 0
    clone_ids = np.full(len(cell_ids), None, dtype=object)
    clone_ids[has_clone] = clones["clone_id"].to_numpy()[rows[has_clone]]
    sizes = np.zeros(len(cell_ids), np.int32)
    sizes[has_clone] = clones["clone_size"].to_numpy()[rows[has_clone]]
    classes = summarise_cells(chains, cell_ids).set_axis(names.index)
    clones_of = classes.assign(clone_id=clone_ids, clone_size=pd.arrays.IntegerArray(sizes, ~has_clone))
    return clones_of.assign(**_list_genes(chains, pd.Index(cell_ids)))


def _list_genes(chains: pd.DataFrame, cells: pd.Index[str]) -> dict[str, NDArray[Any]]:
    """List the genes of each cell's first alpha and beta chain, and whether it has gamma and delta chains."""
    columns: dict[str, NDArray[Any]] = {}
    of_locus = dict(list(chains.sort_values("rank", kind="stable").groupby("locus")))
    for locus in (Locus.TRA, Locus.TRB):
        first = of_locus.get(locus, chains.iloc[:0]).drop_duplicates("cell_id")
        rows = pd.Index(first["cell_id"]).get_indexer(cells)
        for name in ("v_call", "j_call"):
            genes = np.array([*first[name], None], dtype=object)[rows]  # -1 takes the None
            genes[pd.isna(genes)] = None
            columns[f"{name}_{locus.lower()}"] = genes
    for locus in (Locus.TRG, Locus.TRD):
        columns[f"has_{locus.lower()}"] = cells.isin(of_locus.get(locus, chains.iloc[:0])["cell_id"])
    return columns
