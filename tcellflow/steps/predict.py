"""``predict``: the state of every cell, and the states of every clone.

Invariant: every cell of the input has one row, in input order; a call that abstains says why and keeps
its probabilities; chunk size, threads and device change no label.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tcellflow.contracts.cells import CELLS
from tcellflow.contracts.metrics import Metrics
from tcellflow.contracts.predictions import CLONOTYPES, GENE_EVIDENCE, PREDICTIONS
from tcellflow.contracts.programmes import PROGRAMMES
from tcellflow.contracts.tables import CHAINS
from tcellflow.errors import OptionsError
from tcellflow.inference.states.account import summarise_predictions
from tcellflow.inference.states.clones import list_clusters, tabulate_clonotypes
from tcellflow.inference.states.evidence_table import count_genes, list_frequent_genes, tabulate_gene_evidence
from tcellflow.inference.states.options import CallOptions
from tcellflow.inference.states.outlook import tell_outlook
from tcellflow.inference.states.prediction_table import (
    FORMER_OBS_COLUMNS,
    OBS_COLUMNS,
    OPTIONAL_OBS_COLUMNS,
    STATE_CATEGORIES,
    name_obs_columns,
    tabulate_predictions,
    tabulate_programmes,
)
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.inference.states.sample import call_sample
from tcellflow.inference.states.sources import CellFacts
from tcellflow.io.files.kinds import check_is_file
from tcellflow.io.h5ad.cells_copy import write_cells_copy
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.h5ad.mudata import write_mudata
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.io.tables.cell_receptors import read_cell_receptors, tell_receptors
from tcellflow.io.tables.csv import write_csv_table
from tcellflow.io.tables.fused_entries import FUSED_OBS_COLUMNS, read_fused_entries
from tcellflow.io.tables.parquet import open_table_writer, read_table, write_table
from tcellflow.io.tables.receptor_vectors import open_receptor_vectors
from tcellflow.io.tables.step_documents import write_document
from tcellflow.provenance import StepNote, digest_file
from tcellflow.receptors.contigs import as_texts
from tcellflow.steps.options import PredictOptions
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import (
    OBSM_PROGRAMMES,
    OBSM_STATE,
    OBSM_STATE_PROBABILITIES,
    STATE_COLORS,
    UNS_KEY,
    OutputName,
    State,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pyarrow as pa

    from tcellflow.inference.states.sample import SampleCalls
    from tcellflow.io.h5ad.cells_reader import CellsFile
    from tcellflow.io.h5ad.cells_writer import ObsmValue
    from tcellflow.io.tables.cell_receptors import CellReceptors
    from tcellflow.io.tables.fused_entries import FusedEntries
    from tcellflow.io.tables.receptor_vectors import ReceptorVectors
    from tcellflow.provenance import JsonValue
    from tcellflow.steps.progress import Progress

__all__ = ["CallOptions", "PredictOptions", "predict"]

_LOG = logging.getLogger(__name__)


def predict(options: PredictOptions, *, progress: Progress = quiet) -> list[Path]:
    """Run the step predict: the states of a sample's cells.

    Parameters
    ----------
    options
        What to predict, and how.
    progress
        Called with (done, total) cells, once for each pass over them.

    Returns
    -------
    list of pathlib.Path
        ``<prefix>.`` and `PredictOptions.output_names`.

    Raises
    ------
    InputError
        If a file cannot be read, the sample measures less than 25 % of the bundle's panel, the
        expression is not log-normalised, the receptors belong to another sample, or the vectors to
        another encoder.
    ContractError
        If a file breaks its contract.
    BundleError
        If the bundle is missing, damaged or of another task.
    OptionsError
        If options contradict each other, the device or the extra for a MuData file is not there, or the
        bundle cannot do what is asked.
    OutputError
        If an output cannot be written, or exists without `force`.
    """
    options.check_mudata()
    with stage_outputs(options.output, options.prefix, force=options.force) as outputs:
        paths = {name: outputs.path(name) for name in options.output_names}
        predictor = StatePredictor(
            options.bundle,
            threads=options.threads,
            device=options.device,
            effector_by=options.effector_by,
            ensemble=options.ensemble,
        )
        cells = read_cells(options.cells)
        receptors = None if options.receptors is None else read_cell_receptors(options.receptors, cells)
        fused = None if options.fused is None else read_fused_entries(options.fused, cells.cell_ids)
        note = _make_note(options, predictor)
        with _open_vectors(options, predictor, receptors, outputs.folder) as vectors:
            sample = call_sample(
                predictor,
                cells,
                _know_cells(cells, receptors),
                options.calls,
                vectors=vectors,
                progress=progress,
            )
            _LOG.info("%s", tell_outlook(sample))
            genes = None
            if options.evidence_genes:
                pieces = tabulate_gene_evidence(
                    sample, cells, n_genes=options.evidence_genes, vectors=vectors, progress=progress
                )
                genes = _write_evidence(paths[OutputName.GENE_EVIDENCE], pieces, note)
        metrics = summarise_predictions(
            sample, frequent_genes=genes, unused_inputs=_find_unused(options, predictor)
        )
        write_document(paths[OutputName.METRICS], metrics, note, Metrics)
        _write_tables(paths, sample, cells, (receptors, fused), note, guard_csv=options.guard_csv)
        if options.mudata:
            chains = None if options.chains is None else read_table(options.chains, CHAINS)
            write_mudata(paths[OutputName.MUDATA], paths[OutputName.ANNOTATED], chains)
        return outputs.commit()


def _open_vectors(
    options: PredictOptions, predictor: StatePredictor, receptors: CellReceptors | None, folder: Path
) -> AbstractContextManager[ReceptorVectors | None]:
    if options.embeddings is None:
        return nullcontext()
    check_is_file(options.embeddings)
    if predictor.receptor_input is None:
        _LOG.info("the bundle %s uses expression alone; --embeddings changes nothing", options.bundle)
        return nullcontext()
    if receptors is None:
        raise OptionsError(
            "the vectors' table does not say which cell has which receptor",
            where="--embeddings",
            mend="add --receptors with the receptors table of the same embed-tcr run",
        )
    return open_receptor_vectors(
        options.embeddings, predictor.receptor_input, receptors.emb_tra, receptors.emb_trb, folder=folder
    )


def _find_unused(options: PredictOptions, predictor: StatePredictor) -> tuple[str, ...]:
    is_unused = options.embeddings is not None and predictor.receptor_input is None
    return ("embeddings",) if is_unused else ()


def _know_cells(cells: CellsFile, receptors: CellReceptors | None) -> CellFacts:
    facts = None if receptors is None else receptors.facts
    return CellFacts(
        cell_id=cells.cell_ids,
        donor=as_texts(cells.obs["donor"]),
        clone_id=as_texts(cells.obs["clone_id"]) if receptors is None else receptors.clone_id,
        is_t_cell=cells.obs["is_t_cell"].to_numpy(dtype=bool),
        is_doublet=cells.obs["doublet_suspect"].to_numpy(dtype=bool),
        receptors=facts or tell_receptors(cells),
    )


def _make_note(options: PredictOptions, predictor: StatePredictor) -> StepNote:
    uses_vectors = predictor.receptor_input is not None
    inputs = {
        "cells": options.cells,
        "receptors": options.receptors,
        "embeddings": options.embeddings if uses_vectors else None,
        "fused": options.fused,
    }
    asked = asdict(options.calls)
    if asked["target_risk"] is None:
        asked["target_risk"] = predictor.bundle.states.abstention.target_risk
    return StepNote(
        "predict",
        options={
            **asked,
            "effector_by": predictor.effector_by,
            "ensemble": options.ensemble,
            "evidence_genes": options.evidence_genes,
        },
        inputs={role: digest_file(path) for role, path in inputs.items() if path is not None},
        bundle=predictor.bundle.note(),
    )


def _write_evidence(path: Path, pieces: Iterator[pa.Table], note: StepNote) -> dict[str, JsonValue]:
    """Write gene evidence as it comes; gives the most frequent genes of each state."""
    counts = []
    with open_table_writer(path, GENE_EVIDENCE, note) as writer:
        for piece in pieces:
            writer.write(piece)
            counts.append(count_genes(piece))
    return list_frequent_genes(counts)


def _write_tables(
    paths: dict[str, Path],
    sample: SampleCalls,
    cells: CellsFile,
    others: tuple[CellReceptors | None, FusedEntries | None],
    note: StepNote,
    *,
    guard_csv: bool,
) -> None:
    receptors, fused = others
    predictions, programmes = tabulate_predictions(sample), tabulate_programmes(sample)
    clusters = list_clusters(sample.clones, receptors)
    clonotypes = tabulate_clonotypes(
        sample.clones, sample.facts.donor, sample.calls, sample.verdicts, clusters
    )
    write_table(paths[OutputName.PREDICTIONS], predictions, PREDICTIONS, note)
    write_csv_table(paths[OutputName.PREDICTIONS_CSV], predictions, guard=guard_csv)
    write_table(paths[OutputName.CLONOTYPES], clonotypes, CLONOTYPES, note)
    write_table(paths[OutputName.PROGRAMMES], programmes, PROGRAMMES, note)
    if OutputName.ANNOTATED in paths:
        tables = {
            OBSM_STATE: sample.calls.latent,
            OBSM_PROGRAMMES: programmes.to_pandas().set_index("cell_id"),
            **({} if fused is None else fused.obsm),
        }
        obs = pd.concat([name_obs_columns(predictions), *([] if fused is None else [fused.obs])], axis=1)
        _write_annotated(paths[OutputName.ANNOTATED], cells, (predictions, obs), tables, note)


def _write_annotated(
    path: Path,
    cells: CellsFile,
    found: tuple[pa.Table, pd.DataFrame],
    tables: dict[str, ObsmValue],
    note: StepNote,
) -> None:
    predictions, obs = found
    column = {name: predictions.column(name) for name in predictions.column_names}
    ours = {*OBS_COLUMNS, *OPTIONAL_OBS_COLUMNS, *FORMER_OBS_COLUMNS, *FUSED_OBS_COLUMNS}
    if cells.stamp == CELLS.stamp:  # in an annotated file these columns are of an earlier predict
        for name in (name for name in obs.columns if name in cells.obs):
            _LOG.warning("the sample's own column '%s' is kept as '%s_input'", name, name)
            obs[f"{name}_input"] = cells.obs[name].to_numpy()
        ours = set()
    write_cells_copy(
        cells,
        path,
        obs=obs,
        note=note,
        obsm={
            OBSM_STATE_PROBABILITIES: pd.DataFrame({str(s): column[f"prob_{s}"].to_numpy() for s in State}),
            **tables,
        },
        uns={
            f"{UNS_KEY}/state_classes": np.array([str(state) for state in State], dtype=object),
            **{
                f"{name}_colors": np.array([STATE_COLORS[state] for state in states], dtype=object)
                for name, states in STATE_CATEGORIES.items()
            },
        },
        without=ours - set(obs.columns),
    )
