"""The values of a matrix, block by block, as counts or log-normalised, and the cells' library sizes.

Invariant: the first cells decide what a matrix holds, and every later value is held to it; how many
cells come in a block changes nothing but the place an error names. A library size is a positive number
that is not smaller than the counts seen, or unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import sparse

from tcellflow.cells.counts import (
    check_corrected_block,
    check_counts_block,
    check_log_block,
    check_log_share,
    detect_content,
    recognise_content,
)
from tcellflow.cells.normalise import normalise_corrected, recover_counts
from tcellflow.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.cells.counts import MatrixContent
    from tcellflow.ingest.inputs import Expression
    from tcellflow.io.matrices.source import MatrixSource

# A matrix of which more values are whole than not was meant to hold counts.
_MOSTLY: Final = 0.5
_N_SHOWN: Final = 12
_OPTION: Final = "--library-size-column"


@dataclass(frozen=True)
class Values:
    """The values of some cells.

    Parameters
    ----------
    counts
        int32 CSR, shape (cells, genes); estimated where the matrix holds logarithms, rounded where it holds
        counts with fractions.
    logs
        log1p(counts per 10,000) where the matrix holds them, or counts with fractions that no rounding may
        touch; else None.
    """

    counts: sparse.csr_matrix
    logs: sparse.csr_matrix | None


class ValueReader:
    """Reads the gene values of one matrix.

    Parameters
    ----------
    expression
        The matrix and its genes.
    """

    def __init__(self, expression: Expression) -> None:
        self._expression = expression
        self._place = f"{expression.source.path} ({expression.source.slot})"
        self._n_log_rows = self._n_filled_rows = 0
        self.kind: MatrixContent = "counts"

    def read(self, block: sparse.csr_matrix, first: int) -> Values:
        """Read the gene values of a block (cells, features) that begins with row `first`.

        Raises
        ------
        InputError
            If they are neither counts (with or without fractions) nor log1p(counts per 10,000), or of another
            kind than the rows before.
        """
        values = self._expression.take_genes(block)
        if first == 0:
            self.kind = _tell_kind(values, self._place)
        source, symbols = self._expression.source, self._expression.genes.symbols
        if self.kind == "corrected_counts":
            check_corrected_block(values, first, source.barcodes, symbols, where=self._place)
            rounded = values.copy()
            rounded.data = np.rint(values.data)
            return Values(rounded.astype(np.int32), normalise_corrected(values))
        if self.kind == "counts":
            check_counts_block(values, first, source.barcodes, symbols, where=self._place)
            # astype of the matrix would copy the indices too
            parts = (values.data.astype(np.int32, copy=False), values.indices, values.indptr)
            return Values(sparse.csr_matrix(parts, shape=values.shape), None)
        self._check_logs(values, first)
        return Values(recover_counts(values), values)

    def check_end(self) -> None:
        """Check what only the whole matrix can tell.

        Raises
        ------
        InputError
            If too many cells do not sum to 10,000 after the logarithm is undone.
        """
        if self.kind == "log1p_cp10k":
            check_log_share(self._n_log_rows, self._n_filled_rows, where=self._place)

    def _check_logs(self, values: sparse.csr_matrix, first: int) -> None:
        if _are_meant_as_counts(values) and values.data.any():
            raise InputError(
                f"rows {first + 1}-{first + values.shape[0]} hold counts, but the rows before are "
                "log-normalised",
                where=self._place,
                mend="give one kind of values for all cells, best the raw counts",
            )
        source, symbols = self._expression.source, self._expression.genes.symbols
        is_log = check_log_block(values, first, source.barcodes, symbols, where=self._place)
        self._n_log_rows += int(is_log.sum())
        self._n_filled_rows += is_log.size


def _tell_kind(values: sparse.csr_matrix, where: str) -> MatrixContent:
    """Tell what the first rows hold; a few bad values among counts are told one by one later."""
    found = recognise_content(values)
    if found is not None:
        return found
    return "counts" if _are_meant_as_counts(values) else detect_content(values, where=where)


def _are_meant_as_counts(values: sparse.csr_matrix) -> bool:
    data = values.data
    if data.size == 0 or data.dtype.kind in "iu":
        return True
    with np.errstate(invalid="ignore"):
        is_whole = (data >= 0) & (data == np.trunc(data))
    return bool(is_whole.mean() > _MOSTLY)


class LibrarySizes:
    """The library sizes of one matrix's cells.

    Parameters
    ----------
    source
        The matrix.
    column
        obs column with each cell's counts over all genes.

    Raises
    ------
    InputError
        If the column is absent or holds anything but positive numbers; missing values are unknown sizes.
    """

    def __init__(self, source: MatrixSource, column: str) -> None:
        self._source, self._column = source, column
        obs = source.obs
        if obs is None or column not in obs:
            names = "none" if obs is None else ", ".join(map(str, obs.columns[:_N_SHOWN]))
            raise InputError(
                f"there is no column '{column}' about the cells; there are: {names}",
                where=source.path,
                mend=f"name an obs column of an .h5ad or .h5mu file with {_OPTION}",
            )
        self._sizes = pd.to_numeric(obs[column].astype(object), errors="coerce").to_numpy(dtype=np.float64)
        bad = ~(np.isfinite(self._sizes) & (self._sizes > 0)) & obs[column].notna().to_numpy()
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(
                f"library sizes in '{column}' are no positive numbers "
                f"({int(bad.sum())}; first: cell {source.barcodes[row]}, {obs[column].iloc[row]})",
                where=source.path,
                mend="give each cell the sum of its counts over all genes",
            )

    def of_rows(self, first: int, sums: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give the library sizes of a block of cells.

        Parameters
        ----------
        first
            Row that the block begins with.
        sums
            Counts of its cells over the genes of the matrix, shape (cells,).

        Returns
        -------
        ndarray
            Shape (cells,), float64; NaN = unknown.

        Raises
        ------
        InputError
            If a cell shows more counts than its library has.
        """
        sizes = self._sizes[first : first + len(sums)]
        too_small = sizes < sums  # false where the size is unknown
        if too_small.any():
            row = int(np.argmax(too_small))
            raise InputError(
                f"library sizes in rows {first + 1}-{first + len(sums)} of '{self._column}' are smaller than "
                f"the counts of the cell ({int(too_small.sum())}; first: cell "
                f"{self._source.barcodes[first + row]}, {sizes[row]:,g} for {sums[row]:,} counts)",
                where=self._source.path,
                mend="give each cell the sum of its counts over all genes, before any normalisation",
            )
        return sizes
