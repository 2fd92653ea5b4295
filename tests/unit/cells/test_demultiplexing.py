"""Words of demultiplexing tools are no donors."""

import numpy as np
import pytest

from tcellflow.cells.demultiplexing import find_doublets, find_nameless

DOUBLETS = ["doublet", "Doublet", "DBL-s1-s2", "Multiplet", "0/1", "doublet_A_B", " doublet "]
NOBODY = ["unassigned", "Negative", "ambiguous", "AMB-s1-s2", "Blank", "nan", "", "None", "unknown", "N/A"]
DONORS = ["donor0", "P1", "1", "0", "dblood", "ambrose", "negation", "singlet", "NAT", "SNG-donor1"]


@pytest.mark.parametrize(
    ("words", "is_doublet", "is_nameless"),
    [(DOUBLETS, True, True), (NOBODY, False, True), (DONORS, False, False)],
)
def test_words_are_told_from_names(words: list[str], is_doublet: bool, is_nameless: bool) -> None:
    """Doublets and cells without donor are known in the words of all tools; names stay names."""
    names = np.array(words, dtype=object)
    assert set(find_doublets(names).tolist()) == {is_doublet}
    assert set(find_nameless(names).tolist()) == {is_nameless}
