"""Whether a matrix holds counts: the check of each block, and what else it might hold.

Invariant: nothing that is not a count passes silently; an error says which values were seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from tcellflow.errors import InputError
from tcellflow.vocabulary import COUNTS_PER_CELL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.genes.panel import CsrBlock

MatrixContent = Literal["counts", "log1p_cp10k"]
MAX_COUNT: Final = 2**31 - 1  # counts are stored as int32
# log1p(10,000) = 9.2104: all counts of a cell in one gene
_MAX_LOG1P_CP10K: Final = 9.22
_SUM_TOLERANCE: Final = 0.02  # a few genes filtered after normalisation
_MIN_SHARE_OF_ROWS: Final = 0.95
# Relative spread below which the sums of the cells count as "all the same".
_SAME_SUMS: Final = 0.01
# Smart-seq matrices of a million reads per cell stay far below this logarithm
_MAX_PLAUSIBLE_LOG: Final = 20.0


def check_counts_block(
    block: CsrBlock,
    first_row: int,
    barcodes: Sequence[str] | NDArray[np.object_],
    feature_names: Sequence[str] | NDArray[np.object_],
    where: object,
) -> None:
    """Refuse a block of rows that holds anything but counts.

    Counts are finite whole numbers from 0 to 2,147,483,647; they may be stored as floats.

    Parameters
    ----------
    block
        Rows of the matrix, shape (cells, features).
    first_row
        Row of the whole matrix that the block begins with.
    barcodes
        Barcodes of the whole matrix.
    feature_names
        Names of the columns (genes or antibodies).
    where
        File and slot concerned.

    Raises
    ------
    InputError
        If a value is no count; names the first cell, feature and value, and how many there are.
    """
    values = block.data
    if values.size == 0:
        return
    is_bad, what = _find_bad_counts(values)
    if is_bad is None:
        return
    places = np.flatnonzero(is_bad)
    first = int(places[0])
    row = int(np.searchsorted(block.indptr, first, side="right")) - 1
    value = values[first]
    raise InputError(
        f"{places.size} values in rows {first_row + 1}-{first_row + block.shape[0]} are {what} "
        f"(first: {value:g} in cell {barcodes[first_row + row]}, "
        f"{feature_names[int(block.indices[first])]})",
        where=where,
        mend="give raw counts (UMIs or reads); round ambient-corrected or pseudo-aligned counts first",
    )


def _find_bad_counts(values: NDArray[np.number]) -> tuple[NDArray[np.bool_] | None, str]:
    if values.dtype.kind == "f":
        is_finite = np.isfinite(values)
        if not is_finite.all():
            return ~is_finite, "not finite"
    if values.dtype.kind != "u" and values.min() < 0:
        return values < 0, "negative"
    if values.dtype.kind == "f":
        is_fractional = values != np.trunc(values)
        if is_fractional.any():
            return is_fractional, "fractional"
    if values.max() > MAX_COUNT:
        return values > MAX_COUNT, f"larger than {MAX_COUNT:,}"
    return None, ""


@dataclass(frozen=True)
class _Seen:
    """What the non-empty rows of a block look like."""

    low: float
    high: float
    sums: NDArray[np.float64]
    logged_sums: NDArray[np.float64]

    def __str__(self) -> str:
        text = f"values from {self.low:.4g} to {self.high:.4g}, cell sums around {np.median(self.sums):,.4g}"
        if self.logged_sums.size:
            text += f", sums of exp(x)-1 around {np.median(self.logged_sums):,.4g}"
        return text


def detect_matrix_kind(block: CsrBlock, *, where: object, other_slots: Sequence[str] = ()) -> MatrixContent:
    """Decide from a block of rows what a matrix holds.

    Parameters
    ----------
    block
        Some rows of the matrix, shape (cells, genes); a thousand are plenty.
    where
        File and slot concerned.
    other_slots
        Other matrices of the same file that may hold the counts, e.g. ``layers['counts']``.

    Returns
    -------
    str
        "counts" for whole numbers from 0, or "log1p_cp10k" for log1p(counts per 10,000): from 0 to
        9.22, with sums of exp(x)-1 within 2 % of 10,000 in at least 95 % of the cells. A block without
        values is "counts".

    Raises
    ------
    InputError
        If it holds anything else: scaled values, other normalisations, logarithms of other sums; says
        what was seen and where the counts may be.

    Notes
    -----
    Smart-seq read counts are counts, however large.
    """
    values = np.asarray(block.data)
    if values.size == 0:
        return "counts"
    mend = _mend(other_slots)
    if not np.isfinite(values).all():
        raise InputError("the matrix holds NaN or infinite values", where=where, mend=mend)
    if values.min() >= 0 and (values == np.trunc(values)).all():
        return "counts"
    seen = _look_at(block)
    if seen.low < 0:
        raise InputError(
            f"the matrix holds negative values and is no count matrix; it looks scaled (z-scored): {seen}",
            where=where,
            mend=mend,
        )
    is_near = np.abs(seen.logged_sums - COUNTS_PER_CELL) <= _SUM_TOLERANCE * COUNTS_PER_CELL
    if seen.high <= _MAX_LOG1P_CP10K and is_near.size and is_near.mean() >= _MIN_SHARE_OF_ROWS:
        return "log1p_cp10k"
    raise InputError(
        f"the matrix holds no counts; it looks like {_guess(seen, block)}: {seen}", where=where, mend=mend
    )


def _look_at(block: CsrBlock) -> _Seen:
    values = block.data.astype(np.float64)
    high = float(values.max())
    rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
    is_filled = np.diff(block.indptr) > 0

    def sum_per_row(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.bincount(rows, weights=numbers, minlength=block.shape[0])
        return sums[is_filled].astype(np.float64)

    logged = sum_per_row(np.expm1(values)) if high <= _MAX_PLAUSIBLE_LOG else np.zeros(0)
    return _Seen(float(values.min()), high, sum_per_row(values), logged)


def _guess(seen: _Seen, block: CsrBlock) -> str:
    if _are_same(seen.logged_sums):
        return f"log1p of counts per {np.median(seen.logged_sums):,.0f}, not per {COUNTS_PER_CELL:,}"
    if _are_same(seen.sums):
        return f"values normalised to {np.median(seen.sums):,.0f} per cell (CPM, TPM or the like)"
    if seen.logged_sums.size and _are_same(_sum_powers_of_two(block)):
        return "log2(x + 1) of normalised counts"
    if (np.asarray(block.data) == np.trunc(block.data)).mean() > 0.5:
        return "counts with fractions (ambient-corrected or pseudo-aligned)"
    if seen.high <= _MAX_LOG1P_CP10K:
        return "log-normalised values of only some of the genes, or of an unknown normalisation"
    return "an unknown normalisation"


def _sum_powers_of_two(block: CsrBlock) -> NDArray[np.float64]:
    powers = block.astype(np.float64)
    powers.data = np.exp2(powers.data) - 1
    sums: NDArray[np.float64] = np.asarray(powers.sum(axis=1), dtype=np.float64).ravel()
    return sums[sums > 0]


def _are_same(sums: NDArray[np.float64]) -> bool:
    return sums.size > 1 and float(np.std(sums)) < _SAME_SUMS * float(np.mean(sums))


def _mend(other_slots: Sequence[str]) -> str:
    if other_slots:
        return f"give raw counts; they may be in {' or '.join(other_slots)} of this file: copy them into X"
    return "give raw counts, e.g. as X or layers['counts'] of the h5ad file, or the 10x matrix itself"
