"""Pseudo-cells from text: counts drawn from the profiles of the types that the text means.

Invariant: what is drawn depends on text, number and seed alone; another text gives other cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from tcellflow.language.panel import profile_type, read_panel, read_profiles
from tcellflow.states.programmes import read_programmes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.language.queries import Query

_DEPTH: Final = 4_000.0  # median molecules of a cell
_SPREAD: Final = 0.35  # of the logarithm of the depth, within a sample
_SHAPE: Final = 4.0  # of the gamma spread of one gene among cells of one type
_RAISED: Final = 2e-4
_FLOOR: Final = 2e-6
_RAISED_BY: Final = 3.0
_BLOCK: Final = 2_000


@dataclass(frozen=True)
class PseudoCells:
    """Drawn cells.

    Parameters
    ----------
    counts
        int32 CSR, shape (B, G).
    genes
        Symbols, shape (G,).
    types, labels
        Type of each cell that its profile was drawn for, shape (B,).
    """

    counts: sparse.csr_matrix
    genes: NDArray[np.object_]
    types: NDArray[np.object_]
    labels: NDArray[np.object_]


def draw_cells(query: Query, n: int, seed: int) -> PseudoCells:
    """Draw n cells that fit a query, whose types are those of the panel where it names none."""
    profiles, rng = read_profiles(), np.random.default_rng(seed)
    kinds = [kind for kind in read_panel() if query.types is None or kind.cl_id in query.types]
    weights = np.array([kind.weight for kind in kinds])
    chosen = np.sort(rng.choice(len(kinds), size=n, p=weights / weights.sum()))
    depth = np.maximum(np.round(np.exp(rng.normal(np.log(_DEPTH), _SPREAD, n))), 200)
    shares = np.exp([profile_type(profiles, k.cl_id, k.positive, k.negative) for k in kinds])
    shares = _condition(shares, profiles.genes, query)
    parts = []
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        mean = shares[chosen[rows]] * depth[rows, None]
        drawn = rng.poisson(mean * rng.gamma(_SHAPE, 1 / _SHAPE, mean.shape))
        parts.append(sparse.csr_matrix(drawn.astype(np.int32)))
    counts = sparse.csr_matrix(sparse.vstack(parts))
    ids = np.array([kind.cl_id for kind in kinds], dtype=object)
    labels = np.array([kind.label for kind in kinds], dtype=object)
    return PseudoCells(counts, profiles.genes, ids[chosen], labels[chosen])


def _condition(shares: NDArray[np.float64], genes: NDArray[np.object_], query: Query) -> NDArray[np.float64]:
    """Raise and lower shares (types, genes) as the query asks beyond the type."""
    place = {gene: i for i, gene in enumerate(genes)}
    table = read_programmes()
    changed = shares.copy()
    for name in query.programmes:
        for pair in np.flatnonzero(table.programme_of == table.names.index(name)):
            at = place.get(table.genes[table.gene_of[pair]])
            if at is not None:
                plus, minus = table.plus[pair], table.minus[pair]
                changed[:, at] = (
                    np.maximum(changed[:, at], plus) if plus > minus else np.minimum(changed[:, at], plus)
                )
    for gene in query.genes:
        if gene in place:
            changed[:, place[gene]] = np.maximum(changed[:, place[gene]] * _RAISED_BY, _RAISED)
    for gene in query.absent:
        if gene in place:
            changed[:, place[gene]] = _FLOOR
    return changed
