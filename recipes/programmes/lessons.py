"""Labelled cells as lessons: at many depths and chemistries, with genes taken away.

What the plain linear model and the network beside it are taught, and nothing else: so they can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from recipes.programmes.build import thin
from recipes.programmes.contrasts import is_melanoma, merge_patients
from recipes.programmes.estimate import FLOOR
from recipes.states.pseudo_labels import find_cycling
from tcellflow.genes.panel import align_panel
from tcellflow.genes.receptor_genes import CLONE_GENE
from tcellflow.states.axes import STATES
from tcellflow.states.marker_model import MarkerFeatures
from tcellflow.states.programmes import ProgrammeScorer
from tcellflow.vocabulary import Cycle, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from recipes.datasets.cells import LabelledSet
    from tcellflow.states.programmes import ProgrammeTable

TEACHERS = (
    "citeseq_pbmc10k", "zheng_facs_mudan", "trex_pt17_trimodal", "citeseq_malt_1k", "pbmc3k",
    "citeseq_pbmc5k", "eccite_pbmc_3300",
)  # fmt: skip
DEPTHS = (1.0, 0.5, 0.25, 0.125)
MORE_GENES = 300
LEAST_SETS = 3
MOST_CELLS = 500  # of one state of one set
# A sorted memory cell that runs the cytotoxic programme is an effector by the rule.
CYTOTOXIC = 0.6
CAUGHT, CAUGHT_SPREAD = 0.4, 0.7  # share of the molecules, spread of its logarithm over genes
LEAST_MEMORY = 20
SIMULATED_LIBRARIES = (1_500, 6_000)  # full-length cells as molecules


@dataclass(frozen=True)
class Lessons:
    """N cells that teach, of S sets.

    Parameters
    ----------
    genes, background
        What the features are of, shape (G,).
    features
        As `MarkerFeatures` gives them, shape (N, G + P), float32.
    truth
        States, shape (N,), object.
    weights
        Shape (N,), with a sum of N; every state weighs the same in all.
    origin
        Which set, shape (N,).
    running
        Programmes of the same cell with all its molecules, 0-1, NaN = not measurable, shape (N, P), float32.
    n_labels
        Labelled cells of each set and state, shape (S, 7).
    """

    genes: NDArray[np.object_]
    background: NDArray[np.float64]
    features: NDArray[np.float32]
    truth: NDArray[np.object_]
    weights: NDArray[np.float64]
    origin: NDArray[np.int64]
    running: NDArray[np.float32]
    n_labels: NDArray[np.int64]


def make_lessons(sets: Sequence[LabelledSet], table: ProgrammeTable, *, seed: int = 0) -> Lessons:
    """Make lessons of labelled sets.

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
    transfer = measure_transfer(sets)
    x, y, w, origin, running = [], [], [], [], []
    for place, (cells, label) in enumerate(zip(sets, labels, strict=True)):
        rows = np.sort(np.concatenate([
            rng.permutation(np.flatnonzero(label == s))[:MOST_CELLS] for s in sorted(set(label) - {""})
        ]))  # fmt: skip
        chosen, truth = cells.rows(rows), label[rows]
        whole = ProgrammeScorer(chosen.symbols, table).score(chosen.counts, chosen.library).values
        weight = np.zeros(rows.size)
        for state in set(truth):
            inside = truth == state
            weight[inside] = np.sqrt(inside.sum()) / inside.sum()
        for view in augment(chosen, transfer, seed):
            lost = rng.random(view.symbols.size) < rng.choice([0.0, 0.0, 0.4])
            kept = np.flatnonzero(~lost)
            features = MarkerFeatures(view.symbols[kept], genes, background, table)
            x.append(features.gather(view.counts[:, kept], view.library))
            y.append(truth)
            w.append(weight)
            origin.append(np.full(rows.size, place))
            running.append(whole)
    truth, weights = np.concatenate(y), np.concatenate(w)
    for state in set(truth):
        weights[truth == state] /= weights[truth == state].sum()
    return Lessons(
        genes,
        background,
        np.concatenate(x),
        truth,
        weights * len(weights) / weights.sum(),
        np.concatenate(origin),
        np.concatenate(running),
        np.array([[(label == s).sum() for s in STATES] for label in labels]),
    )


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
            if not CLONE_GENE.fullmatch(str(gene)):
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


@dataclass(frozen=True)
class Transfer:
    """How much more of each gene molecules show than parts per million do, shape (G,), by gene."""

    factors: Mapping[str, float]

    def as_molecules(self, cells: LabelledSet, library: int, seed: int) -> LabelledSet:
        """Draw molecules from full-length cells: as if the same cells had been counted."""
        rng = np.random.default_rng(seed)
        sizes = library * np.exp(rng.normal(0, 0.3, len(cells)))
        counts = sparse.csr_array(cells.counts, dtype=np.float64, copy=True)
        factor = np.array([self.factors.get(str(gene), 1.0) for gene in cells.symbols])
        rate = counts.data * np.repeat(sizes / cells.library, np.diff(counts.indptr))
        counts.data = rng.poisson(rate * factor[counts.indices]).astype(np.float64)
        counts.eliminate_zeros()
        kind = replace(cells.description, counts_kind="umi")
        return replace(cells, description=kind, counts=counts, library=sizes)


def measure_transfer(sets: Sequence[LabelledSet]) -> Transfer:
    """Compare memory cells of full-length sets with those of molecules, gene by gene."""
    shares: dict[bool, dict[str, list[float]]] = {True: {}, False: {}}
    for cells in sets:
        rows = np.flatnonzero(cells.state == State.MEMORY)
        if rows.size < LEAST_MEMORY:
            continue
        of = shares[cells.description.counts_kind == "umi"]
        mean = np.asarray(cells.counts[rows].sum(axis=0)).ravel() / cells.library[rows].sum()
        for gene, share in zip(cells.symbols, mean, strict=True):
            of.setdefault(str(gene), []).append(float(share))
    spare = 5 * FLOOR
    return Transfer(
        {
            gene: float(np.clip((np.mean(shares[True][gene]) + spare) / (np.mean(of) + spare), 0.1, 10))
            for gene, of in shares[False].items()
            if gene in shares[True]
        }
    )


def augment(cells: LabelledSet, transfer: Transfer, seed: int) -> list[LabelledSet]:
    """Give the cells at all depths; full-length cells as they are and as molecules."""
    if cells.description.counts_kind != "umi":
        return [cells, *(transfer.as_molecules(cells, n, seed + n) for n in SIMULATED_LIBRARIES)]
    views = [
        replace(cells, counts=thin(cells.counts, depth, seed), library=cells.library * depth)
        for depth in DEPTHS
    ]
    return [*views, simulate_chemistry(cells, seed)]


def simulate_chemistry(cells: LabelledSet, seed: int) -> LabelledSet:
    """Give the cells as another chemistry might: each gene is caught better or worse than the others.

    Permeabilised cells lose the RNA of their cytoplasm; other primers and kits have preferences too.
    """
    rng = np.random.default_rng(seed + 99)
    caught = np.minimum(CAUGHT * np.exp(rng.normal(0, CAUGHT_SPREAD, cells.symbols.size)), 1.0)
    counts = sparse.csr_array(cells.counts, copy=True)
    counts.data = rng.binomial(np.round(counts.data).astype(np.int64), caught[counts.indices])
    counts.eliminate_zeros()
    return replace(cells, counts=counts, library=cells.library * CAUGHT)


def choose_teachers(sets: Mapping[str, LabelledSet]) -> list[LabelledSet]:
    """Take the sets whose labels are states; melanoma patients of the same genes as one."""
    taught = {name: cells for name, cells in sets.items() if name in TEACHERS or is_melanoma(name)}
    return [cells for _, cells in merge_patients(taught)]
