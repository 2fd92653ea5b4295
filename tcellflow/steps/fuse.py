"""``fuse``: expression and surface proteins of every cell in one vector, with the proteins it would show.

Invariant: every cell has one row, in input order; what was not measured is a mask and never a zero; chunk
size and threads change no byte.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tcellflow.contracts.cells import FUSED_CELLS
from tcellflow.contracts.fuse import Fuse
from tcellflow.contracts.fused import FUSED
from tcellflow.errors import InputError, OptionsError
from tcellflow.inference.fusion.fused_table import (
    choose_labels,
    list_proteins,
    name_inputs,
    summarise_fused,
    tabulate_fused,
)
from tcellflow.inference.fusion.fuser import Fuser
from tcellflow.inference.fusion.graph import draw_graph
from tcellflow.inference.fusion.sample import fuse_sample, read_proteins
from tcellflow.inference.session import count_processors
from tcellflow.io.bundles.folders import find_bundle, read_bundle
from tcellflow.io.h5ad.cells_copy import write_cells_copy
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.io.tables.parquet import write_table
from tcellflow.io.tables.step_documents import write_document
from tcellflow.proteins.panel import name_antibodies
from tcellflow.provenance import StepNote, digest_file
from tcellflow.steps.options import FuseOptions
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import OBSM_ADT_COUNTS, OBSM_FUSED, OBSM_FUSED_UMAP, OutputName

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.inference.fusion.fused_table import Labels
    from tcellflow.inference.fusion.graph import CellGraph
    from tcellflow.inference.fusion.sample import FusedSample, Proteins
    from tcellflow.io.h5ad.cells_reader import CellsFile
    from tcellflow.steps.progress import Progress

__all__ = ["FuseOptions", "fuse"]

_LOG = logging.getLogger(__name__)
_SHOWN = 10


def fuse(options: FuseOptions, *, progress: Progress = quiet) -> list[Path]:
    """Run the step fuse: expression and surface proteins of a sample in one vector per cell.

    Parameters
    ----------
    options
        What to fuse, and how.
    progress
        Called with (done, total) cells.

    Returns
    -------
    list of pathlib.Path
        ``<prefix>.`` and `FuseOptions.output_names`.

    Raises
    ------
    InputError
        If a file cannot be read, expression or antibody counts are not what they should be, or the sample
        measures neither enough genes nor any protein of the bundle.
    ContractError
        If the cells file breaks its contract.
    BundleError
        If the bundle is missing or damaged.
    OptionsError
        If proteins are asked for and there are none, or the device is not there.
    OutputError
        If an output cannot be written, or exists without `force`.
    """
    with stage_outputs(options.output, options.prefix, force=options.force) as outputs:
        paths = {name: outputs.path(name) for name in options.output_names}
        bundle = read_bundle(find_bundle(options.bundle))
        fuser = Fuser(bundle, threads=options.threads, device=options.device)
        cells = read_cells(options.cells)
        proteins, has_adt = _read_antibodies(options, cells)
        has_rna = np.full(cells.n_obs, options.inputs != "adt") & (cells.obs["total_counts"].to_numpy() > 0)
        if not cells.n_obs:
            raise InputError("the file holds no cells", where=options.cells, mend="give a sample with cells")
        fused = fuse_sample(fuser, cells, proteins, (has_rna, has_adt), progress=progress)
        labels = choose_labels(fused)
        graph = draw_graph(
            fused.vectors,
            clusters=options.clusters,
            umap=options.umap,
            resolution=options.resolution,
            threads=options.threads or count_processors(),
        )
        warnings = [*_warn(fused), *_warn_of_landmarks(graph)]
        for text in warnings:
            _LOG.warning("%s", text)
        note = StepNote(
            "fuse",
            options={
                "inputs": options.inputs,
                "clusters": options.clusters,
                "umap": options.umap,
                "resolution": options.resolution,
            },
            inputs={"cells": digest_file(options.cells)},
            bundle=bundle.note(),
        )
        sample_ids = cells.obs["sample_id"].astype(str).tolist()
        table = tabulate_fused(fused, cells.cell_ids, sample_ids, labels, graph)
        write_table(paths[OutputName.FUSED], table, FUSED, note)
        write_document(paths[OutputName.FUSE_QC], summarise_fused(fused, labels, graph, warnings), note, Fuse)
        if OutputName.FUSED_H5AD in paths:
            _write_copy(paths[OutputName.FUSED_H5AD], cells, fused, (labels, graph), note)
        return outputs.commit()


def _read_antibodies(options: FuseOptions, cells: CellsFile) -> tuple[Proteins | None, NDArray[np.bool_]]:
    """Read the antibodies that are to be used; none where the file has none or they are not wanted."""
    nothing = np.zeros(cells.n_obs, dtype=bool)
    if options.inputs == "rna":
        return None, nothing
    if OBSM_ADT_COUNTS not in cells.obsm_keys:
        if options.inputs != "auto":
            raise OptionsError(
                "the cells have no antibody counts",
                where=f"--inputs {options.inputs}",
                mend="give --adt to tcellflow preprocess, or fuse with --inputs rna",
            )
        return None, nothing
    frame = cells.read_obsm(OBSM_ADT_COUNTS)
    has_adt = cells.obs["has_adt"].to_numpy(dtype=bool) if "has_adt" in cells.obs else ~nothing
    panel = name_antibodies([str(name) for name in frame.columns], where=options.cells)
    return read_proteins(frame, panel, has_adt, options.cells), has_adt


def _warn(fused: FusedSample) -> list[str]:
    """Tell what lowers the trust in a sample's vectors."""
    found, coverage = [], fused.fuser.details.coverage
    share = fused.sample.coverage[0]
    if fused.has_rna.any() and share < coverage.least:
        found.append(f"expression was not used: the sample measures {share:.0%} of the bundle's genes")
    elif fused.has_rna.any() and share < coverage.good:
        found.append(f"the sample measures {share:.0%} of the bundle's genes")
    if fused.proteins is not None:
        panel = fused.proteins.panel
        if panel.unknown:
            found.append(
                f"{len(panel.unknown)} antibodies are not known: " + ", ".join(panel.unknown[:_SHOWN])
            )
        if fused.proteins.constant:
            constant = ", ".join(fused.proteins.constant[:_SHOWN])
            found.append(
                f"{len(fused.proteins.constant)} proteins were left out, for no cell differs: {constant}"
            )
        if not fused.sample.coverage[1]:
            found.append("no antibody measures a protein that the bundle knows")
    for name, has, own in zip(
        ("expression", "proteins"), (fused.has_rna, fused.has_adt), fused.sample.is_own, strict=True
    ):
        if has.any() and not own:
            found.append(f"fewer than 200 cells have {name}, so it is standardised by the bundle's cells")
    return found


def _warn_of_landmarks(graph: CellGraph) -> list[str]:
    if graph.n_landmarks is None:
        return []
    landmarks = f"{graph.n_landmarks:,} evenly spaced cells"
    return [f"clusters and map are of {landmarks}; all others took after the nearest of them"]


def _write_copy(
    path: Path, cells: CellsFile, fused: FusedSample, found: tuple[Labels, CellGraph], note: StepNote
) -> None:
    labels, graph = found
    index = pd.Index(cells.cell_ids, dtype=object)
    columns: dict[str, Any] = {
        "fuse_inputs": name_inputs(fused),
        "fuse_w_rna": fused.cells.weights[:, 0],
        "fuse_w_adt": fused.cells.weights[:, 1],
    }
    if fused.fuser.details.classes:
        columns |= {"fuse_label": labels.label, "fuse_label_probability": labels.probability}
    if graph.cluster is not None:
        names = pd.Index([str(group) for group in range(len(graph.sizes))])
        columns["fuse_cluster"] = pd.Categorical.from_codes(graph.cluster.tolist(), names)
    if fused.fuser.familiarity is not None:
        columns["fuse_ood_score"] = fused.cells.ood_score.round(6)
    tables = {
        f"adt_{kind}": pd.DataFrame({name: values.round(6) for name, values in table.items()}, index=index)
        for kind, table in list_proteins(fused).items()
    }
    places = {} if graph.places is None else {OBSM_FUSED_UMAP: graph.places.astype(np.float32)}
    write_cells_copy(
        cells,
        path,
        obs=pd.DataFrame(columns, index=index),
        note=note,
        obsm={OBSM_FUSED: fused.vectors, **places, **tables},
        contract=FUSED_CELLS,
    )
