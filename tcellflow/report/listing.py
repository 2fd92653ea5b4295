"""Names with values and counts as the page lists them: their order, wording and length.

Invariant: what is listed is bounded in length, and equal counts stand in the order of their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tcellflow.report.wording import EMPTY, write_name, write_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from tcellflow.contracts.qc import Barcodes
    from tcellflow.provenance import JsonValue

_Word = TypeVar("_Word", bound=str)  # a mapping by an enum of words is one by words, too


@dataclass(frozen=True)
class Facts:
    """A named group of names and values."""

    title: str
    rows: tuple[tuple[str, str], ...]


def list_values(values: Mapping[str, JsonValue]) -> list[tuple[str, str]]:
    """List values under their names for the report in the order given; null and empty ones are left out."""
    return [(name, write_value(value)) for name, value in values.items() if value not in EMPTY]


def list_counts(counts: Mapping[str, int], words: Mapping[str, str]) -> list[tuple[str, str]]:
    """List counts above 0 for the report in the order of their words, then others by their own name."""
    named = [(words[key], counts[key]) for key in words if key in counts]
    named += [(write_name(key), counts[key]) for key in sorted(counts) if key not in words]
    return [(name, f"{count:,}") for name, count in named if count]


def list_barcodes(found: Barcodes, other: str) -> tuple[tuple[str, str], ...]:
    """List for the report how the cells of expression and of another file were matched."""
    rows = list_values(
        {
            f"rule (expression, {other})": found.rule,
            "cells with expression": found.n_left,
            f"cells with {other}": found.n_right,
            "cells with both": found.n_shared,
            "share of the cells with expression": found.fraction_left,
            f"share of the cells with {other}": found.fraction_right,
            "overlap (the larger share)": found.overlap,
        }
    )
    return tuple(rows)


def sort_counts(counts: Mapping[_Word, int] | None) -> tuple[tuple[str, int], ...]:
    """List names and counts for the report, largest first, ties by name; nothing for None."""
    return tuple(sorted((counts or {}).items(), key=lambda pair: (-pair[1], pair[0])))


def count_values(values: pd.Series) -> tuple[tuple[str, int], ...]:
    """List the counts of a column's values, missing ones apart; largest first, ties by name."""
    counts = values.value_counts()
    return sort_counts({str(value): int(count) for value, count in counts.items() if count})


def flatten(content: Mapping[str, JsonValue], prefix: str = "") -> list[tuple[str, str]]:
    """List nested JSON as flat names and readable values for the report.

    Parameters
    ----------
    content
        A JSON object.
    prefix
        Put in front of every name.

    Returns
    -------
    list of (str, str)
        One entry per leaf in key order; long lists show their length and first entries.
    """
    rows: list[tuple[str, str]] = []
    for key in sorted(content):
        value = content[key]
        name = write_name(f"{prefix} {key}")
        if isinstance(value, dict):
            rows += flatten(value, name)
        else:
            rows.append((name, write_value(value)))
    return rows
