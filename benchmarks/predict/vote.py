"""What votes among similar cells do to the calls, on the labelled sets.

python -m benchmarks.predict.vote --data FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy import sparse

from recipes.datasets.cells import read_set
from recipes.datasets.labels import SETS
from tcellflow.errors import InputError
from tcellflow.evaluation.classification import macro_f1
from tcellflow.inference.states.cluster_vote import vote_in_clusters
from tcellflow.inference.states.predictor import StatePredictor


def main() -> None:
    """Print one row of a Markdown table per set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("--bundle", default="states-linear")
    options = parser.parse_args()
    predictor = StatePredictor(options.bundle, threads=1, device="cpu")
    print("| data set | cells | macro-F1 | after the vote |\n|---|---|---|---|")
    for definition in SETS:
        cells = read_set(options.data, definition)
        try:
            calls = predictor.predict_cells(sparse.csr_matrix(cells.expression), list(cells.symbols))
        except InputError as refused:
            print(f"| {definition.name} | {len(cells.state):,} | refused: {refused.what} | |")
            continue
        vote = vote_in_clusters(calls, np.ones(len(calls), dtype=bool))
        known = np.array([state is not None for state in cells.state])
        truth = np.array([str(state) for state in cells.state[known]], dtype=object)
        before, after = (macro_f1(truth, states[known]) for states in (calls.predicted_state, vote.state))
        print(f"| {definition.name} | {known.sum():,} | {before:.3f} | {after:.3f} |", flush=True)


if __name__ == "__main__":
    main()
