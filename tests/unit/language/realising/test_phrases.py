"""Phrases are checked when they are read, and what the packaged ones say is read back by the verifier."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from language_samples import make_sample
from tcellflow.errors import InputError
from tcellflow.language.claims import plan_claims
from tcellflow.language.facts import measure
from tcellflow.language.realising.draft import Draft
from tcellflow.language.realising.phrases import (
    PHRASES,
    list_unsaid,
    list_words,
    parse_phrases,
    read_packaged,
)
from tcellflow.language.realising.rows import KINDS, make_rows
from tcellflow.language.realising.tokens import make_tokens
from tcellflow.language.verifier import Verdict, Verifier
from tcellflow.training.language.teacher import Teacher

PACKAGED = parse_phrases(read_packaged(), where=PHRASES)
GOOD = '[[phrase]]\nsays = "marker_present"\ntext = "{They|These} show [subject] in [pct]."\n'


@pytest.fixture(scope="module")
def facts():
    """Facts of four types, with all that a sample can record, in two levels."""
    sample = make_sample()
    rng = np.random.default_rng(0)
    kinds = sample.obs["kind"].to_numpy(dtype=object)
    table = pd.DataFrame({"kind": kinds, "clonotype": kinds})
    table["state"] = np.where(rng.random(len(kinds)) < 0.8, "Naive", "Treg").astype(object)
    table["lineage"] = np.where(rng.random(len(kinds)) < 0.7, "CD4", "CD8").astype(object)
    table["donor"] = rng.choice(["a", "b"], size=len(kinds)).astype(object)
    table["paired"] = rng.random(len(kinds)) < 0.6
    for suffix, gene, junction in (("vj", "TRAV1-2", "CAVKDSNYQLIW"), ("vdj", "TRBV20-1", "CSARDGGYTF")):
        table[f"v_call_{suffix}"], table[f"junction_{suffix}"] = gene, junction
    proteins = pd.DataFrame(
        {"CD14": np.where(kinds == "CL_0000860", 2.0, -0.5), "CD19": rng.normal(size=160)}
    )
    counts = sample.X
    library = np.asarray(counts.sum(axis=1)).ravel().astype(float)
    genes = sample.var_names.to_numpy(dtype=object)
    return measure([(counts, library)], genes, table, ("kind", "clonotype"), proteins)


def test_every_choice_of_every_packaged_phrase_is_read_back(facts):
    """Whatever the teacher says of real rows, turned against their type or not, the verifier supports."""
    phrases = PACKAGED
    tokens = make_tokens(list_words(phrases), ())
    verifier, rng = Verifier(facts), np.random.default_rng(0)
    plans = [make_rows(plan_claims(facts, unit)[1]) for unit in range(len(facts.units))]
    said, kinds = set(), set()
    for phrase in phrases:
        teacher = Teacher([one for one in phrases if one.says != phrase.says or one is phrase], tokens)
        for text in phrase.texts:
            for unit, rows in enumerate(plans):
                own = [row for row in teacher.vary(rows, rng) if row.kind == phrase.says]
                fit = [row for row in own if phrase.slots <= set(row.fields)]
                if len(fit) < (2 if phrase.items else 1):
                    continue
                only = [_only(phrase, text)]
                few = fit[: 2 if phrase.items else 1]
                lesson = Teacher(only, tokens).tell(few, min(phrase.registers), rng)
                sentence = write(lesson, tokens, only)[0]
                checked = verifier.check(sentence.text, unit)
                assert [one.verdict for one in checked] == [Verdict.SUPPORTED], (sentence.text, checked)
                said.add((phrase.says, text))
                kinds.add(phrase.says)
                break
    assert kinds >= set(KINDS) - {"contradiction+", "contradiction-", "uncertainty"}
    assert len(said) > 300


def test_a_whole_text_says_each_row_once(facts):
    """Every row of a plan is said, by one sentence, in each register."""
    phrases = PACKAGED
    tokens = make_tokens(list_words(phrases), ())
    teacher, rng = Teacher(phrases, tokens), np.random.default_rng(1)
    for unit in range(len(facts.units)):
        rows = make_rows(plan_claims(facts, unit)[1])
        for register in ("short", "clinical", "full"):
            own = [phrase for phrase in phrases if register in phrase.registers]
            sentences = write(teacher.tell(rows, register, rng), tokens, own)
            said = [id(claim) for sentence in sentences for claim in sentence.claims]
            assert sorted(said) == sorted(id(row.claim) for row in rows)


def _only(phrase, text):
    return type(phrase)(phrase.says, (text,), phrase.items, phrase.registers)


def write(lesson, tokens, phrases):
    """Write a lesson through the rules of a draft, which must allow each of its tokens."""
    draft = Draft(lesson.rows, tokens, phrases)
    for token, filled in list(zip(lesson.tokens, lesson.filled, strict=True))[1:]:
        assert draft.allow()[token], tokens.tokens[token]
        fitting = draft.allow_rows(token)
        assert not fitting.any() or fitting[filled - 1]
        draft.push(token, filled - 1 if filled else None)
    assert draft.is_done
    return draft.sentences


def test_the_packaged_phrases_leave_no_kind_of_claim_without_words():
    """In every register, and where there are no other cells; eight ways at least."""
    phrases = PACKAGED
    assert list_unsaid(phrases) == []
    ways = {kind: sum(len(p.texts) for p in phrases if p.says == kind) for kind in KINDS}
    assert min(ways.values()) >= 8
    assert list_unsaid(phrases[:1]) == [kind for kind in KINDS if kind != "size"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("says = 1 2", "are no TOML"),
        ("other = 1", "no list of"),
        (GOOD.replace("marker_present", "weather"), "says 'weather'"),
        (GOOD.replace('."', '"'), "ends with a full stop"),
        (GOOD.replace("[pct]", "[number]"), r"no \[number\]"),
        (GOOD.replace("[subject]", "it"), "does not say what it is about"),
        (GOOD.replace("[pct]", "[pct] or [pct]"), "a slot stands twice"),
        (GOOD.replace("show", "show CD8A and"), "'8' stands in its words"),
        (GOOD.replace("show", "show PRF and"), "'PRF' looks like a gene"),
        (GOOD.replace("show", "show <b>"), "'<' stands in its words"),
        (GOOD.replace("in [pct].", "in [pct]. So it is."), "more than one sentence"),
        (GOOD + 'registers = ["loud"]\n', "registers are some of"),
        (GOOD + 'items = "[subject]"\n', r"the one slot \[items\]"),
        (GOOD + "weight = 2\n", "unknown key 'weight'"),
        (GOOD.replace("{They|These}", "{a|b}" * 10), "more than 500 choices"),
        ("phrase = [1]", "it is no table"),
    ],
    ids=str,
)
def test_wrong_phrases_are_told(text, fault):
    """What cannot be copied from a claim, or could be read as a name, is refused with its number."""
    with pytest.raises(InputError, match=fault):
        parse_phrases(text, where="phrases.toml")
