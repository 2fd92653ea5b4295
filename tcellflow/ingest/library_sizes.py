"""The true library sizes of cells, where a matrix holds a selection of the genes.

Invariant: a library size is a positive number that is not smaller than the counts seen, or unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from tcellflow.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.io.matrices.opening import MatrixSource

_N_SHOWN: Final = 12
_OPTION: Final = "--library-size-column"


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
