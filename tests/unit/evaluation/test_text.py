"""Overlap of texts."""

from __future__ import annotations

import pytest

from tcellflow.evaluation.text import bleu, letter_similarity, rouge, rouge_l

WANTED = "A T cell that expresses CD4 and helps B cells."


@pytest.mark.parametrize("measure", [lambda a, b: bleu(a, b, 4), lambda a, b: rouge(a, b, 2), rouge_l])
def test_equal_texts_get_one_and_strangers_nothing(measure):
    """Case and punctuation do not count."""
    assert measure(WANTED.upper(), WANTED) == pytest.approx(1)
    assert measure("platelets clot", WANTED) == 0
    assert measure("", WANTED) == 0
    assert 0 < measure("A T cell that expresses CD8 and kills.", WANTED) < 1


def test_known_overlaps():
    """Figures worked out by hand."""
    assert rouge_l("a b c d", "a c d e") == pytest.approx(0.75)
    assert rouge("a b c d", "a c d e", 1) == pytest.approx(0.75)
    assert bleu("a b c d", "a c d e", 1) == pytest.approx(0.75)
    assert letter_similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)
    assert letter_similarity("", "") == 1
