"""Cell names of two libraries of one sample, brought together.

Invariant: a reconciliation is injective on both sides: no two cells of a library ever become one. Where the
rules fail, the barcode inside the names decides, if it tells the cells of both sides apart.
Of all rules the one with the most shared cells counts; ties with different results are refused.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from tcellflow.cells.barcode_rules import RenamedSide, RuleBook, list_rules, parse_rule
from tcellflow.cells.bare_barcodes import BARE, BareMatch, match_bare
from tcellflow.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from tcellflow.provenance import JsonValue

AUTO: Final = "auto"
LOW_OVERLAP: Final = 0.10  # chance alone reaches about 0.01 between two 10x libraries of 5,000 cells
DOUBTFUL_OVERLAP: Final = 0.60
_N_EXAMPLES: Final = 3
_BARE_RULE: Final = f"{BARE},{BARE}"
_MUCH_BETTER: Final = 2


@dataclass(frozen=True)
class BarcodeMap:
    """Which cell of the right library is which cell of the left one.

    Parameters
    ----------
    rule_left, rule_right
        What was done to the names of each side: ``identity`` or steps joined by ``+``.
    n_left, n_right
        Cells of each library.
    names
        Right name to left name, for all shared cells.
    warnings
        What the user should know, as sentences.
    """

    rule_left: str
    rule_right: str
    n_left: int
    n_right: int
    names: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """The rule as ``--barcode-rule`` takes it."""
        return f"{self.rule_left},{self.rule_right}"

    @property
    def n_shared(self) -> int:
        """Cells of both libraries."""
        return len(self.names)

    @property
    def fraction_left(self) -> float:
        """Share of the left cells that are in the right library, 0-1."""
        return self.n_shared / self.n_left if self.n_left else 0.0

    @property
    def fraction_right(self) -> float:
        """Share of the right cells that are in the left library, 0-1."""
        return self.n_shared / self.n_right if self.n_right else 0.0

    @property
    def overlap(self) -> float:
        """The larger share, for either library may be a part of the other; 0-1."""
        return max(self.fraction_left, self.fraction_right)

    def as_dict(self) -> dict[str, JsonValue]:
        """Give rule and overlap as JSON-ready data.

        Returns
        -------
        dict
            Keys ``rule``, ``n_left``, ``n_right``, ``n_shared``, ``fraction_left``,
            ``fraction_right`` and ``overlap``, shares rounded to four digits.
        """
        return {
            "rule": self.rule,
            "n_left": self.n_left,
            "n_right": self.n_right,
            "n_shared": self.n_shared,
            "fraction_left": round(self.fraction_left, 4),
            "fraction_right": round(self.fraction_right, 4),
            "overlap": round(self.overlap, 4),
        }


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One pair of rules, with the names that both sides share under it."""

    left: RenamedSide
    right: RenamedSide
    shared: pd.Index
    collisions: tuple[str, ...]

    @property
    def rule(self) -> str:
        return f"{self.left.rule},{self.right.rule}"

    @property
    def n_steps(self) -> int:
        return self.left.n_steps + self.right.n_steps

    def pairs(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Give the rows of the left and of the right side that are one cell, in right order."""
        rows_right = np.flatnonzero(self.right.names.isin(self.shared))
        # names that fall together are never shared here, so the first place is the only one
        first = pd.Series(np.arange(len(self.left.names)), index=self.left.names)
        first = first[self.left.names.isin(self.shared)]
        return first[self.right.names[rows_right]].to_numpy(dtype=np.intp), rows_right

    def is_same_result(self, other: _Candidate) -> bool:
        return all(np.array_equal(*rows) for rows in zip(self.pairs(), other.pairs(), strict=True))


def reconcile_barcodes(
    left: Sequence[str] | npt.NDArray[np.object_],
    right: Sequence[str] | npt.NDArray[np.object_],
    *,
    rule: str = AUTO,
    allow_low_overlap: bool = False,
    where: object = "cell barcodes",
) -> BarcodeMap:
    """Find out by their barcodes which cells of two libraries are the same.

    Parameters
    ----------
    left
        Names of the cells in the expression data, distinct.
    right
        Names of the cells in the other library, distinct.
    rule
        "auto", or what to do to each side, e.g. ``identity,drop-prefix-underscore+drop-number``.
    allow_low_overlap
        Whether two libraries may share less than a tenth of their cells.
    where
        Named in errors as the place.

    Returns
    -------
    BarcodeMap
        The rule with the most shared cells; of rules with the same result the simplest. Where none shares
        more than 60 % of the smaller library, the bare barcodes if they share twice as many cells.

    Raises
    ------
    InputError
        If names are repeated, two cells fall together, the overlap is too low, or two rules tie with
        different results.
    OptionsError
        If the rule is not understood.
    """
    sides = (_as_names(left, where), _as_names(right, where))
    chosen: _Candidate | BareMatch
    if rule == _BARE_RULE:
        chosen = match_bare(*_as_arrays(sides))
        if chosen.clash:
            raise _clash(chosen, where)
    elif rule != AUTO:
        asked = parse_rule(rule)
        chosen = _match(RuleBook(sides[0]).apply(asked[0]), RuleBook(sides[1]).apply(asked[1]), sides)
        if chosen.collisions:
            raise _fall_together(chosen, where)
    else:
        chosen = _choose(_candidates(sides), sides, where, allow_low_overlap=allow_low_overlap)
    left_names, right_names = _as_arrays(sides)
    rows_left, rows_right = chosen.pairs()
    rules = (BARE, BARE) if isinstance(chosen, BareMatch) else (chosen.left.rule, chosen.right.rule)
    found = BarcodeMap(
        rule_left=rules[0],
        rule_right=rules[1],
        n_left=len(left_names),
        n_right=len(right_names),
        names=dict(zip(right_names[rows_right], left_names[rows_left], strict=True)),
    )
    if isinstance(chosen, BareMatch) and rule == AUTO and found.names:
        one, other = next(iter(found.names.items()))
        told = f"cells are matched by the barcode inside their names ({one} is {other})"
        found = replace(found, warnings=(told,))
    return _judge(found, left_names, right_names, where, allow_low_overlap=allow_low_overlap)


def _as_names(names: Sequence[str] | npt.NDArray[np.object_], where: object) -> pa.Array:
    index = pd.Index(np.asarray(names, dtype=object))
    if not index.is_unique:
        repeated = index[index.duplicated()].unique()
        raise InputError(
            f"{len(repeated)} cell barcodes occur more than once (first: {repeated[0]})",
            where=where,
            mend="make the names of the cells distinct, e.g. with a prefix per library",
        )
    return pa.array(index.to_numpy(), type=pa.string())


def _candidates(sides: tuple[pa.Array, pa.Array]) -> Iterator[_Candidate]:
    """Try all pairs of rules; of rules that change names alike only the first is tried."""
    books = (RuleBook(sides[0]), RuleBook(sides[1]))
    seen: set[tuple[str, str]] = set()
    for rule_left, rule_right in list_rules(*sides):
        left, right = books[0].apply(rule_left), books[1].apply(rule_right)
        if (left.rule, right.rule) not in seen:
            seen.add((left.rule, right.rule))
            yield _match(left, right, sides)


def _match(left: RenamedSide, right: RenamedSide, sides: tuple[pa.Array, pa.Array]) -> _Candidate:
    shared = right.distinct[left.distinct.get_indexer(right.distinct) >= 0]
    collisions = (
        (left.falling_together(shared, sides[0]), right.falling_together(shared, sides[1]))
        if len(shared)
        else ()
    )
    return _Candidate(left, right, shared, tuple(text for text in collisions if text))


def _choose(
    candidates: Iterator[_Candidate],
    sides: tuple[pa.Array, pa.Array],
    where: object,
    *,
    allow_low_overlap: bool,
) -> _Candidate | BareMatch:
    smaller = min(len(side) for side in sides)
    identity = next(candidates)
    if len(identity.shared) == smaller:
        return identity  # no other rule can share more cells
    tried = [identity, *candidates]
    injective = [candidate for candidate in tried if not candidate.collisions]
    most = max(len(candidate.shared) for candidate in injective)
    best = [candidate for candidate in injective if len(candidate.shared) == most]
    if smaller and most / smaller < DOUBTFUL_OVERLAP:
        bare = match_bare(*_as_arrays(sides))
        if not bare.clash and len(bare.rows_left) > _MUCH_BETTER * most:
            return bare
    if smaller and most / smaller < DOUBTFUL_OVERLAP and not allow_low_overlap:
        colliding = max(
            (candidate for candidate in tried if candidate.collisions),
            key=lambda candidate: len(candidate.shared),
            default=None,
        )
        # the names would agree, were it not for cells that cannot be told apart
        if colliding is not None and len(colliding.shared) / smaller >= DOUBTFUL_OVERLAP:
            raise _fall_together(colliding, where)
        # the rules fail, and the barcodes alone would do, were it not for cells that share one
        least = LOW_OVERLAP if most / smaller < LOW_OVERLAP else DOUBTFUL_OVERLAP
        if bare.clash and len(set(bare.rows_right)) / smaller >= least:
            raise _clash(bare, where)
    if identity in best:
        return identity
    simplest = min(best, key=lambda candidate: candidate.n_steps)
    different = [candidate for candidate in best if not candidate.is_same_result(simplest)]
    if different:
        rules = "; ".join(candidate.rule for candidate in (simplest, *different[:_N_EXAMPLES]))
        raise InputError(
            f"the barcodes agree equally well ({most} cells) under rules that pair different cells: {rules}",
            where=where,
            mend="name the right one with --barcode-rule",
        )
    return simplest


def _fall_together(candidate: _Candidate, where: object) -> InputError:
    return InputError(
        f"cells fall together under the barcode rule {candidate.rule}: {'; '.join(candidate.collisions)}",
        where=where,
        mend="give the libraries one by one, or make the barcodes of both files distinct in the same way",
    )


def _as_arrays(sides: tuple[pa.Array, pa.Array]) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    left, right = (side.to_numpy(zero_copy_only=False) for side in sides)
    return left, right


def _clash(match: BareMatch, where: object) -> InputError:
    return InputError(
        f"the cell names agree in their barcodes alone, and {match.clash}",
        where=where,
        mend="give the libraries one by one, or make the barcodes of both files distinct in the same way",
    )


def _judge(
    found: BarcodeMap,
    left: npt.NDArray[np.object_],
    right: npt.NDArray[np.object_],
    where: object,
    *,
    allow_low_overlap: bool,
) -> BarcodeMap:
    if not found.n_left or not found.n_right:
        return found  # nothing to compare
    message = (
        f"{found.n_shared} of {found.n_left} cells of the expression data and of {found.n_right} cells of "
        f"the other library have the same barcode (rule {found.rule}; e.g. {left[0]} and {right[0]})"
    )
    if found.overlap < LOW_OVERLAP and not allow_low_overlap:
        raise InputError(
            f"only {message}",
            where=where,
            mend="check that both files are of one sample; else --barcode-rule, or --allow-low-overlap",
        )
    if found.overlap < DOUBTFUL_OVERLAP:
        return replace(found, warnings=(*found.warnings, message))
    return found


def check_barcodes(barcodes: npt.NDArray[np.object_], *, where: object) -> None:
    """Refuse repeated or empty barcodes.

    Raises
    ------
    InputError
        If a name occurs twice or is empty.
    """
    counts = Counter(barcodes.tolist())
    if len(counts) != len(barcodes):
        repeated = [name for name, count in counts.items() if count > 1]
        shown = ", ".join(f"{name} ({counts[name]} times)" for name in repeated[:_N_EXAMPLES])
        raise InputError(
            f"{len(repeated)} cell barcodes occur more than once: {shown}",
            where=where,
            mend="give one sample per run, or make the barcodes of merged samples distinct (-1, -2, …)",
        )
    if "" in counts:
        row = barcodes.tolist().index("")
        raise InputError(f"the cell in row {row} has an empty name", where=where, mend="name every cell")
