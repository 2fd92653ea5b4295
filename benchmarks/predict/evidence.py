"""Whether the genes named behind calls are the loudest ones, and whether losing them changes the calls.

    python -m benchmarks.predict.evidence --data FOLDER

For some cells of each labelled set every measured gene is asked, which gives the true five on each
side. *found*: share of them that the short list names; *effect*: their share of the true five's effect.
*named lost*, *others lost*: mean drop of the log-odds where the named five for a call count as not
measured, all at once, and where five other expressed genes do.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from recipes.datasets.cells import read_set
from recipes.datasets.labels import SETS
from tcellflow.errors import InputError
from tcellflow.genes.panel import align_panel
from tcellflow.inference.states.gene_evidence import (
    EXAMPLES,
    find_gene_effects,
    learn_responses,
    measure_effects,
)
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.states.axes import STATES

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_GENES = 5
SIDES = (("for", 1.0), ("against", -1.0))


def choose_examples(states: NDArray[np.object_], confidence: NDArray[np.float32]) -> NDArray[np.int64]:
    """Choose cells of every state, from the surest to the least sure."""
    chosen = []
    for state in dict.fromkeys(states):
        rows = np.flatnonzero(states == state)
        rows = rows[np.argsort(-confidence[rows], kind="stable")]
        chosen += [
            rows[i] for i in np.linspace(0, len(rows) - 1, min(EXAMPLES, len(rows))).round().astype(int)
        ]
    return np.unique(chosen)


def lose(
    predictor: StatePredictor,
    cell: NDArray[np.float32],
    present: NDArray[np.bool_],
    state: str,
    genes: object,
) -> float:
    """Give the log-odds of a state without some genes."""
    mask = present.copy()
    mask[genes] = False
    p = float(predictor.predict(cell[None], mask).state_probabilities[0, list(STATES).index(state)])
    return float(np.log(p + 1e-6) - np.log(1 - p + 1e-6))


def main() -> None:
    """Print one row of a Markdown table per set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("--bundle", default="states-linear")
    parser.add_argument("--cells", type=int, default=60)
    options = parser.parse_args()
    predictor = StatePredictor(options.bundle, threads=1, device="cpu")
    rng = np.random.default_rng(0)
    print(
        "| data set | genes measured | found | effect | named lost | others lost |\n|---|---|---|---|---|---|"
    )
    for definition in SETS:
        cells = read_set(options.data, definition)
        matrix = sparse.csr_matrix(cells.expression)
        try:
            calls = predictor.predict_cells(matrix, list(cells.symbols))
        except InputError:
            continue
        panel = align_panel(cells.symbols, predictor.genes, predictor.bundle.panel.weights)
        expression, present, states = panel.gather(matrix), panel.present, calls.predicted_state
        examples = choose_examples(states, calls.confidence)
        responses = learn_responses(predictor, expression[examples], present, states[examples])
        rows = rng.choice(len(expression), min(options.cells, len(expression)), replace=False)
        named = find_gene_effects(
            predictor, expression[rows], present, states[rows], responses, n_genes=N_GENES
        )
        measured = np.flatnonzero(present)
        found, share, lost, others = [], [], [], []
        for i, row in enumerate(rows):
            cell, state = expression[row], str(states[row])
            every = np.zeros(len(present))
            every[measured] = measure_effects(
                predictor, cell[None], present, states[row : row + 1], measured[None]
            )[0]
            for side, sign in SIDES:
                true = np.argsort(-sign * every, kind="stable")[:N_GENES]
                told = named.gene[(named.cell == i) & (named.side == side)]
                found.append(len(set(true) & set(told)) / N_GENES)
                share.append(every[told].sum() / every[true].sum())
            told = named.gene[(named.cell == i) & (named.side == "for")]
            rest = np.setdiff1d(np.flatnonzero(cell * present), told)
            whole = lose(predictor, cell, present, state, [])
            lost.append(whole - lose(predictor, cell, present, state, told))
            others.append(
                whole - lose(predictor, cell, present, state, rng.choice(rest, N_GENES, replace=False))
            )
        figures = " | ".join(f"{np.mean(values):.2f}" for values in (found, share, lost, others))
        print(f"| {definition.name} | {len(measured):,} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
