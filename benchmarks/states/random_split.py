"""The split by cell, with sister cells and donors on both sides: only to compare with published figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.states.held_out import average_seeds, measure_probabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.states.peers import Row
    from recipes.datasets.cells import LabelledSet

TEST_SHARE = 0.2


def evaluate_random(
    sets: Mapping[str, LabelledSet],
    rows: Mapping[str, Callable[[Sequence[LabelledSet], int], Row]],
    seeds: Mapping[str, int],
) -> dict[str, Any]:
    """Give the figures of each row on a fifth of the cells of all sets together, mean and sd over seeds."""
    result: dict[str, Any] = {}
    for row, fit in rows.items():
        figures = []
        for seed in range(seeds.get(row, 1)):
            rng = np.random.default_rng(seed)
            tests = {name: rng.random(len(cells)) < TEST_SHARE for name, cells in sets.items()}
            model = fit([cells.rows(~tests[name]) for name, cells in sets.items()], seed)
            truth, found = [], []
            for name, cells in sets.items():
                judged = cells.rows(tests[name])
                truth.append(judged.state.astype(str).astype(object))
                found.append(model.predict(judged))
            figures.append(measure_probabilities(np.concatenate(truth), np.concatenate(found)))
        result[row] = {"seeds": len(figures), "figures": average_seeds(figures)}
    return result
