"""What a fusion network knows of its genes before it learns: principal axes, and patches along the genome.

Invariant: axes come from cells that are learnt from, every set weighing the same; they depend on the seed
in no way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.genes.order import place_genes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.training.fusion.cells import FusionCells
    from tcellflow.training.fusion.options import GeneOrder

_AT_ONCE: Final = 1024
_MORE: Final = 10  # directions beside those asked for, and rounds, of the randomised decomposition
_ROUNDS: Final = 5


def find_axes(cells: FusionCells, n_axes: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Find principal axes of log-expression that was standardised set by set.

    Standardised genes count by their mean deviation over the sets, so that the axes are those of centred
    log values: rare genes, whose deviation is noise, would else weigh as much as any.

    Parameters
    ----------
    cells
        What is learnt from.
    n_axes
        Axes k; at most as many as genes.

    Returns
    -------
    tuple of ndarray
        Loadings (G, k) with unit columns, their largest entry positive, and the standard deviation (k,) of
        the cells along them, where genes that were not measured are made up for.

    Notes
    -----
    Randomised subspace iteration (Halko, Martinsson & Tropp 2011, doi:10.1137/090771806) from a fixed
    start. A cell weighs 1 / cells of its set.
    """
    n_genes = cells.counts.shape[1]
    worth = measure_worth(cells)
    weight = 1 / np.bincount(cells.set_of, minlength=len(cells.present))[cells.set_of]
    width = min(n_axes + _MORE, n_genes)
    axes = np.random.default_rng(0).normal(size=(n_genes, width)).astype(np.float32)
    for _ in range(_ROUNDS):
        axes = np.linalg.qr(_spread_axes(cells, weight, worth, axes))[0].astype(np.float32)
    values, turned = np.linalg.eigh(axes.T @ _spread_axes(cells, weight, worth, axes))
    loadings = worth[:, None] * (axes @ turned[:, np.argsort(-values)[:n_axes]])
    loadings = (loadings / np.linalg.norm(loadings, axis=0)).astype(np.float32)
    peak = np.abs(loadings).argmax(axis=0)
    loadings *= np.sign(loadings[peak, np.arange(loadings.shape[1])])
    share = np.maximum(cells.present.astype(np.float32) @ np.square(loadings), 0.05)
    squares = np.zeros(loadings.shape[1])
    for rows in _blocks(len(cells)):
        projected = cells.standardise(rows) @ loadings / share[cells.set_of[rows]]
        squares += (weight[rows, None] * np.square(projected)).sum(axis=0)
    return loadings, np.sqrt(squares / weight.sum()).astype(np.float32)


def make_patches(
    symbols: NDArray[np.object_], size: int, order: GeneOrder, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut genes into patches of neighbours.

    Parameters
    ----------
    symbols
        Genes of the panel, the best first, shape (G,).
    size
        Genes S of a patch.
    order
        ``genome``; ``reverse``: the patches of the genome from its end; ``shuffle``: patches of as many
        genes drawn at random; ``input``: the panel's order.
    seed
        Of the shuffling.

    Returns
    -------
    tuple of ndarray
        Number of each patch's genes (T, S), G where it has fewer; number of its chromosome (T,). No patch
        of the genome straddles chromosomes.
    """
    places = place_genes(symbols)
    along = places.order
    patches, chromosomes = [], []
    for number in np.unique(places.chromosome):
        own = along[places.chromosome[along] == number]
        n_patches = -(-len(own) // size)
        patches += list(np.array_split(own, n_patches))
        chromosomes += [int(number)] * n_patches
    if order == "reverse":
        patches, chromosomes = [patch[::-1] for patch in patches[::-1]], chromosomes[::-1]
    if order in {"shuffle", "input"}:
        n_genes = len(symbols)
        genes = np.random.default_rng(seed).permutation(n_genes) if order == "shuffle" else np.arange(n_genes)
        ends = np.cumsum([len(patch) for patch in patches])[:-1]
        patches = np.split(genes, ends)
    padded = np.full((len(patches), size), len(symbols), dtype=np.int64)
    for row, patch in enumerate(patches):
        padded[row, : len(patch)] = patch
    return padded, np.array(chromosomes, dtype=np.int64)


def measure_worth(cells: FusionCells) -> NDArray[np.float32]:
    """Give the mean standard deviation of each gene's log-expression over the sets that measure it, (G,)."""
    scales = np.stack([moments.scale for moments in cells.moments]) * cells.present
    return np.asarray(scales.sum(axis=0) / np.maximum(cells.present.sum(axis=0), 1), dtype=np.float32)


def _spread_axes(
    cells: FusionCells, weight: NDArray[np.float64], worth: NDArray[np.float32], axes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Multiply axes by the weighted covariance of the genes."""
    total = np.zeros_like(axes)
    for rows in _blocks(len(cells)):
        values = cells.standardise(rows) * worth
        total += values.T @ (weight[rows, None].astype(np.float32) * (values @ axes))
    return total


def _blocks(n_cells: int) -> list[NDArray[np.intp]]:
    return [np.arange(start, min(start + _AT_ONCE, n_cells)) for start in range(0, n_cells, _AT_ONCE)]
