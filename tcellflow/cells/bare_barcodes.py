"""Cell names matched by the barcode inside them, whatever stands before or behind it.

Invariant: a match is injective on both sides, or the cells that cannot be told apart are named; libraries
that share a barcode by chance are not mixed up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import numpy.typing as npt

BARE: Final = "bare"
# Ten bases are no word of a name, and every droplet barcode has at least ten; some come in parts.
_BARCODE: Final = re.compile(r"[ACGTN]{6,}(?:[-_.+][ACGTN]{6,})*")
_MIN_BASES: Final = 10
# Ways to spell the cells of one file; with more, what is around a barcode is the cell's, not the library's.
_MAX_FORMS: Final = 64
# Two 10x libraries share about one barcode in a hundred by chance.
_CHANCE: Final = 0.1


@dataclass(frozen=True, eq=False)
class BareMatch:
    """Cells of two files that have the same bare barcode.

    Parameters
    ----------
    rows_left, rows_right
        Rows of the shared cells on each side, in right order.
    clash
        Cells that cannot be told apart, as a sentence; empty without any.
    """

    rows_left: npt.NDArray[np.intp]
    rows_right: npt.NDArray[np.intp]
    clash: str = ""

    def pairs(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Give the rows of the left and of the right side that are one cell, in right order."""
        return self.rows_left, self.rows_right


def match_bare(left: npt.NDArray[np.object_], right: npt.NDArray[np.object_]) -> BareMatch:
    """Match cells by their bare barcodes: the longest run of bases in their names.

    Libraries are told apart by what stands around the barcodes: each way to spell the right side goes
    with the ways of the left side that share the most barcodes with it, not with one that shares a few.

    Parameters
    ----------
    left, right
        Names of the cells, distinct on each side.

    Returns
    -------
    BareMatch
        Rows of shared cells; where two cells of a side would become one, the clash.
    """
    sides = _split(left), _split(right)
    shared = sides[0].merge(sides[1], on="barcode", suffixes=("_left", "_right"))
    counts = shared.groupby(["form_left", "form_right"]).size()
    if counts.empty:
        nothing = np.empty(0, dtype=np.intp)
        return BareMatch(nothing, nothing)
    most = [counts.groupby(level=level).transform("max") for level in (0, 1)]
    together = counts[(counts >= _CHANCE * most[0]) & (counts >= _CHANCE * most[1])].index
    forms = pd.MultiIndex.from_frame(shared[["form_left", "form_right"]])
    shared = shared[forms.isin(together)].sort_values(["row_right", "row_left"])
    clash = _tell_clash(shared, "row_right", "row_left", left) or _tell_clash(
        shared, "row_left", "row_right", right
    )
    return BareMatch(
        shared["row_left"].to_numpy(dtype=np.intp), shared["row_right"].to_numpy(dtype=np.intp), clash
    )


def _split(names: npt.NDArray[np.object_]) -> pd.DataFrame:
    """Take names apart: barcode, row, and what stands around the barcode; names without one are left out."""
    rows, barcodes, forms = [], [], []
    for row, name in enumerate(names):
        found = max(_BARCODE.finditer(name), key=lambda match: len(match.group()), default=None)
        if found is None or sum(letter in "ACGTN" for letter in found.group()) < _MIN_BASES:
            continue
        rows.append(row)
        barcodes.append(found.group())
        forms.append(f"{name[: found.start()]}*{name[found.end() :]}")
    if len(set(forms)) > _MAX_FORMS:
        forms = ["*"] * len(forms)
    return pd.DataFrame({"barcode": barcodes, "row": rows, "form": forms})


def _tell_clash(shared: pd.DataFrame, of: str, meets: str, names: npt.NDArray[np.object_]) -> str:
    """Name cells of one side that meet the same cell of the other side."""
    torn = shared[shared[of].duplicated(keep=False)]
    if torn.empty:
        return ""
    first = torn[torn[of] == torn[of].iloc[0]]
    cells = " and ".join(str(names[row]) for row in first[meets].iloc[:3])
    barcode = first["barcode"].iloc[0]
    return f"{torn[of].nunique()} bare barcodes belong to several cells (first: {barcode} of {cells})"
