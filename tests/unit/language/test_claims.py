"""What is claimed of a group, and how receptors are said and read back."""

from __future__ import annotations

import pandas as pd
import pytest

from language_samples import MONOCYTE, NAIVE_CD4, NK, B, make_sample
from tcellflow.language.claims import ClaimType, plan_claims
from tcellflow.language.facts import measure
from tcellflow.language.template import realise
from tcellflow.language.verifier import Verdict, Verifier


@pytest.fixture(scope="module")
def facts():
    """Measure four types, and one clone of ten naive CD4 T cells."""
    sample = make_sample((B, MONOCYTE, NAIVE_CD4, NK))
    table = pd.DataFrame({"cluster": sample.obs["kind"].to_numpy()})
    is_clone = (table["cluster"] == "CL_0000895") & (table.groupby("cluster").cumcount() < 10)
    table["clonotype"] = is_clone.map({True: "clone7", False: None})
    table["paired"] = is_clone
    table["v_call_vj"], table["v_call_vdj"] = (
        is_clone.map({True: v, False: None}) for v in ("TRAV1-2", "TRBV20-1")
    )
    table["junction_vj"] = is_clone.map({True: "CAVMDSNYQLIW", False: None})
    table["junction_vdj"] = is_clone.map({True: "CSARDRGYEQYF", False: None})
    library = sample.X.sum(axis=1).A1.astype(float)
    genes = sample.var_names.to_numpy(dtype=object)
    return measure([(sample.X, library)], genes, table, ("cluster", "clonotype"))


def find(facts, name):
    """Find a unit by its name."""
    return next(i for i, unit in enumerate(facts.units) if unit.name == name)


def test_an_absence_is_one_that_somebody_would_expect(facts):
    """Naive T cells lack what other lymphocytes show; nobody asks them for haemoglobin or its chaperone."""
    for name, senseless in (
        ("CL_0000895", {"AHSP", "HBA1", "GYPA", "ALAS2", "COL1A1"}),
        ("CL_0000236", {"AHSP", "HBB"}),
    ):
        claims = plan_claims(facts, find(facts, name))[1]
        absent = {c.subject for c in claims if c.type is ClaimType.MARKER_ABSENT}
        assert absent
        assert not absent & senseless


def test_receptors_are_said_and_read_back(facts):
    """A clone's pairing, segments and junctions are sentences that the check supports."""
    clone = find(facts, "clone7")
    said = [s.text for s in realise(plan_claims(facts, clone)[1]) if s.claims[0].type is ClaimType.RECEPTOR]
    assert said == [
        "A paired receptor is known of 100.0 % of them.",
        "The alpha junction is CAVMDSNYQLIW.",
        "The beta junction is CSARDRGYEQYF.",
        "The segment TRAV1-2 is used by 100.0 % of them.",
        "The segment TRBV20-1 is used by 100.0 % of them.",
    ]
    assert {c.verdict for c in Verifier(facts).check(" ".join(said), clone)} == {Verdict.SUPPORTED}


@pytest.mark.parametrize(
    "sentence",
    [
        "A paired receptor is known of 90.0 % of them.",
        "The alpha junction is CAVMDSNYQLIF.",
        "The beta junction is CAVMDSNYQLIW.",
        "The segment TRAV1-2 is used by 40.0 % of them.",
        "The segment TRBV19 is used by 100.0 % of them.",
    ],
)
def test_altered_receptors_are_contradicted(facts, sentence):
    """Another number, letter, chain or segment is caught."""
    (checked,) = Verifier(facts).check(sentence, find(facts, "clone7"))
    assert checked.verdict is Verdict.CONTRADICTED


def test_programmes_that_are_given_are_not_scored_again():
    """The share of cells in which a programme runs is that of the table."""
    sample = make_sample((NAIVE_CD4,), n_each=20)
    table = pd.DataFrame({"cluster": ["a"] * 20})
    known = pd.DataFrame({"cytotoxic": [0.9] * 15 + [0.1] * 5})
    block = (sample.X, sample.X.sum(axis=1).A1.astype(float))
    genes = sample.var_names.to_numpy(dtype=object)
    own = measure([block], genes, table, ("cluster",), programmes=known).numbers[0]
    assert own["programme:cytotoxic"] == 75
    assert {key for key in own if key.startswith("programme:")} == {"programme:cytotoxic"}
    assert measure([block], genes, table, ("cluster",)).numbers[0]["programme:cytotoxic"] < 50


def test_helper_programmes_are_claimed_of_cd4_cells_alone():
    """CD8 cells share genes with cytotoxic CD4 cells, and are not said to run their programme."""
    sample = make_sample((NAIVE_CD4,), n_each=20)
    block = (sample.X, sample.X.sum(axis=1).A1.astype(float))
    genes = sample.var_names.to_numpy(dtype=object)
    known = pd.DataFrame({"cytotoxic": [0.9] * 20, "cd4_ctl": [0.9] * 20})
    for lineage, expected in (("CD8", {"cytotoxic"}), ("CD4", {"cytotoxic", "cd4_ctl"})):
        table = pd.DataFrame({"cluster": ["a"] * 20, "lineage": [lineage] * 20})
        claims = plan_claims(measure([block], genes, table, ("cluster",), programmes=known), 0)[1]
        assert {c.subject for c in claims if c.type is ClaimType.PROGRAMME} == expected
