"""The receptors table of embed-tcr, brought onto the cells of a cells file.

Invariant: rows follow the cells file; a table of another sample, or a part of one, is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tcellflow.contracts.tables import RECEPTORS
from tcellflow.errors import InputError
from tcellflow.io.tables.parquet import read_table
from tcellflow.receptors.contigs import as_texts
from tcellflow.states.unconventional import ReceptorFacts
from tcellflow.vocabulary import ChainPairing, ReceptorSubtype

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.io.h5ad.cells_reader import CellsFile

_KEY = ["sample_id", "cell_id"]
_COLUMNS = ["clone_id", "emb_tra", "emb_trb"]
_GENES = ["v_call_tra", "j_call_tra", "v_call_trb"]
_HAS = ["has_tra", "has_trb", "has_trg", "has_trd"]
_CLUSTER = ["receptor_cluster", "receptor_cluster_size"]


@dataclass(frozen=True)
class CellReceptors:
    """What embed-tcr says of B cells.

    Parameters
    ----------
    clone_id
        Clones, None without a usable chain, shape (B,), object.
    emb_tra, emb_trb
        Keys of the alpha and beta vector, None where missing, shape (B,), object.
    clusters
        Columns ``receptor_cluster`` and ``receptor_cluster_size``, B rows; None where they were not asked
        for.
    facts
        Genes and kinds of the chains; None without any, or for a table of a version that did not tell them.
    """

    clone_id: NDArray[np.object_]
    emb_tra: NDArray[np.object_]
    emb_trb: NDArray[np.object_]
    clusters: pd.DataFrame | None = None
    facts: ReceptorFacts | None = None


def read_cell_receptors(path: Path, cells: CellsFile) -> CellReceptors:
    """Read the receptors of a sample's cells from its receptors table, in the order of the cells.

    Raises
    ------
    InputError
        If the table shares no cell with the file, or lacks cells that have a receptor.
    ContractError
        If the table breaks its contract.
    """
    table = read_table(path, RECEPTORS).to_pandas()
    wanted = pd.MultiIndex.from_arrays([as_texts(cells.obs["sample_id"]), cells.cell_ids])
    places = pd.MultiIndex.from_frame(table[_KEY]).get_indexer(wanted)
    found = places >= 0
    if len(table) and cells.n_obs and not found.any():
        raise InputError(
            f"none of the {len(table):,} cells of the receptors table is among the {cells.n_obs:,} cells",
            where=path,
            mend="give the receptors table that embed-tcr wrote for this sample",
        )
    has_receptor = (cells.obs["chain_pairing"] != ChainPairing.NO_IR).to_numpy()
    lost = cells.cell_ids[has_receptor & ~found]
    if len(lost):
        raise InputError(
            f"{len(lost):,} cells that have a receptor in the cells file are not in the receptors table "
            f"(first: {lost[0]})",
            where=path,
            mend="give the whole receptors table that embed-tcr wrote for this sample",
        )
    rows = table.reindex(places)  # -1 is no row: all missing
    clusters = rows[_CLUSTER].astype({_CLUSTER[1]: "Int32"}) if _CLUSTER[0] in rows else None
    clone_id, emb_tra, emb_trb = (as_texts(rows[name]) for name in _COLUMNS)
    return CellReceptors(clone_id, emb_tra, emb_trb, clusters, tell_facts(rows))


def tell_facts(rows: pd.DataFrame) -> ReceptorFacts | None:
    """Tell what the chains of cells say of their lineage, from rows of a receptors table, one per cell.

    Returns
    -------
    ReceptorFacts or None
        None where no cell has a chain, or the table is of a version that does not tell their kinds.
    """
    if not rows["has_trg"].notna().any() or not rows[_HAS].eq(True).to_numpy().any():
        return None
    genes = (rows[name].fillna("").to_numpy(dtype=object) for name in _GENES)
    has = (rows[name].eq(True).to_numpy(dtype=bool) for name in _HAS)
    return ReceptorFacts(*genes, *has)


def tell_receptors(cells: CellsFile) -> ReceptorFacts | None:
    """Tell what a cells file says of its receptors: which arms they have, and none of their genes.

    Returns
    -------
    ReceptorFacts or None
        None where no cell has a receptor.
    """
    obs = cells.obs
    pairing = obs["chain_pairing"].astype(str).to_numpy()
    if (pairing == ChainPairing.NO_IR).all():
        return None
    is_gamma_delta = (obs["receptor_subtype"] == ReceptorSubtype.TRG_TRD).to_numpy()
    # an orphan chain is one of both, and the file does not say which
    is_pair = is_gamma_delta & ~np.isin(pairing, [ChainPairing.ORPHAN_VJ, ChainPairing.ORPHAN_VDJ])
    unknown = np.full(cells.n_obs, "", dtype=object)
    has_alpha, has_beta = (obs[name].to_numpy(dtype=bool) for name in ("has_tra", "has_trb"))
    return ReceptorFacts(unknown, unknown, unknown, has_alpha, has_beta, is_pair, is_pair)
