"""The cells of all cohorts over one gene panel, how that panel is chosen, and what a teacher tells of them.

Invariant: V, D and J genes of receptors and immunoglobulin genes, which mark clones and ambient RNA, are
in no panel; the panel and its scales are chosen by the cells that are learnt from alone. Cells of which the
teacher sees too few genes are not taught.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from tcellflow.cells.markers import GATE_GENES
from tcellflow.genes.panel import align_panel
from tcellflow.genes.receptor_genes import CLONE_GENE
from tcellflow.training.cohorts.chains import join_chains
from tcellflow.training.cohorts.truth import CellTruth, take_truth
from tcellflow.vocabulary import COUNTS_PER_CELL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.inference.states.predictor import StatePredictor
    from tcellflow.training.cohorts.cells import Cohort
    from tcellflow.training.cohorts.chains import CellChains

_LEAST_SEEN: Final = 0.01  # share of a cohort's cells
_LEAST_CELLS: Final = 10  # of a state, for it to be told from others
_LEAST_SCALE: Final = 0.1
_SHRINK: Final = 1.0  # cohorts without any difference that every gene is given beside its own
_LEAST_COVERAGE: Final = 0.25  # as predict asks for
_TAUGHT_AT_ONCE: Final = 2048


@dataclass(frozen=True)
class StateCells:
    """B cells of several cohorts over a panel of G genes.

    Parameters
    ----------
    counts
        Shape (B, G), float32.
    library
        Shape (B,), float64.
    cohort
        Number of each cell's cohort, shape (B,), int64.
    present
        Genes that each of C cohorts measures, shape (C, G), bool; none where there are receptors alone.
    is_umi
        Whether a cohort counts molecules, shape (C,), bool.
    truth
        What is known of the cells.
    receptors
        Their chains; None without.
    taught
        A teacher's latent vectors, standardised, shape (B, K), float32; NaN rows where it says nothing.
        None without a teacher.
    """

    counts: sparse.csr_matrix
    library: NDArray[np.float64]
    cohort: NDArray[np.int64]
    present: NDArray[np.bool_]
    is_umi: NDArray[np.bool_]
    truth: CellTruth
    receptors: CellChains | None = None
    taught: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.library)

    @property
    def has_expression(self) -> NDArray[np.bool_]:
        """Which cells are of a cohort that measured genes, shape (B,)."""
        return np.asarray(self.present.any(axis=1))[self.cohort]

    def take(self, rows: NDArray[np.intp]) -> StateCells:
        """Select cells."""
        return StateCells(
            self.counts[rows],
            self.library[rows],
            self.cohort[rows],
            self.present,
            self.is_umi,
            take_truth(self.truth, rows),
            None if self.receptors is None else self.receptors.take(rows),
            None if self.taught is None else self.taught[rows],
        )

    def normalise(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Give log1p(counts per 10,000) of some cells.

        Returns
        -------
        ndarray
            Shape (rows, G), float32.
        """
        scaled = self.counts[rows].toarray() * (COUNTS_PER_CELL / self.library[rows])[:, None]
        return np.log1p(scaled).astype(np.float32)


def pool_cohorts(cohorts: Sequence[Cohort], panel: NDArray[np.object_]) -> StateCells:
    """Pool the training cells of one cohort or more."""
    counts, present = [], []
    for cohort in cohorts:
        alignment = align_panel(cohort.symbols, panel)
        place = np.where(alignment.present)[0]
        chosen = sparse.csr_matrix(
            (np.ones(len(place), np.float32), (alignment.columns[place], place)),
            shape=(len(cohort.symbols), len(panel)),
        )
        counts.append(cohort.counts @ chosen)
        present.append(alignment.present)
    truths = [cohort.truth for cohort in cohorts]
    return StateCells(
        counts=sparse.csr_matrix(sparse.vstack(counts)).astype(np.float32),
        library=np.concatenate([cohort.library for cohort in cohorts]),
        cohort=np.repeat(np.arange(len(cohorts)), [len(cohort.truth) for cohort in cohorts]),
        present=np.stack(present),
        is_umi=np.array([cohort.entry.counts_kind == "umi" for cohort in cohorts]),
        truth=CellTruth(
            **{f.name: np.concatenate([getattr(t, f.name) for t in truths]) for f in fields(CellTruth)}
        ),
        receptors=join_chains([cohort.chains for cohort in cohorts], [len(truth) for truth in truths]),
    )


def choose_panel(
    cohorts: Sequence[Cohort], n_genes: int, base: Sequence[str] = ()
) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """Choose the gene panel of the training cells.

    Parameters
    ----------
    cohorts
        What is learnt from, with expression.
    n_genes
        Genes wanted; fewer if there are not so many.
    base
        Genes that come first, e.g. those of another bundle.

    Returns
    -------
    tuple of ndarray
        Symbols, and the weight of each: the share of its variance that lies between states, mean over
        the cohorts. Behind `base` come the markers of the T-cell gate, then the genes of most weight.
    """
    total: dict[str, float] = {}
    measured: dict[str, int] = {}
    for cohort in cohorts:
        for symbol, share in _measure_shares(cohort).items():
            total[symbol] = total.get(symbol, 0.0) + share
            measured[symbol] = measured.get(symbol, 0) + 1
    weight = {symbol: total[symbol] / (measured[symbol] + _SHRINK) for symbol in total}
    known = {str(symbol) for cohort in cohorts for symbol in cohort.symbols}
    ranked = sorted(weight, key=lambda symbol: (-weight[symbol], symbol))
    wanted = [*base, *(gene for gene in GATE_GENES if gene in known), *ranked]
    chosen = [gene for gene in dict.fromkeys(wanted) if CLONE_GENE.fullmatch(gene) is None][:n_genes]
    return np.array(chosen, dtype=object), np.array([weight.get(gene, 0.0) for gene in chosen])


def measure_scales(cells: StateCells) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Measure mean and standard deviation of log-expression over the training T cells.

    Parameters
    ----------
    cells
        What is learnt from.

    Returns
    -------
    tuple of ndarray
        Shape (G,) each; every cohort that measures a gene counts the same.
    """
    n_genes = cells.counts.shape[1]
    mean, square, n = np.zeros(n_genes), np.zeros(n_genes), np.zeros(n_genes)
    for number, present in enumerate(cells.present):
        rows = np.flatnonzero((cells.cohort == number) & cells.truth.is_t)
        if rows.size and present.any():
            values = cells.normalise(rows).astype(np.float64)
            mean += values.mean(axis=0) * present
            square += np.square(values).mean(axis=0) * present
            n += present
    n = np.maximum(n, 1)
    mean, square = mean / n, square / n
    scale = np.sqrt(np.maximum(square - mean**2, _LEAST_SCALE**2))
    return mean.astype(np.float32), scale.astype(np.float32)


def _measure_shares(cohort: Cohort) -> dict[str, float]:
    """Give each gene's share of variance between states within a cohort; none without two states."""
    states = cohort.truth.state
    names, sizes = np.unique(states[states != ""], return_counts=True)
    names = names[sizes >= _LEAST_CELLS]
    rows = np.flatnonzero(np.isin(states, names))
    if len(names) < 2:
        return {}
    values = cohort.counts[rows].astype(np.float64)
    values.data *= np.repeat(COUNTS_PER_CELL / cohort.library[rows], np.diff(values.indptr))
    np.log1p(values.data, out=values.data)
    n_seen = np.asarray((values > 0).sum(axis=0)).ravel()
    seen = np.flatnonzero(n_seen >= _LEAST_SEEN * len(rows))
    by_gene = values[:, seen]
    mean = np.asarray(by_gene.mean(axis=0)).ravel()
    variance = np.asarray(by_gene.multiply(by_gene).mean(axis=0)).ravel() - mean**2
    between = np.zeros(len(seen))
    for name in names:
        of_state = np.asarray(by_gene[np.flatnonzero(states[rows] == name)].mean(axis=0)).ravel()
        between += np.square(of_state - mean) / len(names)  # every state counts the same
    shares = between / np.maximum(variance, _LEAST_SCALE**2)
    return dict(zip(map(str, cohort.symbols[seen]), shares.tolist(), strict=True))


def teach_cells(cells: StateCells, panel: NDArray[np.object_], teacher: StatePredictor) -> StateCells:
    """Ask a teacher bundle about the training T cells.

    Parameters
    ----------
    cells
        Cells over the panel.
    panel
        Gene symbols; it begins with the genes of the teacher.
    teacher
        The bundle.

    Returns
    -------
    StateCells
        With the teacher's latent vectors, standardised over the cells that were taught.
    """
    weights = teacher.bundle.panel.weights
    place = {str(gene): number for number, gene in enumerate(panel)}
    columns = np.array([place.get(str(gene), -1) for gene in teacher.genes])
    seen = columns >= 0
    taught: NDArray[np.float32] | None = None
    for number, present in enumerate(cells.present):
        measured = np.zeros(len(columns), dtype=bool)
        measured[seen] = present[columns[seen]]
        if weights[measured].sum() < _LEAST_COVERAGE * weights.sum():
            continue
        rows = np.flatnonzero((cells.cohort == number) & cells.truth.is_t)
        for start in range(0, len(rows), _TAUGHT_AT_ONCE):
            part = rows[start : start + _TAUGHT_AT_ONCE]
            expression = np.zeros((len(part), len(columns)), np.float32)
            expression[:, seen] = cells.normalise(part)[:, columns[seen]]
            latent = teacher.predict(np.minimum(expression, np.log1p(COUNTS_PER_CELL)), measured).latent
            if taught is None:
                taught = np.full((len(cells), latent.shape[1]), np.nan, np.float32)
            taught[part] = latent
    if taught is None:
        return cells
    mean, scale = np.nanmean(taught, axis=0), np.nanstd(taught, axis=0)
    return replace(cells, taught=((taught - mean) / np.maximum(scale, 1e-6)).astype(np.float32))
