"""Expression as the peers see it: one panel of genes, standardised, with unmeasured genes at the mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.genes.panel import align_panel
from tcellflow.genes.receptor_genes import CLONE_GENE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from recipes.datasets.cells import LabelledSet

N_GENES = 3_000
LEAST_SETS = 2
LEAST_SPREAD = 0.05  # keeps genes that are hardly seen from being blown up


@dataclass(frozen=True)
class FeaturePanel:
    """Genes chosen on the training sets, with their mean and spread there.

    Parameters
    ----------
    genes
        Shape (G,).
    mean, spread
        Of log1p(counts per 10,000) over the training cells that measure the gene, shape (G,).
    """

    genes: NDArray[np.object_]
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

    def gather(self, cells: LabelledSet, *, own: bool = False) -> NDArray[np.float32]:
        """Give standardised expression, shape (cells, G); unmeasured genes are 0, the mean.

        With `own`, each gene is standardised on these cells instead of the training cells: that takes a
        whole sample, and a sample of another make-up than the training sets.
        """
        panel = align_panel(cells.symbols, self.genes)
        values = panel.gather(cells.expression)
        mean, spread = (values.mean(axis=0), values.std(axis=0)) if own else (self.mean, self.spread)
        scaled = (values - mean) / np.maximum(spread, LEAST_SPREAD)
        return np.where(panel.present, np.clip(scaled, -10, 10), 0).astype(np.float32)


def choose_panel(sets: Sequence[LabelledSet], n_genes: int = N_GENES) -> FeaturePanel:
    """Choose the genes that vary most within the training sets and that at least two of them measure."""
    names = sorted({str(s) for cells in sets for s in cells.symbols if not CLONE_GENE.fullmatch(str(s))})
    genes = np.array(names, dtype=object)
    n_sets, n_cells, total, squares, within = (np.zeros(len(genes)) for _ in range(5))
    for cells in sets:
        panel = align_panel(cells.symbols, genes)
        at = np.flatnonzero(panel.present)
        values = cells.expression[:, panel.columns[at]].astype(np.float64)
        sums, square_sums = values.sum(axis=0), values.multiply(values).sum(axis=0)
        n_sets[at] += 1
        n_cells[at] += len(cells)
        total[at] += sums
        squares[at] += square_sums
        within[at] += square_sums / len(cells) - (sums / len(cells)) ** 2
    least = min(LEAST_SETS, len(sets))
    score = np.where(n_sets >= least, within / np.maximum(n_sets, 1), -1)
    kept = np.sort(np.argsort(-score, kind="stable")[: min(n_genes, int((score >= 0).sum()))])
    mean = total[kept] / n_cells[kept]
    spread = np.sqrt(np.maximum(squares[kept] / n_cells[kept] - mean**2, 0))
    return FeaturePanel(genes[kept], mean.astype(np.float32), spread.astype(np.float32))
