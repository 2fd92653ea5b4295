"""Reading of the steps' JSON never fails and never invents a number."""

from __future__ import annotations

import pytest

from tcellflow.report.lookup import (
    describe_value,
    flatten,
    look_up,
    read_count,
    read_counts,
    read_number,
    read_numbers,
    read_text,
    read_texts,
)


def test_absent_paths_are_nothing() -> None:
    """A path through absent or scalar entries leads to None, not to an exception."""
    assert look_up(None, "a", "b") is None
    assert look_up({"a": 1}, "a", "b") is None
    assert look_up({"a": {"b": 0}}, "a", "b") == 0


@pytest.mark.parametrize("value", [True, -1, 1.5, "3", None, float("nan"), float("inf"), [3]])
def test_odd_values_are_no_counts(value: object) -> None:
    """Booleans, negatives, fractions, text and non-finite numbers are not taken for counts."""
    assert read_count({"n": value}, "n") is None


def test_counts_and_numbers_are_read() -> None:
    """Whole numbers are counts even when JSON holds them as floats."""
    assert read_count({"n": 3.0}, "n") == 3
    assert read_number({"n": 0.25}, "n") == 0.25
    assert read_number({"n": True}, "n") is None


def test_counts_are_sorted_largest_first() -> None:
    """Reasons come largest first, ties by name, and entries that are no counts are left out."""
    content = {"removed": {"b": 2, "a": 2, "c": 9, "note": "x"}}
    assert read_counts(content, "removed") == (("c", 9), ("a", 2), ("b", 2))
    assert read_counts({"removed": [1]}, "removed") == ()


def test_lists_are_all_or_nothing() -> None:
    """A list with one odd entry is no list of numbers; a single text counts as a list of one."""
    assert read_numbers({"e": [0, 1.5]}, "e") == (0.0, 1.5)
    assert read_numbers({"e": [0, None]}, "e") == ()
    assert read_texts({"w": "one"}, "w") == ("one",)
    assert read_texts({"w": ["one", 2]}, "w") == ("one",)
    assert read_text({"w": 2}, "w") == ""


def test_flatten_names_every_leaf() -> None:
    """Nested objects become one line per leaf, in key order."""
    assert flatten({"v": {"gene": 1200, "all_good": True}, "a": []}) == [
        ("a", "none"),
        ("v all good", "yes"),
        ("v gene", "1,200"),
    ]


def test_long_values_are_cut() -> None:
    """Long lists and texts do not swell the page."""
    assert describe_value(list(range(20))) == "0, 1, 2, 3, 4, 5, 6, 7 and 12 more"
    assert len(describe_value("x" * 5000)) < 400
