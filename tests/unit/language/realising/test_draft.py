"""What may be written next: names and numbers come from the plan, and what must be said is said."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.language.claims import Claim, ClaimType
from tcellflow.language.realising.draft import Draft
from tcellflow.language.realising.rows import MOST_ROWS, list_required, make_rows, tell_numbers
from tcellflow.language.realising.tokens import EOS, NAME_END, STOP, make_tokens, spell

WORDS = ("they", "show", "and", ",", ".", "(", ")")
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
    return make_tokens(WORDS, ("naive", "CD4", "T", "cell", "cells"))


def write(draft, tokens, *steps):
    for step in steps:
        name, row = step if isinstance(step, tuple) else (step, None)
        token = tokens.place[name] if name in tokens.place else tokens.find_in_name(name)
        assert draft.allow()[token], (step, [tokens.tokens[i] for i in np.flatnonzero(draft.allow())])
        draft.push(token, row)


def test_numbers_stand_with_their_own_row(tokens):
    """After a gene its own numbers may come, not those of another gene, and a row is not said twice."""
    draft = Draft(make_rows(CLAIMS), tokens)
    write(draft, tokens, "they", "show", ("[marker_present.subject]", 2), "(")
    assert (
        draft.allow_rows(tokens.place["[marker_present.expected]"]).tolist()
        == [False, False, True] + [False] * 3
    )
    write(draft, tokens, ("[marker_present.pct]", 2), ")", "and", ("[marker_present.subject]", 3))
    assert not draft.allow_rows(tokens.place["[marker_present.expected]"]).any()
    write(draft, tokens, STOP)
    assert draft.sentences[0].text == "They show CD3E (80.0 %) and CCR7."
    assert [claim.subject for claim in draft.sentences[0].claims] == ["CD3E", "CCR7"]
    assert not draft.allow_rows(tokens.place["[marker_present.subject]"]).any()


def test_a_number_waits_for_its_name(tokens):
    """A sentence that gave a number must say whose it is before it ends or goes on to another row."""
    draft = Draft(make_rows(CLAIMS), tokens)
    write(draft, tokens, ("[marker_present.pct]", 2), "show")
    assert not draft.allow()[tokens.place[STOP]]
    assert (
        draft.allow_rows(tokens.place["[marker_present.subject]"]).tolist()
        == [False, False, True] + [False] * 3
    )
    write(draft, tokens, ("[marker_present.subject]", 2), STOP)
    assert draft.sentences[0].text == "80.0 % show CD3E."


def test_names_are_walked_through_a_trie(tokens):
    """A name is spelled word by word along the names of unused rows of its kind."""
    draft = Draft(make_rows(CLAIMS), tokens)
    write(draft, tokens, "they", "[identity.name]")
    assert [tokens.tokens[i] for i in np.flatnonzero(draft.allow())] == ["<naive>"]
    write(draft, tokens, "naive", "CD4", "T")
    assert {tokens.tokens[i] for i in np.flatnonzero(draft.allow())} == {"<cell>", "<cells>"}
    write(draft, tokens, "cells", NAME_END, ("[identity.id]", 0), STOP)
    assert draft.sentences[0].text == "They naive CD4 T cells CL:0000895."
    write(draft, tokens, "[uncertainty.name]", "naive", "<other>", "T", "cell")
    write(draft, tokens, NAME_END, STOP)
    assert draft.sentences[1].text == "Naive CD8 T cell."


def test_the_end_waits_for_what_must_be_said(tokens):
    """The type, its best marker and the strongest counter-evidence are required."""
    rows = make_rows(CLAIMS)
    assert list_required(rows) == {0, 2, 5}
    draft = Draft(rows, tokens)
    for steps in (
        ("[identity.name]", "naive", "CD4", "T", "cell", NAME_END, STOP),
        (("[marker_present.subject]", 2), STOP),
    ):
        write(draft, tokens, *steps)
        assert not draft.allow()[tokens.place[EOS]]
    write(draft, tokens, ("[contradiction-.subject]", 5), STOP, EOS)
    assert draft.is_done


def test_words_do_not_go_on_for_ever(tokens):
    """After fourteen words something must be copied, and a slot needs its row."""
    draft = Draft(make_rows(CLAIMS), tokens)
    write(draft, tokens, *["they"] * 14)
    assert not draft.allow()[list(tokens.words)].any()
    with pytest.raises(ValueError, match="needs a row"):
        draft.push(tokens.place["[marker_present.subject]"])


def test_nothing_to_say_ends_at_once(tokens):
    """A plan without rows has an empty text."""
    draft = Draft((), tokens)
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
    assert (
        spell([("they", True), ("(", False), ("CD3E", False), (")", False), (".", False)]) == "They (CD3E)."
    )
    assert spell([("mTOR", False), (".", False)]) == "mTOR."
