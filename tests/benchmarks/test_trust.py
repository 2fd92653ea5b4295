"""Trust is fitted on left-out cells, every set alike, and never on the cells it is judged by."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.states.trust import judge_sets, judge_view, list_worst_first
from recipes.programmes import trust as recipe
from recipes.programmes.left_out import LeftOutCalls, find_other_words
from recipes.programmes.trust import (
    build_trust,
    fit_curve,
    measure_levels,
    measure_risks,
    write_trust,
)
from tcellflow.states import trust as packaged
from tcellflow.states.axes import STATES

NAIVE, TREG = STATES.index("Naive"), STATES.index("Treg")


def alike(shift):
    """A sample in which the parts disagree as often on each state's calls."""
    return packaged.Discord(shift, np.full(7, shift))


def draw(view, n, accuracy, *, seed=0, shift=0.3, p=0.8):
    """Calls of Naive of one probability, right in a share of the cells."""
    states = np.full((n, 7), (1 - p) / 6)
    states[:, NAIVE] = p
    right = np.random.default_rng(seed).random(n) < accuracy
    truth = np.where(right, "Naive", "Treg").astype(object)
    return LeftOutCalls(view, truth, states, np.full((n, 2), p), alike(shift), np.zeros(n, bool))


def graded(view, n, *, seed=0, shift=0.3, gain=0.0):
    """Calls of all probabilities, right as often as they say, or more often by `gain`."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.3, 1.0, n)
    states = np.repeat(((1 - p) / 6)[:, None], 7, axis=1)
    states[:, NAIVE] = p
    truth = np.where(rng.random(n) < np.clip(p + gain, 0, 1), "Naive", "Treg").astype(object)
    return LeftOutCalls(view, truth, states, np.stack([p, p], axis=1), alike(shift), np.zeros(n, bool))


def trust_in(curve, c):
    return curve.of(c.states, c.support, c.discord)[0]


def test_every_set_weighs_the_same():
    """A set of 10,000 cells does not outvote one of 100."""
    large, small = draw("large", 10_000, 0.9), draw("small", 100, 0.5)
    assert trust_in(fit_curve([large, small]), large) == pytest.approx(0.7, abs=0.06)


def test_shifts_of_a_set_weigh_as_one():
    """The views of one set weigh together as one set."""
    calls = [*(draw(f"a, {i}", 500, 0.9, seed=i) for i in range(8)), draw("b", 500, 0.5)]
    assert trust_in(fit_curve(calls), calls[0]) == pytest.approx(0.7, abs=0.06)


def test_more_shifted_samples_are_trusted_less():
    """Where sets of more shift were called worse, the same call is trusted less there."""
    calls = [draw("a", 500, 0.95, shift=0.1), draw("b", 500, 0.7, shift=0.4), draw("c", 500, 0.4, shift=0.7)]
    curve = fit_curve(calls)
    values = [trust_in(curve, c) for c in calls]
    assert values == sorted(values, reverse=True)
    assert values[0] - values[2] > 0.3


def test_other_words_teach_nothing():
    """Calls that differ by what the word means change neither curve nor risk nor level."""
    first, second = graded("a", 900), graded("b", 900, seed=1)
    is_word = np.arange(900) < 300
    swapped = np.where(is_word, "Memory", first.truth).astype(object)
    before = build_trust([replace(first, is_word=is_word), second])
    after = build_trust([replace(first, is_word=is_word, truth=swapped), second])
    assert (before.slope, before.per_discord) == (after.slope, after.per_discord)
    assert (before.risks, before.levels) == (after.risks, after.levels)


def test_words_need_genes_to_show_them():
    """A memory cell called Effector is another word only where it is cytotoxic, in sets of gates."""
    truth = np.array(["Memory", "Memory", "Naive", "Treg", "Treg", "Memory", "Memory"], object)
    called = np.array(["Effector"] * 3 + ["Proliferating"] * 2 + ["Th_effector", "Naive"], object)
    shows = np.array([True, False, True, True, False, False, True])
    found = find_other_words("zheng_facs_mudan", truth, called, is_cytotoxic=shows, may_cycle=shows)
    assert found.tolist() == [True, False, True, True, False, True, False]
    authors = find_other_words("sadefeldman_til", truth, called, is_cytotoxic=shows, may_cycle=shows)
    assert not authors.any()


def test_risks_are_of_sets_that_the_curve_did_not_see():
    """A set whose calls are worse than the others tell is the worst set, at every threshold."""
    fine = [graded(name, 2_000, seed=i) for i, name in enumerate("abc")]
    bad = graded("bad", 2_000, seed=9, gain=-0.3)
    calls = [*fine, bad]
    risks = measure_risks(calls, fit_all(calls))
    middle = [point for point in risks if 0.5 <= point.threshold <= 0.7]
    assert all(point.worst > point.risk + 0.1 for point in middle)
    assert [p.worst for p in risks] == sorted((p.worst for p in risks), reverse=True)


def test_the_shift_takes_trust_beside_the_discord_of_a_state():
    """What the shift takes is not fitted, and takes nothing in a typical sample."""
    curve = fit_curve([draw("a", 500, 0.95, shift=0.1), draw("b", 500, 0.6, shift=0.6)])
    assert curve.per_shift == recipe.PER_SHIFT
    c = draw("c", 2, 1.0, shift=packaged.TYPICAL_SHIFT)
    flat = replace(curve, per_shift=0.0, offsets=curve.offsets + recipe.PER_SHIFT * packaged.TYPICAL_SHIFT)
    assert trust_in(curve, c) == pytest.approx(trust_in(flat, c))


def fit_all(calls):
    return {c.view: fit_curve([o for o in calls if o is not c]) for c in calls}


def test_thresholds_are_chosen_by_curves_that_leave_the_set_out(monkeypatch):
    """The curve that judges a set was fitted on the cells of all others, and of those alone."""
    calls = [graded(name, 300, seed=i) for i, name in enumerate("abc")]
    learnt, judged, fit = {}, [], recipe.fit_curve

    def spy_fit(given):
        curve = fit(given)
        learnt[curve.offsets.tobytes()] = {c.family for c in given}
        return curve

    def spy_measure(_calls, curves):
        judged.append({name: learnt[curve.offsets.tobytes()] for name, curve in curves.items()})
        return POINTS

    monkeypatch.setattr(recipe, "fit_curve", spy_fit)
    monkeypatch.setattr(recipe, "measure_risks", spy_measure)
    build_trust(calls)
    assert judged
    assert all(of == {name: set("abc") - {name} for name in "abc"} for of in judged)


POINTS = (packaged.RiskPoint(0.5, 0.0, 0.0, 1.0),)


def test_levels_cover_the_worst_set():
    """Prediction sets hold the truth as often as stated in every set that they were measured on."""
    calls = [graded("a", 3_000), graded("b", 3_000, seed=1, gain=-0.25), graded("c", 3_000, seed=2, gain=0.1)]
    trust = replace(fit_curve(calls), levels=measure_levels(calls))
    for c in calls:
        truth = np.where(c.truth == "Naive", NAIVE, TREG)
        own = c.states[np.arange(3_000), truth]
        for coverage in (0.8, 0.9, 0.95):
            assert (own >= trust.least_probability(coverage, c.discord.sample)).mean() >= coverage - 0.02


def test_a_set_is_judged_by_the_trust_of_others():
    """A set's own labels change nothing in what it would report."""
    calls = [graded(name, 800, seed=i) for i, name in enumerate("abcd")]
    wrong = replace(calls[0], truth=np.full(800, "Treg", object))
    first, second = judge_sets(calls), judge_sets([wrong, *calls[1:]])
    for target in ("0.1", "0.2"):
        for key in ("threshold", "coverage"):
            assert first["a"]["risks"][target][key] == second["a"]["risks"][target][key]
    assert first["a"]["sets"]["0.9"]["size"] == second["a"]["sets"]["0.9"]["size"]
    assert first["b"]["risks"] != second["b"]["risks"]


def test_risk_counts_reported_cells():
    """Coverage is of all labelled cells, risk of the reported ones; raw, other words count as wrong."""
    c = replace(draw("a", 1_000, 0.7), is_word=np.arange(1_000) < 500)
    always = packaged.Trust(1.0, 0.0, 0.0, np.full(7, 5.0), (packaged.RiskPoint(0.5, 0.0, 0.0, 1.0),), LEVELS)
    found = judge_view(always, c)["risks"]["0.1"]
    assert found["coverage"] == 1
    assert found["wrong"] == pytest.approx((~c.is_right[500:]).mean())
    assert found["wrong_raw"] == pytest.approx((~c.is_right).mean())
    never = replace(always, risks=(packaged.RiskPoint(0.5, 0.5, 0.5, 1.0),))
    assert judge_view(never, c)["risks"]["0.1"]["wrong"] is None


LEVELS = tuple(packaged.SetLevel(coverage, -2.0, 0.0) for coverage in (0.8, 0.9, 0.95))


def test_the_worst_set_stands_first():
    """Views as measured, by the share of wrong reported calls; pretended shifts are not among them."""
    views = {
        name: {"risks": {"0.1": {"wrong": wrong}}}
        for name, wrong in (("a", 0.1), ("a, half of the genes", 0.9), ("b", 0.3), ("m, 1,000 genes", None))
    }
    assert list_worst_first(views) == ["b", "a", "m, 1,000 genes"]


def test_written_tables_are_read_again(tmp_path, monkeypatch):
    """What the recipe writes is what the package reads."""
    trust = build_trust([graded(name, 400, seed=i) for i, name in enumerate("abc")])
    (tmp_path / "data").mkdir()
    write_trust(trust, tmp_path / "data")
    monkeypatch.setattr(packaged, "files", lambda _package: tmp_path)
    found = packaged.read_trust.__wrapped__()
    assert found.offsets == pytest.approx(trust.offsets, abs=1e-4)
    assert (found.risks, found.levels) == (trust.risks, trust.levels)
