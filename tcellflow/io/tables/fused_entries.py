"""What fuse says of cells as entries of an h5ad: columns of obs, vectors and tables of obsm.

Invariant: entries hold the very numbers of the table, cell by cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from tcellflow.contracts.fused import FUSED
from tcellflow.errors import InputError
from tcellflow.io.tables.parquet import read_table
from tcellflow.vocabulary import OBSM_FUSED, OBSM_FUSED_UMAP

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

_COLUMNS: Final = ("inputs", "w_rna", "w_adt", "label", "label_probability", "cluster", "ood_score")
_ALWAYS: Final = frozenset({"inputs", "w_rna", "w_adt"})
FUSED_OBS_COLUMNS: Final = tuple(f"fuse_{name}" for name in _COLUMNS)
_PLACES: Final = ("umap_1", "umap_2")


@dataclass(frozen=True)
class FusedEntries:
    """Entries of B cells.

    Parameters
    ----------
    obs
        Columns ``fuse_...``, indexed by cell; those of which nothing is known are left out.
    obsm
        Vectors, places and tables of proteins, by their keys.
    """

    obs: pd.DataFrame
    obsm: dict[str, NDArray[np.float32] | pd.DataFrame]


def name_fused_entries(table: pa.Table) -> FusedEntries:
    """Name the columns of a table by the contract `FUSED` as entries of an h5ad."""
    index = pd.Index(table.column("cell_id").to_pylist(), dtype=object)
    known = [name for name in _COLUMNS if name in _ALWAYS or table.column(name).null_count < len(table)]
    obs = pd.DataFrame({f"fuse_{name}": table.column(name).to_pandas().to_numpy() for name in known}, index)
    if "fuse_cluster" in obs:
        cluster = table.column("cluster").fill_null(-1).to_numpy()
        names = pd.Index([str(group) for group in range(int(cluster.max()) + 1)])
        obs["fuse_cluster"] = pd.Categorical.from_codes(cluster.tolist(), names)
    vectors = table.column("x_fused").combine_chunks()
    is_known = vectors.is_valid().to_numpy(zero_copy_only=False)
    wide = np.full((len(table), vectors.type.list_size), np.nan, np.float32)
    wide[is_known] = vectors.flatten().to_numpy().reshape(int(is_known.sum()), -1)
    obsm: dict[str, NDArray[np.float32] | pd.DataFrame] = {OBSM_FUSED: wide}
    places = np.column_stack([table.column(name).to_numpy() for name in _PLACES]).astype(np.float32)
    if np.isfinite(places).any():
        obsm[OBSM_FUSED_UMAP] = places
    for family in (column for column in FUSED.columns if column.is_family):
        members = FUSED.members(family, table.column_names)
        if members:
            values = {name.removeprefix(family.name): table.column(name).to_numpy() for name in members}
            obsm[f"adt_{family.name.removesuffix('_')}"] = pd.DataFrame(values, index)
    return FusedEntries(obs, obsm)


def read_fused_entries(path: Path, cell_ids: NDArray[np.object_]) -> FusedEntries:
    """Read a table of fuse as entries for the cells of a file.

    Parameters
    ----------
    path
        ``<s>.fused.parquet``.
    cell_ids
        Cells of the file, in its order.

    Raises
    ------
    InputError
        If the table is of other cells.
    ContractError
        If it breaks its contract.
    """
    table = read_table(path, FUSED)
    if table.column("cell_id").to_pylist() != [str(name) for name in cell_ids]:
        raise InputError(
            f"the {len(table):,} cells of the fused table are not those of the cells file",
            where=path,
            mend="run tcellflow fuse on the same cells file, or leave out --fused",
        )
    return name_fused_entries(table)
