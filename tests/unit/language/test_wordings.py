"""Free wording: what people write of markers is read back, and what is not understood is left unchecked."""

from __future__ import annotations

import pandas as pd
import pytest

from language_samples import MONOCYTE, NAIVE_CD4, NK, B, make_sample
from tcellflow.language.facts import measure
from tcellflow.language.verifier import Verdict, Verifier
from tcellflow.language.wording.amounts import find_amounts

PAIRS = [
    ("These B cells do not express CD14.", "These B cells express CD14."),
    ("CD20 is expressed by the vast majority of cells.", "CD14 is expressed by the vast majority of cells."),
    ("Nearly all cells are CD79A positive.", "Nearly all cells are CD14 positive."),
    ("The cells are CD79A+MS4A1+CD14\u2212.", "The cells are CD79A+MS4A1\u2212CD14\u2212."),
    ("They express CD79A and MS4A1 but not KLRF1.", "They express CD79A and KLRF1 but not MS4A1."),
    ("CD79A: positive.", "CD79A: negative."),
    ("None of the cells expresses KLRF1.", "None of the cells expresses CD79A."),
    ("The cells are devoid of CD14 and KLRF1.", "The cells are devoid of CD79A and KLRF1."),
    ("Genes like CD14 and KLRF1 remained undetectable.", "Genes like CD79A remained undetectable."),
    ("Two genes, CD14 and KLRF1, remained unseen.", "Two genes, CD79A and MS4A1, remained unseen."),
    ("CD14 does not show up.", "CD79A does not show up."),
    ("Neither CD14 nor KLRF1 was detected.", "Both CD14 and KLRF1 were detected."),
    ("More than 60% of cells contain CD79A.", "Fewer than 20% of cells contain CD79A."),
    ("Most cells do not express CD14.", "Most cells express CD14."),
    ("Few cells have KLRF1 transcripts.", "Few cells have CD79A transcripts."),
    ("The population (n = 40) expresses CD79A.", "The population (n = 60) expresses CD79A."),
    ("There are forty cells, all from a single donor.", "There are forty cells, all from three donors."),
    ("CD79A is higher here than in the other cells.", "CD79A is lower here than in the other cells."),
    ("These are B cells rather than T cells.", "These are T cells rather than B cells."),
    ("Their markers are CD79A and MS4A1.", "Their markers are CD79A and CD14."),
    ("No expression of the T-cell genes CD14 or KLRF1 was seen.", "Expression of CD14 or KLRF1 was seen."),
    ("Lack of CD14 argues against contamination by NK cells.", "Lack of CD79A argues against NK cells."),
    ("In contrast to NK cells, they lack KLRF1 and instead express CD79A.", "They lack CD79A."),
    ("KLRF1 is absent, in contrast to CD79A, which is expressed.", "KLRF1 is present, unlike CD79A."),
    ("None of CD14 and KLRF1 reached 20%.", "None of CD79A and MS4A1 reached 20%."),
    ("MS4A1 was, unexpectedly, detected.", "CD14 was, unexpectedly, detected."),
    ("CD79A, like MS4A1, was expressed.", "CD79A, like CD14, was expressed."),
    ("CD79A, the defining molecule, was detected.", "CD14, the defining molecule, was detected."),
    ("They are CD79A+MS4A1+CD14-KLRF1-.", "They are CD79A+MS4A1+CD14-KLRF1+."),
    ("Each of the 40 B cells has CD79A.", "Each of the 40 B cells has CD14."),
    ("CD14, which is known to be found in monocytes, is absent.", "CD79A, which is known, is absent."),
    ("They comprise 40 cells (25.0 %) with CD79A.", "They comprise 40 cells (52.0 %) with CD79A."),
    ("B-cell identity is clear, and markers such as CD14 and KLRF1 are lacking.", "CD79A is lacking."),
]  # fmt: skip
UNREAD = (
    "CD14 antibodies were bought elsewhere.",
    "CD14 might be expressed in a few cells.",
    "We asked whether they express CD14.",
    "CD14 is typically found on monocytes.",
    "CD14 was interesting to us.",
    "x" * 5_000 + " express CD14.",
)


@pytest.fixture(scope="module")
def check():
    """Give a function from a text to its worst verdict, about 40 made B cells among others."""
    sample = make_sample((B, MONOCYTE, NAIVE_CD4, NK))
    table = pd.DataFrame({"kind": sample.obs["kind"].to_numpy(), "donor": "d1"})
    totals = sample.X.sum(axis=1).A1.astype(float)
    block = (sample.X, totals)
    facts = measure([block], sample.var_names.to_numpy(dtype=object), table, ["kind"])
    unit = next(i for i, unit in enumerate(facts.units) if unit.name == B.replace(":", "_"))
    verifier = Verifier(facts)
    return lambda text: verifier.check(text, unit)[0]


@pytest.mark.parametrize(("true", "altered"), PAIRS)
def test_true_words_are_supported_and_altered_ones_contradicted(check, true, altered):
    """One change of gene, polarity or number turns the verdict."""
    assert check(true).verdict is Verdict.SUPPORTED, check(true)
    assert check(altered).verdict is Verdict.CONTRADICTED, check(altered)


@pytest.mark.parametrize("text", UNREAD)
def test_what_is_no_statement_is_unchecked(check, text):
    """Suppositions, methods and remarks are neither supported nor contradicted."""
    assert check(text).verdict is Verdict.UNCHECKED


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("two thirds of the cells", 61.67, 71.67),
        ("about 60% of cells", 55, 65),
        ("in over 80 % of cells", 80, 100),
        ("<5%", 0, 5),
        ("between 10 and 20 percent", 9.5, 20.5),
        ("80-90% of cells", 79.5, 90.5),
        ("one in five cells", 15, 25),
        ("12 of 48 cells", 24.95, 25.05),
        ("three quarters or more of them", 75, 100),
        ("12.5%", 12.45, 12.55),
        ("most of the cells", 50, 100),
    ],
)
def test_amounts_become_intervals(text, low, high):
    """Fractions, ranges, qualifiers and quantifiers."""
    (amount,) = find_amounts(text)
    assert (amount.low, amount.high) == pytest.approx((low, high), abs=0.01)


def test_numbers_go_to_their_own_markers(check):
    """Each gene of a list has its own number, before it, behind it, or respectively."""
    says = [check("CD79A and MS4A1 are seen in 93.1% and 55.5% of cells, respectively."),
            check("CD79A (93.1%) and MS4A1 (55.5%) are seen."),
            check("93.1% of cells express CD79A and 55.5% express MS4A1.")]  # fmt: skip
    for item in says:
        assert [(s.subject, s.value) for s in item.statements] == [("CD79A", 93.1), ("MS4A1", 55.5)]
    lacking = check("A third of the cells lack CD79A.").statements
    assert [(s.low, s.high) for s in lacking] == [pytest.approx((61.67, 71.67), abs=0.01)]
