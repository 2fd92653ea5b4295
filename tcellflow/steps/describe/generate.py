"""``describe generate``: pseudo-cells from a text, flagged as synthetic."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from tcellflow.cells.normalise import log_normalise
from tcellflow.errors import ContractError
from tcellflow.io.h5ad.whole import write_whole
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.language.panel import read_profiles
from tcellflow.language.pseudo_cells import draw_cells
from tcellflow.language.queries import read_query
from tcellflow.provenance import StepNote
from tcellflow.steps.describe.options import check_prompt
from tcellflow.steps.progress import quiet

if TYPE_CHECKING:
    from pathlib import Path

    from tcellflow.steps.describe.options import GenerateOptions
    from tcellflow.steps.progress import Progress

_LOG = logging.getLogger(__name__)


def generate(options: GenerateOptions, *, progress: Progress = quiet) -> list[Path]:
    """Draw pseudo-cells that fit a text.

    Parameters
    ----------
    options
        Text, number, seed and output file.
    progress
        Called with (done, total).

    Returns
    -------
    list of pathlib.Path
        The h5ad file: integer counts in ``layers["counts"]``, log1p(counts per 10,000) in X,
        ``obs["synthetic"]`` true.

    Raises
    ------
    OptionsError
        If the text is empty or too long.
    ContractError
        If nothing of the text is understood.
    OutputError
        If the output cannot be written, or exists without `force`.
    """
    text = check_prompt(options.text)
    query = read_query(text, set(read_profiles().genes))
    if query.is_empty:
        raise ContractError(
            "nothing of the text is understood as a type of cell, a programme or a gene",
            where="--text",
            mend="name a type (naive CD4 T cell), a programme (exhausted) or genes (GZMB)",
        )
    if query.rest:
        _LOG.warning("not understood: %s", ", ".join(query.rest))
    if query.types is not None and not query.types:
        raise ContractError(
            "no type of the panel fits all words of the text", where="--text", mend="name one type of cell"
        )
    with stage_outputs(options.output.parent, options.output.stem, force=options.force) as outputs:
        path = outputs.path("h5ad")
        drawn = draw_cells(query, options.n, options.seed)
        progress(1, 2)
        logs = log_normalise(drawn.counts)
        names = [f"synthetic_{i}" for i in range(options.n)]
        obs = pd.DataFrame(
            {
                "synthetic": np.ones(options.n, dtype=bool),
                "synthetic_cell_type": drawn.labels,
                "synthetic_cell_type_ontology_term_id": drawn.types,
            },
            index=pd.Index(names, dtype=object),
        )
        note = StepNote("describe generate", options={"text": text, "n": options.n, "seed": options.seed})
        x = sparse.csr_matrix((logs, drawn.counts.indices, drawn.counts.indptr), shape=drawn.counts.shape)
        var = pd.DataFrame(index=pd.Index(drawn.genes, dtype=object))
        write_whole(path, (x, drawn.counts), obs, var, note)
        finished = outputs.commit()
        progress(2, 2)
        return finished
