"""What receptors add to a states bundle that learns from them: whole sets held out, and clones held out.

    python -m benchmarks.states.receptor_rows --data FOLDER --expression RUNS --receptors RUNS [-o rows.json]

A folder of RUNS holds one folder per seed, each with runs of `recipes.states.build`: ``SEED/NAME`` trained
with ``--hold-out NAME``, and ``SEED/clone`` with ``--split clone``. Those of `--receptors` were trained with
``--receptors native``, and are judged as they are and with chains taken away, dealt out anew among the cells
of the same donor and state, or without their V and J genes. `--expression` are the same runs without them.

Held-out sets: macro-F1 over Naive, Memory and Treg, mean over seeds, and the difference to expression alone
with its paired 95 % bootstrap interval over cells. `predict` refuses the 397 genes of
bd_rhapsody_pbmc_targeted; here they are judged all the same. Clones held out: macro-F1 of the cells of each
cohort, each judged by the member that knew no cell of its clone, as the bundles tell it; mean over seeds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.states.held_out import SEED, THREE, closed_calls
from benchmarks.states.peers import NAMES
from benchmarks.states.receptor_gain import NAMES as WITH_RECEPTORS
from benchmarks.states.receptor_gain import deal_out
from recipes.datasets.cells import read_set
from recipes.datasets.labels import find_set
from tcellflow.evaluation.classification import weighted_macro_f1
from tcellflow.evaluation.intervals import as_interval, draw_weights
from tcellflow.genes.panel import align_panel
from tcellflow.inference.receptors.encoder import find_encoder
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.inference.states.sources import ReceptorBlock
from tcellflow.io.bundles.description import ENSEMBLE_FILE
from tcellflow.training.cohorts.receptors import ReceptorFile, embed_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from recipes.datasets.cells import LabelledSet
    from tcellflow.training.cohorts.chains import CellChains

EXPRESSION = "expression alone"
SHOWN, MASKED, SHUFFLED = "both chains", "both chains missing", "shuffled within donor and state"
CLONE_RUN = "clone"
LEAST_CELLS = 50  # of a cohort, for its figure to say something


def read_chains(data: Path, cells: LabelledSet, encoder: str) -> CellChains:
    """Read and embed the chains of a set's cells."""
    description = cells.description
    path = data / description.name / str(description.receptors)
    return embed_files([ReceptorFile(description.name, path, cells.names)], find_encoder(encoder))[0]


def as_block(table: NDArray[np.float32]) -> ReceptorBlock:
    """Turn what a network is shown into what a predictor takes."""
    tra, trb = np.split(table[:, :-2].copy(), 2, axis=1)
    tra[table[:, -2] == 0], trb[table[:, -1] == 0] = np.nan, np.nan
    return ReceptorBlock(tra, trb)


def show_rows(cells: LabelledSet, chains: CellChains, seed: int) -> dict[str, ReceptorBlock | None]:
    """Give the receptors of every row of the table."""
    every = np.arange(len(cells))
    kept = {"without alpha": (False, True), "without beta": (True, False)}
    shown = {SHOWN: chains.show(every), MASKED: None}
    shown |= {row: chains.show(every, kept=np.tile(which, (len(cells), 1))) for row, which in kept.items()}
    shown["V and J genes unknown"] = chains.show(every, nameless=np.ones(len(cells), dtype=bool))
    shown[SHUFFLED] = chains.show(deal_out(cells, np.random.default_rng(seed)))
    return {row: None if table is None else as_block(table) for row, table in shown.items()}


def find_bundles(expression: Path, receptors: Path, name: str) -> tuple[list[Path], list[Path]]:
    """Find the bundles of a run on both sides, for the seeds that both have, in the same order."""
    runs = [{path.parts[-4]: path.parent for path in side.glob(f"*/{name}/bundle/bundle.json")}
            for side in (expression, receptors)]  # fmt: skip
    seeds = sorted(set(runs[0]) & set(runs[1]))
    return [runs[0][seed] for seed in seeds], [runs[1][seed] for seed in seeds]


def judge(
    cells: LabelledSet, bundles: Sequence[Path], receptors: ReceptorBlock | None, *, ensemble: bool
) -> list[NDArray[np.float64]]:
    """Give the state probabilities by the bundle of each seed."""
    found = []
    for path in bundles:
        predictor = StatePredictor(path, threads=1, device="cpu", ensemble=ensemble)
        panel = align_panel(cells.symbols, predictor.genes)
        calls = predictor.predict(panel.gather(cells.expression), panel.present, receptors)
        found.append(calls.state_probabilities.astype(np.float64))
    return found


def evaluate_set(
    cells: LabelledSet, chains: CellChains, expression: Sequence[Path], receptors: Sequence[Path]
) -> dict[str, Any]:
    """Give macro-F1 of all rows on a held-out set, and what each gains over expression alone."""
    truth = cells.state.astype(str).astype(object)
    three = np.isin(truth, THREE)
    weights = draw_weights(int(three.sum()), seed=SEED)
    result: dict[str, Any] = {
        "cells": {str(k): int(v) for k, v in zip(*np.unique(truth, return_counts=True), strict=True)},
        "with_chains": dict(zip(("alpha", "beta"), chains.is_there.sum(axis=0).tolist(), strict=True)),
        "seeds": len(receptors),
    }
    for graph in ("distilled", "members"):
        ensemble = graph == "members"
        if ensemble and not all((path / ENSEMBLE_FILE).exists() for path in (*expression, *receptors)):
            continue
        found = {EXPRESSION: judge(cells, expression, None, ensemble=ensemble)}
        for row, block in show_rows(cells, chains, SEED).items():
            found[row] = judge(cells, receptors, block, ensemble=ensemble)
        for key in ("macro_f1", "macro_f1_closed"):
            scores = {}
            for row, seeds in found.items():
                called = [
                    closed_calls(p) if key.endswith("closed") else NAMES[p.argmax(axis=1)] for p in seeds
                ]
                scores[row] = [weighted_macro_f1(truth[three], c[three], weights) for c in called]
            mean = {row: np.mean(of_row, axis=0) for row, of_row in scores.items()}
            result.setdefault(graph, {})[key] = {
                row: {
                    "value": as_interval(mean[row]),
                    "gain": as_interval(mean[row] - mean[EXPRESSION]),
                    "by_seed": [round(float(values[0]), 4) for values in of_row],
                }
                for row, of_row in scores.items()
            }
    return result


def read_clone_figures(bundles: Sequence[Path]) -> dict[str, list[float]]:
    """Give macro-F1 by cohort and seed, of members that had not seen the clones they judge."""
    found: dict[str, list[float]] = {}
    for path in bundles:
        for row in json.loads((path / "bundle.json").read_text(encoding="utf-8"))["metrics"]:
            if row["cells"] >= LEAST_CELLS:
                found.setdefault(row["cohort"], []).append(row["macro_f1"])
    return {cohort: scores for cohort, scores in found.items() if len(scores) == len(bundles)}


def compare_clones(expression: Sequence[Path], receptors: Sequence[Path]) -> dict[str, Any]:
    """Compare cohort by cohort; seeds deal the folds out anew, alike on both sides."""
    one, other = read_clone_figures(expression), read_clone_figures(receptors)
    return {
        cohort: {
            "expression": one[cohort],
            "receptors": other[cohort],
            "gain": [round(b - a, 4) for a, b in zip(one[cohort], other[cohort], strict=True)],
        }
        for cohort in one
        if cohort in other
    }


def evaluate(data: Path, expression: Path, receptors: Path, encoder: str) -> dict[str, Any]:
    """Give all figures; runs that are not there are left out."""
    result: dict[str, Any] = {"held_out": {}}
    for name in WITH_RECEPTORS:
        bundles = find_bundles(expression, receptors, name)
        if all(bundles):
            cells = read_set(data, find_set(name))
            cells = cells.rows(np.array([state is not None for state in cells.state]))
            chains = read_chains(data, cells, encoder)
            result["held_out"][name] = evaluate_set(cells, chains, *bundles)
    of_clones = find_bundles(expression, receptors, CLONE_RUN)
    result["clones"] = compare_clones(*of_clones) if all(of_clones) else {}
    return result


def render(result: dict[str, Any]) -> str:
    """Write the figures as Markdown tables."""
    lines = []
    for graph, title in (("distilled", "one network"), ("members", "all members (--ensemble)")):
        columns = {
            f"{name}, {words}": found[graph][key]
            for name, found in result["held_out"].items()
            if graph in found
            for key, words in (("macro_f1", "macro-F1"), ("macro_f1_closed", "of the three"))
        }
        if columns:
            lines += [f"| {title} | " + " | ".join(columns) + " |", "|" + "---|" * (1 + len(columns))]
            rows = next(iter(columns.values()))
            lines += [
                " | ".join([f"| {row}", *(_write(of[row]) for of in columns.values())]) + " |" for row in rows
            ]
            lines.append("")
    lines += ["| clones held out | expression alone | with receptors | gain, by seed |", "|---|---|---|---|"]
    for cohort, found in result["clones"].items():
        mean = [np.mean(found[side]) for side in ("expression", "receptors")]
        gains = ", ".join(f"{gain:+.3f}" for gain in found["gain"])
        lines.append(f"| {cohort} | {mean[0]:.3f} | {mean[1]:.3f} | {gains} |")
    return "\n".join(lines)


def _write(figure: dict[str, Any]) -> str:
    (value, _, _), (gain, low, high) = figure["value"], figure["gain"]
    if gain == low == high == 0:
        return f"{value:.3f}"
    return f"{value:.3f} ({gain:+.3f}: {low:+.3f} to {high:+.3f})"


def main() -> None:
    """Evaluate, write JSON, print Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled data sets")
    parser.add_argument("--expression", type=Path, required=True, help="runs from expression alone")
    parser.add_argument("--receptors", type=Path, required=True, help="the same runs with receptors")
    parser.add_argument("--encoder", default="native", help="what embedded the receptors")
    parser.add_argument("-o", "--output", type=Path, help="JSON file for the figures")
    options = parser.parse_args()
    result = evaluate(options.data, options.expression, options.receptors, options.encoder)
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(render(result))


if __name__ == "__main__":
    main()
