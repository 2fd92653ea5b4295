"""Names of cells and what they mean."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tcellflow.language.concepts import name_types, understand_types
from tcellflow.language.ontology import read_ontology
from tcellflow.language.panel import find_base, profile_type, read_panel, read_profiles


@pytest.mark.parametrize(
    ("name", "cl_id"),
    [
        ("CD4+ T cells", "CL:0000624"),
        ("NK cells", "CL:0000623"),
        ("gamma delta T cell", "CL:0000798"),
        ("CL:0000236", "CL:0000236"),
        ("plasma cells", "CL:0000786"),
        ("T lymphocyte", "CL:0000084"),
        ("mature alpha-beta T-lymphocyte", "CL:0000791"),
        ("mature T cell", "CL:0002419"),
        ("immature NKT cell", "CL:0000914"),
        ("unicorn", None),
    ],
)
def test_a_name_means_its_term(name, cl_id):
    """Plurals, plus signs and word order make no difference; what means nothing gives None."""
    assert read_ontology().find(name) == cl_id


def test_a_path_leads_from_the_root():
    """Each step of a path is a parent of the next."""
    ontology = read_ontology()
    path = ontology.path("CL:0000895")
    assert path[0] == "CL:0000000"
    assert all(above in ontology.terms[below].parents for above, below in pairwise(path))


def test_the_panel_is_live_and_sourced():
    """Every type has a live term of its own, markers on both sides, and a DOI."""
    panel = read_panel()
    assert len(panel) >= 60
    assert len({kind.cl_id for kind in panel}) == len(panel) == len({kind.label for kind in panel})
    for kind in panel:
        assert kind.cl_id in read_ontology().terms
        assert len(kind.positive) >= 5
        assert len(kind.negative) >= 3
        assert not set(kind.positive) & set(kind.negative)
        assert all(source.startswith("10.") for source in kind.sources)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("CD34+ progenitor", {"hematopoietic stem cell", "common lymphoid progenitor"}),
        ("naive cytotoxic T", {"naive CD8 T cell"}),
        ("FCGR3A+ Mono", {"non-classical monocyte"}),
        ("Treg", {"regulatory T cell"}),
        ("CD8+ T cells", {"naive CD8 T cell", "exhausted CD8 T cell"}),
    ],
)
def test_words_mean_types(name, labels):
    """A label as people write it stands for types of the panel."""
    label_of = {kind.cl_id: kind.label for kind in read_panel()}
    assert {label_of[t] for t in name_types(name)} >= labels
    assert "naive B cell" not in {label_of[t] for t in name_types(name)}


def test_what_is_not_understood_is_named():
    """Words without meaning here are listed, not passed over."""
    found = understand_types("exhausted CD8 T cells of Martian origin")
    assert found.types == {"CL:0020031"}
    assert found.rest == ("martian", "origin")
    assert understand_types("purple elephants").types is None


def test_a_type_that_was_not_measured_borrows_a_profile():
    """A plasma cell is a B cell with its own markers raised and its negative ones lowered."""
    profiles = read_profiles()
    kind = next(kind for kind in read_panel() if kind.label == "plasma cell")
    assert find_base(profiles, kind.cl_id) == "CL:0000236"
    logs = profile_type(profiles, kind.cl_id, kind.positive, kind.negative)
    at = {gene: i for i, gene in enumerate(profiles.genes)}
    base = profiles.logs[profiles.types.index("CL:0000236")]
    assert logs[at["MZB1"]] > base[at["MZB1"]]
    assert logs[at["MS4A1"]] < base[at["MS4A1"]]
