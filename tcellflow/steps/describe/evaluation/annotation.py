"""Figures of annotate: types told in words, beside the class prior, markers alone and what labels teach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.cells.normalise import log_normalise
from tcellflow.evaluation.classification import (
    balanced_accuracy,
    calibration_error,
    coverage_risk_curve,
    macro_f1,
)
from tcellflow.language.calibration import read_calibration, sharpen
from tcellflow.language.few_shots import teach
from tcellflow.language.ontology import read_ontology
from tcellflow.language.panel import read_panel
from tcellflow.language.smoothing import place_cells, smooth
from tcellflow.language.typing import NONE, CellTyper
from tcellflow.steps.describe.evaluation.labelled import SEEDS, make_figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy import sparse

    from tcellflow.provenance import JsonValue
    from tcellflow.steps.describe.evaluation.labelled import LabelledCells

    Calls = NDArray[np.int64]

_NEIGHBOURS: Final = 20
_MOST_RISK: Final = 0.05
_LEAST_CELLS: Final = 20
_SHOTS: Final = (1, 3, 10, 30)
_MEASURES: Final[dict[str, Callable[[NDArray[np.object_], NDArray[np.object_]], float]]] = {
    "accuracy": lambda truth, called: float((truth == called).mean()),
    "macro_f1": macro_f1,
    "balanced_accuracy": balanced_accuracy,
}


def judge_annotation(cells: LabelledCells) -> dict[str, JsonValue]:
    """Measure zero-shot and few-shot annotation; shares are of the labelled cells."""
    typer = CellTyper(cells.genes, cells.candidates)
    raw = typer.score(cells.counts).probabilities
    taken = typer.take(cells.counts)
    averaged = smooth(raw, place_cells(taken), _NEIGHBOURS)
    smoothed = sharpen(averaged, read_calibration().smoothed)
    figures: dict[str, JsonValue] = {}
    controls = _control(cells)
    ceiling = _teach_half(cells, typer, taken)
    for kind, found in (("raw", raw), ("smoothed", smoothed)):
        called = _name(cells, found.argmax(axis=1))
        for name, measure in _MEASURES.items():
            beside = {which: [measure(t, c) for t, c in pairs] for which, pairs in controls.items()}
            top = [measure(t, c) for t, c in ceiling]
            figures[f"{kind}: {name}"] = make_figure(measure(_name(cells, cells.truth), called), beside, top)
        figures |= _judge_probabilities(cells, kind, found)
    figures |= _judge_ontology(cells, smoothed.argmax(axis=1))
    figures |= _learn_few(cells, typer, taken)
    return figures


def _name(cells: LabelledCells, places: Calls) -> NDArray[np.object_]:
    return np.array([*(c.label for c in cells.candidates), NONE], dtype=object)[places]


def _judge_probabilities(cells: LabelledCells, kind: str, found: NDArray[np.float32]) -> dict[str, JsonValue]:
    is_right = found.argmax(axis=1) == cells.truth
    sure = found.max(axis=1).astype(np.float64)
    ranks = (-found[:, :-1]).argsort(axis=1, kind="stable")
    figures: dict[str, JsonValue] = {
        f"{kind}: none of these": make_figure(float((found.argmax(axis=1) == len(cells.candidates)).mean())),
        f"{kind}: calibration error": make_figure(
            calibration_error(sure, is_right),
            {"all cells as sure as the mean": abs(float(is_right.mean()) - float(sure.mean()))},
        ),
    }
    chance = np.bincount(cells.truth, minlength=len(cells.candidates)) / len(cells.truth)
    for k in (3,):
        hits = (ranks[:, :k] == cells.truth[:, None]).any(axis=1).mean()
        figures[f"{kind}: recall at {k}"] = make_figure(
            float(hits), {"most frequent labels": float(np.sort(chance)[::-1][:k].sum())}, 1.0
        )
    curve = coverage_risk_curve(sure, is_right, least_cells=_LEAST_CELLS)
    covered = [point["coverage"] for point in curve if point["risk"] <= _MOST_RISK]
    figures[f"{kind}: coverage at .95 accuracy"] = make_figure(max(covered, default=0.0), None, 1.0)
    return figures


def _control(cells: LabelledCells) -> dict[str, list[tuple[NDArray[np.object_], NDArray[np.object_]]]]:
    """Call cells by the most frequent label, by labels at random, and by markers of the panel alone."""
    truth = _name(cells, cells.truth)
    prior = np.full(len(truth), np.bincount(cells.truth).argmax())
    shuffled = [np.random.default_rng(seed).permutation(cells.truth) for seed in SEEDS]
    return {
        "most frequent label": [(truth, _name(cells, prior))],
        "shuffled labels": [(truth, _name(cells, rows)) for rows in shuffled],
        "markers alone": [(truth, _name(cells, _call_by_markers(cells)))],
    }


def _call_by_markers(cells: LabelledCells) -> Calls:
    """Call each cell by the mean standardised log counts of markers, less those that speak against."""
    place = {gene: i for i, gene in enumerate(cells.genes)}
    panel = {kind.cl_id: kind for kind in read_panel()}
    own = {g for c in cells.candidates for g in (*c.positive, *c.negative)}
    own |= {g for kind in panel.values() for g in (*kind.positive, *kind.negative)}
    used = sorted(own & set(place))
    part = cells.counts.tocsr().copy()
    part.data = log_normalise(cells.counts)
    values = part[:, [place[g] for g in used]].toarray().astype(np.float64)
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 0.1)
    at = {gene: i for i, gene in enumerate(used)}

    def score(positive: tuple[str, ...], negative: tuple[str, ...]) -> NDArray[np.float64]:
        plus = [at[g] for g in positive if g in at]
        minus = [at[g] for g in negative if g in at]
        there = values[:, plus].mean(axis=1) if plus else np.full(len(values), -9.0)
        return np.asarray(there - (values[:, minus].mean(axis=1) if minus else 0))

    scores = []
    for candidate in cells.candidates:
        kinds = [(panel[t].positive, panel[t].negative) for t in sorted(candidate.types)]
        kinds = kinds or [(candidate.positive, candidate.negative)]
        scores.append(np.max([score(*kind) for kind in kinds], axis=0))
    return np.asarray(np.argmax(scores, axis=0))


def _teach_half(
    cells: LabelledCells, typer: CellTyper, taken: sparse.csr_matrix
) -> list[tuple[NDArray[np.object_], NDArray[np.object_]]]:
    """Call half of the cells after learning from the labels of the other half, per seed."""
    measured = np.ones(typer.n_genes, dtype=bool)
    pairs = []
    for seed in SEEDS:
        known, asked = cells.halve(seed)
        taught = teach(typer, taken[known], cells.truth[known], measured)
        called = taught.score(cells.counts[asked]).probabilities.argmax(axis=1)
        pairs.append((_name(cells, cells.truth[asked]), _name(cells, called)))
    return pairs


def _learn_few(cells: LabelledCells, typer: CellTyper, taken: sparse.csr_matrix) -> dict[str, JsonValue]:
    """Measure raw accuracy on the other cells after 1 to 30 labelled cells per type."""
    measured = np.ones(typer.n_genes, dtype=bool)
    figures: dict[str, JsonValue] = {}
    for shots in _SHOTS:
        found: list[float] = []
        before: list[float] = []
        for seed in SEEDS:
            rng = np.random.default_rng(seed)
            rows = [rng.permutation(np.flatnonzero(cells.labels == name))[:shots] for name in cells.names]
            known = np.sort(np.concatenate(rows))
            asked = np.setdiff1d(np.arange(len(cells.labels)), known)
            if not len(asked):
                return figures
            truth = _name(cells, cells.truth[asked])
            for typed, into in (
                (teach(typer, taken[known], cells.truth[known], measured), found),
                (typer, before),
            ):
                called = typed.score(cells.counts[asked]).probabilities.argmax(axis=1)
                into.append(macro_f1(truth, _name(cells, called)))
        figures[f"few-shot, {shots} per type: macro_f1"] = make_figure(found, {"zero-shot": before})
    return figures


def _judge_ontology(cells: LabelledCells, called: Calls) -> dict[str, JsonValue]:
    """Measure how near wrong calls are in the ontology, where both have a term."""
    ontology = read_ontology()
    above = [ontology.above(c.cl_id) if c.cl_id in ontology.terms else None for c in cells.candidates]
    above.append(None)
    known = [above[t] for t in cells.truth]
    own = [above[c] for c in called]
    prior = above[int(np.bincount(cells.truth).argmax())]
    pairs = [(t, c) for t, c in zip(known, own, strict=True) if t is not None]
    if not pairs:
        return {}
    similar = [len(t & c) / len(t | c) if c is not None else 0.0 for t, c in pairs]
    common = sum(len(t & c) for t, c in pairs if c is not None)
    size = sum(len(t) + (len(c) if c is not None else 0) for t, c in pairs)
    by_prior = [len(t & prior) / len(t | prior) if prior is not None else 0.0 for t, _ in pairs]
    return {
        "smoothed: ontology similarity": make_figure(similar, {"most frequent label": by_prior}, 1.0),
        "smoothed: hierarchical F1": make_figure(2 * common / size, None, 1.0),
    }
