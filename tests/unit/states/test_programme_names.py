"""Programmes have names that people read."""

from __future__ import annotations

from tcellflow.states import programme_names
from tcellflow.states.programme_names import name_programme
from tcellflow.states.programmes import read_programmes


def test_every_programme_of_the_table_has_a_name_of_its_own():
    """None is left to its key, and no two share a name."""
    keys = read_programmes().names
    assert set(keys) == set(programme_names._NAMES)
    names = [name_programme(key) for key in keys]
    assert len({name.lower() for name in names}) == len(keys)
    assert not [name for name in names if "_" in name]


def test_unknown_keys_are_put_in_plain_words():
    """Kinds of help and of unconventional cells are named by the same function."""
    assert name_programme("th17") == "Th17"
    assert name_programme("something_else") == "something else"
