"""Which of several matrices of one AnnData is read: decided by what they hold, for files and objects alike.

Invariant: of matrices that can be read as they are the widest is taken, for genes that were left out
cannot be brought back; the choice depends on names, widths and values alone, and says what it passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.cells.counts import MAX_COUNT, recognise_content
from tcellflow.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse

RAW: Final = "raw/X"
LAYERS: Final = "layers/"
# Rows looked at from the beginning, the middle and the end of a matrix.
_SAMPLED_ROWS: Final = 60
# Matrices that differ by less were cut by a filter of rare genes; which of them is read hardly matters.
_EQUAL_WIDTH: Final = 0.95
# A matrix of plain counts is worth more than corrected ones, unless it was cut to a selection.
_LEAST_WIDTH: Final = 0.5
_N_SHOWN: Final = 4
_COUNT_LAYERS: Final = ("counts", "raw_counts")
# Layers that hold only some of the molecules of a cell, by the words of velocity tools.
_PART: Final = re.compile(
    r"(un)?spliced|ambiguous|intron\w*|exon\w*|nascent|mature|M[su]|velocity", re.IGNORECASE
)


class Holds(IntEnum):
    """What sampled values look like, best first."""

    COUNTS = 0
    LOG = 1
    CORRECTED = 2
    PART = 3
    NON_NEGATIVE = 4
    OTHER = 5
    NOTHING = 6

    @property
    def words(self) -> str:
        """What a person is told."""
        return _WORDS[self]


_WORDS: Final = {
    Holds.COUNTS: "counts",
    Holds.LOG: "log1p of counts per 10,000",
    Holds.CORRECTED: "counts with fractions",
    Holds.PART: "counts of some molecules",
    Holds.NON_NEGATIVE: "values of an unknown normalisation",
    Holds.OTHER: "scaled or missing values",
    Holds.NOTHING: "no values",
}
_CONTENT: Final = {"counts": Holds.COUNTS, "log1p_cp10k": Holds.LOG, "corrected_counts": Holds.CORRECTED}


@dataclass(frozen=True)
class SlotLook:
    """One matrix as it was looked at.

    Parameters
    ----------
    name
        ``X``, ``layers/<name>`` or ``raw/X``.
    n_features
        Its width.
    holds
        What its sampled values look like.
    """

    name: str
    n_features: int
    holds: Holds

    def __str__(self) -> str:
        return f"{self.name} ({self.n_features:,} features, {self.holds.words})"


@dataclass(frozen=True)
class SlotChoice:
    """The matrix that is read.

    Parameters
    ----------
    name
        ``X``, ``layers/<name>`` or ``raw/X``.
    looks
        All matrices, in the order of preference by name; empty where there was nothing to choose.
    """

    name: str
    looks: tuple[SlotLook, ...] = ()

    @property
    def passed_over(self) -> tuple[SlotLook, ...]:
        """The matrices that are not read."""
        return tuple(look for look in self.looks if look.name != self.name)

    @property
    def line(self) -> str:
        """Say in one line which matrix is read and which are not; empty where there was no choice."""
        if not self.looks:
            return ""
        chosen = next(look for look in self.looks if look.name == self.name)
        shown = "; ".join(map(str, self.passed_over[:_N_SHOWN]))
        more = len(self.passed_over) - _N_SHOWN
        return (
            f"{chosen} is read; passed over: {shown}"
            + (f" and {more} more" if more > 0 else "")
            + " (--layer)"
        )

    @property
    def is_surprising(self) -> bool:
        """Whether a matrix of other genes, or one that goes first by its name, is passed over."""
        if not self.looks:
            return False
        width = next(look.n_features for look in self.looks if look.name == self.name)
        is_named = self.looks[0].name.startswith(LAYERS) and self.looks[0].name != self.name
        return is_named or any(look.n_features != width for look in self.passed_over)


def sample_rows(n_rows: int) -> list[slice]:
    """Give the rows to look at when a slot is chosen: beginning, middle and end, without overlap."""
    if n_rows <= 3 * _SAMPLED_ROWS:
        return [slice(0, n_rows)]
    middle = (n_rows - _SAMPLED_ROWS) // 2
    starts = (0, middle, n_rows - _SAMPLED_ROWS)
    return [slice(start, start + _SAMPLED_ROWS) for start in starts]


def judge_rows(name: str, rows: sparse.csr_matrix) -> Holds:
    """Say what a matrix holds, for the choice of a slot.

    Parameters
    ----------
    name
        Its place; layers named as parts of the molecules are told by it.
    rows
        Some of its rows (cells, features).
    """
    values: NDArray[np.number] = rows.data[rows.data != 0]
    if values.size == 0:
        return Holds.NOTHING
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > MAX_COUNT:
        return Holds.OTHER
    content = recognise_content(rows)
    holds = Holds.NON_NEGATIVE if content is None else _CONTENT[content]
    is_part = name.startswith(LAYERS) and _PART.fullmatch(name.removeprefix(LAYERS)) is not None
    return Holds.PART if is_part and holds <= Holds.CORRECTED else holds


def order_slots(present: Sequence[str]) -> list[str]:
    """Order slots as they are chosen among equals: layers of counts, X, raw/X, other layers."""
    named = [f"{LAYERS}{name}" for name in _COUNT_LAYERS]
    first = [name for name in (*named, "X", RAW) if name in present]
    return [*first, *(name for name in present if name not in first)]


def choose_by_content(looks: Sequence[SlotLook]) -> SlotChoice:
    """Choose a slot by what the matrices hold.

    Parameters
    ----------
    looks
        At least one, in the order of `order_slots`.

    Returns
    -------
    SlotChoice
        The widest that holds counts or log1p(counts per 10,000); of equal width counts. Else corrected
        counts; else parts of the molecules, other values without a sign, anything.
    """
    usable = [look for look in looks if look.holds <= Holds.CORRECTED]
    plain = [look for look in usable if look.holds <= Holds.LOG]
    if plain and _widest(plain) >= _LEAST_WIDTH * _widest(usable):
        usable = plain
    if not usable:
        best = min(look.holds for look in looks)
        usable = [look for look in looks if look.holds == best]
    wide = [look for look in usable if look.n_features >= _EQUAL_WIDTH * _widest(usable)]
    chosen = min(wide, key=lambda look: look.holds)
    return SlotChoice(chosen.name, tuple(looks) if len(looks) > 1 else ())


def _widest(looks: Sequence[SlotLook]) -> int:
    return max(look.n_features for look in looks)


def find_slot(wanted: str, present: Sequence[str], *, where: object) -> str:
    """Find the slot that a user chose by name.

    Parameters
    ----------
    wanted
        ``X``, ``raw``, the name of a layer, or an address such as ``layers/counts`` or ``raw/X``.
    present
        Addresses of the matrices there are.
    where
        Named in errors as the place.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    of_layer = wanted if wanted in {"X", RAW} or wanted.startswith(LAYERS) else f"{LAYERS}{wanted}"
    for name in (RAW if wanted == "raw" else wanted, of_layer):
        if name in present:
            return name
    shown = [{RAW: "raw"}.get(name, name.removeprefix(LAYERS)) for name in present]
    raise InputError(
        f"there is no matrix in {of_layer}; there are: {', '.join(present) or 'none'}",
        where=where,
        mend=f"name one of these with --layer: {', '.join(shown)}" if shown else "save the counts in X",
    )
