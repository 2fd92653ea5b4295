"""Judge trust on sets that it never saw: what is reported at a target risk, and what prediction sets hold.

Invariant: curve, threshold and levels by which a set is judged were made of the other sets alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from recipes.programmes.left_out import family
from recipes.programmes.trust import COVERAGES, build_trust, list_families
from tcellflow.errors import OptionsError
from tcellflow.evaluation.classification import risk_area
from tcellflow.states.axes import STATES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recipes.programmes.left_out import LeftOutCalls
    from tcellflow.states.trust import Trust

TARGET_RISKS = (0.05, 0.1, 0.15, 0.2)


def judge_sets(calls: Sequence[LeftOutCalls]) -> dict[str, dict[str, Any]]:
    """Give the figures of each view, mean over its seeds, by a trust built of the other sets."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in list_families(calls):
        trust = build_trust([c for c in calls if c.family != name])
        for c in calls:
            if c.family == name:
                found.setdefault(c.view, []).append(judge_view(trust, c))
    return {view: average(of) for view, of in found.items()}


def average(figures: Sequence[Any]) -> Any:
    """Average figures of the same shape, dictionaries entry by entry; null where none has a value."""
    if isinstance(figures[0], dict):
        return {key: average([f[key] for f in figures]) for key in figures[0]}
    known = [f for f in figures if f is not None]
    return round(float(np.mean(known)), 4) if known else None


def judge_view(trust: Trust, c: LeftOutCalls) -> dict[str, Any]:
    """Give what a target risk and a coverage come to on one view.

    ``wrong`` is of the reported calls that are no other word, ``wrong_raw`` of all reported calls; null where
    none is reported or the target is not reached. ``held`` is the share of cells whose prediction set holds
    the true state, ``size`` the mean number of states in it.
    """
    value = trust.of(c.states, c.support, c.discord)
    risks: dict[str, Any] = {}
    for target in TARGET_RISKS:
        try:
            threshold = trust.threshold(target)
        except OptionsError:
            risks[f"{target:g}"] = {"threshold": None, "coverage": 0.0, "wrong": None, "wrong_raw": None}
            continue
        reported = value >= threshold
        risks[f"{target:g}"] = {
            "threshold": threshold,
            "coverage": float(reported.mean()),
            "wrong": _wrong(c, reported & ~c.is_word),
            "wrong_raw": _wrong(c, reported),
        }
    truth = np.array([STATES.index(state) for state in c.truth])
    rows = np.arange(len(truth))
    sets: dict[str, Any] = {}
    for coverage in COVERAGES:
        inside = c.states >= trust.least_probability(coverage, c.discord.sample)
        inside[rows, c.states.argmax(axis=1)] = True
        held = inside[rows, truth][~c.is_word]
        sets[f"{coverage:g}"] = {"held": float(held.mean()), "size": float(inside.sum(axis=1).mean())}
    same = ~c.is_word
    return {
        "cells": int(c.truth.size),
        "shift": c.discord.sample,
        "other_words": float(c.is_word.mean()),
        "wrong": _wrong(c, same),
        "aurc": risk_area(value[same], c.is_right[same]),
        "risks": risks,
        "sets": sets,
    }


def _wrong(c: LeftOutCalls, rows: Any) -> float | None:
    return float(1 - c.is_right[rows].mean()) if rows.any() else None


def list_worst_first(views: Mapping[str, Mapping[str, Any]], target: float = 0.1) -> list[str]:
    """List the views of unshifted cells, that with the largest share of wrong reported calls first."""
    whole = [view for view in views if view == family(view) or view.endswith(" genes")]
    whole = [view for view in whole if not view.endswith("half of the genes")]
    return sorted(whole, key=lambda view: -(views[view]["risks"][f"{target:g}"]["wrong"] or 0.0))
