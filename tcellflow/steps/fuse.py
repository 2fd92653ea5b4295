"""``fuse``: expression and surface proteins of every cell in one vector, with the proteins it would show.

Invariant: every cell has one row, in input order; what was not measured is a mask and never a zero; chunk
size and threads change no byte.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.contracts.cells import FUSED_CELLS
from tcellflow.contracts.fuse import Fuse
from tcellflow.contracts.fused import FUSED
from tcellflow.errors import InputError
from tcellflow.inference.fusion.fused_table import (
    choose_labels,
    summarise_fused,
    tabulate_fused,
)
from tcellflow.inference.fusion.fuser import Fuser
from tcellflow.inference.fusion.graph import draw_graph
from tcellflow.inference.fusion.measured_proteins import demand_proteins, read_flags, read_proteins
from tcellflow.inference.fusion.sample import FuseChoices, fuse_sample
from tcellflow.inference.fusion.trust import list_warnings
from tcellflow.inference.session import count_processors
from tcellflow.io.bundles.folders import find_bundle, read_bundle
from tcellflow.io.h5ad.cells_copy import write_cells_copy
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.io.tables.fused_entries import name_fused_entries
from tcellflow.io.tables.parquet import write_table
from tcellflow.io.tables.step_documents import write_document
from tcellflow.proteins.panel import name_antibodies
from tcellflow.provenance import StepNote, digest_file
from tcellflow.steps.options import FuseOptions
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import OBSM_ADT_COUNTS, OutputName

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from tcellflow.inference.fusion.measured_proteins import Proteins
    from tcellflow.inference.fusion.sample import FusedSample
    from tcellflow.io.h5ad.cells_reader import CellsFile
    from tcellflow.steps.progress import Progress

__all__ = ["FuseOptions", "fuse"]

_LOG = logging.getLogger(__name__)


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
        reference = None
        if options.reference is not None:
            known = read_cells(options.reference)
            reference = _fuse_cells(options, fuser, known, None, quiet)
        cells = read_cells(options.cells)
        fused = _fuse_cells(options, fuser, cells, reference, progress)
        labels = choose_labels(fused)
        graph = draw_graph(
            fused.sharp.vectors,
            clusters=options.clusters,
            umap=options.umap,
            resolution=options.resolution,
            threads=options.threads or count_processors(),
        )
        warnings = list_warnings(fused, graph)
        for text in warnings:
            _LOG.warning("%s", text)
        note = StepNote(
            "fuse",
            options={
                "inputs": options.inputs,
                "clusters": options.clusters,
                "umap": options.umap,
                "resolution": options.resolution,
                "adt_norm": options.adt_norm,
                "refit": options.refit,
            },
            inputs={
                role: digest_file(path)
                for role, path in (("cells", options.cells), ("reference", options.reference))
                if path is not None
            },
            bundle=bundle.note(),
        )
        sample_ids = cells.obs["sample_id"].astype(str).tolist()
        table = tabulate_fused(fused, cells.cell_ids, sample_ids, labels, graph)
        write_table(paths[OutputName.FUSED], table, FUSED, note)
        write_document(paths[OutputName.FUSE_QC], summarise_fused(fused, labels, graph, warnings), note, Fuse)
        if OutputName.FUSED_H5AD in paths:
            _write_copy(paths[OutputName.FUSED_H5AD], cells, table, note)
        return outputs.commit()


def _fuse_cells(
    options: FuseOptions, fuser: Fuser, cells: CellsFile, reference: FusedSample | None, progress: Progress
) -> FusedSample:
    if not cells.n_obs:
        raise InputError("the file holds no cells", where=cells.where, mend="give a sample with cells")
    proteins, has_adt = _read_antibodies(options, cells)
    has_rna = np.full(cells.n_obs, options.inputs != "adt") & (cells.obs["total_counts"].to_numpy() > 0)
    has = (has_rna, has_adt)
    choices = FuseChoices(options.adt_norm, options.refit)
    return fuse_sample(
        fuser,
        cells,
        proteins,
        has,
        progress=progress,
        reference=reference,
        choices=choices,
        threads=options.threads or count_processors(),
    )


def _read_antibodies(options: FuseOptions, cells: CellsFile) -> tuple[Proteins | None, NDArray[np.bool_]]:
    """Read the antibodies that are to be used; none where the file has none or they are not wanted."""
    nothing = np.zeros(cells.n_obs, dtype=bool)
    if options.inputs == "rna":
        return None, nothing
    proteins, has_adt = None, nothing
    if OBSM_ADT_COUNTS in cells.obsm_keys:
        frame = cells.read_obsm(OBSM_ADT_COUNTS)
        has_adt = read_flags(cells.obs, cells.where)
        panel = name_antibodies([str(name) for name in frame.columns], where=cells.where)
        proteins = read_proteins(frame, panel, has_adt, cells.where)
    mend = "give --adt to tcellflow preprocess, or fuse with --inputs rna"
    demand_proteins(proteins, options.inputs, f"--inputs {options.inputs}", mend)
    return proteins, has_adt


def _write_copy(path: Path, cells: CellsFile, table: pa.Table, note: StepNote) -> None:
    entries = name_fused_entries(table)
    write_cells_copy(cells, path, obs=entries.obs, note=note, obsm=entries.obsm, contract=FUSED_CELLS)
