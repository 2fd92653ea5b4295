"""What people are told of a sample: most severe first, and no more lines than are read.

Invariant: every warning stands in the account; a terminal shows at most five lines of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MOST_LINES: Final = 5


class Severe(str):
    """A warning that may mean that the results are not those of the sample: told before all others."""

    __slots__ = ()


def order_warnings(warnings: Iterable[str]) -> list[str]:
    """Put severe notices of a sample first, each text once, else in the order given."""
    distinct = dict.fromkeys(sorted(warnings, key=lambda text: not isinstance(text, Severe)))
    return [str(text) for text in distinct]


def choose_lines(ordered: Sequence[str], account: str) -> list[str]:
    """Choose the notices for a terminal: all, or four and how many more the account (a file's name) holds."""
    if len(ordered) <= _MOST_LINES:
        return list(ordered)
    n_left = len(ordered) - _MOST_LINES + 1
    return [*ordered[: _MOST_LINES - 1], f"{n_left} more warnings are in {account}"]
