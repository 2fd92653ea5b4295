"""Whole sets and whole patients held out: table, linear model and network that never saw the judged cells.

Every fold leaves out one set and all others of its donors, or two melanoma patients; on what is left the
table of programmes is estimated anew and the linear model fitted anew. The network is the packaged one for
sets that it was not trained on, and else one trained without the set (`recipes.states.build --hold-out`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from recipes.datasets.cells import normalise, read_all
from recipes.datasets.cord_blood import CORD
from recipes.datasets.labels import find_kin
from recipes.datasets.melanoma import NAME as MELANOMA
from recipes.programmes.build import Sources, build_table, thin
from recipes.programmes.contrasts import is_melanoma, join_rows
from recipes.programmes.lessons import (
    TEACHERS,
    Transfer,
    choose_teachers,
    make_lessons,
    measure_transfer,
    simulate_chemistry,
)
from recipes.programmes.marker_model import fit_marker_model
from recipes.programmes.programme_network import ProgrammeNetwork, teach_network
from recipes.states.pseudo_labels import find_cycling
from tcellflow.genes.panel import align_panel
from tcellflow.inference.session import open_session
from tcellflow.io.bundles.folders import find_bundle, read_bundle
from tcellflow.states.axes import STATES
from tcellflow.states.marker_model import MarkerFeatures, MarkerModel, predict_states
from tcellflow.states.programmes import ProgrammeScorer, ProgrammeScores, ProgrammeTable, make_table
from tcellflow.vocabulary import Cycle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from recipes.datasets.cells import LabelledSet
    from tcellflow.io.bundles.folders import Bundle

PATIENTS = (("P24", "P27"), ("P28", "P20"), ("P33", "P7"))
# The packaged network never saw these; of eccite_pbmc_3300 it saw 500 other cells of the sample, unlabelled.
NEVER_TAUGHT = (MELANOMA, "eccite_pbmc_3300", CORD.name)
SAMPLE_KIN = {
    "eccite_pbmc_3300": frozenset({"eccite_pbmc_3300", "eccite_pbmc_500"}),
    CORD.name: frozenset({CORD.name}),
}
DEPTHS = (1.0, 0.5, 0.25, 0.125)
MILLION = 1e6
AS_MOLECULES = 3_000
VIEW_SEED = 7
BATCH_CELLS = 256
NETWORK_OUTPUTS = ("joint", "p_cycling", "state_probabilities", "ood_score")


@dataclass(frozen=True)
class Fold:
    """What is held out together, and what is judged of it."""

    name: str
    judged: tuple[str, ...]
    gone: frozenset[str]


def list_folds() -> list[Fold]:
    """List all folds."""
    folds = [Fold(name, (name,), SAMPLE_KIN.get(name) or find_kin(name)) for name in TEACHERS]
    folds.append(Fold(CORD.name, (CORD.name,), SAMPLE_KIN[CORD.name]))
    for pair in PATIENTS:
        names = tuple(f"{MELANOMA}:{patient}" for patient in pair)
        folds.append(Fold("+".join(pair), names, frozenset(names)))
    return folds


@dataclass(frozen=True)
class View:
    """Judged cells as they are or under a pretended shift.

    Parameters
    ----------
    name
        Set, and the shift after a comma.
    cells
        The cells, shifted.
    whole
        The same cells as they were measured.
    """

    name: str
    cells: LabelledSet
    whole: LabelledSet

    @cached_property
    def truth(self) -> NDArray[np.object_]:
        """True states, "" where the label does not say, shape (cells,)."""
        return np.array(["" if s is None else str(s) for s in self.cells.state], dtype=object)


@dataclass(frozen=True)
class Outputs:
    """What all parts say of the cells of a view; the rows of the table are made of it.

    Parameters
    ----------
    truth
        True states, "" where the label does not say, shape (B,).
    joint, cycling, network, unlike
        Of the network: shapes (B, 6, 9), (B,), (B, 7), and its out-of-distribution score, (B,); None without
        a network that never saw the cells.
    scores
        Programmes by the fold's table.
    markers, taught
        Of the fold's linear model, and of the network with programmes as inputs and targets, shape (B, 7).
    molecules
        Shape (B,).
    crude
        Detected checkpoint genes, and mean log1p(counts per 10,000) of ten cytotoxic genes, shape (B, 2).
    is_cytotoxic, may_cycle
        What the cells as they were measured show, by few well-known genes, shape (B,): so that calls which
        differ from a label by what the word means can be told from mistakes.
    """

    truth: NDArray[np.object_]
    joint: NDArray[np.float64] | None
    cycling: NDArray[np.float64] | None
    network: NDArray[np.float64] | None
    unlike: NDArray[np.float64] | None
    scores: ProgrammeScores
    markers: NDArray[np.float64]
    taught: NDArray[np.float64]
    molecules: NDArray[np.float64]
    crude: NDArray[np.float64]
    is_cytotoxic: NDArray[np.bool_]
    may_cycle: NDArray[np.bool_]

    def save(self, path: Path) -> None:
        """Keep everything as arrays."""
        network = {name: getattr(self, name) for name in OF_NETWORK}
        np.savez(
            path,
            truth=self.truth.astype(str),
            names=np.array(self.scores.names),
            values=self.scores.values,
            evidence=self.scores.evidence,
            power=self.scores.power,
            markers=self.markers,
            taught=self.taught,
            molecules=self.molecules,
            crude=self.crude,
            is_cytotoxic=self.is_cytotoxic,
            may_cycle=self.may_cycle,
            **{name: of for name, of in network.items() if of is not None},
        )

    @classmethod
    def load(cls, path: Path) -> Outputs:
        """Read what `save` kept."""
        with np.load(path) as kept:
            names = tuple(str(name) for name in kept["names"])
            return cls(
                kept["truth"].astype(object),
                *(kept.get(name) for name in OF_NETWORK),
                ProgrammeScores(names, kept["values"], kept["evidence"], kept["power"]),
                kept["markers"],
                kept["taught"],
                kept["molecules"],
                kept["crude"],
                kept["is_cytotoxic"],
                kept["may_cycle"],
            )


OF_NETWORK = ("joint", "cycling", "network", "unlike")
CHECKPOINTS = ("PDCD1", "LAG3", "HAVCR2", "TIGIT", "CTLA4", "TOX", "ENTPD1", "LAYN", "CXCL13", "TNFRSF9")
CYTOTOXIC = ("GZMB", "PRF1", "NKG7", "GNLY", "GZMH", "GZMA", "FGFBP2", "CST7", "KLRD1", "CCL5")
CYTOTOXIC_MEAN = 0.8


@dataclass(frozen=True)
class FoldModels:
    """Everything that is fitted without the fold."""

    table: ProgrammeTable
    model: MarkerModel
    network: ProgrammeNetwork
    transfer: Transfer


def fit_fold(sources: Sources, fold: Fold, seed: int) -> FoldModels:
    """Fit table and model on what the fold leaves."""
    left = sources.without(fold.gone)
    table = make_table(*build_table(left))
    teachers = choose_teachers(left.sets)
    lessons = make_lessons(teachers, table, seed=seed)
    return FoldModels(
        table, fit_marker_model(lessons), teach_network(lessons, seed=seed), measure_transfer(teachers)
    )


def read_judged(sources: Sources, fold: Fold) -> Mapping[str, LabelledSet]:
    """Give the sets that a fold's cells are among: those that teach, or the one that teaches nothing."""
    return {CORD.name: read_all(sources.data, CORD)} if fold.name == CORD.name else sources.sets


def find_views(sets: Mapping[str, LabelledSet], fold: Fold, transfer: Transfer) -> Iterator[View]:
    """Give the judged cells as they are, and at other depths, chemistries and panels of genes."""
    if is_melanoma(fold.judged[0]):
        yield from _find_melanoma_views(sets, fold, transfer)
        return
    cells = sets[fold.judged[0]]
    cells = cells.rows(np.array([s is not None for s in cells.state]) & cells.is_t)
    for depth in DEPTHS:
        name = fold.name if depth == 1 else f"{fold.name}, 1/{round(1 / depth)} of the molecules"
        thinned = thin(cells.counts, depth, VIEW_SEED)
        yield View(name, replace(cells, counts=thinned, library=cells.library * depth), cells)
    yield View(f"{fold.name}, another chemistry", simulate_chemistry(cells, VIEW_SEED), cells)
    yield View(f"{fold.name}, half of the genes", halve_genes(cells), cells)
    yield View(f"{fold.name}, as parts per million", as_parts(cells), cells)


def _find_melanoma_views(sets: Mapping[str, LabelledSet], fold: Fold, transfer: Transfer) -> Iterator[View]:
    by_genes: dict[int, list[LabelledSet]] = {}
    for name, cells in sets.items():
        if name.startswith(tuple(f"{patient}:" for patient in fold.judged)):
            by_genes.setdefault(cells.symbols.size, []).append(cells)
    for n_genes, patients in sorted(by_genes.items(), reverse=True):
        joined = join_rows(patients)
        yield View(f"{MELANOMA}, {n_genes:,} genes", joined, joined)
        if n_genes > AS_MOLECULES:
            yield View(
                f"{MELANOMA}, as {AS_MOLECULES:,} molecules",
                transfer.as_molecules(joined, AS_MOLECULES, VIEW_SEED),
                joined,
            )


def halve_genes(cells: LabelledSet) -> LabelledSet:
    """Give the cells as a matrix of half of the genes; the library sizes stay true."""
    n = cells.symbols.size
    kept = np.sort(np.random.default_rng(VIEW_SEED).permutation(n)[: n // 2])
    return replace(cells, counts=sparse.csr_array(cells.counts[:, kept]), symbols=cells.symbols[kept])


def as_parts(cells: LabelledSet) -> LabelledSet:
    """Give the cells as parts per million, as full-length protocols are told."""
    counts = sparse.csr_array(cells.counts, dtype=np.float64, copy=True)
    counts.data = counts.data * np.repeat(MILLION / cells.library, np.diff(counts.indptr))
    return replace(cells, counts=counts, library=np.full(len(cells), MILLION))


def find_network(fold: Fold, left_out: Path | None) -> Bundle | None:
    """Open the network that never saw the fold; None where there is none."""
    if fold.judged[0].split(":")[0] in NEVER_TAUGHT:
        return read_bundle(find_bundle("states"))
    found = sorted((left_out / fold.name).glob("**/bundle/bundle.json")) if left_out else []
    return read_bundle(found[0].parent) if found else None


def run_parts(view: View, models: FoldModels, network: Bundle | None) -> Outputs:
    """Run all parts on a view."""
    cells = view.cells
    scorer = ProgrammeScorer(cells.symbols, models.table)
    features = MarkerFeatures(
        cells.symbols, models.model.genes, models.model.background, models.table
    ).gather(cells.counts, cells.library)
    found = predict_states(models.model, features)
    markers = np.zeros((len(cells), len(STATES)))
    markers[:, [STATES.index(s) for s in models.model.states]] = found
    joint = cycling = states = unlike = None
    if network is not None:
        joint, cycling, states, unlike = run_network(network, cells)
    molecules = scorer.effective_library(scorer.take(cells.counts), cells.library)
    return Outputs(
        view.truth,
        joint,
        cycling,
        states,
        unlike,
        scorer.score(cells.counts, cells.library),
        markers,
        models.network.predict(features),
        molecules,
        measure_crude(cells),
        measure_crude(view.whole)[:, 1] > CYTOTOXIC_MEAN,
        find_cycling(view.whole) != Cycle.RESTING,
    )


def run_network(bundle: Bundle, cells: LabelledSet) -> tuple[NDArray[np.float64], ...]:
    """Give joint, cycling, states and out-of-distribution score of a network, from expression alone."""
    session = open_session(bundle.model_path, threads=1, device="cpu")
    panel = align_panel(cells.symbols, bundle.panel.symbols)
    expression = panel.gather(normalise(cells.counts, cells.library))
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in NETWORK_OUTPUTS}
    for start in range(0, len(expression), BATCH_CELLS):
        rows = expression[start : start + BATCH_CELLS]
        batch = np.zeros((BATCH_CELLS, rows.shape[1]), np.float32)
        batch[: len(rows)] = rows
        out = session.run({"expression": batch, "present": panel.present[None].astype(np.float32)})
        for name, of in parts.items():
            of.append(out[name][: len(rows)])
    joint, cycling, states, unlike = (np.concatenate(of).astype(np.float64) for of in parts.values())
    return joint, cycling[:, 0], states, unlike[:, 0]


def measure_crude(cells: LabelledSet) -> NDArray[np.float64]:
    """Count the detected checkpoint genes and average the cytotoxic ones, shape (cells, 2)."""
    seen = align_panel(cells.symbols, CHECKPOINTS).gather(cells.counts) > 0
    counts = sparse.csr_array(cells.counts, dtype=np.float64)
    cytotoxic = align_panel(cells.symbols, CYTOTOXIC)
    values = cytotoxic.gather(normalise(counts, cells.library))[:, cytotoxic.present]
    mean = values.mean(axis=1) if values.shape[1] else np.zeros(len(cells))
    return np.column_stack([seen.sum(axis=1), mean]).astype(np.float64)
