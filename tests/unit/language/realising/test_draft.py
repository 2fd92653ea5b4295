"""What may be written next: phrases filled from the plan, and what must be said is said."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.language.claims import Claim, ClaimType
from tcellflow.language.realising.draft import Draft
from tcellflow.language.realising.phrases import list_words, parse_phrases
from tcellflow.language.realising.rows import MOST_ROWS, list_required, make_rows, tell_numbers
from tcellflow.language.realising.tokens import EOS, NAME_END, STOP, make_tokens, spell

PHRASES = parse_phrases(
    """
    [[phrase]]
    says = "identity"
    text = "They are [names] ([id])."
    [[phrase]]
    says = "uncertainty"
    text = "{Or|Perhaps} [name]."
    [[phrase]]
    says = "marker_present"
    text = "[pct] show [subject], [expected] elsewhere."
    [[phrase]]
    says = "marker_present"
    text = "They show [items] here."
    items = "[subject] ([pct])"
    [[phrase]]
    says = "contradiction-"
    text = "They lack [subject]."
    """,
    where="test",
)
CLAIMS = (
    Claim(ClaimType.IDENTITY, "naive CD4 T cell", value=0.9, subject_id="CL:0000895", confidence=0.9),
    Claim(ClaimType.UNCERTAINTY, "naive CD8 T cell", value=0.1, subject_id="CL:0000900", confidence=0.1),
    Claim(ClaimType.MARKER_PRESENT, "CD3E", value=80.0, pct=80.0, expected=10.0, log_odds=3.0),
    Claim(ClaimType.MARKER_PRESENT, "CCR7", value=50.0, pct=50.0, log_odds=1.0),
    Claim(ClaimType.CONTRADICTION, "CD19", value=20.0, pct=20.0, expected=1.0, log_odds=2.5),
    Claim(ClaimType.CONTRADICTION, "CD8A", "-", value=1.0, pct=1.0, expected=40.0, log_odds=-4.0),
)


@pytest.fixture
def tokens():
    return make_tokens(list_words(PHRASES), ("naive", "CD4", "T", "cell", "cells"))


@pytest.fixture
def draft(tokens):
    return Draft(make_rows(CLAIMS), tokens, PHRASES)


def write(draft, tokens, *steps):
    for step in steps:
        name, row = step if isinstance(step, tuple) else (step, None)
        token = tokens.place[name] if name in tokens.place else tokens.find_in_name(name)
        assert draft.allow()[token], (step, list_allowed(draft, tokens))
        draft.push(token, row)


def list_allowed(draft, tokens):
    return [tokens.tokens[i] for i in np.flatnonzero(draft.allow())]


def list_rows(draft, tokens, slot):
    return np.flatnonzero(draft.allow_rows(tokens.place[slot])).tolist()


def test_numbers_stand_with_their_own_row(draft, tokens):
    """A gene's number is its own, the list must go on to a second gene, and a row is not said twice."""
    write(draft, tokens, "they", "show")
    assert list_rows(draft, tokens, "[marker_present.subject]") == [2, 3]
    write(draft, tokens, ("[marker_present.subject]", 2), "(")
    assert list_rows(draft, tokens, "[marker_present.pct]") == [2]
    write(draft, tokens, ("[marker_present.pct]", 2), ")")
    assert list_allowed(draft, tokens) == ["and"]
    write(draft, tokens, "and", ("[marker_present.subject]", 3), "(", ("[marker_present.pct]", 3), ")")
    assert list_allowed(draft, tokens) == ["here"]
    write(draft, tokens, "here", STOP)
    assert draft.sentences[0].text == "They show CD3E (80.0 %) and CCR7 (50.0 %) here."
    assert [claim.subject for claim in draft.sentences[0].claims] == ["CD3E", "CCR7"]
    assert not list_rows(draft, tokens, "[marker_present.subject]")


def test_a_phrase_takes_rows_that_have_all_its_slots(draft, tokens):
    """CCR7 has no number elsewhere, so the phrase that gives one is not for it."""
    assert list_rows(draft, tokens, "[marker_present.pct]") == [2]
    write(draft, tokens, ("[marker_present.pct]", 2), "show", ("[marker_present.subject]", 2))
    write(draft, tokens, ",", ("[marker_present.expected]", 2), "elsewhere", STOP)
    assert draft.sentences[0].text == "80.0 % show CD3E, 10.0 % elsewhere."
    assert "show" not in list_allowed(draft, tokens)  # one gene is left, which makes no list


def test_names_are_walked_through_a_trie(draft, tokens):
    """A name is spelled word by word, in the number that its phrase asks for."""
    write(draft, tokens, "they", "are", "[identity.name]")
    assert list_allowed(draft, tokens) == ["<naive>"]
    write(draft, tokens, "naive", "CD4", "T")
    assert list_allowed(draft, tokens) == ["<cells>"]
    write(draft, tokens, "cells", NAME_END, "(", ("[identity.id]", 0), ")", STOP)
    assert draft.sentences[0].text == "They are naive CD4 T cells (CL:0000895)."
    write(draft, tokens, "perhaps", "[uncertainty.name]", "naive", "<other>", "T", "cell", NAME_END, STOP)
    assert draft.sentences[1].text == "Perhaps naive CD8 T cell."


def test_the_end_waits_for_what_must_be_said(draft, tokens):
    """The type, its best marker and the strongest counter-evidence are required."""
    assert list_required(make_rows(CLAIMS)) == {0, 2, 5}
    write(draft, tokens, "they", "lack", ("[contradiction-.subject]", 5), STOP)
    assert EOS not in list_allowed(draft, tokens)
    write(draft, tokens, "they", "are", "[identity.name]", "naive", "CD4", "T", "cells", NAME_END)
    write(draft, tokens, "(", ("[identity.id]", 0), ")", STOP)
    write(draft, tokens, ("[marker_present.pct]", 2), "show", ("[marker_present.subject]", 2))
    write(draft, tokens, ",", ("[marker_present.expected]", 2), "elsewhere", STOP, EOS)
    assert draft.is_done


def test_a_slot_needs_its_row(draft, tokens):
    """Without one nothing is written."""
    with pytest.raises(ValueError, match="needs a row"):
        draft.push(tokens.place["[marker_present.pct]"])


def test_nothing_to_say_ends_at_once(tokens):
    """A plan without rows, or with rows that no phrase is for, has an empty text."""
    for claims in ((), CLAIMS[4:5]):
        draft = Draft(make_rows(claims), tokens, PHRASES)
        write(draft, tokens, EOS)
        assert (draft.is_done, draft.sentences) == (True, [])


def test_rows_tell_numbers_and_are_bounded():
    """Kind and gene count from one; numbers are those of the claim; the least important rows are left out."""
    told = tell_numbers(make_rows(CLAIMS), {"CCR7": 0, "CD3E": 1})
    assert told.genes.tolist() == [0, 0, 2, 1, 0, 0]
    np.testing.assert_allclose(told.numbers[2, :4], [0.8, 0.1, 1, 0.6])
    assert told.numbers[3, 2] == 0
    assert len(make_rows(CLAIMS * 20)) == MOST_ROWS


def test_texts_are_spaced_as_people_write():
    """No space before a full stop or behind a bracket; the first letter is a capital where it may be one."""
    words = [("they", True), ("(", False), ("CD3E", False), (")", False), (".", False)]
    assert spell(words) == "They (CD3E)."
    assert spell([("mTOR", False), (".", False)]) == "mTOR."
