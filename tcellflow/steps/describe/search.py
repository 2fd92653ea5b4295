"""``describe search``: the cells or groups that fit a free text best, with what was not understood."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from tcellflow.errors import ContractError, InputError
from tcellflow.ingest.cell_reader import open_cells
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.language.candidates import list_panel
from tcellflow.language.queries import read_query
from tcellflow.language.typing import CellTyper
from tcellflow.states.programmes import ProgrammeScorer
from tcellflow.steps.describe.options import check_prompt
from tcellflow.steps.progress import quiet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.ingest.cell_reader import CellReader
    from tcellflow.language.queries import Query
    from tcellflow.steps.describe.options import SearchOptions
    from tcellflow.steps.progress import Progress

_LOG = logging.getLogger(__name__)
_LEAST: Final = 1e-3  # probability below which no constraint pulls further
_UNTOLD: Final = 0.3  # of a programme that cannot be measured in a cell


def search(options: SearchOptions, *, progress: Progress = quiet) -> str:
    """Rank cells or groups by how well they fit a text.

    Parameters
    ----------
    options
        Text and cells.
    progress
        Called with (done, total).

    Returns
    -------
    str
        Tab-separated: rank, unit_id, score (0-1), n_cells, understood, not_understood. Also written to
        `SearchOptions.output` where it is given.

    Raises
    ------
    OptionsError
        If the text is empty or too long.
    ContractError
        If nothing of it is understood.
    InputError
        If the file cannot be read, or there is no such column.
    OutputError
        If the output cannot be written, or exists without `force`.
    """
    text = check_prompt(options.text)
    reader = open_cells(options.cells, layer=options.layer)
    query = read_query(text, set(reader.gene_names))
    if query.is_empty:
        raise ContractError(
            "nothing of the text is understood as a type of cell, a programme or a gene of the sample",
            where="the text",
            mend="name a type (exhausted CD8 T cell), a programme (cycling) or genes (GZMB)",
        )
    if query.rest:
        _LOG.warning("not understood: %s", ", ".join(query.rest))
    fit = _score(reader, query)
    progress(1, 1)
    table = _rank(reader, fit, options)
    table["understood"] = "; ".join(query.used)
    table["not_understood"] = "; ".join(query.rest)
    lines = io.StringIO()
    table.to_csv(lines, sep="\t", index=False, float_format="%.4f", lineterminator="\n")
    if options.output is not None:
        with stage_outputs(options.output.parent, options.output.stem, force=options.force) as outputs:
            path = outputs.path(options.output.suffix.lstrip(".") or "tsv")
            path.write_text(lines.getvalue(), encoding="utf-8", newline="\n")
    return lines.getvalue()


def _score(reader: CellReader, query: Query) -> NDArray[np.float64]:
    """Give the fit of every cell, 0-1: the geometric mean of its constraints."""
    typer, scorer = CellTyper(reader.gene_names, list_panel()), ProgrammeScorer(reader.gene_names)
    wanted = [i for i, c in enumerate(typer.candidates) if query.types and c.cl_id in query.types]
    place = {str(gene): i for i, gene in enumerate(reader.gene_names)}
    at = [scorer.table.names.index(name) for name in query.programmes]
    parts = [np.zeros(0)]
    for counts, library in reader.counts():
        terms = []
        if query.types is not None:
            terms.append(typer.score(counts).probabilities[:, wanted].sum(axis=1))
        if at:
            values = scorer.score(counts, library).values  # noqa: PD011 (no pandas)
            terms += [np.where(np.isfinite(values[:, i]), values[:, i], _UNTOLD) for i in at]
        for genes, is_there in ((query.genes, True), (query.absent, False)):
            for gene in genes:
                seen = np.asarray(counts[:, place[gene]].todense()).ravel() * 1e4 / np.maximum(library, 1)
                share = seen / (seen + 1)
                terms.append(share if is_there else 1 - share)
        logs = [np.log(np.maximum(np.asarray(term, np.float64), _LEAST)) for term in terms]
        parts.append(np.exp(np.mean(logs, axis=0)))
    return np.concatenate(parts)


def _rank(reader: CellReader, fit: NDArray[np.float64], options: SearchOptions) -> pd.DataFrame:
    units = reader.cell_ids
    if options.groupby is not None:
        if options.groupby not in reader.obs:
            raise InputError(
                f"there is no column {options.groupby!r} in obs",
                where=options.cells,
                mend="choose from: " + (", ".join(map(str, reader.obs.columns[:20])) or "none"),
            )
        units = reader.obs[options.groupby].astype(str).to_numpy(dtype=object)
    grouped = pd.DataFrame({"unit_id": units, "score": fit}).groupby("unit_id", sort=False)["score"]
    table = grouped.agg(["mean", "size"]).reset_index()
    table.columns = pd.Index(["unit_id", "score", "n_cells"])
    table = table.sort_values("score", ascending=False, kind="stable").head(options.top)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return table
