"""Judge few-shot retrieval: of k receptors known for an epitope, who else sees it.

    python -m benchmarks.receptors.few_shot --data FOLDER --bundle NAME_OR_FOLDER

For each epitope k references are drawn, and every other receptor is scored by minus its distance to the
nearest of them. Receptors in the group of a reference (`recipes.datasets.receptor_groups`) are no queries, so
reference and query are at least two edits apart. Negatives are the receptors of the other epitopes, and
receptors without label of studies that training never sees. AUROC is of one epitope and draw; 1-NN accuracy
asks, with k references of each epitope, whether the nearest has the query's epitope (mean over epitopes).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.receptors.rows import OURS, add_options, make_judges, read_compared
from recipes.datasets.receptors import (
    KINDS,
    SEED,
    Receptors,
    choose_epitopes,
    draw_receptors,
    read_background,
    read_labelled,
)
from tcellflow.evaluation.classification import auroc
from tcellflow.evaluation.intervals import write_tables
from tcellflow.training.receptors.distance import CROWDING_SAMPLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.receptors.rows import Judge

    Values = NDArray[np.float64]

SIZES = (1, 2, 5, 10, 20, 50, 100)
LEAST_FOR_MANY = 200  # receptors of an epitope from which 100 references are drawn
MOST_PER_EPITOPE = 400
UNLABELLED = 2_000
DRAWS = 20


@dataclass(frozen=True)
class Trial:
    """The references of one epitope.

    Parameters
    ----------
    pool
        (P,) its receptors.
    draws
        (D, k) places in the pool; smaller numbers of references are the first of each row.
    sizes
        Numbers of references that it has enough receptors for.
    is_near
        (D, sizes, N) whether a receptor is in the group of a reference.
    """

    pool: NDArray[np.int64]
    draws: NDArray[np.int64]
    sizes: tuple[int, ...]
    is_near: NDArray[np.bool_]


def draw_trials(receptors: Receptors, epitopes: Sequence[str], draws: int) -> list[Trial]:
    """Draw the references of each epitope, the same for every row of the tables."""
    trials = []
    for number, epitope in enumerate(epitopes):
        random = np.random.default_rng([SEED, number])
        pool = np.flatnonzero(receptors.epitope == epitope)
        sizes = tuple(
            size
            for size in SIZES
            if 2 * size <= len(pool) and (size < SIZES[-1] or len(pool) >= LEAST_FOR_MANY)
        )
        places = np.stack([random.permutation(len(pool))[: sizes[-1]] for _ in range(draws)])
        near = np.zeros((draws, len(sizes), len(receptors)), bool)
        for draw in range(draws):
            groups = receptors.group[pool[places[draw]]]
            for k, size in enumerate(sizes):
                near[draw, k] = np.isin(receptors.group, groups[:size])
        trials.append(Trial(pool, places, sizes, near))
    return trials


def judge_trials(
    receptors: Receptors, epitopes: Sequence[str], trials: Sequence[Trial], judge: Judge
) -> tuple[Values, Values]:
    """Give the (E, D, K) AUROC and 1-NN accuracy of one row; not a number where it does not apply."""
    draws = len(trials[0].draws)
    areas = np.full((len(epitopes), draws, len(SIZES)), np.nan)
    shape = (draws, len(SIZES), len(receptors))
    best, tied, is_right = (
        np.full(shape, -np.inf, np.float32),
        np.zeros(shape, np.int16),
        np.zeros(shape, bool),
    )
    is_reference_near = np.zeros(shape, bool)
    for number, (epitope, trial) in enumerate(zip(epitopes, trials, strict=True)):
        truth = receptors.epitope == epitope
        scores = judge.score(trial.pool, trial.draws, trial.sizes)
        scores[np.isnan(scores)] = -np.inf
        last = len(trial.sizes)
        for draw in range(draws):
            for k in range(last):
                areas[number, draw, k] = measure_auroc(scores[draw, k], truth, ~trial.is_near[draw, k])
        is_reference_near[:, :last] |= trial.is_near
        is_better, is_equal = scores > best[:, :last], scores == best[:, :last]
        tied[:, :last] = np.where(is_better, 1, tied[:, :last] + is_equal)
        is_right[:, :last] = np.where(is_better, truth, is_right[:, :last] | (is_equal & truth))
        np.maximum(best[:, :last], scores, out=best[:, :last])
    accuracy = np.full_like(areas, np.nan)
    credit = np.where(is_reference_near | np.isinf(best), np.nan, is_right / np.maximum(tied, 1))
    for number, (epitope, trial) in enumerate(zip(epitopes, trials, strict=True)):
        mine = credit[:, : len(trial.sizes), receptors.epitope == epitope]
        count = (~np.isnan(mine)).sum(2)
        accuracy[number, :, : len(trial.sizes)] = np.where(
            count, np.nansum(mine, 2) / np.maximum(count, 1), np.nan
        )
    return areas, accuracy


def measure_auroc(
    scores: NDArray[np.float32], truth: NDArray[np.bool_], is_query: NDArray[np.bool_]
) -> float:
    """Give the AUROC of the queries; not a number without a positive, or where nothing can be scored."""
    if not (truth & is_query).any() or np.isinf(scores).all():
        return float("nan")
    return auroc(scores[~truth & is_query], scores[truth & is_query])


def judge_kind(options: argparse.Namespace, kind: str) -> Mapping[str, tuple[Values, Values]]:
    """Judge every row for one kind of receptors."""
    table = read_labelled(options.data, kind, unknown_genes=options.unknown_genes)
    epitopes = choose_epitopes(table, options.epitopes)
    receptors = draw_receptors(options.data, kind, table, epitopes, MOST_PER_EPITOPE, UNLABELLED)
    trials = draw_trials(receptors, epitopes, options.draws)
    print(f"\n### {kind}: {len(epitopes)} epitopes, {len(receptors):,} receptors\n", flush=True)
    background = {locus: read_background(options.data, locus, CROWDING_SAMPLE) for locus in receptors.arms}
    compared = read_compared(options, has_peers=not options.no_peers)
    judges = make_judges(receptors.arms, background, compared)
    return {name: judge_trials(receptors, epitopes, trials, judge) for name, judge in judges.items()}


def main() -> None:
    """Print the tables, and write the figures if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--epitopes", choices=("development", "report", "all"), default="report")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--unknown-genes", action="store_true", help="with receptors that lack V or J")
    parser.add_argument("--no-peers", action="store_true", help="our encoder alone")
    options = parser.parse_args()
    figures = {}
    for kind in options.kinds:
        judged = judge_kind(options, kind)
        for number, measure in enumerate(("AUROC", "1-NN accuracy")):
            results = {name: both[number] for name, both in judged.items()}
            text, figures[f"{kind} {measure}"] = write_tables(f"{measure}, k =", results, SIZES, OURS)
            print(text, flush=True)
    if options.output:
        options.output.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
