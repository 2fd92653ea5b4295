"""What correcting class shares does to the calls: on the labelled sets, and on mixtures of two of them.

    python -m benchmarks.predict.priors --data FOLDER

A bundle that states no shares gets those of its probabilities on its calibration set. In the mixtures
only the shares differ from the set they are drawn from, as the correction assumes.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from recipes.datasets.cells import read_set
from recipes.datasets.labels import SETS
from tcellflow.errors import InputError
from tcellflow.evaluation.classification import macro_f1
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.inference.states.prior_shift import estimate_correction
from tcellflow.io.bundles.reliability import Reference, Reliability
from tcellflow.states.axes import STATES

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIXED = ("citeseq_pbmc10k", "citeseq_pbmc5k")
MIXTURES = (
    {"Naive": 900, "Memory": 90, "Treg": 10},
    {"Naive": 100, "Memory": 850, "Treg": 50},
    {"Naive": 300, "Memory": 300, "Treg": 400},
    {"Naive": 50, "Memory": 50, "Treg": 900},
)
NAMES = np.array([str(state) for state in STATES], dtype=object)


def score(probabilities: NDArray[np.float64], truth: NDArray[np.object_]) -> str:
    """Give macro-F1 and accuracy over the cells with a known state."""
    known = truth != ""
    p = probabilities[known]
    calls = NAMES[p.argmax(axis=1)]
    f1 = macro_f1(truth[known], calls)
    return f"{f1:.3f} | {(calls == truth[known]).mean():.3f}"


def main() -> None:
    """Print one row of a Markdown table per set and mixture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("--bundle", default="states-linear")
    options = parser.parse_args()
    logging.disable()
    predictor = StatePredictor(options.bundle, threads=1, device="cpu")
    details = predictor.bundle.states
    rng = np.random.default_rng(0)
    samples: list[tuple[str, NDArray[np.float64], NDArray[np.object_]]] = []
    means: dict[str, NDArray[np.float64]] = {}
    for definition in SETS:
        cells = read_set(options.data, definition)
        try:
            calls = predictor.predict_cells(sparse.csr_matrix(cells.expression), list(cells.symbols))
        except InputError:
            continue
        p = calls.state_probabilities.astype(np.float64)
        truth = np.array(["" if state is None else str(state) for state in cells.state], dtype=object)
        means[definition.name] = p.mean(axis=0)
        samples.append((definition.name, p, truth))
        for mixture in MIXTURES if definition.name in MIXED else ():
            drawn = [rng.choice(np.flatnonzero(truth == state), n) for state, n in mixture.items()]
            rows = np.concatenate(drawn)
            mixed = ", ".join(f"{state} {n / 1000:.0%}" for state, n in mixture.items())
            samples.append((f"{definition.name}: {mixed}", p[rows], truth[rows]))
    reliability = details.reliability
    if reliability.reference is None or reliability.reference.state_shares is None:
        dataset = details.abstention.dataset
        shares = dict(zip(STATES, means[dataset].tolist(), strict=True))
        reliability = Reliability(Reference(dataset, shares, (), ()), None, (), None)
    threshold = predictor.threshold()
    print(
        "| cells | macro-F1 | accuracy | macro-F1, corrected | accuracy, corrected |\n|---|---|---|---|---|"
    )
    for name, p, truth in samples:
        correction = estimate_correction(p.astype(np.float32), reliability, threshold=threshold, n_ood=0)
        after = f"refused: {correction.refusal} | "
        if correction.weights is not None:
            weighed = p * correction.weights
            after = score(weighed / weighed.sum(axis=1, keepdims=True), truth)
        print(f"| {name} | {score(p, truth)} | {after} |", flush=True)


if __name__ == "__main__":
    main()
