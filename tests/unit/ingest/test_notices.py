"""Warnings are ordered and cut for a terminal, never for the account."""

import json

from tcellflow.ingest.notices import Severe, choose_lines, order_warnings


def test_severe_warnings_come_first_and_none_twice() -> None:
    """Order is kept among equals."""
    found = order_warnings(["a", Severe("b"), "c", "a", Severe("d"), Severe("b")])
    assert found == ["b", "d", "a", "c"]
    assert all(type(text) is str for text in found)
    assert json.loads(json.dumps(found)) == found


def test_at_most_five_lines_are_shown() -> None:
    """Five warnings are shown, six become four and a pointer to the account."""
    five = list("abcde")
    assert choose_lines(five, "s.qc.json") == five
    assert choose_lines([*five, "f"], "s.qc.json") == [*"abcd", "2 more warnings are in s.qc.json"]
    assert choose_lines([], "s.qc.json") == []
