"""``describe annotate``: the type of every cell among candidates that are named in words."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import sparse

from tcellflow.contracts.descriptions import ANNOTATIONS
from tcellflow.contracts.layout import lay_out
from tcellflow.errors import InputError
from tcellflow.ingest.cell_reader import open_cells
from tcellflow.io.h5ad.cells_copy import write_described_copy
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.io.tables.parquet import write_table
from tcellflow.language.calibration import read_calibration, sharpen
from tcellflow.language.candidates import list_panel, make_candidates
from tcellflow.language.ontology import CELL, read_ontology
from tcellflow.language.smoothing import place_cells, smooth
from tcellflow.language.typing import LEAST_GENES, NONE, CellTyper
from tcellflow.provenance import StepNote, digest_file
from tcellflow.steps.describe.columns import list_type_columns
from tcellflow.steps.describe.support import join_candidates, learn, open_support
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import OutputName

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.language.candidates import Candidate
    from tcellflow.steps.describe.options import AnnotateOptions
    from tcellflow.steps.describe.support import Support
    from tcellflow.steps.progress import Progress

SURE: Final = 0.7  # summed probability that a term needs to be reported after back-off
_MOST_BYTES: Final = 5_000_000


def annotate(options: AnnotateOptions, *, progress: Progress = quiet) -> list[Path]:
    """Tell the type of every cell among candidates.

    Parameters
    ----------
    options
        Cells and candidates.
    progress
        Called with (done, total).

    Returns
    -------
    list of pathlib.Path
        ``<prefix>.`` and `AnnotateOptions.output_names`.

    Raises
    ------
    InputError
        If a file cannot be read, a candidate cannot be told by anything, labels are repeated, labelled cells
        are not there, or the matrix measures too few genes that tell types apart.
    OutputError
        If the output cannot be written, or exists without `force`.
    """
    with stage_outputs(options.output, options.prefix, force=options.force) as outputs:
        paths = {name: outputs.path(name) for name in options.output_names}
        reader = open_cells(options.cells, layer=options.layer)
        support = None
        if options.support_column is not None:
            support = open_support(options.support, options.support_column, reader, options.cells)
        candidates = _choose(options, support)
        typer = CellTyper(reader.gene_names, candidates)
        if typer.n_genes < LEAST_GENES:
            raise InputError(
                f"the matrix measures {typer.n_genes} genes that tell types apart, too few ({LEAST_GENES})",
                where=options.cells,
                mend="give a matrix with more genes",
            )
        if support is not None:
            typer = learn(typer, support)
        parts, kept = [np.zeros((0, len(candidates) + 1), np.float32)], []
        for counts, _ in reader.counts():
            parts.append(typer.score(counts).probabilities)
            if options.smooth > 1:
                kept.append(typer.take(counts))
        raw = np.concatenate(parts)
        progress(1, 2)
        smoothed = raw
        if options.smooth > 1 and len(raw):
            averaged = smooth(raw, place_cells(sparse.csr_matrix(sparse.vstack(kept))), options.smooth)
            smoothed = sharpen(averaged, read_calibration().smoothed)
        note = StepNote(
            "describe annotate",
            options={"smooth": options.smooth, "support_column": options.support_column},
            inputs={"cells": digest_file(options.cells)}
            | {
                role: digest_file(file)
                for role, file in (("candidates", options.candidates), ("support", options.support))
                if file is not None
            },
        )
        table = _tabulate(reader.cell_ids, candidates, raw, smoothed)
        write_table(paths[OutputName.ANNOTATIONS], table, ANNOTATIONS, note)
        if OutputName.DESCRIBED in paths:
            columns = list_type_columns(table)
            write_described_copy(options.cells, paths[OutputName.DESCRIBED], obs=columns, note=note)
        finished = outputs.commit()
        progress(2, 2)
        return finished


def _choose(options: AnnotateOptions, support: Support | None) -> tuple[Candidate, ...]:
    """Choose the candidates: those given and the labels of cells; the panel where neither is given."""
    given = () if options.candidates is None else read_candidates(options.candidates)
    if support is not None:
        return join_candidates(given, support)
    return given or list_panel()


def read_candidates(path: Path) -> tuple[Candidate, ...]:
    """Read a table of candidates: tab-separated, with a column ``label``.

    Raises
    ------
    InputError
        If it is no such table, or a candidate cannot be used.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise InputError("the table of candidates is too large", where=path, mend="give at most 5 MB")
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = [row for row in csv.DictReader(text, delimiter="\t") if any(row.values())]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"it is no tab-separated text: {error}", where=path, mend="save the table as tab-separated UTF-8"
        ) from error
    return make_candidates(rows, path)


def _tabulate(
    cell_ids: NDArray[np.object_],
    candidates: tuple[Candidate, ...],
    raw: NDArray[np.float32],
    smoothed: NDArray[np.float32],
) -> Any:
    labels = np.array([*(c.label for c in candidates), NONE], dtype=object)
    ids = np.array([*(c.cl_id for c in candidates), None], dtype=object)
    best, best_raw = smoothed.argmax(axis=1), raw.argmax(axis=1)
    term, name = _back_off(candidates, smoothed)
    rows = np.arange(len(raw))
    columns = {
        "cell_id": cell_ids,
        "label": labels[best],
        "cl_id": ids[best],
        "probability": smoothed[rows, best],
        "label_raw": labels[best_raw],
        "probability_raw": raw[rows, best_raw],
        "cl_id_backed_off": term,
        "label_backed_off": name,
    }
    return lay_out(columns, ANNOTATIONS)


def _back_off(
    candidates: tuple[Candidate, ...], probabilities: NDArray[np.float32]
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Find, for each cell, the deepest term whose candidates together are sure enough."""
    ontology = read_ontology()
    above = [ontology.above(c.cl_id) if c.cl_id in ontology.terms else frozenset() for c in candidates]
    terms = sorted(frozenset().union(*above) - {CELL}, key=lambda t: (-len(ontology.above(t)), t))
    terms = [t for t in terms if CELL in ontology.above(t)]
    found = np.full(len(probabilities), None, dtype=object)
    under = np.array([[t in a for t in terms] for a in above], dtype=np.float32).reshape(len(candidates), -1)
    for start in range(0, len(probabilities), 4_096):
        sure = probabilities[start : start + 4_096, :-1] @ under >= SURE
        has = sure.any(axis=1)
        if terms:
            found[start : start + 4_096][has] = np.array(terms, dtype=object)[sure.argmax(axis=1)[has]]
    names = {t: ontology.terms[t].name for t in terms}
    return found, np.array([names.get(t) for t in found], dtype=object)
