"""How wide the intervals of told proteins must be in a sample that measured them.

Invariant: what is told of a cell does not change; only how sure it is said to be, and that by all cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.inference.fusion.standardise import ENOUGH_CELLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_COVERAGE: Final = 0.9
_NORMAL: Final = 1.645  # deviations to either side that hold this share of a normal distribution
_MOST: Final = 4.0  # times wider or narrower


def measure_widths(
    told: Floats, deviation: Floats, counts: NDArray[np.floating], columns: NDArray[np.int64]
) -> Floats:
    """Measure how many times wider the intervals of each protein must be to hold 90 % of the cells.

    Parameters
    ----------
    told, deviation
        Log1p counts and their standard deviation, (B, P), of cells that were measured.
    counts
        Antibody counts of the sample's panel, (B, T).
    columns
        Column of each of the P proteins among them, (P,), -1 without.

    Returns
    -------
    ndarray
        (P,), 0.25-4; 1 for proteins that were not measured, or told of fewer than 200 cells.
    """
    widths = np.ones(told.shape[1], np.float32)
    for protein in np.flatnonzero(columns >= 0):
        missed = np.abs(np.log1p(counts[:, columns[protein]].astype(np.float64)) - told[:, protein])
        missed = missed / deviation[:, protein]
        missed = missed[np.isfinite(missed)]
        if len(missed) >= ENOUGH_CELLS:
            widths[protein] = np.clip(np.quantile(missed, _COVERAGE) / _NORMAL, 1 / _MOST, _MOST)
    return widths
