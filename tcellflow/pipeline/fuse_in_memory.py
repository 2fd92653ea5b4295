"""Cells in memory fused: what the step fuse does of a file, for a notebook.

Invariant: a cell gets the numbers that `tcellflow fuse` gives it for a file with the same cells.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from tcellflow.errors import InputError
from tcellflow.inference.fusion.fused_table import choose_labels, tabulate_fused
from tcellflow.inference.fusion.fuser import Fuser
from tcellflow.inference.fusion.graph import draw_graph
from tcellflow.inference.fusion.measured_proteins import demand_proteins, read_flags, read_proteins
from tcellflow.inference.fusion.sample import FuseChoices, fuse_sample
from tcellflow.inference.fusion.trust import list_warnings
from tcellflow.inference.session import count_processors
from tcellflow.ingest.cell_reader import CellReader
from tcellflow.ingest.inputs import name_genes
from tcellflow.io.bundles.folders import find_bundle, read_bundle
from tcellflow.io.matrices.in_memory import open_in_memory
from tcellflow.io.tables.fused_entries import name_fused_entries
from tcellflow.proteins.panel import name_antibodies
from tcellflow.vocabulary import OBSM_ADT_COUNTS

if TYPE_CHECKING:
    import anndata as ad

    from tcellflow.io.tables.fused_entries import FusedEntries
    from tcellflow.steps.options import FuseOptions

_LOG = logging.getLogger(__name__)
_WHERE: Final = "AnnData"
# As tcellflow, scvi-tools and the tutorials of muon name them.
_KEYS: Final = (OBSM_ADT_COUNTS, "protein_expression", "protein", "prot", "adt", "ADT")


def fuse_cells(
    adata: ad.AnnData,
    asked: FuseOptions,
    *,
    proteins: str | pd.DataFrame | None,
    layer: str | None,
    library_size_column: str | None,
) -> FusedEntries:
    """Fuse cells held in memory: `tcellflow.api.fuse`.

    Raises
    ------
    InputError, OptionsError, BundleError
        As `tcellflow.api.fuse`.
    """
    fuser = Fuser(read_bundle(find_bundle(asked.bundle)), threads=asked.threads, device=asked.device)
    cells = CellReader(name_genes(open_in_memory(adata, layer)), library_size_column)
    frame = None if asked.inputs == "rna" else _find_proteins(adata, proteins)
    n = adata.n_obs
    if not n:
        raise InputError("the object holds no cells", where=_WHERE, mend="give a sample with cells")
    totals = np.concatenate([sums for _, sums in cells.measured_blocks()])
    has_rna = np.full(n, asked.inputs != "adt") & (totals > 0)
    has_adt, found = np.full(n, frame is not None), None
    if frame is not None:
        has_adt = read_flags(adata.obs, _WHERE)
        panel = name_antibodies([str(name) for name in frame.columns], where=_WHERE)
        found = read_proteins(frame, panel, has_adt, _WHERE)
    demand_proteins(found, asked.inputs, f"inputs={asked.inputs!r}", "name them: proteins=...")
    threads = asked.threads or count_processors()
    fused = fuse_sample(
        fuser,
        cells,
        found,
        (has_rna, has_adt),
        progress=lambda _done, _total: None,
        choices=FuseChoices(asked.adt_norm, asked.refit),
        threads=threads,
    )
    graph = draw_graph(
        fused.sharp.vectors,
        clusters=asked.clusters,
        umap=asked.umap,
        resolution=asked.resolution,
        threads=threads,
    )
    for text in list_warnings(fused, graph):
        _LOG.warning("%s", text)
    names = adata.obs_names.to_numpy(dtype=object)
    return name_fused_entries(tabulate_fused(fused, names, [_WHERE] * n, choose_labels(fused), graph))


def _find_proteins(adata: ad.AnnData, proteins: str | pd.DataFrame | None) -> pd.DataFrame | None:
    if isinstance(proteins, pd.DataFrame):
        if not proteins.index.equals(adata.obs_names):
            raise InputError(
                "the rows of the antibody counts are not the cells",
                where=_WHERE,
                mend="give a table indexed by obs_names, in their order",
            )
        return proteins
    if proteins is not None and proteins not in adata.obsm:
        raise InputError(
            f"there is no obsm[{proteins!r}]",
            where=_WHERE,
            mend="choose from: " + ", ".join(map(str, adata.obsm)),
        )
    key = proteins or next((key for key in _KEYS if key in adata.obsm), None)
    if key is None:
        return None
    return _name_columns(adata.obsm[key], key, adata)


def _name_columns(values: Any, key: str, adata: ad.AnnData) -> pd.DataFrame:
    if isinstance(values, pd.DataFrame):
        return values
    names = next((adata.uns[name] for name in (f"{key}_names", "protein_names") if name in adata.uns), None)
    if names is None or len(names) != values.shape[1]:
        raise InputError(
            f"obsm[{key!r}] has no names of antibodies",
            where=_WHERE,
            mend=f"make it a pandas table, or put the names into uns['{key}_names']",
        )
    dense = np.asarray(values.toarray() if hasattr(values, "toarray") else values)
    return pd.DataFrame(dense, adata.obs_names, [str(name) for name in names])
