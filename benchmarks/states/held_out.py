"""Whole data sets held out: every row learns from the others and is judged on the one it never saw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.states.peers import NAMES
from recipes.datasets.cells import read_set
from recipes.datasets.labels import SETS, find_kin
from tcellflow.evaluation.classification import (
    balanced_accuracy,
    calibration_error,
    macro_f1,
    risk_area,
    weighted_macro_f1,
)
from tcellflow.evaluation.intervals import as_interval, draw_weights
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.states.peers import Probabilities, Row
    from recipes.datasets.cells import LabelledSet

THREE = (str(State.NAIVE), str(State.MEMORY), str(State.TREG))
SEED = 20250101
# 397 targeted genes cannot be compared with transcriptomes, and its truth has no Treg: it trains, and
# is judged by the rows that do not refuse it.
JUDGED = tuple(s.name for s in SETS if s.name != "bd_rhapsody_pbmc_targeted")


def read_sets(data: Path) -> dict[str, LabelledSet]:
    """Read the cells with a true state, normalised by true or estimated library sizes."""
    sets = {}
    for description in SETS:
        cells = read_set(data, description, estimated_library=True)
        sets[description.name] = cells.rows(np.array([state is not None for state in cells.state]))
    return sets


def training_sets(sets: Mapping[str, LabelledSet], held_out: str) -> list[LabelledSet]:
    """Give the sets that may teach when one is held out: none of its donors."""
    return [cells for name, cells in sets.items() if name not in find_kin(held_out)]


@dataclass
class Predictions:
    """State probabilities by row, held-out set and seed; kept in a folder, where one is given.

    Parameters
    ----------
    folder
        Cache; None keeps nothing.
    """

    folder: Path | None

    def of(self, row: str, test: LabelledSet, seed: int, fit: Callable[[], Row]) -> Probabilities | None:
        """Give the row's probabilities for the test set; fits it only where nothing is kept."""
        name = f"{row}.{test.description.name}.{seed}.npy".replace(" ", "_").replace("/", "_")
        path = None if self.folder is None else self.folder / name
        if path is not None and path.exists():
            return np.load(path)
        found = fit().predict(test)
        if path is not None and found is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, found)
        return found


def closed_calls(probabilities: Probabilities) -> NDArray[np.object_]:
    """Give the most probable of Naive, Memory and Treg."""
    allowed = np.isin(NAMES, THREE)
    return NAMES[np.where(allowed, probabilities, -1).argmax(axis=1)]


def measure_probabilities(truth: NDArray[np.object_], probabilities: Probabilities) -> dict[str, float]:
    """Give the figures of one row on one set, of one seed."""
    called, confidence = NAMES[probabilities.argmax(axis=1)], probabilities.max(axis=1)
    is_right = np.asarray(truth == called, dtype=bool)
    three = np.isin(truth, THREE)
    return {
        "macro_f1": macro_f1(truth[three], called[three]),
        "macro_f1_closed": macro_f1(truth[three], closed_calls(probabilities)[three]),
        "macro_f1_all": macro_f1(truth, called),
        "balanced_accuracy": balanced_accuracy(truth, called),
        "ece": calibration_error(confidence, is_right),
        "aurc": risk_area(confidence, is_right),
    }


def average_seeds(figures: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    """Give mean and standard deviation over seeds, [mean, sd]."""
    return {
        key: [
            round(float(np.mean([f[key] for f in figures])), 4),
            round(float(np.std([f[key] for f in figures])), 4),
        ]
        for key in figures[0]
    }


def compare(
    truth: NDArray[np.object_], rows: Mapping[str, list[Probabilities]], ours: str
) -> dict[str, dict[str, Any]]:
    """Give each row's macro-F1 over the three states, and ours less theirs, with paired intervals.

    All rows share the resampled cells; several seeds of a row are averaged inside each resampling.
    """
    three = np.isin(truth, THREE)
    weights = draw_weights(int(three.sum()), seed=SEED)
    scores: dict[str, dict[str, NDArray[np.float64]]] = {}
    for row, seeds in rows.items():
        called = {
            "macro_f1": [NAMES[p.argmax(axis=1)] for p in seeds],
            "macro_f1_closed": [closed_calls(p) for p in seeds],
        }
        scores[row] = {
            key: np.mean([weighted_macro_f1(truth[three], c[three], weights) for c in calls], axis=0)
            for key, calls in called.items()
        }
    return {
        row: {
            key: {
                "value": as_interval(values),
                "ours_less_this": None
                if ours not in scores or row == ours
                else as_interval(scores[ours][key] - values),
            }
            for key, values in found.items()
        }
        for row, found in scores.items()
    }


def evaluate_held_out(
    sets: Mapping[str, LabelledSet],
    rows: Mapping[str, Callable[[Sequence[LabelledSet], int], Row]],
    bundles: Mapping[str, Callable[[str], Sequence[Row]]],
    *,
    seeds: Mapping[str, int],
    cache: Path | None,
    judged: Sequence[str] = JUDGED,
    ours: str = "ours",
) -> dict[str, Any]:
    """Give the figures of all rows on each held-out set.

    Parameters
    ----------
    sets
        Labelled cells by name.
    rows
        Rows that are fitted here, by name.
    bundles
        Rows that were trained elsewhere: name to the bundles (one per seed) that never saw a set.
    seeds
        Seeds of each fitted row; 1 where nothing is random.
    cache
        Folder of kept predictions of fitted rows.
    judged
        The sets held out in turn.
    ours
        Row that the others are compared with.
    """
    kept = Predictions(cache)
    result: dict[str, Any] = {}
    for name in judged:
        test, taught = sets[name], training_sets(sets, name)
        truth = test.state.astype(str).astype(object)
        found: dict[str, list[Probabilities]] = {}
        for row, fit in rows.items():
            of_row = [
                kept.of(row, test, seed, partial(fit, taught, seed)) for seed in range(seeds.get(row, 1))
            ]
            found[row] = [p for p in of_row if p is not None]
        for row, find_bundles in bundles.items():
            found[row] = [p for b in find_bundles(name) if (p := b.predict(test)) is not None]
        found = {row: p for row, p in found.items() if p}
        compared = compare(truth, found, ours)
        result[name] = {
            "cells": {str(k): int(v) for k, v in zip(*np.unique(truth, return_counts=True), strict=True)},
            "kind_of_truth": test.description.kind,
            "rows": {
                row: {
                    "seeds": len(seeds_of_row),
                    "figures": average_seeds([measure_probabilities(truth, p) for p in seeds_of_row]),
                    "compared": compared[row],
                }
                for row, seeds_of_row in found.items()
            },
        }
    return result
