"""``predict``: the state of every cell, and the states of every clone.

Invariant: every cell of the input has one row, in input order; a call that abstains says why and keeps
its probabilities; chunk size, threads and device change no label.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from tcellflow.contracts.cells import CELLS
from tcellflow.contracts.metrics import Metrics
from tcellflow.contracts.predictions import CLONOTYPES, GENE_EVIDENCE, PREDICTIONS
from tcellflow.errors import OptionsError
from tcellflow.inference.states.account import summarise_predictions
from tcellflow.inference.states.clones import list_clusters, tabulate_clonotypes
from tcellflow.inference.states.evidence_table import count_genes, list_frequent_genes, tabulate_gene_evidence
from tcellflow.inference.states.prediction_table import tabulate_predictions
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.inference.states.sample import CallOptions, call_sample
from tcellflow.inference.states.sources import CellFacts
from tcellflow.io.h5ad.cells_reader import read_cells, write_cells_copy
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.io.tables.cell_receptors import read_cell_receptors
from tcellflow.io.tables.csv import write_csv_table
from tcellflow.io.tables.parquet import check_is_file, open_table_writer, write_table
from tcellflow.io.tables.receptor_vectors import open_receptor_vectors
from tcellflow.io.tables.step_documents import write_document
from tcellflow.provenance import StepNote, digest_file
from tcellflow.receptors.contigs import as_texts
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import OBSM_STATE, OBSM_STATE_PROBABILITIES, OutputName, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from tcellflow.inference.session import Device
    from tcellflow.inference.states.sample import SampleCalls
    from tcellflow.io.h5ad.cells_reader import CellsFile
    from tcellflow.io.tables.cell_receptors import CellReceptors
    from tcellflow.io.tables.receptor_vectors import ReceptorVectors
    from tcellflow.provenance import JsonValue
    from tcellflow.states.axes import EffectorMemoryAs
    from tcellflow.steps.progress import Progress

__all__ = ["CallOptions", "PredictOptions", "name_outputs", "predict"]

_LOG = logging.getLogger(__name__)

DEFAULT_BUNDLE: Final = "states"
# Columns of obs in the annotated file, and where they come from; those without any value stay out.
_OBS_COLUMNS: Final = {
    "state": "state",
    "predicted_state": "predicted_state",
    "state_probability": "state_probability",
    "state_entropy": "entropy",
    "state_abstained": "abstained",
    "state_abstain_reason": "abstain_reason",
    "state_evidence": "state_evidence",
    "state_lineage": "lineage",
    "state_function": "function",
    "state_cycle": "cycle",
}
_OPTIONAL_OBS_COLUMNS: Final = {
    "state_model_agreement": "model_agreement",
    "state_epistemic": "epistemic",
    "state_ood_score": "ood_score",
    "state_lineage_pooled": "lineage_pooled",
    "state_cluster": "cluster",
    "state_voted": "state_voted",
    "state_vote_share": "vote_share",
    "state_prediction_set": "prediction_set",
}


@dataclass(frozen=True)
class PredictOptions:
    """Options of predict.

    Parameters
    ----------
    cells
        Cells file of preprocess.
    output
        Output folder.
    prefix
        Sample name in front of the file names.
    receptors
        Receptors table of embed-tcr, for the clones; else those of the cells file.
    embeddings
        Embeddings table of embed-tcr, for bundles that take receptors; needs `receptors`.
    bundle
        Name or folder of a states bundle.
    ensemble
        Whether the bundle's ensemble runs instead of the single model distilled from it.
    device
        ``cpu``, ``cuda`` or ``auto``.
    threads
        Threads; those this process may use if not given.
    effector_memory_as
        Whether effector memory counts as Memory or as Effector.
    calls
        What is asked of the calls.
    evidence_genes
        Most genes listed for and against each call; 0 = no list.
    h5ad
        Whether the annotated copy of the cells file is written.
    force
        Whether finished outputs may be replaced.
    """

    cells: Path
    output: Path
    prefix: str
    receptors: Path | None = None
    embeddings: Path | None = None
    bundle: str = DEFAULT_BUNDLE
    ensemble: bool = False
    device: Device = "auto"
    threads: int | None = None
    effector_memory_as: EffectorMemoryAs = "memory"
    calls: CallOptions = field(default_factory=CallOptions)
    evidence_genes: int = 0
    h5ad: bool = True
    force: bool = False


def name_outputs(options: PredictOptions) -> tuple[str, ...]:
    """Name the files that predict writes.

    Parameters
    ----------
    options
        What to predict, and how.

    Returns
    -------
    tuple of str
        Some of `OutputName`.
    """
    return (
        OutputName.PREDICTIONS,
        OutputName.PREDICTIONS_CSV,
        OutputName.CLONOTYPES,
        OutputName.METRICS,
        *((OutputName.GENE_EVIDENCE,) if options.evidence_genes else ()),
        *((OutputName.ANNOTATED,) if options.h5ad else ()),
    )


def predict(options: PredictOptions, *, progress: Progress = quiet) -> list[Path]:
    """Predict the states of a sample's cells.

    Parameters
    ----------
    options
        What to predict, and how.
    progress
        Called with (done, total) cells, once for each pass over them.

    Returns
    -------
    list of pathlib.Path
        ``<prefix>.`` and the names that `name_outputs` gives.

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
        If options contradict each other, the device is not there, or the bundle cannot do what is asked.
    OutputError
        If an output cannot be written, or exists without `force`.
    """
    with stage_outputs(options.output, options.prefix, force=options.force) as outputs:
        paths = {name: outputs.path(name) for name in name_outputs(options)}
        predictor = StatePredictor(
            options.bundle,
            threads=options.threads,
            device=options.device,
            effector_memory_as=options.effector_memory_as,
            ensemble=options.ensemble,
        )
        cells = read_cells(options.cells)
        receptors = None if options.receptors is None else read_cell_receptors(options.receptors, cells)
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
        _write_tables(paths, sample, cells, receptors, note)
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
    return CellFacts(
        cell_id=cells.cell_ids,
        donor=as_texts(cells.obs["donor"]),
        clone_id=as_texts(cells.obs["clone_id"]) if receptors is None else receptors.clone_id,
        is_t_cell=cells.obs["is_t_cell"].to_numpy(dtype=bool),
        is_doublet=cells.obs["doublet_suspect"].to_numpy(dtype=bool),
    )


def _make_note(options: PredictOptions, predictor: StatePredictor) -> StepNote:
    uses_vectors = predictor.receptor_input is not None
    inputs = {
        "cells": options.cells,
        "receptors": options.receptors,
        "embeddings": options.embeddings if uses_vectors else None,
    }
    asked = asdict(options.calls)
    if asked["target_risk"] is None:
        asked["target_risk"] = predictor.bundle.states.abstention.target_risk
    return StepNote(
        "predict",
        options={
            **asked,
            "effector_memory_as": options.effector_memory_as,
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
    receptors: CellReceptors | None,
    note: StepNote,
) -> None:
    predictions = tabulate_predictions(sample)
    clusters = list_clusters(sample.clones, receptors)
    clonotypes = tabulate_clonotypes(
        sample.clones, sample.facts.donor, sample.calls, sample.verdicts, clusters
    )
    write_table(paths[OutputName.PREDICTIONS], predictions, PREDICTIONS, note)
    write_csv_table(paths[OutputName.PREDICTIONS_CSV], predictions)
    write_table(paths[OutputName.CLONOTYPES], clonotypes, CLONOTYPES, note)
    if OutputName.ANNOTATED in paths:
        _write_annotated(paths[OutputName.ANNOTATED], cells, predictions, sample.calls.latent, note)


def _write_annotated(
    path: Path, cells: CellsFile, predictions: pa.Table, latent: NDArray[np.float32], note: StepNote
) -> None:
    column = {name: predictions.column(name) for name in predictions.column_names}
    filled = {
        name: source
        for name, source in _OPTIONAL_OBS_COLUMNS.items()
        if source in column and column[source].null_count < len(column[source])
    }
    obs = pd.DataFrame(
        {name: column[source].to_numpy() for name, source in {**_OBS_COLUMNS, **filled}.items()},
        index=pd.Index(cells.cell_ids, dtype=object),
    )
    ours = {*_OBS_COLUMNS, *_OPTIONAL_OBS_COLUMNS}
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
            OBSM_STATE_PROBABILITIES: np.stack([column[f"prob_{s}"].to_numpy() for s in State], axis=1),
            OBSM_STATE: latent,
        },
        entries={"state_classes": np.array([str(state) for state in State], dtype=object)},
        without=ours - set(obs.columns),
    )
