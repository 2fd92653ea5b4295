"""Build the packaged trust in calls from sets left out.

    python -m recipes.programmes.trust --data FOLDER --left-out RUNS [--cache FOLDER] [-o FOLDER]

`--left-out` names a folder with a network trained without each set (`recipes.states.build --hold-out NAME`).
Writes the logistic curve (``trust.tsv``), what thresholds came to (``trust_risk.tsv``) and levels of
prediction sets (``trust_sets.tsv``). Thresholds and levels are chosen by trust that never saw the set: each
set is judged by a curve of all others.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from recipes.programmes.build import OUTPUT, read_all_sources
from recipes.programmes.folds import list_folds
from recipes.programmes.left_out import LeftOutCalls, call_view, join_views, run_fold
from tcellflow.states.axes import STATES
from tcellflow.states.trust import (
    RISK_TABLE,
    SETS_TABLE,
    TRUST_TABLE,
    TYPICAL_SHIFT,
    RiskPoint,
    SetLevel,
    Trust,
    to_logit,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PENALTY = 0.03
# What a state adds carries badly to sets never seen: it is held near to nothing.
STATE_SCALE, DISCORD_SCALE = 0.3, 3.0
MOST_CELLS = 500  # of a view
THRESHOLDS = np.round(np.arange(0.3, 0.99, 0.01), 2)
LEAST_REPORTED = 0.05  # of a set's cells, to judge a threshold by it
COVERAGES = (0.8, 0.9, 0.95)
# What a shift of the sample of 1 takes from the logarithm of the odds, beside the discord on a state's calls.
# On average it takes nothing more; in the worst set it does. Chosen seeing these sets.
PER_SHIFT = -3.0


def build_trust(calls: Sequence[LeftOutCalls]) -> Trust:
    """Fit the curve on all sets; choose thresholds and levels by curves that leave each out."""
    curves = {name: fit_curve([c for c in calls if c.family != name]) for name in list_families(calls)}
    return replace(fit_curve(calls), risks=measure_risks(calls, curves), levels=measure_levels(calls))


def fit_curve(calls: Sequence[LeftOutCalls]) -> Trust:
    """Fit the curve on calls of left-out cells; every set weighs the same, and its views as one."""
    rows, right, weights = [], [], []
    n_views = {name: sum(c.family == name for c in calls) for name in list_families(calls)}
    for c in calls:
        kept = np.flatnonzero(~c.is_word)
        kept = np.sort(np.random.default_rng(0).permutation(kept)[:MOST_CELLS])
        best = c.states[kept].argmax(axis=1)
        weaker = to_logit(c.support[kept].min(axis=1))
        signs = np.column_stack([weaker, c.discord.by_state[best] * DISCORD_SCALE])
        rows.append(np.hstack([signs, np.eye(len(STATES))[best] * STATE_SCALE]))
        right.append(c.is_right[kept])
        weights.append(np.full(kept.size, 1 / max(kept.size, 1) / n_views[c.family]))
    w = np.concatenate(weights)
    model = LogisticRegression(C=PENALTY, max_iter=500).fit(
        np.concatenate(rows), np.concatenate(right), sample_weight=w * len(w) / w.sum()
    )
    found = model.coef_[0]
    return Trust(
        slope=max(float(found[0]), 0.0),
        per_shift=PER_SHIFT,
        per_discord=min(float(found[1]) * DISCORD_SCALE, 0.0),
        # in a typical sample the shift changes nothing
        offsets=found[2:] * STATE_SCALE + float(model.intercept_[0]) - PER_SHIFT * TYPICAL_SHIFT,
    )


def list_families(calls: Sequence[LeftOutCalls]) -> list[str]:
    """List the sets, in order."""
    return list(dict.fromkeys(c.family for c in calls))


def measure_risks(calls: Sequence[LeftOutCalls], curves: Mapping[str, Trust]) -> tuple[RiskPoint, ...]:
    """Measure what each threshold comes to on each set, by the curve that did not see it.

    A higher threshold cannot raise a set's risk but by chance: what goes against it is levelled. A set of
    which hardly any cell is reported tells nothing of a threshold; one that less than half of the sets tell
    of promises nothing.
    """
    risks, coverage = [], np.zeros(THRESHOLDS.size)
    for name, curve in curves.items():
        own = [c for c in calls if c.family == name]
        trusts = [curve.of(c.states, c.support, c.discord) for c in own]
        reported, wrong = np.zeros(THRESHOLDS.size), np.zeros(THRESHOLDS.size)
        for c, trust in zip(own, trusts, strict=True):
            is_reported = (trust[:, None] >= THRESHOLDS) & ~c.is_word[:, None]
            reported += is_reported.mean(axis=0) / len(own)
            wrong += (is_reported & ~c.is_right[:, None]).mean(axis=0) / len(own)
        level = IsotonicRegression(increasing=False).fit_transform(
            THRESHOLDS, wrong / np.maximum(reported, 1e-9), sample_weight=reported + 1e-9
        )
        coverage += reported / len(curves)
        risks.append(np.where(reported >= LEAST_REPORTED, level, np.nan))
    told = [column[~np.isnan(column)] for column in np.array(risks).T]
    return tuple(
        RiskPoint(float(h), *(round(float(value), 4) for value in (of.mean(), of.max(), share)))
        for h, of, share in zip(THRESHOLDS, told, coverage, strict=True)
        if of.size >= len(curves) / 2
    )


def measure_levels(calls: Sequence[LeftOutCalls]) -> tuple[SetLevel, ...]:
    """Measure the levels of prediction sets: a line over the shift, lowered until all sets are covered.

    Each view gives the probability that its true states reach in `coverage` of its cells; how far the line
    is lowered is told by sets that it was drawn without, in the worst of them.
    """
    levels = []
    families = list_families(calls)
    for coverage in COVERAGES:
        reached = np.array([np.quantile(own_logit(c), 1 - coverage) for c in calls])
        intercept, slope = _draw(calls, reached)
        gaps = []
        for name in families:
            others = np.array([c.family != name for c in calls])
            a, b = _draw([c for c in calls if c.family != name], reached[others])
            shifts = np.array([c.discord.sample for c in calls])
            gaps.append(float((a + b * shifts - reached)[~others].mean()))
        levels.append(SetLevel(coverage, round(intercept - max(gaps), 3), round(slope, 3)))
    return tuple(levels)


def own_logit(c: LeftOutCalls) -> Floats:
    """Give the logarithm of the odds of the true states, where the call is no other word."""
    truth = np.searchsorted(np.array(sorted(STATES)), c.truth.astype(str))
    place = np.array([STATES.index(s) for s in sorted(STATES)])[truth]
    return to_logit(c.states[np.arange(len(place)), place])[~c.is_word]


def _draw(calls: Sequence[LeftOutCalls], reached: Floats) -> tuple[float, float]:
    """Draw the line through the views of all sets, every set alike; it does not rise with the shift."""
    n_views = {name: sum(c.family == name for c in calls) for name in list_families(calls)}
    weight = np.sqrt([1 / n_views[c.family] for c in calls])
    design = np.column_stack([np.ones(len(calls)), [c.discord.sample for c in calls]])
    (a, b), *_ = np.linalg.lstsq(design * weight[:, None], reached * weight, rcond=None)
    if b > 0:
        a, b = np.average(reached, weights=weight**2), 0.0
    return float(a), float(b)


def write_trust(trust: Trust, folder: Path) -> None:
    """Write the three tables."""
    terms = {"weaker": trust.slope, "shift": trust.per_shift, "discord": trust.per_discord}
    terms |= {str(state): of for state, of in zip(STATES, trust.offsets, strict=True)}
    tables: dict[str, list[dict[str, object]]] = {
        TRUST_TABLE: [{"term": term, "value": f"{value:.4f}"} for term, value in terms.items()],
        RISK_TABLE: [asdict(point) for point in trust.risks],
        SETS_TABLE: [asdict(level) for level in trust.levels],
    }
    for name, rows in tables.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, list(rows[0]), delimiter="\t", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def read_calls(data: Path, left_out: Path, cache: Path | None, seeds: int) -> list[LeftOutCalls]:
    """Call all views of all folds by parts that never saw them, once for each seed."""
    sources = read_all_sources(data)
    found: list[LeftOutCalls] = []
    for seed in range(seeds):
        folds = {fold.name: run_fold(sources, fold, seed, left_out, cache) for fold in list_folds()}
        for view, of in join_views(folds).items():
            calls = call_view(view, [parts for _, parts in of])
            if calls is None:
                raise SystemExit(f"no network was trained without {view}")
            found.append(calls)
    return found


def main() -> None:
    """Fit on all sets and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--left-out", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--seeds", type=int, default=3, help="of the linear models")
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    trust = build_trust(read_calls(options.data, options.left_out, options.cache, options.seeds))
    write_trust(trust, options.output)


if __name__ == "__main__":
    main()
