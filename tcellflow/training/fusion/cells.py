"""The cells of all CITE-seq sets over one panel of genes and one of proteins.

Invariant: every set is standardised by itself; cells of the validation fold teach no panel, scale or axis
by their labels, and test cells are not here at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from tcellflow.errors import InputError, OptionsError
from tcellflow.genes.panel import align_panel
from tcellflow.genes.receptor_genes import CLONE_GENE
from tcellflow.inference.fusion.standardise import (
    Moments,
    clr_by_protein,
    measure_centres,
    measure_moments,
    measure_rows,
)
from tcellflow.vocabulary import COUNTS_PER_CELL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.training.fusion.sets import FusionSet

_AT_ONCE: Final = 1024
_RANKS: Final = 10_000  # a gene that varies less than so many others of its set counts nothing
_LEAST_CELLS: Final = 50  # of a set that proteins are standardised by


@dataclass(frozen=True)
class FusionCells:
    """B cells of S sets over G genes, P proteins and K classes.

    Parameters
    ----------
    counts
        Shape (B, G), float32.
    library
        Shape (B,), float64.
    set_of
        Number of each cell's set, shape (B,), int64.
    present
        Genes that each set measures, shape (S, G), bool.
    moments
        Of each set's log-expression.
    panel_moments
        The same as if nothing but the panel's genes had been counted.
    proteins
        Standardised centred log-ratios, shape (B, P), float32; 0 where not measured.
    levels
        Standardised log1p counts, shape (B, P), float32; 0 where not measured.
    measured
        Shape (B, P), bool.
    allowed
        Classes that a cell's label allows, shape (B, K), bool; no class where there is no label.
    fold
        1 for the validation fold, else 0, shape (B,), int8.
    """

    counts: sparse.csr_matrix
    library: NDArray[np.float64]
    set_of: NDArray[np.int64]
    present: NDArray[np.bool_]
    moments: tuple[Moments, ...]
    panel_moments: tuple[Moments, ...]
    proteins: NDArray[np.float32]
    levels: NDArray[np.float32]
    measured: NDArray[np.bool_]
    allowed: NDArray[np.bool_]
    fold: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.library)

    @property
    def has_label(self) -> NDArray[np.bool_]:
        """Which cells have a label, shape (B,)."""
        return np.asarray(self.allowed.any(axis=1))

    def standardise(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Give standardised log-expression of some cells, (rows, G), 0 where a gene was not measured."""
        return self.standardise_counts(self.counts[rows].toarray(), self.library[rows], self.set_of[rows])

    def standardise_counts(
        self, counts: NDArray[np.float32], library: NDArray[np.float64], sets: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Standardise counts (rows, G) of cells of given sets."""
        return self._standardise(counts, library, sets, self.moments)

    def standardise_panel(self, counts: NDArray[np.float32], sets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Standardise counts (rows, G) as if nothing else had been counted in the cells."""
        return self._standardise(counts, np.maximum(counts.sum(axis=1), 1), sets, self.panel_moments)

    def _standardise(
        self,
        counts: NDArray[np.float32],
        library: NDArray[np.floating],
        sets: NDArray[np.int64],
        moments: tuple[Moments, ...],
    ) -> NDArray[np.float32]:
        logged = np.log1p(counts * (COUNTS_PER_CELL / library)[:, None])
        found = np.empty(logged.shape, dtype=np.float32)
        for number in np.unique(sets):
            of_set = sets == number
            found[of_set] = moments[number].standardise(logged[of_set])
        return found * self.present[sets]


def choose_genes(sets: Sequence[FusionSet], n_genes: int) -> NDArray[np.object_]:
    """Choose the genes of a panel: those that vary most for their mean, in as many sets as can be.

    Parameters
    ----------
    sets
        What is learnt from.
    n_genes
        Genes wanted; fewer if there are not so many.

    Returns
    -------
    ndarray
        Symbols, the best first. Each set ranks its genes by the residual of log variance over log mean,
        and counts by the root of its cells. V, D and J genes and immunoglobulins are left out.
    """
    worth: dict[str, float] = {}
    for one in sets:
        ranked = [str(s) for s in one.symbols[_rank_genes(one.counts)] if not CLONE_GENE.fullmatch(str(s))]
        for rank, symbol in enumerate(ranked[:_RANKS]):
            worth[symbol] = worth.get(symbol, 0.0) + np.sqrt(len(one)) * (1 - rank / _RANKS)
    best = sorted(worth, key=lambda symbol: (-worth[symbol], symbol))
    return np.array(best[:n_genes], dtype=object)


def pool_sets(
    sets: Sequence[FusionSet],
    panel: NDArray[np.object_],
    proteins: NDArray[np.object_],
    classes: Sequence[str],
    fold: NDArray[np.int8],
) -> FusionCells:
    """Put the cells of sets under each other.

    Parameters
    ----------
    sets
        At least one.
    panel, proteins
        Symbols of genes and targets of antibodies.
    classes
        Names of the classes.
    fold
        Of all cells, shape (B,).

    Returns
    -------
    FusionCells
        All their cells.
    """
    parts = [_align(one, panel) for one in sets]
    counts = sparse.csr_matrix(sparse.vstack([part for part, _ in parts])).astype(np.float32)
    library = np.concatenate([one.library for one in sets])
    set_of = np.repeat(np.arange(len(sets)), [len(one) for one in sets])
    panel_library = np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(), 1)
    moments, panel_moments = (
        tuple(_measure_genes(counts[set_of == i], depth[set_of == i]) for i in range(len(sets)))
        for depth in (library, panel_library)
    )
    columns = [_standardise_proteins(one, proteins) for one in sets]
    clr, levels, measured = (np.concatenate(column) for column in zip(*columns, strict=True))
    return FusionCells(
        counts, library, set_of, np.stack([present for _, present in parts]), moments, panel_moments, clr,
        levels, measured, np.concatenate([mark_allowed(one, classes) for one in sets]), fold,
    )  # fmt: skip


def list_classes(sets: Sequence[FusionSet]) -> tuple[str, ...]:
    """Name the classes that labels allow, in alphabetical order."""
    names: set[str] = set()
    for one in sets:
        labels = {str(name) for name in one.label} - {""}
        classes = one.entry.classes
        for label in labels:
            names |= set((label,) if classes is None else classes[label])
    return tuple(sorted(names))


def mark_allowed(one: FusionSet, classes: Sequence[str]) -> NDArray[np.bool_]:
    """Mark the classes that each label allows, (B, K); a label of unknown classes says nothing."""
    place = {name: column for column, name in enumerate(classes)}
    allowed = np.zeros((len(one), len(classes)), dtype=bool)
    for label in sorted({str(name) for name in one.label} - {""}):
        names = (label,) if one.entry.classes is None else one.entry.classes[label]
        columns = [place[name] for name in names if name in place]
        allowed[np.ix_(one.label == label, np.array(columns, dtype=np.int64))] = True
    return allowed


def choose_fold(sets: Sequence[FusionSet], unit: str, share: float, seed: int) -> NDArray[np.int8]:
    """Choose the cells of the validation fold.

    Parameters
    ----------
    sets
        All sets.
    unit
        ``column`` (the roles of the manifest), ``cell``, ``donor`` or ``set``: what stays together.
    share
        Share of the cells that the fold should have, but for ``column``.
    seed
        Of the choice.

    Returns
    -------
    ndarray
        Shape (B,), 1 for cells of the fold.

    Raises
    ------
    OptionsError
        If there is one unit alone.
    InputError
        If the manifest gives no cell the role of validation though it was asked for.
    """
    role = np.concatenate([one.role for one in sets])
    if unit == "column":
        if not (role == "validation").any():
            raise InputError(
                "no cell has the role validation", where="--split column",
                mend="name a column of roles under 'split', or split by cell, donor or set",
            )  # fmt: skip
        return np.asarray(role == "validation").astype(np.int8)
    names = np.concatenate([_name_units(one, unit) for one in sets])
    units, place = np.unique(names, return_inverse=True)
    if len(units) < 2:
        raise OptionsError(
            f"all cells are of one {unit}", where=f"--split {unit}", mend="split by a smaller unit"
        )
    sizes = np.bincount(place)
    chosen = np.zeros(len(units), dtype=bool)
    for one in np.random.default_rng(seed).permutation(len(units)):
        total = sizes[chosen].sum()
        if total >= share * len(names):
            break
        is_last = chosen.sum() == len(units) - 1
        too_much = total + sizes[one] > max(2 * share, 0.5) * len(names)
        chosen[one] = not is_last and not (too_much and chosen.any())
    return np.asarray(chosen[place]).astype(np.int8)


def _name_units(one: FusionSet, unit: str) -> NDArray[np.str_]:
    if unit == "cell":
        return np.array([f"{one.entry.name}/{name}" for name in one.cell_ids])
    return one.donor.astype(str) if unit == "donor" else np.full(len(one), one.entry.name)


def _align(one: FusionSet, panel: NDArray[np.object_]) -> tuple[sparse.csr_matrix, NDArray[np.bool_]]:
    alignment = align_panel(one.symbols, panel)
    place = np.flatnonzero(alignment.present)
    chosen = sparse.csr_matrix(
        (np.ones(len(place), np.float32), (alignment.columns[place], place)),
        shape=(len(one.symbols), len(panel)),
    )
    return one.counts @ chosen, alignment.present


def _measure_genes(counts: sparse.csr_matrix, library: NDArray[np.float64]) -> Moments:
    logged = counts.astype(np.float64)
    logged.data = np.log1p(logged.data * np.repeat(COUNTS_PER_CELL / library, np.diff(logged.indptr)))
    total = np.asarray(logged.sum(axis=0), dtype=np.float64).ravel()
    squares = np.asarray(logged.multiply(logged).sum(axis=0), dtype=np.float64).ravel()
    return measure_moments(total, squares, counts.shape[0])


def _standardise_proteins(
    one: FusionSet, proteins: NDArray[np.object_]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Give centred log-ratios, log-counts and what was measured, each (B, P)."""
    shape = (len(one), len(proteins))
    clr, levels, measured = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, bool)
    rows = np.flatnonzero(one.has_adt)
    place = {str(name): column for column, name in enumerate(proteins)}
    if rows.size < _LEAST_CELLS:
        return clr, levels, measured
    counts = one.proteins[rows].astype(np.float64)
    known = np.array([str(name) in place for name in one.targets]) & (counts.std(axis=0) > 0)
    columns = np.array([place[str(name)] for name in one.targets[known]], dtype=np.int64)
    ratios, logged = clr_by_protein(counts, measure_centres(counts)), np.log1p(counts)
    clr[np.ix_(rows, columns)] = measure_rows(ratios).standardise(ratios)[:, known]
    levels[np.ix_(rows, columns)] = measure_rows(logged).standardise(logged)[:, known]
    measured[np.ix_(rows, columns)] = True
    return clr, levels, measured


def _rank_genes(counts: sparse.csr_matrix) -> NDArray[np.intp]:
    """Order genes by how much they vary for their mean, the most first."""
    wide = counts.astype(np.float64)
    mean = np.asarray(wide.mean(axis=0)).ravel()
    variance = np.asarray(wide.multiply(wide).mean(axis=0)).ravel() - mean**2
    usable = np.flatnonzero((mean > 0) & (variance > 0))
    x, y = np.log10(mean[usable]), np.log10(variance[usable])
    residual = y - np.polyval(np.polyfit(x, y, min(2, max(len(usable) - 1, 0))), x)
    ranked: NDArray[np.intp] = usable[np.argsort(-residual, kind="stable")]
    return ranked
