"""Names that mean no term are like the terms that people mean by them."""

from __future__ import annotations

import pytest

from tcellflow.errors import InputError
from tcellflow.language.candidates import make_candidates
from tcellflow.language.naming.likeness import Likeness, read_words
from tcellflow.language.ontology import Term, read_ontology

T_CELL = "CL:0000084"


@pytest.fixture(scope="module")
def bare() -> Likeness:
    """Names and definitions of T cells alone, so that no synonym answers."""
    ontology = read_ontology()
    return Likeness(
        Term(t.cl_id, t.name, (), t.parents, t.definition)
        for t in ontology.terms.values()
        if T_CELL in ontology.above(t.cl_id)
    )


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("Th9", "T-helper 9 cell"),
        ("CD8+ TSCM cell", "stem cell memory CD8-positive, alpha-beta T cell"),
        ("MAIT", "mucosal-associated invariant T cell"),
        ("Tex cell", "exhausted T cell"),
    ],
)
def test_short_forms_find_their_term(bare: Likeness, name: str, term: str) -> None:
    """Words that immunologists shorten are read in full."""
    assert read_ontology().terms[bare.rank(name)[0]].name == term


def test_a_mark_is_a_word() -> None:
    """CD8- is no CD8+."""
    assert list(read_words("CD8- T cells")) == ["cd8", "negative", "t", "cell"]
    assert list(read_words("CD8+ T cells")) == ["cd8", "positive", "t", "cell"]


def test_no_words_are_like_nothing(bare: Likeness) -> None:
    """Marks alone have no likest term."""
    assert bare.rank("?!") == []


def test_a_candidate_that_means_nothing_is_told_the_likest_terms() -> None:
    """The error names terms to choose from."""
    with pytest.raises(InputError) as error:
        make_candidates([{"label": "cnidocyt"}], "candidates.tsv")
    assert "cnidocyte CL:" in str(error.value) + str(getattr(error.value, "mend", ""))
