"""Trust is fitted on left-out cells, every set alike, and never on the cells it is judged by."""

import numpy as np
import pytest

from benchmarks.states import left_out
from benchmarks.states.left_out import family, judge
from benchmarks.states.trust import fit_trust, is_other_word, risk_by_trust
from tcellflow.states.axes import STATES
from tcellflow.states.trust import Trust

NAIVE, MEMORY = STATES.index("Naive"), STATES.index("Memory")


def draw(n, accuracy, seed=0):
    """Calls of Naive with a probability of .8, right in a share of the cells."""
    states = np.full((n, 7), 0.2 / 6)
    states[:, NAIVE] = 0.8
    right = np.random.default_rng(seed).random(n) < accuracy
    return np.where(right, "Naive", "Treg").astype(object), states


def test_every_set_weighs_the_same():
    """A set of 10,000 cells does not outvote one of 200."""
    large, small = draw(10_000, 0.9), draw(200, 0.5)
    trust = fit_trust([("large", *large), ("small", *small)])
    assert trust.of(large[1])[0] == pytest.approx(0.7, abs=0.06)


def test_shifts_of_a_set_weigh_as_one():
    """The views of one set weigh together as one set."""
    trust = fit_trust([*((f"a, {i}", *draw(500, 0.9, i)) for i in range(8)), ("b", *draw(500, 0.5))])
    assert trust.of(draw(1, 1)[1])[0] == pytest.approx(0.7, abs=0.06)


def test_another_word_for_effector_teaches_nothing():
    """Memory by gate called Effector by the rule is another word, in sets whose gates say so."""
    truth, called = np.array(["Memory", "Memory"], object), np.array(["Effector", "Naive"], object)
    assert is_other_word("citeseq_pbmc10k", truth, called).tolist() == [True, False]
    assert not is_other_word("eccite_pbmc_3300", truth, called).any()


def test_gates_say_nothing_of_cycle_and_help():
    """Proliferating and Th_effector are other words where labels are gates; authors' labels would say so."""
    truth = np.array(["Treg", "Memory", "Naive"], object)
    called = np.array(["Proliferating", "Th_effector", "Th_effector"], object)
    assert is_other_word("zheng_facs_mudan", truth, called).tolist() == [True, True, False]
    assert not is_other_word("sadefeldman_til", truth, called).any()


def test_a_state_that_no_set_tells_is_trusted_least():
    """A state with hardly any labelled call gets the offset of the least trusted one."""
    trust = fit_trust([("a", *draw(500, 0.9)), ("b", *draw(500, 0.5))])
    assert trust.offsets[STATES.index("Th_effector")] == trust.offsets.min()


def test_risk_counts_reported_cells_with_a_label():
    """Coverage is of the labelled cells, risk of the reported ones."""
    truth, states = draw(1_000, 0.7)
    truth[:500] = ""
    always = risk_by_trust("a", truth, states, Trust(1.0, np.full(7, 5.0)), (0.1,))
    assert always["trust_coverage_0.1"] == 1
    assert always["trust_wrong_0.1"] == pytest.approx(0.3, abs=0.07)
    never = risk_by_trust("a", truth, states, Trust(1.0, np.full(7, -5.0)), (0.1,))
    assert never["trust_wrong_0.1"] is None


def test_a_set_is_judged_by_the_trust_of_others(monkeypatch):
    """A set's own labels change nothing in what it would report."""
    monkeypatch.setattr(left_out, "ROWS", {"(a) and (c)": lambda parts: parts[1]})
    monkeypatch.setattr(left_out, "call_view", lambda _row, parts: parts[0][1])
    views = {name: [("f", draw(400, accuracy))] for name, accuracy in (("a", 0.9), ("b", 0.7), ("c", 0.8))}
    first, _ = judge(views)
    wrong = {**views, "a": [("f", (np.full(400, "Treg", object), views["a"][0][1][1]))]}
    second, _ = judge(wrong)
    key = "trust_coverage_0.2"
    assert first["a"]["(a) and (c)"][key] == second["a"]["(a) and (c)"][key]
    assert family("a, 1/2 of the molecules") == "a"
