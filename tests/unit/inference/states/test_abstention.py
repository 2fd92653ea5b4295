"""The threshold comes from the measured curve; verdicts follow the order of reasons and keep the calls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made_calls import STATES, facts_of, make_calls, sure
from state_bundles import write_states_bundle
from tcellflow.errors import OptionsError
from tcellflow.inference.states.abstention import (
    Rules,
    choose_rules,
    choose_set_level,
    choose_threshold,
    decide_verdicts,
    list_prediction_sets,
)
from tcellflow.inference.states.confidence import MEASURED_ON
from tcellflow.io.bundles.reliability import ConformalLevel, OodRule, Reliability
from tcellflow.io.bundles.states import Abstention, CurvePoint
from tcellflow.states.trust import TYPICAL_SHIFT, read_trust

CURVE = (
    CurvePoint(0.0, 1.0, 0.4),
    CurvePoint(0.3, 0.8, 0.2),
    CurvePoint(0.5, 0.6, 0.25),
    CurvePoint(0.7, 0.4, 0.1),
    CurvePoint(0.9, 0.1, 0.05),
)
ABSTENTION = Abstention(target_risk=0.1, dataset="some", curve=CURVE)
RULES = Rules(target_risk=0.1, threshold=0.5)


@pytest.mark.parametrize(
    ("target", "threshold"), [(None, 0.7), (0.1, 0.7), (0.05, 0.9), (0.2, 0.7), (0.25, 0.3), (1.0, 0.0)]
)
def test_the_smallest_safe_threshold_is_taken(target, threshold):
    """From the threshold on the risk stays within the target, even where the curve is not monotone."""
    assert choose_threshold(ABSTENTION, target) == threshold


def test_an_unreachable_target_is_told():
    """A target below what the bundle ever reached names the reachable one."""
    with pytest.raises(OptionsError, match=r"0\.05"):
        choose_threshold(ABSTENTION, 0.01)


@pytest.mark.parametrize("target", [0.0, -1, 1.5, float("nan")])
def test_a_target_that_is_no_share_is_refused(target):
    """Targets outside 0 and 1 are refused."""
    with pytest.raises(OptionsError, match="no share"):
        choose_threshold(ABSTENTION, target)


def test_an_empty_curve_reaches_nothing():
    """Without a measured curve no target can be promised."""
    with pytest.raises(OptionsError, match="cannot reach"):
        choose_threshold(Abstention(0.1, ()), 0.5)


LEVELS = Reliability(None, OodRule(0.95), (ConformalLevel(0.8, 0.3), ConformalLevel(0.95, 0.1)), None)


@pytest.mark.parametrize(("asked", "least"), [(0.5, 0.3), (0.8, 0.3), (0.81, 0.1), (0.95, 0.1)])
def test_sets_keep_at_least_the_coverage_asked_for(asked, least):
    """The smallest stated coverage that is not below the one asked for is taken."""
    assert choose_set_level(LEVELS, asked).least_probability == least


def test_a_coverage_that_was_never_measured_is_refused():
    """Beyond the stated coverages nothing is promised; the message names those there are."""
    with pytest.raises(OptionsError, match=r"0\.99.*\n.*\n.*0\.8, 0\.95"):
        choose_set_level(LEVELS, 0.99)
    with pytest.raises(OptionsError, match="leave --set-coverage out"):
        choose_set_level(Reliability(None, None, (), None), 0.9)


def test_rules_are_those_of_the_bundle(tmp_path):
    """Thresholds come from the bundle's curve, its strangeness and its sets; sets only where asked for."""
    sets = [{"coverage": 0.9, "least_probability": 0.2}]
    states = write_states_bundle(tmp_path / "b", with_ood=True, conformal=sets).states
    assert choose_rules(states) == Rules(0.1, 0.5, "none", 0.9, None)
    assert choose_rules(states, target_risk=0.05, set_coverage=0.9) == Rules(0.05, 0.9, "none", 0.9, 0.2)


def test_rules_of_states_read_with_programmes_are_of_trust(tmp_path):
    """Where programmes speak, threshold and level are of trust; the bundle's own do not apply."""
    sets = [{"coverage": 0.9, "least_probability": 0.2}]
    states = write_states_bundle(
        tmp_path / "b", with_ood=True, conformal=sets, recipe={"architecture": "axes"}
    ).states
    trust = read_trust()
    assert choose_rules(states) == Rules(0.1, trust.threshold(0.1), MEASURED_ON, 0.9, None)
    assert choose_rules(states, target_risk=0.25).threshold == trust.threshold(0.25)
    level = choose_rules(states, set_coverage=0.9).least_probability
    assert level == trust.least_probability(0.9, TYPICAL_SHIFT)
    with pytest.raises(OptionsError, match="no prediction sets"):
        choose_rules(states, set_coverage=0.999)
    with pytest.raises(OptionsError, match="not reached"):
        choose_rules(states, target_risk=1e-6)
    with pytest.raises(OptionsError, match="no share above 0"):
        choose_rules(states, target_risk=0)


def test_verdicts_keep_the_prediction():
    """Only the reported state changes; the call itself is left as it was."""
    calls = make_calls([sure("Naive", 0.4), sure("Naive")])
    verdicts = decide_verdicts(calls, *facts_of(2), RULES)
    assert list(verdicts.state) == ["Unresolved", "Naive"]
    assert list(calls.predicted_state) == ["Naive", "Naive"]
    assert list(verdicts.is_abstained) == [True, False]
    assert list(verdicts.is_usable) == [True, True]


def test_a_confidence_at_the_threshold_is_called():
    """The threshold itself is enough."""
    calls = make_calls([sure("Naive", 0.5)])
    verdicts = decide_verdicts(calls, *facts_of(1), Rules(0.1, float(calls.confidence[0])))
    assert list(verdicts.state) == ["Naive"]


def test_the_strongest_reason_is_told():
    """Not a T cell goes before doublet, coverage, out of distribution and low confidence, in this order."""
    calls = make_calls([sure("Naive", 0.3)] * 5, ood=[0.99] * 4 + [0.5])
    facts, _ = facts_of(5, not_t=[0], doublets=[0, 1])
    n_panel_genes = np.array([0, 0, 0, 9, 9])
    verdicts = decide_verdicts(calls, facts, n_panel_genes, replace(RULES, ood_threshold=0.95))
    assert list(verdicts.reason) == ["not_t_cell", "doublet", "coverage", "ood", "low_confidence"]
    assert list(verdicts.state) == ["Not_T", *["Unresolved"] * 4]
    assert list(verdicts.is_ood) == [False, False, False, True, False]
    assert list(verdicts.is_usable) == [False, False, False, False, True]


def test_cells_out_of_distribution_are_called_where_the_bundle_has_no_threshold():
    """Without a threshold of the bundle no call abstains for its out-of-distribution score."""
    calls = make_calls([sure("Naive")], ood=[1.0])
    assert list(decide_verdicts(calls, *facts_of(1), RULES).state) == ["Naive"]


def test_prediction_sets_hold_what_is_probable_enough():
    """A set lists the states from the level on, most probable first; it may be empty."""
    rows = [sure("Treg", 0.94), [0.3, 0, 0.5, 0.2, 0, 0, 0], np.full(7, 1 / 7)]
    found = list_prediction_sets(np.array(rows, dtype=np.float32), 0.25)
    assert list(found) == ["Treg", "Memory|Effector", ""]
    assert STATES[2] == "Memory"
