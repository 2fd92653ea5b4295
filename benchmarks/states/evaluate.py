"""Judge a states bundle on whole data sets that were held out, beside its peers.

    python -m benchmarks.states.evaluate --data FOLDER --bundle states --left-out RUNS -o result.json
    python -m benchmarks.states.evaluate --data FOLDER --bundle CANDIDATE --unseen zheng_facs_mudan --quick

A bundle may only be judged on sets that it never saw. `--left-out` names a folder with one bundle for each
set left out: ``RUNS/NAME/bundle``, trained as the bundle was but with ``--hold-out NAME``; several seeds lie
in ``RUNS/NAME/SEED/bundle``. `--unseen` names sets that the bundle itself has not seen. On all other sets
its figures are left out, not printed with a warning. `--quick` leaves out trees, networks and curves.

Every figure is seeded; intervals are 95 % bootstrap intervals over cells, paired where rows are compared.
Each set comes from one or few donors, so they do not cover the variation between donors.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness.machine import describe_machine
from benchmarks.states.curves import evaluate_curves
from benchmarks.states.held_out import JUDGED, SEED, evaluate_held_out, read_sets
from benchmarks.states.out_of_distribution import evaluate_ood
from benchmarks.states.peers import PEERS, BundleRow
from benchmarks.states.random_split import evaluate_random
from benchmarks.states.tables import render
from recipes.datasets.cells import read_all
from recipes.datasets.labels import find_set
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.io.bundles.description import ENSEMBLE_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.states.peers import Row

QUICK = ("majority", "logistic regression")
# Rows that depend on a seed, and most seeds for each: trees take 20 CPU seconds a set.
RANDOM = {"gradient boosting": 1, "MLP": 5}
CURVES = ("logistic regression",)
OURS, OURS_TOGETHER = "ours, expression only", "ours, all members (--ensemble)"
TEACHER = "teacher (states-linear)"


def open_bundle(bundle: str | Path, *, ensemble: bool = False) -> BundleRow:
    """Open a bundle on one thread."""
    return BundleRow(StatePredictor(bundle, threads=1, device="cpu", ensemble=ensemble))


def find_bundles(
    folder: Path | None, unseen: dict[str, BundleRow], *, ensemble: bool = False
) -> Callable[[str], Sequence[BundleRow]]:
    """Give a function from a held-out set to the bundles that never saw it, or their ensembles."""

    def find(name: str) -> Sequence[BundleRow]:
        if name in unseen:
            return [unseen[name]]
        if folder is None:
            return []
        found = sorted(p.parent for p in (folder / name).glob("**/bundle.json"))
        if ensemble:
            found = [path for path in found if (path / ENSEMBLE_FILE).exists()]
        return [open_bundle(path, ensemble=ensemble) for path in found]

    return find


def evaluate(options: argparse.Namespace) -> dict[str, Any]:
    """Give all figures."""
    sets = read_sets(options.data)
    teacher = open_bundle("states-linear")
    unseen = {name: open_bundle(options.bundle) for name in options.unseen}
    ours = find_bundles(options.left_out, unseen)
    bundles: dict[str, Callable[[str], Sequence[Row]]] = {TEACHER: lambda _: [teacher], OURS: ours}
    if options.left_out:
        bundles[OURS_TOGETHER] = find_bundles(options.left_out, {}, ensemble=True)
    if options.celltypist:
        from benchmarks.states.celltypist_row import open_celltypist  # noqa: PLC0415 (slow to import)

        celltypist = open_celltypist(options.celltypist)
        bundles["CellTypist"] = lambda _: [celltypist]
    if options.seed_architecture:
        bundles["seed architecture"] = find_bundles(options.seed_architecture, {})
    rows = {row: fit for row, fit in PEERS.items() if not options.quick or row in QUICK}
    judged = options.sets
    result: dict[str, Any] = {
        "machine": describe_machine(("tcellflow", "onnxruntime", "scikit-learn", "numpy", "scipy")),
        "bundle": str(options.bundle),
        "held_out": evaluate_held_out(
            sets,
            rows,
            bundles,
            seeds={row: min(most, options.seeds) for row, most in RANDOM.items()},
            cache=options.cache,
            judged=judged,
            ours=OURS,
        ),
        "out_of_distribution": {
            name: evaluate_ood(models[0].predictor, read_all(options.data, find_set(name)), seed=SEED)
            for name in judged
            if (models := ours(name))
        },
    }
    if not options.quick:
        every = {row: min(RANDOM.get(row, 5), options.seeds) for row in rows}  # the split is drawn anew
        result["random_split"] = evaluate_random(sets, rows, every)
        result["curves"] = evaluate_curves(
            sets, {row: PEERS[row] for row in CURVES}, bundles, judged, seed=SEED
        )
    return result


def main() -> None:
    """Evaluate, write JSON, print Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled data sets")
    parser.add_argument("--bundle", default="states", help="name or folder of a states bundle")
    parser.add_argument("--left-out", type=Path, help="folder of bundles that never saw one set")
    parser.add_argument("--unseen", nargs="*", default=[], choices=JUDGED, help="sets the bundle never saw")
    parser.add_argument("--seed-architecture", type=Path, help="the same as --left-out, of the seed network")
    parser.add_argument("--celltypist", help="a model file of CellTypist")
    parser.add_argument("--sets", nargs="+", default=JUDGED, choices=JUDGED, help="sets to judge on")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of rows that depend on one")
    parser.add_argument("--cache", type=Path, help="folder that keeps the predictions of the peers")
    parser.add_argument("--quick", action="store_true", help="no trees, networks and curves")
    parser.add_argument("-o", "--output", type=Path, help="JSON file for the figures")
    options = parser.parse_args()
    result = evaluate(options)
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(render(result))


if __name__ == "__main__":
    logging.disable()  # here and not in main(): it holds for the whole process
    main()
