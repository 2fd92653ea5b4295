"""Names, values and counts are listed in a fixed order and never swell the page."""

from __future__ import annotations

import pandas as pd

from tcellflow.report.listing import (
    count_values,
    flatten,
    list_counts,
    list_values,
    sort_counts,
)


def test_counts_are_sorted_largest_first() -> None:
    """Reasons come largest first, ties by name; nothing gives nothing."""
    assert sort_counts({"b": 2, "a": 2, "c": 9}) == (("c", 9), ("a", 2), ("b", 2))
    assert sort_counts(None) == ()


def test_values_of_a_column_are_counted() -> None:
    """Missing values are not counted, nor words that do not occur."""
    values = pd.Series(["x", None, "y", "y"], dtype=pd.CategoricalDtype(["x", "y", "z"]))
    assert count_values(values) == (("y", 2), ("x", 1))


def test_counts_without_words_follow_under_their_own_name() -> None:
    """Known reasons come in the order of their words, others are not hidden, and none is left out."""
    words = {"both": "by both", "genes": "by genes"}
    assert list_counts({"new_sign": 1200, "genes": 3, "both": 0}, words) == [
        ("by genes", "3"),
        ("new sign", "1,200"),
    ]


def test_empty_values_are_left_out() -> None:
    """Null, empty texts and empty lists have no row; 0 and no have one."""
    values = {"a": None, "b": "", "c": [], "d": {}, "e": 0, "f": False, "g": "x"}
    assert list_values(values) == [("e", "0"), ("f", "no"), ("g", "x")]


def test_flatten_names_every_leaf() -> None:
    """Nested objects become one line per leaf, in key order."""
    assert flatten({"v": {"gene": 1200, "all_good": True}, "a": []}) == [
        ("a", "none"),
        ("v all good", "yes"),
        ("v gene", "1,200"),
    ]
    assert flatten({"n": 1}, "barcodes") == [("barcodes n", "1")]
