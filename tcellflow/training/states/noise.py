"""What other laboratories do to a cell: fewer reads, ambient molecules, other chemistry, fewer genes.

Invariant: noise is drawn from the generator given and changes inputs only, never what is known of a cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from tcellflow.vocabulary import COUNTS_PER_CELL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.training.states.cells import StateCells
    from tcellflow.training.states.options import StateNoise

    Floats = NDArray[np.float32]

_LEAST_LIBRARY: Final = 20.0
_LEAST_GENES: Final = 0.1  # share of the measured genes that is kept at least


class NoisedCells(NamedTuple):
    """What a network is shown of B cells.

    Parameters
    ----------
    expression
        (B, G) log1p(counts per 10,000).
    present
        (B, G) 1 where a gene was measured.
    """

    expression: Floats
    present: Floats


def measure_ambient(cells: StateCells) -> NDArray[np.float64]:
    """Measure, for noise, the mean composition of each cohort's molecules, all kinds of cells together.

    Returns
    -------
    ndarray
        Shape (C, G), rows sum to 1, or to 0 for cohorts without cells.
    """
    sums = np.stack(
        [
            np.asarray(cells.counts[np.flatnonzero(cells.cohort == number)].sum(axis=0)).ravel()
            for number in range(len(cells.present))
        ]
    ).astype(np.float64)
    profile: NDArray[np.float64] = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1)
    return profile


def show_cells(cells: StateCells, rows: NDArray[np.intp]) -> NoisedCells:
    """Show cells as they are, without noise."""
    present = cells.present[cells.cohort[rows]]
    return NoisedCells(cells.normalise(rows), present.astype(np.float32))


def noise_cells(
    cells: StateCells,
    rows: NDArray[np.intp],
    ambient: NDArray[np.float64],
    noise: StateNoise,
    rng: np.random.Generator,
) -> NoisedCells:
    """Add noise to cells: show them as another laboratory might have measured them.

    Parameters
    ----------
    cells
        All cells.
    rows
        Which.
    ambient
        Composition of ambient molecules per cohort, shape (C, G).
    noise
        Its strength.
    rng
        Source of chance.
    """
    n = len(rows)
    library = cells.library[rows].copy()
    counts = cells.counts[rows]
    rates = np.where(rng.random(n) < noise.thinned, np.exp(rng.uniform(np.log(noise.least_depth), 0, n)), 1.0)
    rates[~cells.is_umi[cells.cohort[rows]]] = 1.0  # reads are not drawn one by one
    by_value = np.repeat(rates, np.diff(counts.indptr))
    is_thinned = by_value < 1
    counts.data[is_thinned] = rng.binomial(counts.data[is_thinned].astype(np.int64), by_value[is_thinned])
    library *= rates
    values = counts.toarray().astype(np.float64)
    share = np.where(rng.random(n) < noise.contaminated, rng.uniform(0, noise.most_ambient, n), 0.0)
    for row in np.flatnonzero(share):
        expected = ambient[cells.cohort[rows[row]]] * (values[row].sum() * share[row])
        values[row] += rng.poisson(expected)
    library *= 1 + share
    by_panel = rng.random(n) < noise.panel_sums
    library = np.where(by_panel, values.sum(axis=1), library * np.exp(rng.normal(0, noise.library, n)))
    values *= np.exp(rng.normal(0, noise.chemistry, (1, values.shape[1])))
    values *= (COUNTS_PER_CELL / np.maximum(library, _LEAST_LIBRARY))[:, None]
    present = _drop_genes(cells, rows, noise, rng)
    expression = np.log1p(values).astype(np.float32) * present
    return NoisedCells(expression, present.astype(np.float32))


def shuffle_genes(shown: NoisedCells, rng: np.random.Generator) -> NoisedCells:
    """Make noise for training: cells with the expression of other genes, such as do not exist.

    Returns
    -------
    NoisedCells
        The same values under other genes of the same cell.
    """
    expression = shown.expression.copy()
    for row, present in enumerate(shown.present > 0):
        expression[row, present] = rng.permutation(expression[row, present])
    return NoisedCells(expression, shown.present)


def draw_ambient(
    cells: StateCells, rows: NDArray[np.intp], ambient: NDArray[np.float64], rng: np.random.Generator
) -> NoisedCells:
    """Make noise for training: droplets that hold ambient molecules alone.

    Parameters
    ----------
    cells
        All cells.
    rows
        Cells whose cohort and depth the droplets have.
    ambient
        Composition per cohort, shape (C, G).
    rng
        Source of chance.

    Returns
    -------
    NoisedCells
        One droplet per row.
    """
    cohort = cells.cohort[rows]
    sums = np.asarray(cells.counts[rows].sum(axis=1)).ravel() * np.exp(rng.uniform(-2, 0, len(rows)))
    drawn = rng.poisson(ambient[cohort] * sums[:, None]).astype(np.float64)
    whole = sums * cells.library[rows] / np.maximum(np.asarray(cells.counts[rows].sum(axis=1)).ravel(), 1)
    expression = np.log1p(drawn * (COUNTS_PER_CELL / np.maximum(whole, _LEAST_LIBRARY))[:, None])
    return NoisedCells(expression.astype(np.float32), cells.present[cohort].astype(np.float32))


def _drop_genes(
    cells: StateCells, rows: NDArray[np.intp], noise: StateNoise, rng: np.random.Generator
) -> NDArray[np.bool_]:
    present = cells.present[cells.cohort[rows]].copy()
    others = cells.present[cells.present.any(axis=1)]
    for row in np.flatnonzero(rng.random(len(rows)) < noise.fewer_genes):
        other = others[rng.integers(len(others))]
        kept = rng.random(present.shape[1]) < rng.uniform(_LEAST_GENES, 1)
        fewer = present[row] & (other if rng.random() < 0.5 else kept)
        if fewer.sum() >= min(_LEAST_GENES * present.shape[1] / 2, present[row].sum()):
            present[row] = fewer
    return present
