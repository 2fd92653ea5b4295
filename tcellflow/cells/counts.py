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

MatrixContent = Literal["counts", "log1p_cp10k", "corrected_counts"]
MAX_COUNT: Final = 2**31 - 1  # counts are stored as int32
_MEND: Final = "give raw counts, e.g. as X or layers['counts'] of the h5ad file, or the 10x matrix itself"
# log1p(10,000) = 9.2104: all counts of a cell in one gene
_MAX_LOG1P_CP10K: Final = 9.22
_SUM_TOLERANCE: Final = 0.02  # a few genes filtered after normalisation
_MIN_SHARE_OF_ROWS: Final = 0.95
# Relative spread below which the sums of the cells count as "all the same".
_SAME_SUMS: Final = 0.01
# Smart-seq matrices of a million reads per cell stay far below this logarithm
_MAX_PLAUSIBLE_LOG: Final = 20.0
# Logarithms of the usual sums end at 13.8 (of a million), counts of abundant genes do not.
_LEAST_HIGHEST_COUNT: Final = 15.0
# Fewer fractions than this are damage, more are the work of SoupX, decontX, alevin or kallisto.
_MIN_FRACTIONS: Final = 0.01
_MOSTLY: Final = 0.5
# FPKM, which are no counts either, sum to more than any droplet's molecules.
_MAX_CORRECTED_SUM: Final = 200_000


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
        Named in errors as the place.

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
    raise InputError(
        _tell_values(block, is_bad, what, first_row, barcodes, feature_names),
        where=where,
        mend="give raw counts (UMIs or reads); round ambient-corrected or pseudo-aligned counts first",
    )


def check_corrected_block(
    block: CsrBlock,
    first_row: int,
    barcodes: Sequence[str] | NDArray[np.object_],
    feature_names: Sequence[str] | NDArray[np.object_],
    where: object,
) -> None:
    """Refuse a block of corrected counts that holds values below zero, too large ones or none.

    Parameters
    ----------
    block, first_row, barcodes, feature_names, where
        As in `check_counts_block`.

    Raises
    ------
    InputError
        If a value is negative, not finite or above 2,147,483,647; names the first cell, gene and value.
    """
    is_bad = ~((block.data >= 0) & (block.data <= MAX_COUNT))
    if is_bad.any():
        raise InputError(
            _tell_values(block, is_bad, "no corrected count", first_row, barcodes, feature_names),
            where=where,
            mend=_MEND,
        )


def check_log_block(
    block: CsrBlock,
    first_row: int,
    barcodes: Sequence[str] | NDArray[np.object_],
    feature_names: Sequence[str] | NDArray[np.object_],
    where: object,
) -> NDArray[np.bool_]:
    """Refuse a block of rows that are neither counts nor possible log-normalised values.

    Parameters
    ----------
    block, first_row, barcodes, feature_names, where
        As in `check_counts_block`.

    Returns
    -------
    ndarray
        Whether exp(x)-1 sums to 10,000 within 2 % in each cell that has values, shape (cells with
        values,).

    Raises
    ------
    InputError
        If a value is negative, not finite, or above log1p(10,000); names the first cell, gene and value.
    """
    values = block.data
    is_bad = ~((values >= 0) & (values <= _MAX_LOG1P_CP10K))
    if is_bad.any():
        raise InputError(
            _tell_values(block, is_bad, "no log1p(counts per 10,000)", first_row, barcodes, feature_names),
            where=where,
            mend=_MEND,
        )
    return _is_near(_sum_rows(block, np.expm1(values.astype(np.float64))))


def check_log_share(n_fitting: int, n_cells: int, *, where: object) -> None:
    """Refuse log-normalised values, not counts, of which too many cells do not sum to 10,000.

    Parameters
    ----------
    n_fitting
        Cells whose exp(x)-1 sums to 10,000.
    n_cells
        Cells with values.
    where
        Named in errors as the place.

    Raises
    ------
    InputError
        If fewer than 95 % fit.
    """
    if n_fitting < _MIN_SHARE_OF_ROWS * n_cells:
        raise InputError(
            f"the first cells hold log1p(counts per {COUNTS_PER_CELL:,}), but {n_cells - n_fitting:,} of "
            f"{n_cells:,} cells hold something else: their exp(x)-1 does not sum to {COUNTS_PER_CELL:,}",
            where=where,
            mend=_MEND,
        )


def _tell_values(
    block: CsrBlock,
    is_bad: NDArray[np.bool_],
    what: str,
    first_row: int,
    barcodes: Sequence[str] | NDArray[np.object_],
    feature_names: Sequence[str] | NDArray[np.object_],
) -> str:
    """Tell how many values are bad, and the first with its cell and gene."""
    first = int(np.argmax(is_bad))
    row = int(np.searchsorted(block.indptr, first, side="right")) - 1
    place = f"cell {barcodes[first_row + row]}, {feature_names[int(block.indices[first])]}"
    count = int(is_bad.sum())
    if count == 1:
        return f"the value {block.data[first]:g} in {place}, is {what}"
    return (
        f"{count} values in rows {first_row + 1}-{first_row + block.shape[0]} are {what} "
        f"(first: {block.data[first]:g} in {place})"
    )


def are_counts(values: NDArray[np.number]) -> NDArray[np.bool_]:
    """Tell which values are counts: whole numbers from 0 to 2,147,483,647."""
    is_whole = np.isfinite(values) & (values == np.floor(values))
    return np.asarray(is_whole & (values >= 0) & (values <= MAX_COUNT), dtype=np.bool_)


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


def detect_content(block: CsrBlock, *, where: object) -> MatrixContent:
    """Decide from a block of rows what a matrix holds: counts or something else.

    Parameters
    ----------
    block
        Some rows of the matrix, shape (cells, genes); a thousand are plenty.
    where
        Named in errors as the place.

    Returns
    -------
    str
        "counts" for whole numbers from 0; "log1p_cp10k" for log1p(counts per 10,000): from 0 to 9.22,
        with sums of exp(x)-1 within 2 % of 10,000 in at least 95 % of the cells; "corrected_counts" for
        counts with fractions, as correction for ambient molecules and pseudo-alignment leave them. A block
        without values is "counts".

    Raises
    ------
    InputError
        If it holds anything else: scaled values, other normalisations, logarithms of other sums; says
        what was seen and where the counts may be.

    Notes
    -----
    Smart-seq read counts are counts, however large.
    """
    content = recognise_content(block)
    if content is not None:
        return content
    if not np.isfinite(np.asarray(block.data)).all():
        raise InputError("the matrix holds NaN or infinite values", where=where, mend=_MEND)
    seen = _look_at(block)
    if seen.low < 0:
        raise InputError(
            f"the matrix holds negative values and is no count matrix; it looks scaled (z-scored): {seen}",
            where=where,
            mend=_MEND,
        )
    raise InputError(
        f"the matrix holds no counts; it looks like {_guess(seen, block)}: {seen}", where=where, mend=_MEND
    )


def recognise_content(block: CsrBlock) -> MatrixContent | None:
    """Say what a matrix holds, counts or other values, as `detect_content`; None where unknown."""
    values = np.asarray(block.data)
    if values.size == 0:
        return "counts"
    if not np.isfinite(values).all() or values.min() < 0:
        return None
    if (values == np.trunc(values)).all():
        return "counts"
    seen = _look_at(block)
    is_near = _is_near(seen.logged_sums)
    if seen.high <= _MAX_LOG1P_CP10K and is_near.size and is_near.mean() >= _MIN_SHARE_OF_ROWS:
        return "log1p_cp10k"
    return "corrected_counts" if _are_corrected(seen, block) else None


def _are_corrected(seen: _Seen, block: CsrBlock) -> bool:
    """Tell counts without ambient molecules, or shared among genes, from other values."""
    stored = np.asarray(block.data)
    is_fraction = stored != np.trunc(stored)
    if is_fraction.mean() < _MIN_FRACTIONS or _are_same(seen.sums) or _are_same(seen.logged_sums):
        return False
    if is_fraction.mean() < _MOSTLY:
        return True
    is_in_range = seen.high > _LEAST_HIGHEST_COUNT and bool(np.median(seen.sums) <= _MAX_CORRECTED_SUM)
    return is_in_range and not _are_scaled_counts(block) and not _are_same(_sum_powers_of_two(block))


def _are_scaled_counts(block: CsrBlock) -> bool:
    """Tell counts divided by a size of the cell: all values of a cell are multiples of its smallest."""
    values = block.data.astype(np.float64)
    lengths = np.diff(block.indptr)
    starts = block.indptr[:-1][lengths > 0]
    smallest = np.repeat(
        np.minimum.reduceat(np.where(values > 0, values, np.inf), starts), lengths[lengths > 0]
    )
    multiples = values / smallest
    return bool((np.abs(multiples - np.rint(multiples)) < _SAME_SUMS).mean() >= _MIN_SHARE_OF_ROWS)


def _look_at(block: CsrBlock) -> _Seen:
    values = block.data.astype(np.float64)
    high = float(values.max())
    logged = _sum_rows(block, np.expm1(values)) if high <= _MAX_PLAUSIBLE_LOG else np.zeros(0)
    return _Seen(float(values.min()), high, _sum_rows(block, values), logged)


def _sum_rows(block: CsrBlock, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum per cell what stands for its stored values; cells without any are left out."""
    rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
    sums = np.bincount(rows, weights=numbers, minlength=block.shape[0])
    return sums[np.diff(block.indptr) > 0].astype(np.float64)


def _is_near(sums: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.abs(sums - COUNTS_PER_CELL) <= _SUM_TOLERANCE * COUNTS_PER_CELL


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
    # no logarithm is this high; above it, squares overflow
    powers.data = np.exp2(np.minimum(powers.data, 400)) - 1
    sums: NDArray[np.float64] = np.asarray(powers.sum(axis=1), dtype=np.float64).ravel()
    return sums[sums > 0]


def _are_same(sums: NDArray[np.float64]) -> bool:
    return sums.size > 1 and float(np.std(sums)) < _SAME_SUMS * float(np.mean(sums))
