"""Judge programmes, rule and linear model on sets and patients that nothing of them was made of.

    python -m benchmarks.states.left_out --data FOLDER --left-out RUNS [--cache FOLDER] -o left_out.json
    python -m benchmarks.states.left_out_tables left_out.json invariance.json --update PAGE

`--left-out` names a folder with a network trained without each set, as in `benchmarks.states.evaluate`; sets
without one are judged by the rows that need none. `--cache` keeps what the parts say of each fold and seed.

For each view: macro-F1 over the states that occur and F1 of each, calibration, and the area under the
risk-coverage curve; for what ships also what a target risk comes to (`benchmarks.states.trust`).
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness.machine import describe_machine
from benchmarks.states.rows import ROWS, WITHOUT_NETWORK
from benchmarks.states.trust import average, judge_sets
from recipes.programmes.build import read_all_sources
from recipes.programmes.folds import list_folds
from recipes.programmes.left_out import NAMES, call_view, join_views, run_fold
from tcellflow.evaluation.classification import calibration_error, macro_f1, risk_area, weighted_macro_f1
from tcellflow.evaluation.intervals import SEED, as_interval, draw_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from recipes.programmes.folds import Outputs
    from recipes.programmes.left_out import LeftOutCalls

    Floats = NDArray[np.float64]
    Views = Mapping[str, Sequence[Outputs]]

SHIPPED = "(a) and (c)"


def call_row(row: str, parts: Sequence[Outputs]) -> tuple[NDArray[np.object_], Floats] | None:
    """Give true states and the probabilities of one row of labelled cells; None where a network lacks."""
    if row not in WITHOUT_NETWORK and any(p.network is None for p in parts):
        return None
    truth = np.concatenate([p.truth for p in parts])
    states = np.concatenate([ROWS[row](p) for p in parts])
    return truth[truth != ""], states[truth != ""]


def measure(truth: NDArray[np.object_], states: Floats) -> dict[str, Any]:
    """Give the figures of one row on one view."""
    called = NAMES[states.argmax(axis=1)]
    confidence = states.max(axis=1)
    return {
        "macro_f1": macro_f1(truth, called),
        "accuracy": float((truth == called).mean()),
        "ece": calibration_error(confidence, truth == called),
        "aurc": risk_area(confidence, truth == called),
        "f1": {
            str(s): float(2 * (of & hit).sum() / max(of.sum() + hit.sum(), 1))
            for s in NAMES
            if (of := truth == s).any()
            for hit in [called == s]
        },
    }


def judge_rows(seeds: Sequence[Views]) -> dict[str, dict[str, Any]]:
    """Give the figures of all rows on all views, mean over seeds, with the intervals of macro-F1."""
    result: dict[str, dict[str, Any]] = {}
    for view in seeds[0]:
        found = {row: [call_row(row, views[view]) for views in seeds] for row in ROWS}
        known = {row: [c for c in of if c is not None] for row, of in found.items() if None not in of}
        n_cells = next(len(of[0][0]) for of in known.values())
        weights = draw_weights(n_cells, seed=SEED)  # the same cells for every row: differences are paired
        scores = {row: _resample(of, weights) for row, of in known.items()}
        result[view] = {}
        for row, of in known.items():
            figures = [measure(truth, states) for truth, states in of]
            result[view][row] = average(figures) | {
                "macro_f1_sd": round(float(np.std([f["macro_f1"] for f in figures])), 4),
                "interval": as_interval(scores[row]),
            }
            if SHIPPED in scores and row != SHIPPED:
                result[view][row]["shipped_less_this"] = as_interval(scores[SHIPPED] - scores[row])
    return result


def _resample(seeds: Sequence[tuple[NDArray[np.object_], Floats]], weights: Floats) -> Floats:
    """Give macro-F1 of each bootstrap of the cells, mean over seeds."""
    return np.asarray(
        np.mean([weighted_macro_f1(t, NAMES[p.argmax(axis=1)], weights) for t, p in seeds], axis=0)
    )


def main() -> None:
    """Judge and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--left-out", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", nargs="*", default=[], metavar="NAME", help="only these")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    sources = read_all_sources(options.data)
    folds = [f for f in list_folds() if not options.folds or f.name in options.folds]
    seeds: list[dict[str, list[Outputs]]] = []
    calls: list[LeftOutCalls] = []
    for seed in range(options.seeds):
        found = {f.name: run_fold(sources, f, seed, options.left_out, options.cache) for f in folds}
        seeds.append({view: [parts for _, parts in of] for view, of in join_views(found).items()})
        calls += [c for view, parts in seeds[-1].items() if (c := call_view(view, parts)) is not None]
    document = {
        "machine": describe_machine(("numpy", "scipy", "scikit-learn")),
        "seeds": options.seeds,
        "views": judge_rows(seeds),
        "trust": judge_sets(calls),
    }
    options.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    logging.disable()
    main()
