"""Fit trust on left-out folds, and judge it by folds that it was not fitted on."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.states.peers import NAMES
from tcellflow.states.trust import Trust, call_logit
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

PENALTY = 0.03
# Gates call cytotoxic memory cells memory, and say nothing of the cycle or of help: calling such cells
# Effector, Proliferating or Th_effector is no mistake of the parts but another word, and teaches nothing.
GATED = ("citeseq_", "trex_", "zheng_", "pbmc3k")
CYTOTOXIC_AS_MEMORY = ("citeseq_", "trex_")
LEAST_CALLS = 20  # of a state, to measure trust in it; below, it is that in the least trusted state


def family(view: str) -> str:
    """Name the set of a view: its shifts are one set."""
    return view.split(",", maxsplit=1)[0]


def is_other_word(view: str, truth: NDArray[np.object_], called: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Mark calls that differ from the label only by what the word means."""
    effector = (called == State.EFFECTOR) & (truth == State.MEMORY) & view.startswith(CYTOTOXIC_AS_MEMORY)
    helper = (called == State.TH_EFFECTOR) & (truth == State.MEMORY)
    finer = (helper | (called == State.PROLIFERATING)) & view.startswith(GATED)
    return np.asarray(effector | finer, dtype=bool)


def fit_trust(views: Iterable[tuple[str, NDArray[np.object_], NDArray[np.float64]]]) -> Trust:
    """Fit the curve on (view, truth, states) of left-out cells; every set weighs the same.

    One slope for all states, so that more probable calls are always trusted more.
    """
    logits, right, states, weights = [], [], [], []
    listed = list(views)
    n_views: dict[str, int] = {}
    for view, _, _ in listed:
        n_views[family(view)] = n_views.get(family(view), 0) + 1
    for view, truth, p in listed:
        called = p.argmax(axis=1)
        kept = (truth != "") & ~is_other_word(view, truth, NAMES[called])
        logits.append(call_logit(p)[kept])
        right.append((truth == NAMES[called])[kept])
        states.append(np.eye(NAMES.size)[called[kept]])
        weights.append(np.full(kept.sum(), 1 / max(kept.sum(), 1) / n_views[family(view)]))
    x = np.column_stack([np.concatenate(logits), np.concatenate(states)])
    w = np.concatenate(weights)
    model = LogisticRegression(C=PENALTY * 10).fit(
        x, np.concatenate(right), sample_weight=w * len(w) / w.sum()
    )
    coefficients = model.coef_[0]
    offsets = coefficients[1:] + float(model.intercept_[0])
    measured = x[:, 1:].sum(axis=0) >= LEAST_CALLS
    offsets = np.where(measured, offsets, offsets[measured].min(initial=np.inf))
    return Trust(max(float(coefficients[0]), 1e-3), offsets)


def write_trust(trust: Trust, path: Path) -> None:
    """Write the packaged curve."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, delimiter="\t", lineterminator="\n")
        writer.writerow(["state", "slope", "offset"])
        for state, offset in zip(NAMES, trust.offsets, strict=True):
            writer.writerow([state, f"{trust.slope:.4f}", f"{offset:.4f}"])


def risk_by_trust(
    view: str, truth: NDArray[np.object_], states: NDArray[np.float64], trust: Trust, targets: Sequence[float]
) -> dict[str, float | None]:
    """Give coverage and share of wrong calls where calls below 1 - target are not reported.

    The share stands once of all labelled calls, and once without those that are another word.
    """
    labelled = truth != ""
    right = (truth == NAMES[states.argmax(axis=1)])[labelled]
    value = trust.of(states)[labelled]
    figures: dict[str, float | None] = {}
    word = is_other_word(view, truth[labelled], NAMES[states.argmax(axis=1)][labelled])
    for target in targets:
        reported = value >= 1 - target
        figures[f"trust_coverage_{target:g}"] = float(reported.mean())
        figures[f"trust_wrong_{target:g}"] = float(1 - right[reported].mean()) if reported.any() else None
        same = reported & ~word
        figures[f"trust_wrong_word_{target:g}"] = float(1 - right[same].mean()) if same.any() else None
    return figures
