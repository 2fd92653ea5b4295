"""``describe eval``: how well describe does on labelled cells, figures beside controls and ceilings.

Invariant: nothing is fitted on the cells that a figure is measured on; a figure that cannot be measured is
left out, never zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from tcellflow.errors import InputError
from tcellflow.ingest.cell_reader import open_cells
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.io.tables.documents import write_json
from tcellflow.language.candidates import make_candidates
from tcellflow.provenance import StepNote, digest_file
from tcellflow.steps.describe.annotate import read_candidates
from tcellflow.steps.describe.evaluation.annotation import judge_annotation
from tcellflow.steps.describe.evaluation.labelled import LabelledCells
from tcellflow.steps.describe.evaluation.pseudo_cells import judge_pseudo_cells
from tcellflow.steps.describe.evaluation.texts import judge_texts
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import OutputName

if TYPE_CHECKING:
    from pathlib import Path

    from tcellflow.provenance import JsonValue
    from tcellflow.steps.describe.options import EvaluateOptions
    from tcellflow.steps.progress import Progress

MOST_CELLS: Final = 50_000  # that are held in memory; more are thinned evenly


def evaluate(options: EvaluateOptions, *, progress: Progress = quiet) -> list[Path]:
    """Measure one task of describe on labelled cells.

    Parameters
    ----------
    options
        Cells, the column of true labels, and the task.
    progress
        Called with (done, total).

    Returns
    -------
    list of pathlib.Path
        ``<prefix>.evaluation.json``.

    Raises
    ------
    InputError
        If a file cannot be read, there is no such column, fewer than two labels have cells, or nothing tells
        a label.
    OutputError
        If the output cannot be written, or exists without `force`.
    """
    with stage_outputs(options.output, options.prefix, force=options.force) as outputs:
        path = outputs.path(OutputName.EVALUATION)
        cells = read_labelled(options)
        progress(1, 2)
        judge = {"annotation": judge_annotation, "pseudo-cells": judge_pseudo_cells, "text": judge_texts}
        figures = judge[options.task](cells)
        content: dict[str, JsonValue] = {
            "task": options.task, "truth": options.truth, "n_cells": len(cells.labels),
            "labels": {name: int((cells.labels == name).sum()) for name in cells.names}, "figures": figures,
        }  # fmt: skip
        note = StepNote(
            "describe eval",
            options={"task": options.task, "truth": options.truth},
            inputs={"cells": digest_file(options.cells)}
            | ({} if options.candidates is None else {"candidates": digest_file(options.candidates)}),
        )
        write_json(path, content, note)
        finished = outputs.commit()
        progress(2, 2)
        return finished


def read_labelled(options: EvaluateOptions) -> LabelledCells:
    """Read the cells that have a label, and what each label is as a candidate.

    Raises
    ------
    InputError
        As `evaluate`.
    """
    reader = open_cells(options.cells, layer=options.layer)
    if options.truth not in reader.obs:
        raise InputError(
            f"there is no column {options.truth!r} in obs", where=options.cells,
            mend="choose from: " + (", ".join(map(str, reader.obs.columns[:20])) or "none"),
        )  # fmt: skip
    values = reader.obs[options.truth].astype(object)
    labels = values.where(values.notna(), "").astype(str).str.strip().to_numpy(dtype=object)
    names = sorted(set(labels) - {""})
    if options.candidates is None:
        candidates = make_candidates([{"label": name} for name in names], f"{options.cells}, {options.truth}")
    else:
        candidates = read_candidates(options.candidates)
        names = [name for name in names if name in {c.label for c in candidates}]
    if len(names) < 2:
        raise InputError(
            f"{len(names)} labels of {options.truth!r} have cells, fewer than 2", where=options.cells,
            mend="name a column of true types; candidates must carry its labels",
        )  # fmt: skip
    kept = np.flatnonzero(np.isin(labels, names))
    kept = kept[np.unique(np.linspace(0, len(kept) - 1, min(len(kept), MOST_CELLS)).astype(int))]
    parts, library, first = [], [], 0
    for counts, sizes in reader.counts():
        rows = kept[(kept >= first) & (kept < first + counts.shape[0])] - first
        parts.append(counts[rows])
        library.append(sizes[rows])
        first += counts.shape[0]
    counts = sparse.csr_matrix(sparse.vstack(parts))
    return LabelledCells(counts, np.concatenate(library), reader.gene_names, labels[kept], candidates)
