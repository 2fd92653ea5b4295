"""Numbers and words of the report."""

from __future__ import annotations

import pytest

from tcellflow.report import wording
from tcellflow.vocabulary import AbstainReason, ChainPairing, Evidence, Function, Lineage


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 10, "0 %"),
        (10, 10, "100 %"),
        (1, 100_000, "<0.1 %"),
        (99_999, 100_000, ">99.9 %"),
        (514, 1137, "45.2 %"),
        (0, 0, wording.NOTHING),
        (None, 5, wording.NOTHING),
    ],
)
def test_shares_never_round_to_nothing_or_all(part: int | None, whole: int, text: str) -> None:
    """Only exactly none is 0 % and only exactly all is 100 %; without a whole there is no share."""
    assert wording.write_share(part, whole) == text


def test_shares_name_their_denominator() -> None:
    """A share comes with what it is a share of, and says so where that is nothing."""
    assert wording.write_part(1, 1500, "T cells") == "<0.1 % of 1,500 T cells"
    assert wording.write_part(0, 0, "T cells") == "there are no T cells"
    assert wording.write_part(None, 3, "cells") == ""


def test_counts_and_plurals() -> None:
    """Counts carry thousands separators, one thing is singular, and the unknown is a dash."""
    assert wording.write_count(1234567) == "1,234,567"
    assert wording.write_count(None) == wording.NOTHING
    assert wording.write_plural(1, "clone", "clones") == "1 clone"
    assert wording.write_plural(0, "clone", "clones") == "0 clones"
    assert wording.write_decimal(float("nan")) == wording.NOTHING
    assert wording.write_decimal(0.126, 2) == "0.13"


def test_every_term_is_explained() -> None:
    """No value of the vocabulary reaches the page without its words."""
    assert set(wording.EVIDENCE_MEANINGS) == set(Evidence)
    assert set(wording.ABSTAIN_MEANINGS) == set(wording.ABSTAIN_WORDS) == set(AbstainReason)
    assert set(wording.PAIRING_MEANINGS) == set(ChainPairing)
    assert set(wording.LINEAGE_WORDS) == set(Lineage)
    assert set(wording.FUNCTION_WORDS) == set(Function)


def test_reasons_are_sentences_or_at_least_words() -> None:
    """Known reasons carry their meaning, unknown ones are written without underscores."""
    assert wording.write_reason("not_a_cell") == "the barcode was not called a cell"
    assert wording.write_reason("some_new_reason") == "some new reason"


def test_long_values_are_cut() -> None:
    """Long lists and texts do not swell the page."""
    assert wording.write_value(list(range(20))) == "0, 1, 2, 3, 4, 5, 6, 7 and 12 more"
    assert len(wording.write_value("x" * 5000)) < 400
