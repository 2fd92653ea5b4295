"""The genes behind the calls of a whole sample, as rows of a table.

Invariant: only single T cells are asked; cells come in input order, piece by piece, whatever the sample's
size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from tcellflow.contracts.layout import lay_out
from tcellflow.contracts.predictions import GENE_EVIDENCE
from tcellflow.inference.states.gene_evidence import (
    EXAMPLES,
    KeptFacts,
    WholeDecision,
    find_gene_effects,
    learn_responses,
)
from tcellflow.inference.states.sources import gather_blocks, take_receptors
from tcellflow.vocabulary import GeneSide, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from tcellflow.inference.states.gene_evidence import GeneResponse, Kept
    from tcellflow.inference.states.sample import SampleCalls
    from tcellflow.inference.states.sources import CellSource
    from tcellflow.io.tables.receptor_vectors import ReceptorVectors
    from tcellflow.provenance import JsonValue

FREQUENT_GENES: Final = 10
_TRIPLE: Final = ["predicted_state", "side", "gene"]


def tabulate_gene_evidence(
    sample: SampleCalls,
    source: CellSource,
    *,
    n_genes: int,
    vectors: ReceptorVectors | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[pa.Table]:
    """Tabulate the genes behind the calls of a sample as the evidence table, contract `GENE_EVIDENCE`.

    Parameters
    ----------
    sample
        The calls.
    source, vectors
        The cells they were made of.
    n_genes
        Most genes on each side of a call.
    progress
        Called with (done, total) cells.

    Yields
    ------
    pyarrow.Table
        Rows of the next cells; may be empty.
    """
    whole = WholeDecision(sample.predictor, source.gene_names) if sample.predictor.reads_programmes else None
    decider = whole or sample.predictor
    present = sample.panel.present if whole is None else whole.present
    responses = _learn(sample, source, vectors, whole)
    first = 0
    for expression, chains in _gather(sample, source, vectors, whole):
        rows = np.flatnonzero(sample.verdicts.is_usable[first : first + len(expression)])
        effects = find_gene_effects(
            decider,
            expression[rows],
            present,
            sample.calls.predicted_state[first + rows],
            responses,
            n_genes=n_genes,
            receptors=None if chains is None else chains.take(rows),
        )
        cells = first + rows[effects.cell]
        columns = {
            "barcode": sample.facts.cell_id[cells],
            "predicted_state": sample.calls.predicted_state[cells],
            "side": effects.side,
            "rank": effects.rank,
            "gene": decider.genes[effects.gene],
            "effect": effects.effect,
            "expression": expression[rows[effects.cell], effects.gene],
        }
        yield lay_out(columns, GENE_EVIDENCE)
        first += len(expression)
        progress(first, source.n_obs)


def count_genes(rows: pa.Table) -> pa.Table:
    """Count how often each gene was named in pieces of the evidence table.

    Returns
    -------
    pyarrow.Table
        Columns ``predicted_state``, ``side``, ``gene`` and ``n_cells``; each triple once.
    """
    counts = rows.group_by(_TRIPLE).aggregate([("gene", "count")])
    return counts.rename_columns([*_TRIPLE, "n_cells"])


def list_frequent_genes(counts: Sequence[pa.Table]) -> dict[str, JsonValue]:
    """List the genes that the evidence table names in most cells of each state.

    Returns
    -------
    dict
        State to side to genes, most frequent first, ties by name; at most `FREQUENT_GENES` of each.
    """
    if not counts:
        return {}
    every = pa.concat_tables(counts).group_by(_TRIPLE).aggregate([("n_cells", "sum")]).to_pylist()
    every.sort(key=lambda row: (-row["n_cells_sum"], row["gene"]))
    listed: dict[str, JsonValue] = {}
    for state in State:
        of_state = [row for row in every if row["predicted_state"] == state]
        if of_state:
            listed[str(state)] = {
                str(side): [row["gene"] for row in of_state if row["side"] == side][:FREQUENT_GENES]
                for side in GeneSide
            }
    return listed


def _gather(
    sample: SampleCalls,
    source: CellSource,
    vectors: ReceptorVectors | None,
    whole: WholeDecision | None,
) -> Iterator[tuple[NDArray[np.float32], Kept | None]]:
    """Stream genes and what else is known of cells, as what decides takes them."""
    if whole is None:
        yield from gather_blocks(sample.panel, source, vectors)
        return
    first = 0
    for logs, library in source.measured_blocks():
        rows = slice(first, first + len(library))
        known = None if sample.facts.receptors is None else sample.facts.receptors.take(rows)
        chains = None if vectors is None else take_receptors(vectors, first, len(library))
        yield whole.gather(logs), KeptFacts(library, chains, known)
        first = rows.stop


def _learn(
    sample: SampleCalls,
    source: CellSource,
    vectors: ReceptorVectors | None,
    whole: WholeDecision | None,
) -> dict[str, GeneResponse]:
    examples = _choose_examples(sample)
    if not examples.size:
        return {}
    expression: list[NDArray[np.float32]] = []
    kept: list[Kept | None] = []
    first = 0
    for block, known in _gather(sample, source, vectors, whole):
        rows = examples[(examples >= first) & (examples < first + len(block))] - first
        expression += [block[[row]] for row in rows]
        kept += [None if known is None else known.take(rows[[i]]) for i in range(len(rows))]
        first += len(block)
        if first > examples[-1]:
            break
    return learn_responses(
        whole or sample.predictor,
        np.concatenate(expression),
        sample.panel.present if whole is None else whole.present,
        sample.calls.predicted_state[examples],
        kept,
    )


def _choose_examples(sample: SampleCalls) -> NDArray[np.int64]:
    """Choose cells of every state, from its most to its least confident one; rows in rising order."""
    chosen = [np.zeros(0, dtype=np.int64)]
    usable = sample.verdicts.is_usable
    for state in dict.fromkeys(sample.calls.predicted_state[usable]):
        rows = np.flatnonzero(usable & (sample.calls.predicted_state == state))
        rows = rows[np.argsort(-sample.calls.confidence[rows], kind="stable")]
        places = np.linspace(0, len(rows) - 1, min(EXAMPLES, len(rows))).round().astype(np.int64)
        chosen.append(rows[np.unique(places)])
    return np.sort(np.concatenate(chosen))
