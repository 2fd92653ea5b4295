"""Tolerant reading of the JSON that other steps wrote.

Invariant: an absent or odd entry is "not there" (None, empty), never an exception and never a
default that could be taken for a measurement.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tcellflow.provenance import JsonValue


def look_up(content: JsonValue, *keys: str) -> JsonValue:
    """Follow keys into nested JSON objects.

    Parameters
    ----------
    content
        A JSON value; None means that the file is absent.
    *keys
        The path.

    Returns
    -------
    JsonValue
        What lies there, or None.
    """
    for key in keys:
        if not isinstance(content, dict):
            return None
        content = content.get(key)
    return content


def read_count(content: JsonValue, *keys: str) -> int | None:
    """Read a count, the number of something.

    Parameters
    ----------
    content
        A JSON value.
    *keys
        The path.

    Returns
    -------
    int or None
        The count (0 or more), or None where there is no such number.
    """
    value = look_up(content, *keys)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value) or value < 0 or value != int(value):
        return None
    return int(value)


def read_number(content: JsonValue, *keys: str) -> float | None:
    """Read a finite number.

    Parameters
    ----------
    content
        A JSON value.
    *keys
        The path.

    Returns
    -------
    float or None
        The number, or None where there is none.
    """
    value = look_up(content, *keys)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def read_text(content: JsonValue, *keys: str) -> str:
    """Read a string.

    Parameters
    ----------
    content
        A JSON value.
    *keys
        The path.

    Returns
    -------
    str
        The text; empty where there is none.
    """
    value = look_up(content, *keys)
    return value if isinstance(value, str) else ""


def read_texts(content: JsonValue, *keys: str) -> tuple[str, ...]:
    """Read a list of strings; a single string counts as one.

    Parameters
    ----------
    content
        A JSON value.
    *keys
        The path.

    Returns
    -------
    tuple of str
        The strings in file order; empty where there are none.
    """
    value = look_up(content, *keys)
    if isinstance(value, str):
        return (value,)
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def read_numbers(content: JsonValue, *keys: str) -> tuple[float, ...]:
    """Read a list of finite numbers.

    Parameters
    ----------
    content
        A JSON value.
    *keys
        The path.

    Returns
    -------
    tuple of float
        The numbers; empty unless all entries are finite numbers.
    """
    value = look_up(content, *keys)
    if not isinstance(value, list):
        return ()
    numbers = tuple(read_number(entry) for entry in value)
    return () if None in numbers else tuple(n for n in numbers if n is not None)


def read_counts(content: JsonValue, *keys: str) -> tuple[tuple[str, int], ...]:
    """Read an object of counts, e.g. reasons for removal.

    Parameters
    ----------
    content
        A JSON value.
    *keys
        The path.

    Returns
    -------
    tuple of (str, int)
        Names and counts, largest first, ties by name; entries that are no counts are left out.
    """
    value = look_up(content, *keys)
    if not isinstance(value, dict):
        return ()
    pairs = [(key, count) for key in value if (count := read_count(value, key)) is not None]
    return tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def flatten(content: JsonValue, prefix: str = "") -> list[tuple[str, str]]:
    """Give nested JSON as a flat list of names and readable values.

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
    if not isinstance(content, dict):
        return []
    rows: list[tuple[str, str]] = []
    for key in sorted(content):
        value = content[key]
        name = f"{prefix} {key}".strip().replace("_", " ")
        if isinstance(value, dict):
            rows += flatten(value, name)
        else:
            rows.append((name, describe_value(value)))
    return rows


_LIST_SHOWN = 8
_TEXT_SHOWN = 300


def describe_value(value: JsonValue) -> str:
    """Write one JSON value the way a person reads it.

    Parameters
    ----------
    value
        Any JSON value.

    Returns
    -------
    str
        Text of bounded length: thousands separators, yes/no, "none", the head of long lists.
    """
    if value is None or value in ([], {}, ""):
        return "not set" if value is None else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, list):
        head = ", ".join(describe_value(entry) for entry in value[:_LIST_SHOWN])
        rest = len(value) - _LIST_SHOWN
        return f"{head} and {rest:,} more" if rest > 0 else head
    text = str(value)
    return text if len(text) <= _TEXT_SHOWN else text[:_TEXT_SHOWN] + "…"
