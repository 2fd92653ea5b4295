"""``predict``: the state of every cell, and the states of every clone.

Invariant: every cell of the input has one row, in input order; a call that abstains says why and keeps
its probabilities; chunk size, threads and device change no label.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from tcellflow.contracts.cells import CELLS
from tcellflow.contracts.tables import CLONOTYPES, PREDICTIONS, RECEPTORS
from tcellflow.errors import InputError
from tcellflow.genes.panel import align_panel
from tcellflow.inference.abstention import choose_threshold
from tcellflow.inference.prediction_metrics import CallSettings, summarise_predictions
from tcellflow.inference.prediction_tables import CellNames, tabulate_clonotypes, tabulate_predictions
from tcellflow.inference.sample_checks import check_coverage, check_library_size, check_mapping
from tcellflow.inference.state_calls import join_calls
from tcellflow.inference.states import StatePredictor
from tcellflow.inference.verdicts import CellEvidence, decide_verdicts
from tcellflow.io.bundles import find_bundle, read_bundle
from tcellflow.io.cells import read_cells, write_cells_copy
from tcellflow.io.csv_tables import write_csv_table
from tcellflow.io.staging import stage_outputs
from tcellflow.io.store import check_is_file, read_table, write_json, write_table
from tcellflow.provenance import StepNote, digest_file
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import (
    OBSM_STATE,
    OBSM_STATE_PROBABILITIES,
    ChainPairing,
    OutputName,
    State,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from tcellflow.genes.panel import PanelAlignment
    from tcellflow.inference.collapse import EffectorMemoryAs
    from tcellflow.inference.session import Device
    from tcellflow.inference.state_calls import StateCalls
    from tcellflow.io.bundles import Bundle
    from tcellflow.io.cells import CellsFile
    from tcellflow.provenance import JsonValue
    from tcellflow.steps.progress import Progress

_LOG = logging.getLogger(__name__)

DEFAULT_BUNDLE: Final = "states-linear"
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
_OUTPUTS: Final = (
    OutputName.PREDICTIONS,
    OutputName.PREDICTIONS_CSV,
    OutputName.CLONOTYPES,
    OutputName.METRICS,
)


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
        Embeddings table of embed-tcr; bundles of expression alone do not use it.
    bundle
        Name or folder of a states bundle.
    device
        ``cpu``, ``cuda`` or ``auto``.
    threads
        Threads; those this process may use if not given.
    target_risk
        Accepted share of wrong calls, 0-1; the bundle's default if not given.
    effector_memory_as
        Whether effector memory counts as Memory or as Effector.
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
    device: Device = "auto"
    threads: int | None = None
    target_risk: float | None = None
    effector_memory_as: EffectorMemoryAs = "memory"
    h5ad: bool = True
    force: bool = False


def predict(options: PredictOptions, *, progress: Progress = quiet) -> list[Path]:
    """Predict the states of a sample's cells.

    Parameters
    ----------
    options
        What to predict, and how.
    progress
        Called with (done, total) cells.

    Returns
    -------
    list of pathlib.Path
        ``<prefix>.predictions.parquet``, ``.predictions.csv``, ``.clonotypes.parquet``,
        ``.metrics.json`` and, unless switched off, ``.annotated.h5ad``.

    Raises
    ------
    InputError
        If a file cannot be read, the sample measures less than 25 % of the bundle's panel, the
        expression is not log-normalised, or the receptors belong to another sample.
    ContractError
        If a file breaks its contract.
    BundleError
        If the bundle is missing, damaged or of another task.
    OptionsError
        If the device is not there or the target risk cannot be reached.
    OutputError
        If an output cannot be written, or exists without `force`.
    """
    with stage_outputs(options.output, options.prefix, force=options.force) as outputs:
        paths = {name: outputs.path(name) for name in _OUTPUTS}
        annotated = outputs.path(OutputName.ANNOTATED) if options.h5ad else None
        result = _predict_sample(options, progress)
        write_table(paths[OutputName.PREDICTIONS], result.predictions, PREDICTIONS, result.note)
        write_csv_table(paths[OutputName.PREDICTIONS_CSV], result.predictions)
        write_table(paths[OutputName.CLONOTYPES], result.clonotypes, CLONOTYPES, result.note)
        write_json(paths[OutputName.METRICS], result.metrics, result.note)
        if annotated is not None:
            _write_annotated(annotated, result)
        return outputs.commit()


@dataclass(frozen=True)
class _Result:
    """What predict writes."""

    cells: CellsFile
    calls: StateCalls
    predictions: pa.Table
    clonotypes: pa.Table
    metrics: dict[str, JsonValue]
    note: StepNote


def _predict_sample(options: PredictOptions, progress: Progress) -> _Result:
    bundle = read_bundle(find_bundle(options.bundle))
    threshold = choose_threshold(bundle.states.abstention, options.target_risk)
    cells = read_cells(options.cells)
    names = _name_cells(cells, options.receptors)
    panel = align_panel(cells.gene_names, bundle.panel.symbols, bundle.panel.weights)
    unused = _find_unused(options)
    warnings = [
        *check_coverage(panel, cells, bundle.description.name),
        *check_library_size(cells),
        *check_mapping(options.effector_memory_as),
    ]
    for warning in warnings:
        _LOG.warning("%s", warning)
    predictor = StatePredictor(
        bundle,
        threads=options.threads,
        device=options.device,
        effector_memory_as=options.effector_memory_as,
    )
    calls, n_panel_genes = _predict_cells(predictor, panel, cells, progress)
    evidence = CellEvidence(
        _read_flags(cells, "is_t_cell"), _read_flags(cells, "doublet_suspect"), n_panel_genes
    )
    verdicts = decide_verdicts(calls, evidence, threshold)
    settings = CallSettings(
        bundle=bundle,
        panel=panel,
        target_risk=_target_risk(options, bundle),
        threshold=threshold,
        unused_inputs=unused,
        warnings=tuple(warnings),
    )
    clonotypes = tabulate_clonotypes(names, calls, verdicts)
    return _Result(
        cells=cells,
        calls=calls,
        predictions=tabulate_predictions(names, calls, verdicts, evidence, settings),
        clonotypes=clonotypes,
        metrics=summarise_predictions(calls, verdicts, evidence, settings, n_clones=clonotypes.num_rows),
        note=_make_note(options, bundle),
    )


def _predict_cells(
    predictor: StatePredictor, panel: PanelAlignment, cells: CellsFile, progress: Progress
) -> tuple[StateCalls, NDArray[np.int64]]:
    """Predict block by block; gives the calls and each cell's number of panel genes with expression."""
    parts = [predictor.predict(np.zeros((0, predictor.genes.size), np.float32), panel.present)]
    n_panel_genes = [np.zeros(0, np.int64)]
    done = 0
    for block in cells.blocks():
        expression = panel.gather(block)
        parts.append(predictor.predict(expression, panel.present))
        n_panel_genes.append(np.count_nonzero(expression, axis=1).astype(np.int64))
        done += len(expression)
        progress(done, cells.n_obs)
    return join_calls(parts), np.concatenate(n_panel_genes)


def _name_cells(cells: CellsFile, receptors: Path | None) -> CellNames:
    donor = _texts(cells.obs["donor"])
    if receptors is None:
        return CellNames(cells.cell_ids, donor, _texts(cells.obs["clone_id"]))
    table = read_table(receptors, RECEPTORS, ["sample_id", "cell_id", "clone_id"])
    rows = zip(*(table.column(name).to_pylist() for name in table.column_names), strict=True)
    clone_of = {(sample, cell): clone for sample, cell, clone in rows}
    keys = list(zip(_texts(cells.obs["sample_id"]), cells.cell_ids, strict=True))
    if clone_of and keys and not any(key in clone_of for key in keys):
        raise InputError(
            f"none of the {table.num_rows:,} cells of the receptors table is among the {cells.n_obs:,} cells",
            where=receptors,
            mend="give the receptors table that embed-tcr wrote for this sample",
        )
    has_receptor = (cells.obs["chain_pairing"] != ChainPairing.NO_IR).to_numpy()
    lost = [key[1] for key, has in zip(keys, has_receptor, strict=True) if has and key not in clone_of]
    if lost:
        raise InputError(
            f"{len(lost):,} cells that have a receptor in the cells file are not in the receptors table "
            f"(first: {lost[0]})",
            where=receptors,
            mend="give the whole receptors table that embed-tcr wrote for this sample",
        )
    clones = np.empty(len(keys), dtype=object)
    clones[:] = [clone_of.get(key) for key in keys]
    return CellNames(cells.cell_ids, donor, clones)


def _texts(values: pd.Series[str]) -> NDArray[np.object_]:
    """Give a text column as an object array, None where it is missing."""
    texts = np.array(values, dtype=object)
    texts[values.isna().to_numpy()] = None
    return texts


def _read_flags(cells: CellsFile, column: str) -> NDArray[np.bool_]:
    return cells.obs[column].to_numpy(dtype=bool)


def _find_unused(options: PredictOptions) -> tuple[str, ...]:
    """Tell of inputs that no bundle of this version takes: states come from expression alone."""
    if options.embeddings is None:
        return ()
    check_is_file(options.embeddings)
    _LOG.info("the bundle %s uses expression alone; --embeddings changes nothing", options.bundle)
    return ("embeddings",)


def _target_risk(options: PredictOptions, bundle: Bundle) -> float:
    return bundle.states.abstention.target_risk if options.target_risk is None else options.target_risk


def _make_note(options: PredictOptions, bundle: Bundle) -> StepNote:
    inputs = {"cells": options.cells, "receptors": options.receptors}
    return StepNote(
        "predict",
        options={
            "target_risk": _target_risk(options, bundle),
            "effector_memory_as": options.effector_memory_as,
        },
        inputs={role: digest_file(path) for role, path in inputs.items() if path is not None},
        bundle=bundle.note(),
    )


def _write_annotated(path: Path, result: _Result) -> None:
    column = {name: result.predictions.column(name) for name in result.predictions.column_names}
    obs = pd.DataFrame(
        {name: column[source].to_numpy() for name, source in _OBS_COLUMNS.items()},
        index=pd.Index(result.cells.cell_ids, dtype=object),
    )
    if result.cells.stamp == CELLS.stamp:  # in an annotated file these columns are of an earlier predict
        for name in (name for name in obs.columns if name in result.cells.obs):
            _LOG.warning("the sample's own column '%s' is kept as '%s_input'", name, name)
            obs[f"{name}_input"] = result.cells.obs[name].to_numpy()
    write_cells_copy(
        result.cells,
        path,
        obs=obs,
        note=result.note,
        obsm={
            OBSM_STATE_PROBABILITIES: np.stack([column[f"prob_{s}"].to_numpy() for s in State], axis=1),
            OBSM_STATE: result.calls.latent,
        },
        entries={"state_classes": np.array([str(state) for state in State], dtype=object)},
    )
