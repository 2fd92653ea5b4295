"""What single texts of a table mean: missing, yes or no, a count.

Invariant: a text that is not understood is an error with its row, never a silent "no" or zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from tcellflow.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

MISSING: Final = (
    "",
    "None",
    "none",
    "NONE",
    "nan",
    "NaN",
    "NAN",
    "NA",
    "na",
    "N/A",
    "n/a",
    "null",
    "NULL",
    "<NA>",
)
_TRUE: Final = ("true", "t", "1", "1.0", "yes", "y")
_FALSE: Final = ("false", "f", "0", "0.0", "no", "n")


def parse_booleans(
    values: pd.Series, *, where: object
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Parse text values of yes and no.

    Parameters
    ----------
    values
        Texts or booleans, None = missing; its name is used in the error.
    where
        Named in errors as the place.

    Returns
    -------
    is_true : numpy.ndarray
        True where the text says so.
    is_known : numpy.ndarray
        False where it is missing.

    Raises
    ------
    InputError
        If a text is neither yes nor no.
    """
    known = values.notna().to_numpy()
    words = values.astype(str).str.lower()
    true = words.isin(_TRUE).to_numpy() & known
    unclear = known & ~true & ~words.isin(_FALSE).to_numpy()
    if unclear.any():
        row = int(np.argmax(unclear))
        raise InputError(
            f"column '{values.name}' holds {values.iloc[row]!r} in row {row + 1}: neither yes nor no",
            where=where,
            mend="write True or False",
        )
    return true, known


def find_denied(values: pd.Series, *, where: object) -> npt.NDArray[np.bool_]:
    """Find the text values that say no; missing is not no.

    Parameters
    ----------
    values, where
        As in `parse_booleans`.

    Returns
    -------
    numpy.ndarray
        True where the text says no.

    Raises
    ------
    InputError
        If a text is neither yes nor no.
    """
    is_true, is_known = parse_booleans(values, where=where)
    return is_known & ~is_true


def parse_counts(values: pd.Series, *, where: object) -> npt.NDArray[np.float64]:
    """Parse text values of counts (UMIs, reads or TPM).

    Parameters
    ----------
    values
        Texts or numbers, None = missing; its name is used in the error.
    where
        Named in errors as the place.

    Returns
    -------
    numpy.ndarray
        float64, NaN = missing.

    Raises
    ------
    InputError
        If a value is no number, negative or infinite.
    """
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    bad = values.notna().to_numpy() & ~(np.isfinite(numbers) & (numbers >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"column '{values.name}' holds {values.iloc[row]!r} in row {row + 1}: not a count",
            where=where,
            mend="write a number of at least 0, or leave the field empty",
        )
    return numbers
