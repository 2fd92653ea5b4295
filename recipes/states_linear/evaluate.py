"""Evaluate a states bundle on labelled T cells; prints the tables of docs/states-linear.md.

    python -m recipes.states_linear.evaluate --data FOLDER [--bundle NAME]

Every figure is seeded. Intervals are 95 % bootstrap intervals over cells; each set comes from one or
few donors, so they do not cover the variation between donors.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recipes.datasets.cells import LabelledSet, read_set
from recipes.datasets.labels import CALIBRATION_SET, SETS
from tcellflow.evaluation.classification import balanced_accuracy, calibration_error, macro_f1
from tcellflow.evaluation.intervals import resample_cells
from tcellflow.genes.panel import align_panel
from tcellflow.inference.states.abstention import choose_threshold
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.inference.states.sources import MatrixCells
from tcellflow.io.bundles.folders import find_bundle, read_bundle
from tcellflow.vocabulary import Lineage, State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.inference.states.calls import StateCalls

SEED = 20250101
LEAST_COVERAGE = 0.25  # what `tcellflow predict` refuses


@dataclass(frozen=True)
class Calls:
    """True classes, predicted classes and confidences of the same cells."""

    truth: NDArray[np.object_]
    predicted: NDArray[np.object_]
    confidence: NDArray[np.float64]


def measure(calls: Calls) -> dict[str, list[float]]:
    """Give each figure as [value, low, high]: the interval of 95 % over resampled cells."""
    is_right = np.asarray(calls.truth == calls.predicted, dtype=bool)

    def measure_rows(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        truth, predicted = calls.truth[rows], calls.predicted[rows]
        accuracy, error = is_right[rows].mean(), calibration_error(calls.confidence[rows], is_right[rows])
        return np.array([accuracy, balanced_accuracy(truth, predicted), macro_f1(truth, predicted), error])

    intervals = resample_cells(len(is_right), measure_rows, seed=SEED)
    return dict(zip(("accuracy", "balanced_accuracy", "macro_f1", "ece"), intervals, strict=True))


def predict_set(predictor: StatePredictor, cells: LabelledSet) -> tuple[StateCalls, float]:
    """Predict a labelled set; gives the calls and the panel coverage."""
    panel = align_panel(cells.symbols, predictor.genes, predictor.bundle.panel.weights)
    source = MatrixCells(cells.expression, np.array(cells.symbols, dtype=object))
    return predictor.call_cells(source, panel).calls, panel.coverage


def evaluate_set(predictor: StatePredictor, cells: LabelledSet, threshold: float) -> dict[str, Any]:
    """Give all figures of one labelled set."""
    result: dict[str, Any] = {
        "dataset": cells.description.name,
        "split": "calibration" if cells.description.name == CALIBRATION_SET else "held out (data set)",
        "kind_of_truth": cells.description.kind,
        "caveat": cells.description.caveat,
    }
    calls, coverage = predict_set(predictor, cells)
    result["panel_coverage"] = round(coverage, 4)
    if coverage < LEAST_COVERAGE:
        return {**result, "refused": "panel coverage below 25 %"}
    known = np.array([state is not None for state in cells.state])
    state_calls = Calls(
        np.array([str(s) for s in cells.state[known]], dtype=object),
        calls.predicted_state[known],
        calls.confidence[known].astype(np.float64),
    )
    counts = Counter(state_calls.truth)
    result["n_cells"] = {state: counts[state] for state in map(str, State) if counts[state]}
    result["states"] = measure(state_calls)
    result["recall"] = {
        state: round(float((state_calls.predicted[state_calls.truth == state] == state).mean()), 4)
        for state in result["n_cells"]
    }
    result["majority"] = _majority(state_calls)
    called = state_calls.confidence >= threshold
    wrong = state_calls.truth[called] != state_calls.predicted[called]
    result["called"] = round(float(called.mean()), 4)
    result["risk_of_called"] = round(float(wrong.mean()), 4) if called.any() else None
    result["lineage"] = _lineage(cells, calls)
    return result


def _majority(calls: Calls) -> dict[str, float]:
    top, count = Counter(calls.truth).most_common(1)[0]
    return {
        "accuracy": round(count / len(calls.truth), 4),
        "balanced_accuracy": round(1 / len(set(calls.truth)), 4),
        "macro_f1": round(macro_f1(calls.truth, np.full(len(calls.truth), top, dtype=object)), 4),
    }


def _lineage(cells: LabelledSet, calls: StateCalls) -> dict[str, Any]:
    known = np.array([lineage is not None for lineage in cells.lineage])
    names = np.array([str(lineage) for lineage in Lineage], dtype=object)
    p = calls.p_lineage[known]
    best = Calls(
        np.array([str(value) for value in cells.lineage[known]], dtype=object),
        names[p.argmax(axis=1)],
        p.max(axis=1).astype(np.float64),
    )
    counts = Counter(best.truth)
    return {"n_cells": dict(sorted(counts.items())), **measure(best), "majority": _majority(best)}


def evaluate(predictor: StatePredictor, data: Path) -> list[dict[str, Any]]:
    """Evaluate every set."""
    threshold = choose_threshold(predictor.bundle.states.abstention)
    return [evaluate_set(predictor, read_set(data, description), threshold) for description in SETS]


def _interval(values: list[float]) -> str:
    return f"{values[0]:.2f} ({values[1]:.2f}-{values[2]:.2f})"


def render(metrics: list[dict[str, Any]]) -> str:
    """Write the figures as Markdown tables."""
    header = (
        "| data set | truth | panel | n | macro-F1 | balanced accuracy | accuracy | majority row | ECE "
        "| called | risk |"
    )
    lines = [
        header,
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for m in metrics:
        head = f"| {m['dataset']} | {m['kind_of_truth']} | {m['panel_coverage']:.2f} |"
        if "refused" in m:
            lines.append(f"{head} refused: {m['refused']} | | | | | | | |")
            continue
        s, base = m["states"], m["majority"]
        n = ", ".join(f"{state} {count:,}" for state, count in m["n_cells"].items())
        risk = "-" if m["risk_of_called"] is None else f"{m['risk_of_called']:.2f}"
        lines.append(
            f"{head} {n} | {_interval(s['macro_f1'])} | {_interval(s['balanced_accuracy'])} "
            f"| {_interval(s['accuracy'])} | {base['macro_f1']:.2f} / {base['balanced_accuracy']:.2f} / "
            f"{base['accuracy']:.2f} | {_interval(s['ece'])} | {m['called']:.2f} | {risk} |"
        )
    lines += ["", "| data set | recall of each true state | caveat |", "|---|---|---|"]
    for m in metrics:
        recall = ", ".join(f"{state} {value:.2f}" for state, value in m.get("recall", {}).items()) or "-"
        lines.append(f"| {m['dataset']} | {recall} | {m['caveat']} |")
    lines += [
        "",
        "| data set | lineage cells | macro-F1 | balanced accuracy | majority row |",
        "|---|---|---|---|---|",
    ]
    for m in metrics:
        if "lineage" not in m:
            continue
        found, base = m["lineage"], m["lineage"]["majority"]
        n = ", ".join(f"{lineage} {count:,}" for lineage, count in found["n_cells"].items())
        lines.append(
            f"| {m['dataset']} | {n} | {_interval(found['macro_f1'])} | "
            f"{_interval(found['balanced_accuracy'])} | {base['macro_f1']:.2f} / "
            f"{base['balanced_accuracy']:.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled data sets")
    parser.add_argument("--bundle", default="states-linear", help="name or folder of a states bundle")
    options = parser.parse_args()
    predictor = StatePredictor(read_bundle(find_bundle(options.bundle)), threads=1, device="cpu")
    print(render(evaluate(predictor, options.data)))


if __name__ == "__main__":
    main()
