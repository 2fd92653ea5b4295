"""Which genes spoke for and against a call, asked of what decided it.

Invariant: an effect is what the decision's own answer changes by when the gene counts as not measured,
all else left as it is; no gradient, surrogate or marker list stands between.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import numpy as np
from scipy import sparse

from tcellflow.genes.panel import align_panel
from tcellflow.inference.states.marker_reader import MarkerReader
from tcellflow.states.axes import STATES
from tcellflow.vocabulary import GeneSide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tcellflow.genes.panel import CsrBlock
    from tcellflow.inference.states.calls import StateCalls
    from tcellflow.inference.states.predictor import StatePredictor
    from tcellflow.inference.states.sources import ReceptorBlock
    from tcellflow.states.unconventional import ReceptorFacts

    Kept: TypeAlias = "ReceptorBlock | KeptFacts"

SHORTLIST: Final = 127  # genes asked of each cell: with the cell itself half a batch
EXAMPLES: Final = 4  # cells per state of which every gene is asked, to choose those lists
_LEAST_EFFECT: Final = 1e-3  # nats; below, a gene had no say
_CELLS_AT_ONCE: Final = 8
_GENES_AT_ONCE: Final = 1_024
_SEEN: Final = 2.0  # log-expression of a gene with 6 counts in 10,000
_SMALL: Final = 1e-6  # keeps log-odds finite


class Answering(Protocol):
    """What says how probable states are: a predictor, or `WholeDecision`."""

    def predict(
        self, expression: NDArray[np.float32], present: NDArray[np.bool_], receptors: Any
    ) -> StateCalls:
        """Call cells of whose genes some count as not measured."""


@dataclass(frozen=True)
class KeptFacts:
    """What is known of B cells beside their genes, and stays while these are asked.

    Parameters
    ----------
    library
        True library sizes, shape (B,).
    vectors
        Receptor vectors.
    chains
        What the chains say of the lineage.
    """

    library: NDArray[np.float64]
    vectors: ReceptorBlock | None = None
    chains: ReceptorFacts | None = None

    def take(self, rows: NDArray[np.intp]) -> KeptFacts:
        """Select cells by row numbers."""
        return KeptFacts(
            self.library[rows],
            None if self.vectors is None else self.vectors.take(rows),
            None if self.chains is None else self.chains.take(rows),
        )


class WholeDecision:
    """Asks network, programmes and marker genes together, as `StatePredictor.call_cells` does.

    Parameters
    ----------
    predictor
        A bundle that reads programmes.
    gene_names
        Symbols of the matrix, in column order.

    Attributes
    ----------
    genes
        Those that can be asked about: the bundle's panel, then what programmes and marker genes add and the
        matrix measures, shape (N,), object.
    present
        Which of them the matrix measures, shape (N,).
    """

    def __init__(self, predictor: StatePredictor, gene_names: Sequence[str] | NDArray[np.object_]) -> None:
        self._predictor = predictor
        self._reader = MarkerReader(gene_names)
        added = np.setdiff1d(self._reader.genes, predictor.genes)
        self.genes = np.concatenate([predictor.genes, added])
        self._aligned = align_panel(gene_names, self.genes)
        self.present = self._aligned.present
        asked = align_panel(self.genes, self._reader.genes)
        self._read = asked.columns  # place of the reader's genes among all
        self._place = asked.find_places(np.arange(self.genes.size))

    def gather(self, logs: CsrBlock) -> NDArray[np.float32]:
        """Take the genes that can be asked about out of a block of cells, shape (B, N)."""
        return self._aligned.gather(logs)

    def predict(
        self, expression: NDArray[np.float32], present: NDArray[np.bool_], receptors: KeptFacts
    ) -> StateCalls:
        """Call cells of each of which one measured gene, or none, counts as not measured.

        What a cell's genes tell of its molecules where reads were counted stays as it is.

        Parameters
        ----------
        expression
            Of `genes`, shape (B, N).
        present
            Which were measured, shape (B, N).
        receptors
            What else is known of the cells.
        """
        lacks = self.present & ~present
        gone = np.where(lacks.any(axis=1), self._place[lacks.argmax(axis=1)], -1)
        n = self._predictor.genes.size
        shown = sparse.csr_array(expression[:, self._read])
        evidence = self._reader.read_genes(shown, receptors.library, gone)
        return self._predictor.decide(
            np.ascontiguousarray(expression[:, :n]),
            np.ascontiguousarray(present[:, :n]),
            evidence,
            receptors.vectors,
            receptors.chains,
        )


@dataclass(frozen=True)
class GeneEffects:
    """Genes behind the calls of some cells: parallel arrays of R rows, cell by cell.

    Parameters
    ----------
    cell
        Row of the cell among those asked, rising, shape (R,), int64.
    gene
        Place among the genes asked about, shape (R,), int64.
    side
        ``for`` or ``against`` (`GeneSide`), shape (R,), object.
    rank
        From 1, loudest first, within cell and side, shape (R,), int32.
    effect
        Log-odds of the predicted state less those without the gene, nats, shape (R,), float32.
    """

    cell: NDArray[np.int64]
    gene: NDArray[np.int64]
    side: NDArray[np.object_]
    rank: NDArray[np.int32]
    effect: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.cell)


@dataclass(frozen=True)
class GeneResponse:
    """How the call of one state answers to each gene, from a few example cells.

    Serves to choose which genes a cell is asked about, never as an effect itself.

    Parameters
    ----------
    genes
        Places of the measured genes in the panel, shape (N,), int64.
    at_zero
        Mean change of the log-odds where the gene is measured and not seen, nats, shape (N,), float64.
    slope
        Mean change per unit of log-expression, shape (N,), float64.
    """

    genes: NDArray[np.int64]
    at_zero: NDArray[np.float64]
    slope: NDArray[np.float64]

    def choose(self, expression: NDArray[np.float32]) -> NDArray[np.int64]:
        """Choose the genes that may have spoken loudest in each cell.

        Returns
        -------
        ndarray
            Places in the panel, shape (B, at most `SHORTLIST`), int64.
        """
        expected = np.abs(self.at_zero + self.slope * expression[:, self.genes])
        return self.genes[np.argsort(-expected, axis=1, kind="stable")[:, :SHORTLIST]]


def learn_responses(
    predictor: Answering,
    expression: NDArray[np.float32],
    present: NDArray[np.bool_],
    states: NDArray[np.object_],
    receptors: Sequence[Kept | None] | None = None,
) -> dict[str, GeneResponse]:
    """Learn from example cells which genes are evidence to the model: those that each state answers to.

    Parameters
    ----------
    predictor
        What decides: a bundle that decides alone, or `WholeDecision`.
    expression
        Of the examples, shape (B, G).
    present
        Which genes were measured, shape (G,).
    states
        Predicted states of the examples, shape (B,), object.
    receptors
        What else is known of the examples, one by one.

    Returns
    -------
    dict
        One response per state that occurs.
    """
    measured = np.flatnonzero(present)
    pieces = [measured[i : i + _GENES_AT_ONCE] for i in range(0, len(measured), _GENES_AT_ONCE)]
    found: dict[str, list[NDArray[np.float64]]] = {}
    for row, state in enumerate(states):
        chains = None if receptors is None else receptors[row]
        answers = [
            np.concatenate(
                [
                    _answer(predictor, expression[row], present, state, genes, level, chains)
                    for genes in pieces
                ]
            )
            for level in (0.0, _SEEN)
        ]
        found.setdefault(str(state), []).append(np.stack(answers))
    responses = {}
    for state, answers_of_cells in found.items():
        at_zero, seen = np.mean(answers_of_cells, axis=0)
        responses[state] = GeneResponse(measured, at_zero, (seen - at_zero) / _SEEN)
    return responses


def _answer(
    predictor: Answering,
    cell: NDArray[np.float32],
    present: NDArray[np.bool_],
    state: str,
    genes: NDArray[np.int64],
    level: float,
    receptors: Kept | None,
) -> NDArray[np.float64]:
    """Give the effect of each gene on one cell, had the gene this log-expression; shape (N,)."""
    rows = np.repeat(cell[None], len(genes), axis=0)
    rows[np.arange(len(genes)), genes] = level
    chains = None if receptors is None else receptors.take(np.zeros(len(genes), dtype=np.intp))
    named = np.full(len(genes), state, dtype=object)
    return measure_effects(predictor, rows, present, named, genes[:, None], chains)[:, 0]


def measure_effects(
    predictor: Answering,
    expression: NDArray[np.float32],
    present: NDArray[np.bool_],
    states: NDArray[np.object_],
    genes: NDArray[np.int64],
    receptors: Kept | None = None,
) -> NDArray[np.float64]:
    """Measure each gene's evidence: what it adds to the log-odds of each cell's predicted state.

    Parameters
    ----------
    predictor
        What decides: a bundle that decides alone, or `WholeDecision`.
    expression
        Shape (B, G).
    present
        Which genes were measured, shape (G,).
    states
        Predicted states, shape (B,), object.
    genes
        Places in the panel to ask about, shape (B, N), int64.
    receptors
        What else is known of the cells; it stays as it is.

    Returns
    -------
    ndarray
        Nats, shape (B, N), float64; positive = the gene speaks for the call.
    """
    n_cells, n_genes = genes.shape
    state = np.array([STATES.index(name) for name in states], dtype=np.int64)
    cells = np.repeat(np.arange(n_cells), n_genes + 1)
    asked = np.broadcast_to(present, (n_cells, len(present)))[cells].copy()  # (B (N + 1), G)
    first = np.arange(n_cells) * (n_genes + 1)  # each cell's first row has all its genes
    rows = first[:, None] + 1 + np.arange(n_genes)
    asked[rows, genes] = False
    chains = None if receptors is None else receptors.take(cells)
    calls = predictor.predict(expression[cells], asked, chains)
    p = calls.state_probabilities[np.arange(len(cells)), state[cells]].astype(np.float64)
    odds = np.log((p + _SMALL) / (1 - p + _SMALL))
    return np.asarray(odds[first][:, None] - odds[rows])


def find_gene_effects(
    predictor: Answering,
    expression: NDArray[np.float32],
    present: NDArray[np.bool_],
    states: NDArray[np.object_],
    responses: Mapping[str, GeneResponse],
    *,
    n_genes: int,
    receptors: Kept | None = None,
) -> GeneEffects:
    """Find the genes that are the strongest evidence for and against each call.

    Parameters
    ----------
    predictor
        What decides: a bundle that decides alone, or `WholeDecision`.
    expression
        Shape (B, G).
    present
        Which genes were measured, shape (G,).
    states
        Predicted states, shape (B,), object; each has a response.
    responses
        From `learn_responses`.
    n_genes
        Most genes on each side of a call.
    receptors
        What else is known of the cells.

    Returns
    -------
    GeneEffects
        Up to `n_genes` for and `n_genes` against each call, each with an effect of at least 0.001 nats.
    """
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    for state, response in sorted(responses.items()):
        of_state = np.flatnonzero(states == state)
        for start in range(0, len(of_state), _CELLS_AT_ONCE):
            rows = of_state[start : start + _CELLS_AT_ONCE]
            chains = None if receptors is None else receptors.take(rows)
            asked = response.choose(expression[rows])
            effects = measure_effects(predictor, expression[rows], present, states[rows], asked, chains)
            found.append((rows, asked, effects))
    return _rank(found, n_genes)


def _rank(
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]], n_genes: int
) -> GeneEffects:
    """Keep the loudest genes of each cell and side; cells in rising order."""
    nothing = np.zeros((0, 1))
    parts = [_list_loudest(nothing[:, 0].astype(np.int64), nothing.astype(np.int64), nothing, 0)]
    parts += [_list_loudest(*of_cells, n_genes) for of_cells in found]
    columns = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(GeneEffects)}
    order = np.argsort(columns["cell"], kind="stable")
    return GeneEffects(**{name: values[order] for name, values in columns.items()})


def _list_loudest(
    cells: NDArray[np.int64], genes: NDArray[np.int64], effects: NDArray[np.float64], n_genes: int
) -> GeneEffects:
    """List the loudest genes of cells, of shapes (B,), (B, N) and (B, N): those for a call first."""
    rows, places, sides, ranks = [], [], [], []
    for side, sign in ((GeneSide.FOR, 1.0), (GeneSide.AGAINST, -1.0)):
        order = np.argsort(-sign * effects, axis=1, kind="stable")[:, :n_genes]
        row, rank = np.nonzero(sign * np.take_along_axis(effects, order, axis=1) >= _LEAST_EFFECT)
        rows.append(row)
        places.append(order[row, rank])
        sides.append(np.full(len(row), str(side), dtype=object))
        ranks.append(rank + 1)
    row, place = np.concatenate(rows), np.concatenate(places)
    return GeneEffects(
        cell=cells[row],
        gene=genes[row, place],
        side=np.concatenate(sides),
        rank=np.concatenate(ranks).astype(np.int32),
        effect=effects[row, place].astype(np.float32),
    )
