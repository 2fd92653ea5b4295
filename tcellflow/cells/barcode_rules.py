"""The rules by which cell names of two libraries may differ: one fixed list.

Invariant: a rule depends on its own text alone; nothing is fitted to the names it is applied to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tcellflow.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Iterator

IDENTITY: Final = "identity"
_DROP_NUMBER: Final = "drop-number"
_SET_NUMBER: Final = "set-number-"
_NUMBER: Final = r"-\d+$"
# (step, pattern of what is taken away); steps apply in this order, one of each group
_SUFFIXES: Final = (("drop-suffix-underscore", r"_\d+$"),)
_PREFIXES: Final = (
    ("drop-prefix-underscore", r"^.*_"),
    ("drop-prefix-colon", r"^.*:"),
    ("drop-prefix-hash", r"^.*#"),
)
_PATTERNS: Final = dict((*_SUFFIXES, *_PREFIXES, (_DROP_NUMBER, _NUMBER)))
_MAX_NUMBERS: Final = 64  # libraries of one aggregated matrix
_N_EXAMPLES: Final = 3


@dataclass(frozen=True, eq=False)
class RenamedSide:
    """One side's names after one rule.

    Parameters
    ----------
    rule
        Steps joined by ``+``, or ``identity``.
    names
        The new names, in the order of the old ones.
    distinct
        The distinct new names; the same object as `names` while no two cells fall together.
    """

    rule: str
    names: pd.Index
    distinct: pd.Index

    @property
    def n_steps(self) -> int:
        """Steps of the rule."""
        return self.rule.count("+") + (self.rule != IDENTITY)

    def falling_together(self, shared: pd.Index, original: pa.Array) -> str:
        """Find cells that become one.

        Parameters
        ----------
        shared
            New names that both sides have; elsewhere falling together does no harm.
        original
            The old names.

        Returns
        -------
        str
            A sentence with examples; empty if there are none.
        """
        if self.names is self.distinct:
            return ""
        meeting = np.flatnonzero(self.names.duplicated(keep=False) & self.names.isin(shared))
        if not len(meeting):
            return ""
        same = np.flatnonzero(self.names == self.names[meeting[0]])
        cells = [original[int(row)].as_py() for row in same[:_N_EXAMPLES]]
        return f"{' and '.join(cells)} all become {self.names[meeting[0]]}"


class RuleBook:
    """The distinct results of the rules on one side's names.

    Parameters
    ----------
    names
        The old names.
    """

    def __init__(self, names: pa.Array) -> None:
        self._names = names
        self._sides: dict[str, RenamedSide] = {}
        self._results: list[tuple[pa.Array, RenamedSide]] = []

    def apply(self, rule: str) -> RenamedSide:
        """Apply a rule; a result seen before keeps the name of its first rule."""
        if rule not in self._sides:
            changed = _transform(rule, self._names)
            known = next((side for other, side in self._results if other.equals(changed)), None)
            if known is None:
                index = pd.Index(changed.to_numpy(zero_copy_only=False))
                known = RenamedSide(rule, index, index if index.is_unique else index.unique())
                self._results.append((changed, known))
            self._sides[rule] = known
        return self._sides[rule]


def list_rules(left: pa.Array, right: pa.Array) -> Iterator[tuple[str, str]]:
    """List the barcode rules, as pairs (left, right), that are worth trying, identity on both first."""
    numbers = (_numbers(left), _numbers(right))
    for stem_left in _stems(left):
        for stem_right in _stems(right):
            for ending_left, ending_right in _endings(*numbers):
                yield _join(stem_left, ending_left), _join(stem_right, ending_right)


def parse_rule(rule: str) -> tuple[str, str]:
    """Parse the barcode rules that a ``--barcode-rule`` names.

    Parameters
    ----------
    rule
        What to do to each side, e.g. ``identity,drop-prefix-underscore+drop-number``.

    Returns
    -------
    tuple of str
        Rule of the left and of the right side.

    Raises
    ------
    OptionsError
        If it is not understood.
    """
    sides = rule.split(",")
    known = (IDENTITY, *_PATTERNS)
    steps = [step for side in sides for step in side.split("+")]
    if len(sides) == 2 and all(step in known or re.fullmatch(_SET_NUMBER + r"\d+", step) for step in steps):
        return _join(*sides[0].split("+")), _join(*sides[1].split("+"))
    raise OptionsError(
        f"the barcode rule '{rule}' is not understood",
        where="--barcode-rule",
        mend="write what to do to the expression barcodes and to the others, e.g. "
        f"'identity,drop-prefix-underscore'; steps, joined by +: {', '.join(known)}, {_SET_NUMBER}N; "
        "or 'bare,bare'",
    )


def _stems(names: pa.Array) -> list[str]:
    """Combine the prefix and suffix steps that change anything."""
    suffixes = ["", *(step for step, pattern in _SUFFIXES if _occurs(pattern, names))]
    prefixes = ["", *(step for step, pattern in _PREFIXES if _occurs(pattern, names))]
    return [_join(suffix, prefix) for suffix in suffixes for prefix in prefixes]


def _occurs(pattern: str, names: pa.Array) -> bool:
    return bool(pc.any(pc.match_substring_regex(names, pattern)).as_py())


def _join(*steps: str) -> str:
    return "+".join(step for step in steps if step and step != IDENTITY) or IDENTITY


def _numbers(names: pa.Array) -> list[str]:
    """Find the library numbers at the end of names such as ACGT-1 (or ACGT-1_2)."""
    found = pc.extract_regex(names, r"-(?P<number>\d+)(?:_\d+)?$").drop_null()
    return sorted(pc.unique(pc.struct_field(found, "number")).to_pylist())[:_MAX_NUMBERS]


def _endings(numbers_left: list[str], numbers_right: list[str]) -> list[tuple[str, str]]:
    pairs = [("", ""), (_DROP_NUMBER, _DROP_NUMBER), (_DROP_NUMBER, ""), ("", _DROP_NUMBER)]
    pairs += [(_SET_NUMBER + number, "") for number in numbers_right]
    return pairs + [("", _SET_NUMBER + number) for number in numbers_left]


def _transform(rule: str, names: pa.Array) -> pa.Array:
    for step in () if rule == IDENTITY else rule.split("+"):
        if step.startswith(_SET_NUMBER):
            bare = pc.replace_substring_regex(names, _NUMBER, "")
            names = pc.binary_join_element_wise(bare, step.removeprefix(_SET_NUMBER), "-")
        else:
            names = pc.replace_substring_regex(names, _PATTERNS[step], "")
    return names
