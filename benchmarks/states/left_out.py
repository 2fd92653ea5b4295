"""Judge programmes, rule and linear model on sets and patients that nothing of them was made of.

    python -m benchmarks.states.left_out --data FOLDER --left-out RUNS --cache FOLDER -o left_out.json

`--left-out` names a folder with a network trained without each set, as in `benchmarks.states.evaluate`; sets
without one are judged by the rows that need none. `--cache` keeps what the parts say of each fold and seed.

For each view: macro-F1 over the states that occur, and what a target risk of 10 % comes to: the threshold is
the strictest that any of the *other* folds needs at that target, as the packaged one is the strictest of all.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness.machine import describe_machine
from benchmarks.states.folds import Outputs, find_network, find_views, fit_fold, list_folds, run_parts
from benchmarks.states.peers import NAMES
from benchmarks.states.rows import ROWS, WITHOUT_NETWORK
from recipes.programmes.build import read_all_sources
from tcellflow.evaluation.classification import Calls, calibration_error, macro_f1

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.states.folds import Fold
    from recipes.programmes.build import Sources

TARGET_RISK = 0.1
THRESHOLDS = np.round(np.arange(0.3, 0.99, 0.01), 2)
LEAST_REPORTED = 0.05  # of the cells, for a risk to be one


def run_fold(
    sources: Sources, fold: Fold, seed: int, left_out: Path | None, cache: Path | None
) -> dict[str, Outputs]:
    """Give what all parts say of each view of a fold."""
    kept = None if cache is None else cache / fold.name / str(seed)
    network = find_network(fold, left_out)
    if kept is not None and kept.exists():
        found = {path.stem: Outputs.load(path) for path in sorted(kept.glob("*.npz"))}
        if network is None or all(parts.network is not None for parts in found.values()):
            return {name.replace("_of_", "/"): parts for name, parts in found.items()}
    models = fit_fold(sources, fold, seed)
    found = {v.name: run_parts(v, models, network) for v in find_views(sources.sets, fold, models.transfer)}
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        for name, parts in found.items():
            parts.save(kept / f"{name.replace('/', '_of_')}.npz")
    return found


def join_views(folds: Mapping[str, Mapping[str, Outputs]]) -> dict[str, list[tuple[str, Outputs]]]:
    """List the parts of each view; those of the melanoma folds belong to one view each."""
    views: dict[str, list[tuple[str, Outputs]]] = {}
    for fold, of in folds.items():
        for name, parts in of.items():
            views.setdefault(name, []).append((fold, parts))
    return views


def call_view(row: str, parts: Sequence[tuple[str, Outputs]]) -> Calls | None:
    """Give the labelled calls of one row on one view; None where a part lacks a network."""
    if row not in WITHOUT_NETWORK and any(p.network is None for _, p in parts):
        return None
    found = [(p.truth, ROWS[row](p)) for _, p in parts]
    truth = np.concatenate([t for t, _ in found])
    states = np.concatenate([p for _, p in found])
    labelled = truth != ""
    return Calls(truth[labelled], NAMES[states[labelled].argmax(axis=1)], states[labelled].max(axis=1))


def needed_threshold(calls: Calls, target: float) -> float:
    """Give the least threshold from which on the risk stays within the target; 1 where none does."""
    right = calls.truth == calls.predicted
    needed = 1.0
    for threshold in THRESHOLDS[::-1]:
        reported = calls.confidence >= threshold
        if reported.mean() < LEAST_REPORTED:
            continue
        if 1 - right[reported].mean() > target:
            break
        needed = float(threshold)
    return needed


def measure(calls: Calls, thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Give the figures of one row on one view."""
    right = calls.truth == calls.predicted
    figures: dict[str, Any] = {
        "macro_f1": macro_f1(calls),
        "accuracy": float(right.mean()),
        "ece": calibration_error(calls),
    }
    for name, threshold in thresholds.items():
        reported = calls.confidence >= threshold
        figures[f"threshold_{name}"] = threshold
        figures[f"coverage_{name}"] = float(reported.mean())
        figures[f"wrong_{name}"] = float(1 - right[reported].mean()) if reported.any() else None
    figures["f1"] = {
        str(s): float(2 * (of & hit).sum() / max(of.sum() + hit.sum(), 1))
        for s in NAMES
        if (of := calls.truth == s).any()
        for hit in [calls.predicted == s]
    }
    return figures


def family(view: str) -> str:
    """Name the set of a view: its shifts are one set."""
    return view.split(",", maxsplit=1)[0]


def judge(views: Mapping[str, list[tuple[str, Outputs]]]) -> dict[str, Any]:
    """Give the figures of all rows on all views, of one seed."""
    result: dict[str, Any] = {view: {} for view in views}
    for row in ROWS:
        calls = {view: c for view, parts in views.items() if (c := call_view(row, parts)) is not None}
        needed = {view: needed_threshold(c, TARGET_RISK) for view, c in calls.items()}
        for view, of in calls.items():
            others = [t for v, t in needed.items() if family(v) != family(view)]
            thresholds = {
                "strictest": max(others, default=1.0),
                "most": float(np.quantile(others, 0.75)) if others else 1.0,
                "typical": float(np.median(others)) if others else 1.0,
                "fixed": 0.7,
            }
            result[view][row] = measure(of, thresholds)
    return result


def average(seeds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Average the figures over seeds; the spread of macro-F1 stands beside it."""
    result: dict[str, Any] = {}
    for view, rows in seeds[0].items():
        result[view] = {}
        for row in rows:
            of = [s[view][row] for s in seeds]
            keys = [k for k in of[0] if k != "f1"]
            result[view][row] = {k: _mean([f[k] for f in of]) for k in keys} | {
                "macro_f1_sd": round(float(np.std([f["macro_f1"] for f in of])), 4),
                "f1": {s: _mean([f["f1"][s] for f in of]) for s in of[0]["f1"]},
            }
    return result


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return round(float(np.mean(known)), 4) if known else None


def render(result: Mapping[str, Any], key: str = "macro_f1") -> str:
    """Give a table of one figure, a line for each view."""
    rows = list(ROWS)
    lines = [f"| {key} | " + " | ".join(rows) + " |", "|---" * (len(rows) + 1) + "|"]
    for view, of in result.items():
        cells = ["" if row not in of or of[row][key] is None else f"{of[row][key]:.3f}" for row in rows]
        lines.append(f"| {view} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


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
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    sources = read_all_sources(options.data)
    folds = [f for f in list_folds() if not options.folds or f.name in options.folds]
    seeds = []
    for seed in range(options.seeds):
        found = {f.name: run_fold(sources, f, seed, options.left_out, options.cache) for f in folds}
        seeds.append(judge(join_views(found)))
    result = average(seeds)
    for key in ("macro_f1", "wrong_strictest", "coverage_strictest", "wrong_most", "coverage_most", "ece"):
        print(render(result, key), end="\n\n")
    if options.output:
        document = {"machine": describe_machine(("numpy", "scipy", "scikit-learn")), "views": result}
        options.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    logging.disable()
    main()
