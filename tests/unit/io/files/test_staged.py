"""Names of files that are being written."""

from __future__ import annotations

import pytest

from tcellflow.io.files.staged import final_name, make_ending


def test_a_staged_name_leads_back_to_the_final_one():
    """Whatever the ending is, it comes off; a name without one stays."""
    assert final_name("s.cells.h5ad" + make_ending()) == "s.cells.h5ad"
    assert make_ending() != make_ending()


@pytest.mark.parametrize("name", ["s.cells.h5ad", "s.0123abcd", "s.part.csv"])
def test_other_names_stay(name):
    """Only the ending of staged files is taken off."""
    assert final_name(name) == name
