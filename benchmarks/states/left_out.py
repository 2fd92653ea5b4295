"""Judge programmes, rule and linear model on sets and patients that nothing of them was made of.

    python -m benchmarks.states.left_out --data FOLDER --left-out RUNS --cache FOLDER -o left_out.json

`--left-out` names a folder with a network trained without each set, as in `benchmarks.states.evaluate`; sets
without one are judged by the rows that need none. `--cache` keeps what the parts say of each fold and seed.

For each view: macro-F1 over the states that occur, and what a target risk comes to: calls are reported whose
trust is at least 1 less the target, by a curve fitted on all *other* sets and their shifts
(`benchmarks.states.trust`). `--trust FILE` writes the curve of all sets, which is the packaged one.
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
from benchmarks.states.trust import family, fit_trust, risk_by_trust, write_trust
from recipes.programmes.build import read_all_sources
from tcellflow.evaluation.classification import calibration_error, macro_f1

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.states.folds import Fold
    from recipes.programmes.build import Sources
    from tcellflow.states.trust import Trust

TARGET_RISKS = (0.1, 0.2)
SHIPPED = "(a) and (c)"


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


def call_view(
    row: str, parts: Sequence[tuple[str, Outputs]]
) -> tuple[NDArray[np.object_], NDArray[np.float64]] | None:
    """Give true states and the probabilities of one row on one view; None where a part lacks a network."""
    if row not in WITHOUT_NETWORK and any(p.network is None for _, p in parts):
        return None
    found = [(p.truth, ROWS[row](p)) for _, p in parts]
    return np.concatenate([t for t, _ in found]), np.concatenate([p for _, p in found])


def measure(truth: NDArray[np.object_], states: NDArray[np.float64]) -> dict[str, Any]:
    """Give the figures of one row on one view."""
    labelled = truth != ""
    truth, states = truth[labelled], states[labelled]
    called = NAMES[states.argmax(axis=1)]
    return {
        "macro_f1": macro_f1(truth, called),
        "accuracy": float((truth == called).mean()),
        "ece": calibration_error(states.max(axis=1), truth == called),
        "f1": {
            str(s): float(2 * (of & hit).sum() / max(of.sum() + hit.sum(), 1))
            for s in NAMES
            if (of := truth == s).any()
            for hit in [called == s]
        },
    }


def judge(views: Mapping[str, list[tuple[str, Outputs]]]) -> tuple[dict[str, Any], Trust]:
    """Give the figures of all rows on all views, of one seed, and the curve of the shipped row on all."""
    result: dict[str, Any] = {view: {} for view in views}
    for row in ROWS:
        found = {view: c for view, parts in views.items() if (c := call_view(row, parts)) is not None}
        for view, (truth, states) in found.items():
            others = [(v, *c) for v, c in found.items() if family(v) != family(view)]
            result[view][row] = measure(truth, states)
            if others:
                result[view][row] |= risk_by_trust(view, truth, states, fit_trust(others), TARGET_RISKS)
        if row == SHIPPED:
            trust = fit_trust([(v, *c) for v, c in found.items()])
    return result, trust


def average(seeds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Average the figures over seeds; the spread of macro-F1 stands beside it."""
    result: dict[str, Any] = {}
    for view, rows in seeds[0].items():
        result[view] = {}
        for row in rows:
            of = [s[view][row] for s in seeds]
            keys = [k for k in of[0] if k != "f1" and all(k in f for f in of)]
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
        cells = ["" if row not in of or of[row].get(key) is None else f"{of[row][key]:.3f}" for row in rows]
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
    parser.add_argument("--trust", type=Path, help="write the curve of all sets, of the first seed")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    sources = read_all_sources(options.data)
    folds = [f for f in list_folds() if not options.folds or f.name in options.folds]
    seeds = []
    for seed in range(options.seeds):
        found = {f.name: run_fold(sources, f, seed, options.left_out, options.cache) for f in folds}
        figures, trust = judge(join_views(found))
        seeds.append(figures)
        if options.trust and seed == 0:
            write_trust(trust, options.trust)
    result = average(seeds)
    for key in (
        "macro_f1",
        "trust_wrong_0.1",
        "trust_wrong_word_0.1",
        "trust_coverage_0.1",
        "trust_wrong_0.2",
        "trust_coverage_0.2",
        "ece",
    ):
        print(render(result, key), end="\n\n")
    if options.output:
        document = {"machine": describe_machine(("numpy", "scipy", "scikit-learn")), "views": result}
        options.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    logging.disable()
    main()
