"""The cells of any expression file, read for describing: counts, library sizes, and the user's columns.

Invariant: genes go by approved symbols; a file of tcellflow gives the library sizes that it recorded.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import sparse

from tcellflow.cells.normalise import log_normalise, recover_library_sizes, sum_rows
from tcellflow.errors import InputError
from tcellflow.ingest.inputs import name_genes
from tcellflow.ingest.values import LibrarySizes, ValueReader
from tcellflow.io.matrices.opening import open_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.ingest.inputs import Expression

_OWN_SIZES: Final = "total_counts"
_OWN_COLUMNS: Final = frozenset(
    {_OWN_SIZES, "n_genes_by_counts", "is_t_cell", "doublet_suspect", "clone_size"}
)


class CellReader:
    """The cells of one expression: counts, library sizes and log1p(counts per 10,000), block by block.

    Parameters
    ----------
    expression
        The matrix and its genes.
    library_size_column
        obs column with each cell's counts over all genes; the sums of the matrix if None.
    """

    where: Final = "AnnData"

    def __init__(self, expression: Expression, library_size_column: str | None) -> None:
        self._expression = expression
        source = expression.source
        self._sizes = None if library_size_column is None else LibrarySizes(source, library_size_column)
        self.n_obs = len(source.barcodes)
        self.gene_names = expression.genes.symbols

    @property
    def cell_ids(self) -> NDArray[np.object_]:
        """Names of the cells, shape (B,)."""
        return self._expression.source.barcodes

    @property
    def obs(self) -> pd.DataFrame:
        """The user's columns about the cells; without columns where the format has none."""
        found = self._expression.source.obs
        return pd.DataFrame(index=pd.Index(self.cell_ids)) if found is None else found

    @property
    def has_told_sizes(self) -> bool:
        """Whether a column of obs was named for the library sizes."""
        return self._sizes is not None

    @cached_property
    def has_counts(self) -> bool:
        """Whether the first cells hold counts."""
        reader = ValueReader(self._expression)
        for block in self._expression.source.blocks():
            reader.read(block, 0)
            break
        return reader.kind != "log1p_cp10k"

    def measured_blocks(self) -> Iterator[tuple[sparse.csr_matrix, NDArray[np.float64]]]:
        """Stream log1p(counts per 10,000) with the true library size of each cell."""
        for _, totals, logs in self.read():
            yield logs, totals if self.has_counts else recover_library_sizes(logs, totals)

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """Stream log1p(counts per 10,000)."""
        for _, _, logs in self.read():
            yield logs

    def read(self) -> Iterator[tuple[sparse.csr_matrix, NDArray[np.float64], sparse.csr_matrix]]:
        """Stream counts, library sizes and log1p(counts per 10,000) of the same cells."""
        for counts, totals, known in self._values():
            logs = known
            if logs is None:
                parts = (log_normalise(counts, totals), counts.indices, counts.indptr)
                logs = sparse.csr_matrix(parts, shape=counts.shape)
            yield counts, np.nan_to_num(totals), logs

    def counts(self) -> Iterator[tuple[sparse.csr_matrix, NDArray[np.float64]]]:
        """Stream counts and library sizes of the same cells."""
        for counts, totals, _ in self._values():
            yield counts, np.nan_to_num(totals)

    def _values(
        self,
    ) -> Iterator[tuple[sparse.csr_matrix, NDArray[np.float64], sparse.csr_matrix | None]]:
        reader, first = ValueReader(self._expression), 0
        for block in self._expression.source.blocks():
            values = reader.read(block, first)
            sums = sum_rows(values.counts)
            totals = sums.astype(np.float64) if self._sizes is None else self._sizes.of_rows(first, sums)
            yield values.counts, totals, values.logs
            first += block.shape[0]
        reader.check_end()


def open_cells(path: Path, *, layer: str | None = None) -> CellReader:
    """Open the cells of any expression file.

    Raises
    ------
    InputError
        If it is no expression matrix, or its genes are not human.
    """
    expression = name_genes(open_matrix(path, slot=layer))
    if not len(expression.genes.symbols):
        raise InputError("the file holds no genes", where=path, mend="give gene expression")
    obs = expression.source.obs
    is_ours = obs is not None and set(obs.columns) >= _OWN_COLUMNS
    return CellReader(expression, _OWN_SIZES if is_ours else None)
