"""The receptors table of embed-tcr, brought onto the cells of a cells file.

Invariant: rows follow the cells file; a table of another sample, or a part of one, is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from tcellflow.contracts.tables import RECEPTORS
from tcellflow.errors import InputError
from tcellflow.io.tables.parquet import read_table
from tcellflow.receptors.contigs import as_texts
from tcellflow.vocabulary import ChainPairing

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tcellflow.io.h5ad.cells_reader import CellsFile

_KEY = ["sample_id", "cell_id"]
_COLUMNS = ["clone_id", "emb_tra", "emb_trb"]
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
    """

    clone_id: NDArray[np.object_]
    emb_tra: NDArray[np.object_]
    emb_trb: NDArray[np.object_]
    clusters: pd.DataFrame | None = None


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
    return CellReceptors(clone_id, emb_tra, emb_trb, clusters)
