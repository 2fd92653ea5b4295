"""The abstention threshold comes from the measured curve."""

from __future__ import annotations

import pytest

from state_bundles import write_states_bundle
from tcellflow.errors import OptionsError
from tcellflow.inference.states.abstention import Rules, choose_rules, choose_set_level, choose_threshold
from tcellflow.io.bundles.reliability import ConformalLevel, OodRule, Reliability
from tcellflow.io.bundles.states import Abstention, CurvePoint

CURVE = (
    CurvePoint(0.0, 1.0, 0.4),
    CurvePoint(0.3, 0.8, 0.2),
    CurvePoint(0.5, 0.6, 0.25),
    CurvePoint(0.7, 0.4, 0.1),
    CurvePoint(0.9, 0.1, 0.05),
)
ABSTENTION = Abstention(target_risk=0.1, dataset="some", curve=CURVE)


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
    assert choose_rules(states) == Rules(0.1, 0.5, 0.9, None)
    assert choose_rules(states, target_risk=0.05, set_coverage=0.9) == Rules(0.05, 0.9, 0.9, 0.2)
