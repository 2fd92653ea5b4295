"""Cells and receptors in memory: the calls that the steps make of files, for a notebook.

Invariant: a cell gets the call that `tcellflow run` gives it for a file with the same cells; quality control
is left to whoever holds the object, which is not changed.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import h5py
import numpy as np
import pandas as pd

from tcellflow.cells.gate import gate_cells
from tcellflow.cells.markers import find_markers
from tcellflow.contracts.tables import CHAINS, EMBEDDINGS, RECEPTORS
from tcellflow.inference.states.options import CallOptions
from tcellflow.inference.states.prediction_table import name_obs_columns, tabulate_predictions
from tcellflow.inference.states.sample import call_sample
from tcellflow.inference.states.sources import CellFacts
from tcellflow.ingest.cell_reader import CellReader
from tcellflow.ingest.inputs import name_genes
from tcellflow.io.matrices.in_memory import open_in_memory
from tcellflow.io.tables.cell_receptors import tell_facts
from tcellflow.io.tables.parquet import read_table
from tcellflow.receptors.per_cell import describe_cells
from tcellflow.states.programmes import ProgrammeScorer
from tcellflow.steps.describe.inputs import join_sample
from tcellflow.steps.describe.texts import describe_units, tabulate_descriptions
from tcellflow.steps.describe.writers import choose_writer
from tcellflow.steps.embed_tcr import EmbedTcrOptions, embed_tcr
from tcellflow.steps.preprocess import PreprocessOptions, preprocess
from tcellflow.vocabulary import (
    OBSM_PAIR,
    OBSM_TRA,
    OBSM_TRB,
    PROGRAMME_PREFIX,
    UNS_KEY,
    ChainPairing,
    OutputName,
    output_name,
)

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

    from tcellflow.inference.session import Device
    from tcellflow.inference.states.predictor import StatePredictor
    from tcellflow.language.template import Register
    from tcellflow.states.unconventional import ReceptorFacts
    from tcellflow.vocabulary import Realiser

_CELL_COLUMNS: Final = ("cell_id", "barcode")
_VECTOR_KEYS: Final = {OBSM_TRA: "emb_tra", OBSM_TRB: "emb_trb", OBSM_PAIR: "emb_pair"}


@dataclass(frozen=True)
class EmbeddedReceptors:
    """The receptors of N cells as vectors.

    Parameters
    ----------
    cells
        Pairing, clone and clone size, indexed by cell: the columns of ``receptors.parquet``.
    obsm
        ``X_tra``, ``X_trb`` and ``X_tcr`` (pairs), each (N, D) float32 in the order of `cells`; 0 where the
        columns ``has_X_tra`` … of `cells` are False. Ready for ``adata.obsm.update``.
    """

    cells: pd.DataFrame
    obsm: dict[str, NDArray[np.float32]]


def call_states(
    adata: ad.AnnData,
    predictor: StatePredictor,
    *,
    layer: str | None,
    target_risk: float | None,
    library_size_column: str | None,
) -> pd.DataFrame:
    """Call the T-cell states of cells held in memory: `tcellflow.api.predict_states`."""
    cells = CellReader(name_genes(open_in_memory(adata, layer)), library_size_column)
    is_t_cell, is_doublet = _judge_cells(adata, cells)
    nothing = np.full(cells.n_obs, None, dtype=object)
    facts = CellFacts(
        adata.obs_names.to_numpy(dtype=object),
        nothing,
        nothing,
        is_t_cell,
        is_doublet,
        _read_chains(adata) if "airr" in adata.obsm else None,
    )
    sample = call_sample(predictor, cells, facts, CallOptions(target_risk=target_risk))
    found = name_obs_columns(tabulate_predictions(sample))
    return found.assign(is_t_cell=is_t_cell, doublet_suspect=is_doublet)


def score_cells(adata: ad.AnnData, *, layer: str | None, library_size_column: str | None) -> pd.DataFrame:
    """Score the programmes of cells held in memory: `tcellflow.api.score_programmes`."""
    cells = CellReader(name_genes(open_in_memory(adata, layer)), library_size_column)
    is_t_cell, _ = _judge_cells(adata, cells)
    scorer = ProgrammeScorer(cells.gene_names)
    parts = [scorer.score(counts, totals).values for counts, totals, _ in cells.read()]  # noqa: PD011 (no pandas)
    names = [f"{PROGRAMME_PREFIX}{name}" for name in scorer.table.names]
    values = np.concatenate([np.zeros((0, len(names)), np.float32), *parts])
    values[~is_t_cell] = np.nan
    return pd.DataFrame(values, adata.obs_names.copy(), names)


def _judge_cells(adata: ad.AnnData, cells: CellReader) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell T cells and suspected doublets, unless tcellflow wrote it into the object before."""
    if UNS_KEY in adata.uns and {"is_t_cell", "doublet_suspect"} <= set(adata.obs):
        known = adata.obs[["is_t_cell", "doublet_suspect"]].to_numpy(dtype=bool)
        return known[:, 0], known[:, 1]
    pairing = None
    if "chain_pairing" in adata.obs:
        pairing = adata.obs["chain_pairing"].astype(object).fillna(ChainPairing.NO_IR).to_numpy(dtype=object)
    markers, first = find_markers(cells.gene_names), 0
    is_t_cell, is_doublet = np.zeros(cells.n_obs, dtype=bool), np.zeros(cells.n_obs, dtype=bool)
    for counts, totals, _ in cells.read():
        rows = slice(first, first + counts.shape[0])
        of_rows = None if pairing is None else pairing[rows]
        has_receptor = np.zeros(len(totals), dtype=bool) if of_rows is None else of_rows != ChainPairing.NO_IR
        verdict = gate_cells(markers.gather(counts).gate, markers.present, totals, has_receptor, of_rows)
        is_t_cell[rows], is_doublet[rows] = verdict.is_t_cell, verdict.doublet_suspect
        first = rows.stop
    return is_t_cell, is_doublet


def _read_chains(adata: ad.AnnData) -> ReceptorFacts | None:
    """Read what the chains of cells held in memory say of their lineage."""
    with tempfile.TemporaryDirectory(prefix="tcellflow-") as name:
        path, cell_ids = _write_receptors(adata, Path(name))
        preprocess(PreprocessOptions(output=Path(name), prefix="cells", tcr=(path,)), tell_all=True)
        chains = read_table(Path(name) / output_name("cells", OutputName.CHAINS), CHAINS).to_pandas()
    cells = pd.DataFrame({"sample_id": "cells", "cell_id": cell_ids, "donor": "cells"})
    return tell_facts(describe_cells(cells, chains))


def embed_cells(
    receptors: pd.DataFrame | ad.AnnData,
    *,
    backend: str,
    bundle: str | None,
    force_tra: bool,
    threads: int | None,
    device: Device,
) -> EmbeddedReceptors:
    """Turn the receptor chains of cells held in memory into vectors: `tcellflow.api.embed_receptors`."""
    with tempfile.TemporaryDirectory(prefix="tcellflow-") as name:
        folder = Path(name)
        path, cell_ids = _write_receptors(receptors, folder)
        preprocess(PreprocessOptions(output=folder, prefix="cells", tcr=(path,)))
        asked = EmbedTcrOptions(
            chains=(folder / output_name("cells", OutputName.CHAINS),),
            output=folder,
            prefix="cells",
            backend=backend,
            bundle=bundle,
            force_tra=force_tra,
            threads=threads,
            device=device,
        )
        embed_tcr(asked)
        embeddings = read_table(folder / output_name("cells", OutputName.EMBEDDINGS), EMBEDDINGS)
        table = read_table(folder / output_name("cells", OutputName.RECEPTORS), RECEPTORS).to_pandas()
    cells = table.set_index("cell_id").reindex(pd.Index(cell_ids, name="cell_id"))
    rows_of = pd.Index(embeddings["emb_id"].to_numpy(), dtype=object)
    vectors = np.array(embeddings["vector"].to_pylist(), np.float32).reshape(len(rows_of), -1)
    missing = np.zeros((1, vectors.shape[1]), np.float32)
    vectors = np.concatenate([vectors, missing])  # where get_indexer gives -1
    obsm = {key: vectors[rows_of.get_indexer(cells[column])] for key, column in _VECTOR_KEYS.items()}
    masks = {f"has_{key}": cells[column].notna() for key, column in _VECTOR_KEYS.items()}
    return EmbeddedReceptors(cells.assign(**masks).drop(columns=[*_VECTOR_KEYS.values(), "sample_id"]), obsm)


def describe_groups(
    adata: ad.AnnData, *, groupby: str | None, register: Register, realiser: Realiser, bundle: str
) -> pd.DataFrame:
    """Describe groups of cells held in memory: `tcellflow.api.describe`."""
    sample = join_sample(CellReader(name_genes(open_in_memory(adata)), None), groupby=groupby)
    write, _ = choose_writer(realiser, bundle, None)
    facts = sample.measure()
    found = describe_units(facts, register, fail=False, write=write)
    table: pd.DataFrame = tabulate_descriptions(found, facts, register, realiser).to_pandas()
    return table


def _write_receptors(receptors: pd.DataFrame | ad.AnnData, folder: Path) -> tuple[Path, NDArray[np.object_]]:
    """Write receptors as the file that the readers know, and give the names of its cells."""
    if not isinstance(receptors, pd.DataFrame):
        import anndata as ad  # noqa: PLC0415 (takes a second)

        path = folder / "receptors.h5ad"
        obsm = {"airr": receptors.obsm["airr"]} if "airr" in receptors.obsm else None
        with h5py.File(path, "w", locking=False) as file:
            ad.io.write_elem(file, "/", ad.AnnData(obs=receptors.obs, obsm=obsm))
        return path, receptors.obs_names.to_numpy(dtype=object)
    table = receptors
    name = next((name for name in _CELL_COLUMNS if name in table), None)
    if name is None:
        table = table.assign(cell_id=np.arange(len(table)).astype(str))
        name = "cell_id"
        if "productive" not in table:
            table = table.assign(productive="T")
    path = folder / "receptors.tsv"
    table.to_csv(path, sep="\t", index=False)
    return path, table[name].astype(str).drop_duplicates().to_numpy(dtype=object)
