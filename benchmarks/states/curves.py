"""How the figures fall when genes are lost, or molecules."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from benchmarks.states.held_out import measure_probabilities, training_sets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.states.peers import Row
    from recipes.datasets.cells import LabelledSet

LOST = (0.1, 0.25, 0.5)
DEPTHS = (1 / 2, 1 / 4, 1 / 8)


def lose_genes(cells: LabelledSet, share: float, seed: int) -> LabelledSet:
    """Give the same cells with a share of the measured genes unmeasured; library sizes stay."""
    rng = np.random.default_rng(seed)
    kept = np.flatnonzero(rng.random(len(cells.symbols)) >= share)
    return replace(cells, counts=cells.counts[:, kept], symbols=cells.symbols[kept])


def thin(cells: LabelledSet, share: float, seed: int) -> LabelledSet:
    """Give the same cells at a share of their molecules."""
    rng = np.random.default_rng(seed)
    counts = sparse.csr_array(cells.counts, dtype=np.int64, copy=True)  # zeros are removed in place
    rest = np.maximum(np.round(cells.library).astype(np.int64) - counts.sum(axis=1), 0)
    counts.data = rng.binomial(counts.data, share)
    counts.eliminate_zeros()
    library = counts.sum(axis=1) + rng.binomial(rest, share)
    return replace(cells, counts=counts, library=np.maximum(library, 1).astype(np.float64))


def evaluate_curves(
    sets: Mapping[str, LabelledSet],
    rows: Mapping[str, Callable[[Sequence[LabelledSet], int], Row]],
    bundles: Mapping[str, Callable[[str], Sequence[Row]]],
    judged: Sequence[str],
    *,
    seed: int,
) -> dict[str, Any]:
    """Give macro-F1 over the three states, mean over the held-out sets, for each loss and row."""
    found: dict[str, dict[str, list[float]]] = {}
    for name in judged:
        test = sets[name]
        worse = {"as measured": test}
        worse |= {f"{share:.0%} of the genes lost": lose_genes(test, share, seed) for share in LOST}
        worse |= {f"1/{round(1 / share)} of the molecules": thin(test, share, seed) for share in DEPTHS}
        fitted = {row: fit(training_sets(sets, name), seed) for row, fit in rows.items()}
        fitted |= {row: models[0] for row, find in bundles.items() if (models := find(name))}
        for loss, cells in worse.items():
            truth = cells.state.astype(str).astype(object)
            for row, model in fitted.items():
                p = model.predict(cells)
                value = float("nan") if p is None else measure_probabilities(truth, p)["macro_f1"]
                found.setdefault(loss, {}).setdefault(row, []).append(value)
    return {
        loss: {row: _mean(values, len(judged)) for row, values in rows_of_loss.items()}
        for loss, rows_of_loss in found.items()
    }


def _mean(values: list[float], wanted: int) -> float | None:
    """Give the mean over all sets; None where a row refused one or does not exist for one."""
    return round(float(np.mean(values)), 4) if len(values) == wanted and np.isfinite(values).all() else None
