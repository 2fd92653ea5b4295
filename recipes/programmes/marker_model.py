"""Fit the plain linear model on labelled cells, at many depths and with genes taken away.

    python -m recipes.programmes.marker_model --data FOLDER [-o FILE]

writes the packaged model; the table of programmes is built first (`recipes.programmes.build`).
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from recipes.programmes.build import OUTPUT, read_all_sources
from recipes.programmes.lessons import choose_teachers, make_lessons
from tcellflow.states.axes import STATES
from tcellflow.states.marker_model import INTERCEPT, MODEL_TABLE, MarkerModel
from tcellflow.states.programmes import read_programmes
from tcellflow.vocabulary import PROGRAMME_PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recipes.programmes.lessons import Lessons

PENALTY = 0.0005
LEAST_OF_SET = 15
INDICATOR = 3.0  # large, so that the penalty hardly holds what is the set's own


def fit_marker_model(lessons: Lessons) -> MarkerModel:
    """Fit the model."""
    features, truth = lessons.features, lessons.truth
    scale = np.maximum(features.std(axis=0), 0.05).astype(np.float64)
    # What a set has more of than others is the set's own: it is learnt beside the genes and left out
    # afterwards. Exhausted cells of one chemistry alone would else be told by that chemistry.
    own = INDICATOR * np.eye(len(lessons.n_labels), dtype=np.float32)[lessons.origin]
    model = LogisticRegression(C=PENALTY, max_iter=300).fit(
        np.hstack([features / scale, own]), truth, sample_weight=lessons.weights
    )
    names = [str(s) for s in STATES if str(s) in set(model.classes_)]
    order = [list(model.classes_).index(name) for name in names]
    coefficients, intercept = model.coef_[order].T, model.intercept_[order].copy()
    for k, name in enumerate(names):
        n_cells = lessons.n_labels[:, STATES.index(name)]
        taught = np.flatnonzero(n_cells >= min(LEAST_OF_SET, n_cells.max()))
        intercept[k] += INDICATOR * float(np.mean(coefficients[features.shape[1] + taught, k]))
    return MarkerModel(
        tuple(names),
        lessons.genes,
        lessons.background,
        scale,
        coefficients[: features.shape[1]].copy(),
        intercept,
    )


def write_marker_model(model: MarkerModel, names: Sequence[str], path: Path) -> None:
    """Write a model as a table."""
    features = [*model.genes, *(PROGRAMME_PREFIX + name for name in names), INTERCEPT]
    background = [*(f"{b:.3g}" for b in model.background), *[""] * (len(names) + 1)]
    scale = [*(f"{s:.4g}" for s in model.scale), ""]
    rows: list[dict[str, Any]] = [
        {"feature": feature, "background": of, "scale": spread}
        | {state: f"{value:.4g}" for state, value in zip(model.states, values, strict=True)}
        for feature, of, spread, values in zip(
            features, background, scale, [*model.coefficients, model.intercept], strict=True
        )
    ]
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Fit on all sets and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT / MODEL_TABLE)
    options = parser.parse_args()
    table = read_programmes()
    lessons = make_lessons(choose_teachers(read_all_sources(options.data).sets), table)
    model = fit_marker_model(lessons)
    write_marker_model(model, table.names, options.output)


if __name__ == "__main__":
    main()
