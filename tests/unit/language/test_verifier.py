"""Text read back against the cells."""

from __future__ import annotations

import pandas as pd
import pytest

from language_samples import MONOCYTE, NAIVE_CD4, NK, B, make_sample
from tcellflow.language.claims import plan_claims
from tcellflow.language.facts import measure
from tcellflow.language.reading import split_sentences
from tcellflow.language.template import realise
from tcellflow.language.verifier import Verdict, Verifier
from tcellflow.states.programme_names import name_programme
from tcellflow.states.programmes import read_programmes


@pytest.fixture(scope="module")
def facts():
    """Give the facts of a made sample of four types."""
    sample = make_sample((B, MONOCYTE, NAIVE_CD4, NK))
    table = pd.DataFrame({"kind": sample.obs["kind"].to_numpy(), "donor": "d1"})
    totals = sample.X.sum(axis=1).A1.astype(float)
    return measure([(sample.X, totals)], sample.var_names.to_numpy(dtype=object), table, ["kind"])


def unit_of(facts, cl_id):
    """Give the number of a unit."""
    return next(i for i, unit in enumerate(facts.units) if unit.name == cl_id.replace(":", "_"))


def verdicts(facts, text, cl_id=B):
    """Give the verdict of each sentence."""
    return [item.verdict for item in Verifier(facts).check(text, unit_of(facts, cl_id))]


@pytest.mark.parametrize(
    "text",
    [
        "These cells express CD79A.",
        "They are CD79A+ and MS4A1+.",
        "CD79A is detected, but CD14 is not.",
        "The cells lack CD14 and KLRF1.",
        "No KLRF1 expression was seen.",
        "These are B cells.",
        "The group has 40 cells.",
        "They come from 1 donor.",
    ],
)
def test_true_sentences_are_supported(facts, text):
    """Several ways of saying what the matrix shows."""
    assert verdicts(facts, text) == [Verdict.SUPPORTED]


@pytest.mark.parametrize(
    "text",
    [
        "These cells express CD14.",
        "They are CD79A-.",
        "CD79A is not detected.",
        "The cells lack CD79A.",
        "CD79A is detected, but MS4A1 is not.",
        "These are NK cells.",
        "These are not B cells.",
        "The group has 41 cells.",
        "They come from 2 donors.",
        "CD79A is detected in 12.3 % of the cells.",
    ],
)
def test_altered_sentences_are_contradicted(facts, text):
    """Another gene, the other polarity, another type, another number."""
    assert verdicts(facts, text) == [Verdict.CONTRADICTED]


def test_what_cannot_be_told_is_not_supported(facts):
    """Genes off the matrix, genes that do not exist, and sentences that say nothing of cells."""
    assert verdicts(facts, "The cells express TSPY1.") == [Verdict.INSUFFICIENT]
    assert verdicts(facts, "The cells express ZZZ9X3.") == [Verdict.UNKNOWN_ENTITY]
    assert verdicts(facts, "The identity is CL:9999999.") == [Verdict.UNKNOWN_ENTITY]
    assert verdicts(facts, "We thank our colleagues.") == [Verdict.UNCHECKED]


def test_headings_say_which_group_is_meant(facts):
    """The same sentence holds under one heading and not under the other."""
    text = "## kind: CL_0000236\n\nThey express CD79A.\n\n## kind: CL_0000860\n\nThey express CD79A.\n"
    found = Verifier(facts).check(text)
    assert [item.verdict for item in found] == [Verdict.SUPPORTED, Verdict.CONTRADICTED]
    assert text[found[1].start : found[1].end] == "They express CD79A."


def test_types_in_text_about_the_sample_mean_their_groups(facts):
    """Without a heading, "B cells" are the groups that are; of types that no group is, nothing is told."""
    text = (
        "B cells express MS4A1 but not CD14.\nMonocytes express MS4A1.\nNK cells lack CD79A.\n"
        "Mast cells and basophils were not looked at.\nThe kind CL_0000236 expresses CD79A."
    )
    assert [(item.verdict, facts.units[item.unit].name) for item in Verifier(facts).check(text)] == [
        (Verdict.SUPPORTED, "CL_0000236"),
        (Verdict.CONTRADICTED, "CL_0000860"),
        (Verdict.SUPPORTED, "CL_0000939"),
        (Verdict.INSUFFICIENT, "sample"),
        (Verdict.SUPPORTED, "CL_0000236"),
    ]


def test_every_sentence_of_the_template_is_supported(facts):
    """What the template says of each unit survives its own reading back."""
    verifier = Verifier(facts)
    for unit in range(len(facts.units)):
        _, claims = plan_claims(facts, unit)
        assert claims
        for sentence in realise(claims):
            assert [c.verdict for c in verifier.check(sentence.text, unit)] == [Verdict.SUPPORTED], sentence


def test_types_are_identified(facts):
    """Groups get their type, or a term above it; the mixed sample gets a wide one."""
    assert plan_claims(facts, unit_of(facts, MONOCYTE))[0].label == "classical monocyte"
    assert plan_claims(facts, unit_of(facts, NAIVE_CD4))[0].cl_id == NAIVE_CD4
    mixed = plan_claims(facts, len(facts.units) - 1)[0]
    assert mixed.status == "backed_off"


def test_sentences_are_split_by_place():
    """Decimal points end no sentence, lines do."""
    text = "A is 3.5 % there. B follows\nC too."
    assert [text[a:b] for a, b in split_sentences(text)] == ["A is 3.5 % there.", "B follows", "C too."]


@pytest.mark.parametrize("key", read_programmes().names)
def test_programmes_are_read_by_key_and_by_name(key):
    """Texts name programmes in words; the key is understood too, on either side of the noun."""
    sample = make_sample((NAIVE_CD4,))
    table = pd.DataFrame({"kind": sample.obs["kind"].to_numpy(), "is_t_cell": True})
    known = pd.DataFrame({k: [0.0] * 40 for k in read_programmes().names})
    known[key] = [1.0] * 30 + [0.0] * 10
    totals = sample.X.sum(axis=1).A1.astype(float)
    block = (sample.X, totals)
    genes = sample.var_names.to_numpy(dtype=object)
    verifier = Verifier(measure([block], genes, table, ["kind"], programmes=known))
    for name in (key, name_programme(key)):
        for text in (
            f"The {name} programme runs in 75.0 % of them.",
            f"The programme {name} runs in 75.0 % of them.",
        ):
            assert [c.verdict for c in verifier.check(text, 0)] == [Verdict.SUPPORTED], text
            wrong = text.replace("75.0", "35.0")
            assert [c.verdict for c in verifier.check(wrong, 0)] == [Verdict.CONTRADICTED], wrong
