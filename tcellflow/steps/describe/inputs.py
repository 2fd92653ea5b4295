"""What describe and verify know of a sample: its cells, and one table of all that is recorded about them.

Invariant: rows are in the order of the cells; what a file does not tell has no column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from tcellflow.contracts.predictions import PREDICTIONS
from tcellflow.contracts.programmes import PROGRAMMES
from tcellflow.contracts.tables import CHAINS
from tcellflow.errors import InputError
from tcellflow.ingest.cell_reader import open_cells
from tcellflow.io.files.hdf5 import open_hdf5
from tcellflow.io.files.kinds import is_hdf5
from tcellflow.io.h5ad.elements import read_element
from tcellflow.io.tables.parquet import read_table
from tcellflow.language.facts import SampleFacts, measure
from tcellflow.vocabulary import OBSM_ADT_CLR, PROGRAMME_PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.ingest.cell_reader import CellReader

CLONE_LEVEL: Final = "clonotype"
LEAST_CLONE: Final = 3  # cells of an expanded clone
MOST_CLONES: Final = 20
MOST_UNITS: Final = 500
_CLUSTERS: Final = ("cluster", "clusters", "leiden", "louvain", "seurat_clusters", "fused_cluster")
_FROM_OBS: Final = {
    "state": "state", "state_lineage": "lineage", "donor": "donor", "is_t_cell": "is_t_cell",
    "pct_counts_mt": "mito", "n_genes_by_counts": "genes", "total_counts": "molecules",
}  # fmt: skip


@dataclass(frozen=True)
class DescribedSample:
    """The cells of a sample with what is recorded of them.

    Parameters
    ----------
    reader
        Their counts.
    table
        One row per cell.
    levels
        Columns of the table whose values are groups.
    proteins
        CLR of antibodies; None without.
    programmes
        As predict wrote them, 0-1; None = to be scored.
    """

    reader: CellReader
    table: pd.DataFrame
    levels: tuple[str, ...]
    proteins: pd.DataFrame | None
    programmes: pd.DataFrame | None = None

    def measure(self) -> SampleFacts:
        """Measure the facts of all groups."""
        return measure(
            self.reader.counts(),
            self.reader.gene_names,
            self.table,
            self.levels,
            self.proteins,
            self.programmes,
        )


def open_sample(
    cells: Path,
    *,
    predictions: Path | None,
    chains: Path | None,
    groupby: str | None,
    layer: str | None,
    programmes: Path | None = None,
) -> DescribedSample:
    """Open a sample and join what its files say about each cell.

    Raises
    ------
    InputError
        If a file cannot be read, the tables belong to other cells, or there is no such column, or it has more
        than `MOST_UNITS` values.
    ContractError
        If a table breaks its contract.
    """
    reader = open_cells(cells, layer=layer)
    return join_sample(
        reader,
        predictions=predictions,
        chains=chains,
        groupby=groupby,
        programmes=programmes,
        proteins=_read_proteins(cells, reader),
        where=cells,
    )


def join_sample(
    reader: CellReader,
    *,
    predictions: Path | None = None,
    chains: Path | None = None,
    groupby: str | None = None,
    programmes: Path | None = None,
    proteins: pd.DataFrame | None = None,
    where: object = "AnnData",
) -> DescribedSample:
    """Join what is known about the cells of a sample: their columns, and the tables given.

    Raises
    ------
    InputError
        As `open_sample`.
    ContractError
        As `open_sample`.
    """
    obs = reader.obs
    table = pd.DataFrame(index=pd.RangeIndex(reader.n_obs))
    for column, name in _FROM_OBS.items():
        if column in obs:
            table[name] = _plain(obs[column])
    if "chain_pairing" in obs:
        table["paired"] = obs["chain_pairing"].astype(str).isin(
            ["single pair", "extra VJ", "extra VDJ", "two full chains"]
        ).to_numpy()  # fmt: skip
    if "clone_id" in obs:
        table[CLONE_LEVEL] = _expanded(_plain(obs["clone_id"]))
    if predictions is not None:
        called = read_table(predictions, PREDICTIONS).to_pandas().set_index("barcode")
        called = _align(called, reader, predictions)
        for column in ("state", "lineage", "is_t_cell", "cluster"):
            if column in called and called[column].notna().any():
                table[column] = called[column].to_numpy()
        if called["clone_id"].notna().any():
            table[CLONE_LEVEL] = _expanded(called["clone_id"].to_numpy(dtype=object))
    if chains is not None:
        _add_chains(table, reader, chains)
    levels = _choose_levels(table, obs, groupby, where)
    known = None if programmes is None else _read_programmes(programmes, reader)
    return DescribedSample(reader, table, levels, proteins, known)


def _read_programmes(path: Path, reader: CellReader) -> pd.DataFrame:
    rows = read_table(path, PROGRAMMES).to_pandas().set_index("cell_id")
    found = _align(rows, reader, path).reset_index(drop=True)
    return found.rename(columns=lambda name: str(name).removeprefix(PROGRAMME_PREFIX))


def _plain(values: pd.Series) -> NDArray[np.generic]:
    if values.dtype == bool or pd.api.types.is_numeric_dtype(values):
        return np.asarray(values.to_numpy())
    plain = values.astype(object)
    return np.array([None if pd.isna(v) or v == "" else v for v in plain], dtype=object)


def _expanded(clones: NDArray[np.generic]) -> NDArray[np.object_]:
    """Keep the names of the largest expanded clones; None elsewhere."""
    names = pd.Series(clones, dtype=object)
    sizes = names.value_counts()
    large = sizes[sizes >= LEAST_CLONE].sort_index().sort_values(ascending=False, kind="stable")
    kept = set(large.index[:MOST_CLONES])
    return np.array([name if name in kept else None for name in names], dtype=object)


def _align(rows: pd.DataFrame, reader: CellReader, where: Path) -> pd.DataFrame:
    found = rows.index.isin(reader.cell_ids)
    if reader.n_obs and not found.any():
        raise InputError(
            f"none of its {len(rows):,} cells is among the {reader.n_obs:,} cells described",
            where=where,
            mend="give the table of this sample",
        )
    return rows.reindex(reader.cell_ids)


def _add_chains(table: pd.DataFrame, reader: CellReader, path: Path) -> None:
    rows = read_table(path, CHAINS).to_pandas()
    rows = rows[(rows["rank"] == 1) & rows["locus"].isin(["TRA", "TRB"])]
    for arm, suffix in (("VJ", "vj"), ("VDJ", "vdj")):
        own = rows[rows["arm"] == arm].drop_duplicates("cell_id").set_index("cell_id")
        own = own.reindex(reader.cell_ids)
        table[f"v_call_{suffix}"] = own["v_call"].to_numpy()
        table[f"junction_{suffix}"] = own["junction_aa"].to_numpy()


def _choose_levels(
    table: pd.DataFrame, obs: pd.DataFrame, groupby: str | None, where: object
) -> tuple[str, ...]:
    if groupby is not None:
        if groupby not in obs:
            raise InputError(
                f"there is no column {groupby!r} in obs", where=where,
                mend="choose from: " + (", ".join(map(str, obs.columns[:20])) or "none"),
            )  # fmt: skip
        values = pd.Series(_plain(obs[groupby]), dtype=object)
        n = values.nunique()
        if n > MOST_UNITS:
            raise InputError(
                f"the column {groupby!r} has {n:,} values, more than {MOST_UNITS}", where=where,
                mend="choose a column of groups",
            )  # fmt: skip
        table[groupby] = values.map(lambda v: None if v is None else str(v)).to_numpy()
        return (groupby,)
    found = next((name for name in _CLUSTERS if name in table or name in obs), None)
    if found is not None and found not in table:
        table[found] = _plain(obs[found])
    levels = []
    for name in ("state", found, CLONE_LEVEL):
        if name is not None and name in table and table[name].notna().any():
            values = table[name].astype(object)
            texts = [None if pd.isna(v) else _name(v) for v in values]
            table[name] = pd.Series(texts, dtype=object).to_numpy()
            if len(set(texts)) <= MOST_UNITS:
                levels.append(name)
    return tuple(levels)


def _name(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _read_proteins(path: Path, reader: CellReader) -> pd.DataFrame | None:
    if path.is_dir() or not is_hdf5(path):
        return None
    with open_hdf5(path) as file:
        if OBSM_ADT_CLR not in file.get("obsm", {}):
            return None
        found = read_element(file["obsm"], OBSM_ADT_CLR, where=path)
    return (
        found.reset_index(drop=True)
        if isinstance(found, pd.DataFrame) and len(found) == reader.n_obs
        else None
    )
