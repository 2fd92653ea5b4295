"""Cutting many chains into batches that a network takes at once.

Invariant: every row is in one batch, and a batch holds rows of one length, so that nothing is padded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Indices = npt.NDArray[np.intp]

BATCH_ROWS: Final = 256


def batch_by_length(lengths: Indices) -> Iterator[Indices]:
    """Cut rows into batches of one length.

    Parameters
    ----------
    lengths
        (B,) residues of each row.

    Yields
    ------
    numpy.ndarray
        (N,) row numbers, at most `BATCH_ROWS`, ascending; the shortest first.
    """
    order = np.argsort(lengths, kind="stable")
    borders = np.flatnonzero(np.diff(lengths[order])) + 1
    for rows in np.split(order, borders):
        for start in range(0, len(rows), BATCH_ROWS):
            yield rows[start : start + BATCH_ROWS]
