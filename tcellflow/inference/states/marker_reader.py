"""What programmes and marker genes say of the cells of one matrix, block by block.

Invariant: a cell's numbers depend on that cell alone; only the genes in question are ever made dense.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from tcellflow.genes.panel import align_panel
from tcellflow.states.axes import STATES
from tcellflow.states.marker_model import MarkerFeatures, predict_states, read_marker_model
from tcellflow.states.programmes import read_programmes
from tcellflow.vocabulary import COUNTS_PER_CELL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.genes.panel import CsrBlock
    from tcellflow.states.programmes import ProgrammeScores

    Floats = NDArray[np.float64]

_LEAST: Final = 1e-12  # of a state that the model knows: 0 stands for states it does not know


@dataclass(frozen=True)
class MarkerEvidence:
    """What programmes and marker genes say of B cells.

    Parameters
    ----------
    scores
        Programmes.
    markers
        Probabilities of the linear model in the order of `State`, shape (B, 7); 0 for states it has no class
        for.
    molecules
        Library sizes, of full-length cells the molecules they are worth, shape (B,).
    """

    scores: ProgrammeScores
    markers: Floats
    molecules: Floats


class MarkerReader:
    """Reads programmes and marker genes of cells that measure the same genes.

    Parameters
    ----------
    gene_names
        Symbols of the matrix, in column order.

    Attributes
    ----------
    genes
        Those that it looks at and the matrix measures, shape (N,), object.
    """

    def __init__(self, gene_names: Sequence[str] | NDArray[np.object_]) -> None:
        self._model = read_marker_model()
        wanted = {*read_programmes().genes, *self._model.genes}
        genes = np.array(sorted(wanted.intersection(gene_names)), dtype=object)
        self._genes = align_panel(gene_names, genes)
        self.genes = genes
        self._features = MarkerFeatures(genes, self._model.genes, self._model.background)
        self._columns = [STATES.index(state) for state in self._model.states]

    def read(self, logs: CsrBlock, library: NDArray[np.number]) -> MarkerEvidence:
        """Read a block of cells.

        Parameters
        ----------
        logs
            log1p(counts per 10,000), shape (B, genes).
        library
            True library sizes, shape (B,).
        """
        return self.read_genes(self._genes.select(logs), library)

    def read_genes(
        self,
        shown: sparse.csr_array,
        library: NDArray[np.number],
        without: NDArray[np.int64] | None = None,
    ) -> MarkerEvidence:
        """Read cells of which there are `genes` alone.

        Parameters
        ----------
        shown
            log1p(counts per 10,000) of `genes`, shape (B, N).
        library
            True library sizes, shape (B,).
        without
            Place of one gene of each cell that counts as not measured, shape (B,); -1 = none.
        """
        n = np.asarray(library, np.float64)
        counts = np.expm1(shown.data.astype(np.float64)) * np.repeat(
            n / COUNTS_PER_CELL, np.diff(shown.indptr)
        )
        found = self._features.measure(
            sparse.csr_array((counts, shown.indices, shown.indptr), shape=shown.shape), n, without
        )
        markers = np.zeros((len(n), len(STATES)))
        markers[:, self._columns] = np.maximum(predict_states(self._model, found.features), _LEAST)
        return MarkerEvidence(found.scores, markers, found.molecules)
