"""Fit the plain linear model on labelled cells, at many depths and with genes taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from recipes.datasets.features import RECEPTOR_GENE
from recipes.programmes.build import thin
from recipes.programmes.estimate import FLOOR
from recipes.states.silver import find_cycling
from tcellflow.genes.panel import align_panel
from tcellflow.states.axes import STATES
from tcellflow.states.marker_model import MarkerFeatures, MarkerModel
from tcellflow.states.programmes import ProgrammeScorer, ProgrammeTable
from tcellflow.vocabulary import Cycle, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from recipes.datasets.cells import LabelledSet

DEPTHS = (1.0, 0.5, 0.25, 0.125)
MORE_GENES = 300
LEAST_SETS = 3
MOST_CELLS = 500  # of one state of one set
PENALTY = 0.003
# A sorted memory cell that runs the cytotoxic programme is an effector by the rule.
CYTOTOXIC = 0.6
CAUGHT, CAUGHT_SPREAD = 0.4, 0.7  # share of the molecules, spread of its logarithm over genes
SIMULATED_LIBRARIES = (1_500, 6_000)  # full-length cells as molecules


def rule_labels(cells: LabelledSet, table: ProgrammeTable) -> NDArray[np.object_]:
    """Give the state that teaches, shape (cells,): the label's, Effector where it shows cytotoxicity."""
    state = np.array(["" if s is None else str(s) for s in cells.state], dtype=object)
    if cells.description.counts_kind != "umi":
        return state
    scores = ProgrammeScorer(cells.symbols, table).score(cells.counts, cells.library)
    cytotoxic = np.nan_to_num(scores.of("cytotoxic")) > CYTOTOXIC
    state[(state == State.MEMORY) & cytotoxic] = str(State.EFFECTOR)
    state[(find_cycling(cells) == Cycle.CYCLING) & (state != "")] = str(State.PROLIFERATING)
    return state


def choose_genes(
    sets: Sequence[LabelledSet], labels: Sequence[NDArray[np.object_]], table: ProgrammeTable
) -> NDArray[np.object_]:
    """Choose the genes of the programmes, and others that tell states apart in most sets."""
    score: dict[str, list[float]] = {}
    for cells, label in zip(sets, labels, strict=True):
        values = cells.expression
        total = _spread(values)
        within, n = np.zeros(values.shape[1]), 0
        for state in set(label) - {""}:
            rows = np.flatnonzero(label == state)
            within += _spread(values[rows]) * rows.size
            n += rows.size
        ratio = np.maximum(total - within / max(n, 1), 0) / (total + 0.02)
        for gene, value in zip(cells.symbols, ratio, strict=True):
            if not RECEPTOR_GENE.fullmatch(str(gene)):
                score.setdefault(str(gene), []).append(float(value))
    known = set(table.genes)
    ranked = sorted(
        (gene for gene, of in score.items() if len(of) >= LEAST_SETS and gene not in known),
        key=lambda gene: (-float(np.mean(score[gene])), gene),
    )
    return np.array(sorted(known | set(ranked[:MORE_GENES])), dtype=object)


def _spread(values: sparse.csr_array) -> NDArray[np.float64]:
    mean = np.asarray(values.mean(axis=0)).ravel()
    return np.asarray(np.asarray(values.multiply(values).mean(axis=0)).ravel() - mean**2)


def measure_background(sets: Sequence[LabelledSet], genes: NDArray[np.object_]) -> NDArray[np.float64]:
    """Give each gene's share in a typical T cell, shape (G,)."""
    total, n_sets = np.zeros(genes.size), np.zeros(genes.size)
    for cells in sets:
        if cells.description.counts_kind != "umi":
            continue
        panel = align_panel(cells.symbols, genes)
        sums = panel.gather(cells.counts).sum(axis=0, dtype=np.float64)
        total += sums / cells.library.sum()
        n_sets += panel.present
    return np.maximum(total / np.maximum(n_sets, 1), FLOOR)


def simulate_molecules(cells: LabelledSet, library: int, seed: int) -> LabelledSet:
    """Draw molecules from full-length cells: as if the same cells had been counted."""
    from dataclasses import replace  # noqa: PLC0415

    rng = np.random.default_rng(seed)
    sizes = library * np.exp(rng.normal(0, 0.3, len(cells)))
    counts = sparse.csr_array(cells.counts, dtype=np.float64, copy=True)
    rate = counts.data * np.repeat(sizes / cells.library, np.diff(counts.indptr))
    counts.data = rng.poisson(rate).astype(np.float64)
    counts.eliminate_zeros()
    return replace(cells, counts=counts, library=sizes)


def fit_marker_model(sets: Sequence[LabelledSet], table: ProgrammeTable, *, seed: int = 0) -> MarkerModel:
    """Fit the model.

    Parameters
    ----------
    sets
        Labelled cells; full-length ones also teach as simulated molecules.
    table
        Programmes.
    seed
        Of cells, depths and lost genes.
    """
    rng = np.random.default_rng(seed)
    labels = [rule_labels(cells, table) for cells in sets]
    genes = choose_genes(sets, labels, table)
    background = measure_background(sets, genes)
    x, y, w = [], [], []
    for cells, label in zip(sets, labels, strict=True):
        rows = np.sort(np.concatenate([
            rng.permutation(np.flatnonzero(label == s))[:MOST_CELLS] for s in sorted(set(label) - {""})
        ]))  # fmt: skip
        chosen, truth = cells.rows(rows), label[rows]
        weight = np.zeros(rows.size)
        for state in set(truth):
            inside = truth == state
            weight[inside] = np.sqrt(inside.sum()) / inside.sum()
        for view in augment(chosen, seed):
            lost = rng.random(view.symbols.size) < rng.choice([0.0, 0.0, 0.4])
            kept = np.flatnonzero(~lost)
            features = MarkerFeatures(view.symbols[kept], genes, background, table)
            x.append(features.gather(view.counts[:, kept], view.library))
            y.append(truth)
            w.append(weight)
    features, truth, weights = np.concatenate(x), np.concatenate(y), np.concatenate(w)
    scale = np.maximum(features.std(axis=0), 0.05).astype(np.float64)
    for state in set(truth):  # every state weighs the same in all
        weights[truth == state] /= weights[truth == state].sum()
    model = LogisticRegression(C=PENALTY, max_iter=300).fit(
        features / scale, truth, sample_weight=weights * len(weights) / weights.sum()
    )
    names = [str(s) for s in STATES if str(s) in set(model.classes_)]
    order = [list(model.classes_).index(name) for name in names]
    return MarkerModel(
        tuple(names), genes, background, scale, model.coef_[order].T.copy(), model.intercept_[order].copy()
    )


def augment(cells: LabelledSet, seed: int) -> list[LabelledSet]:
    """Give the cells at all depths; full-length cells as they are and as molecules."""
    from dataclasses import replace  # noqa: PLC0415

    if cells.description.counts_kind != "umi":
        return [cells, *(simulate_molecules(cells, n, seed + n) for n in SIMULATED_LIBRARIES)]
    views = [
        replace(cells, counts=thin(cells.counts, depth, seed), library=cells.library * depth)
        for depth in DEPTHS
    ]
    return [*views, simulate_chemistry(cells, seed)]


def simulate_chemistry(cells: LabelledSet, seed: int) -> LabelledSet:
    """Give the cells as another chemistry might: each gene is caught better or worse than the others.

    Permeabilised cells lose the RNA of their cytoplasm; other primers and kits have preferences too.
    """
    from dataclasses import replace  # noqa: PLC0415

    rng = np.random.default_rng(seed + 99)
    caught = np.minimum(CAUGHT * np.exp(rng.normal(0, CAUGHT_SPREAD, cells.symbols.size)), 1.0)
    counts = sparse.csr_array(cells.counts, copy=True)
    counts.data = rng.binomial(np.round(counts.data).astype(np.int64), caught[counts.indices])
    counts.eliminate_zeros()
    return replace(cells, counts=counts, library=cells.library * CAUGHT)
