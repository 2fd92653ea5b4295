"""Normalisation of antibody counts: the centred log-ratio, each cell by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tcellflow.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def clr(counts: NDArray[np.number], is_isotype: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Normalise antibody counts of surface proteins by the centred log-ratio, cell by cell.

    Parameters
    ----------
    counts
        Antibody counts, shape (cells, P), at least zero.
    is_isotype
        Which antibodies are isotype controls, shape (P,): they are transformed too but do not
        enter the centre; none if not given.

    Returns
    -------
    ndarray
        Natural-logarithm ratios, shape (cells, P), float32. A cell without any count is 0 throughout.
        NaN where the panel holds nothing but isotype controls, for there is no centre then.

    Raises
    ------
    InputError
        If a count is negative or not finite.

    Notes
    -----
    ``log1p(x) - mean(log1p(x))``, the mean over the cell's antibodies without isotype controls: the
    centred log-ratio of Aitchison (J. R. Stat. Soc. B 44:139, 1982), used for antibody tags since
    Stoeckius et al. (Nat. Methods 14:865, 2017), with a pseudocount of 1. It depends on the cell alone,
    hence not on the other cells of a sample.
    """
    logged = np.asarray(counts, dtype=np.float64)
    if logged.size and (not np.isfinite(logged).all() or logged.min() < 0):
        raise InputError(
            "antibody counts hold negative, NaN or infinite values",
            where="antibody counts",
            mend="give raw antibody counts, not normalised values",
        )
    logged = np.log1p(logged)
    is_central = np.ones(logged.shape[1], dtype=bool) if is_isotype is None else ~is_isotype
    if not is_central.any():
        return np.full(logged.shape, np.nan, dtype=np.float32)
    # cumsum adds in column order; mean's order depends on how many cells there are
    centre = np.cumsum(logged[:, is_central], axis=1)[:, -1:] / is_central.sum()
    return np.asarray(logged - centre, dtype=np.float32)
