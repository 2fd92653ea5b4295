"""Judge receptors of the IMMREP22 training files: 16 epitopes, pairs, five folds of grouped receptors.

    python -m benchmarks.receptors.immrep --data FOLDER --bundle NAME_OR_FOLDER

Folds keep the groups of near receptors (`recipes.datasets.receptor_groups`) whole. A receptor of the fold
that is left out is scored by minus its distance to the nearest positive of the other folds. Negatives are of
two kinds that are told apart: positives of other epitopes, and controls of other cohorts, which batch effects
may give away. Logistic regressions also learn from the negatives of the other folds, of either kind.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from benchmarks.receptors.few_shot import measure_auroc
from benchmarks.receptors.rows import (
    LOGISTIC,
    OURS,
    OURS_LOGISTIC,
    LogisticJudge,
    add_options,
    embed_bundle,
    embed_kmers,
    make_judges,
    read_compared,
)
from recipes.datasets.receptors import FIELDS, KINDS, PLAIN, SEED, join_receptors, read_background
from tcellflow.evaluation.intervals import write_tables
from tcellflow.training.receptors.distance import CROWDING_SAMPLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from recipes.datasets.receptors import Receptors

    Values = NDArray[np.float64]
    Score = Callable[[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]], NDArray[np.float32]]

FOLDS = 5
NEGATIVES = ("other epitopes", "controls")


def read_immrep(folder: Path) -> pd.DataFrame:
    """Read the rows; ``kind`` tells positives, positives of other epitopes and controls apart."""
    table = pd.read_parquet(folder / "tcr_corpus/immrep22_train.parquet").drop_duplicates()
    for arm in KINDS["pairs"]:
        table = table[table[f"junction_aa_{arm}"].fillna("").str.fullmatch(PLAIN)]
    key = [f"{field}_{arm}" for arm in KINDS["pairs"] for field in FIELDS]
    is_positive_somewhere = table.groupby(key, dropna=False)["y"].transform("max") == 1
    kind = np.where(is_positive_somewhere, NEGATIVES[0], NEGATIVES[1])
    return table.assign(kind=np.where(table["y"] == 1, "", kind)).reset_index(drop=True)


def divide_folds(receptors: Receptors) -> NDArray[np.int64]:
    """Give each group of receptors a fold."""
    groups, number = np.unique(receptors.group, return_inverse=True)
    return np.random.default_rng(SEED).permutation(len(groups))[number] % FOLDS


def score_nearest(judge_score: Callable[..., NDArray[np.float32]]) -> Score:
    """Score by the nearest positive that is known."""

    def score(
        rows: NDArray[np.int64], is_known: NDArray[np.bool_], truth: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        known = rows[is_known & truth]
        return judge_score(known, np.arange(len(known))[None], (len(known),))[0, 0][rows]

    return score


def score_logistic(vectors: NDArray[np.float32]) -> Score:
    """Score by a logistic regression on vectors."""

    def score(
        rows: NDArray[np.int64], is_known: NDArray[np.bool_], truth: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        mine = vectors[rows]
        model = LogisticRegression(class_weight="balanced", max_iter=500).fit(mine[is_known], truth[is_known])
        return model.decision_function(mine).astype(np.float32)

    return score


def judge_rows(table: pd.DataFrame, folds: NDArray[np.int64], scores: dict[str, Score]) -> dict[str, Values]:
    """Give (epitopes, folds, 4) figures of each row: AUROC and AUPRC against either kind of negatives."""
    epitopes = sorted(table["epitope"].unique())
    figures = {name: np.full((len(epitopes), FOLDS, 4), np.nan) for name in scores}
    for number, epitope in enumerate(epitopes):
        rows = np.flatnonzero(table["epitope"] == epitope)
        truth, kinds = table["y"].to_numpy()[rows] == 1, table["kind"].to_numpy()[rows]
        for fold in range(FOLDS):
            is_tested = folds[rows] == fold
            for name, score in scores.items():
                scored = score(rows, ~is_tested, truth)
                for k, kind in enumerate(NEGATIVES):
                    is_query = is_tested & (truth | (kinds == kind))
                    if truth[is_query].any() and not truth[is_query].all():
                        figures[name][number, fold, 2 * k : 2 * k + 2] = (
                            measure_auroc(scored, truth, is_query),
                            average_precision_score(truth[is_query], scored[is_query]),
                        )
    return figures


def main() -> None:
    """Print the tables, and write the figures if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    options = parser.parse_args()
    table = read_immrep(options.data)
    receptors = join_receptors(table, "pairs")
    compared = read_compared(options)
    background = {locus: read_background(options.data, locus, CROWDING_SAMPLE) for locus in receptors.arms}
    judges = make_judges(receptors.arms, background, compared)
    scores = {
        name: score_nearest(judge.score)
        for name, judge in judges.items()
        if not isinstance(judge, LogisticJudge)
    }
    scores[LOGISTIC] = score_logistic(embed_kmers(receptors.arms))
    scores[OURS_LOGISTIC] = score_logistic(embed_bundle(compared.bundle, receptors.arms))
    print(table.groupby("kind").size().to_dict())
    figures = judge_rows(table, divide_folds(receptors), scores)
    columns = [f"{measure}, {kind}" for kind in NEGATIVES for measure in ("AUROC", "AUPRC")]
    text, numbers = write_tables("IMMREP22", figures, columns, OURS)
    print(text)
    if options.output:
        options.output.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
