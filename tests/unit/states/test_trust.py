"""Trust: how many calls like this one were right on sets left out."""

import numpy as np
import pytest

from tcellflow.errors import OptionsError
from tcellflow.states.axes import STATES
from tcellflow.states.trust import (
    TYPICAL_SHIFT,
    Discord,
    RiskPoint,
    SetLevel,
    Trust,
    measure_discord,
    parse_trust,
    read_trust,
    to_logit,
)

POINTS = (RiskPoint(0.5, 0.2, 0.5, 0.9), RiskPoint(0.7, 0.08, 0.3, 0.7), RiskPoint(0.9, 0.05, 0.2, 0.3))
LEVELS = (SetLevel(0.8, -1.0, -2.0), SetLevel(0.9, -2.0, -2.0))
CURVE = Trust(0.5, -2.0, -1.0, np.array([0, 0, 0, 0, -2.0, 0, 0]), POINTS, LEVELS)


def states_of(state):
    return np.eye(7)[[STATES.index(state)]]


def trust_of(state="Naive", network=0.9, markers=0.9, shift=0.0, discord=0.0, curve=CURVE):
    found = Discord(shift, np.where(np.arange(7) == STATES.index(state), discord, 0.5))
    return float(curve.of(states_of(state), np.array([[network, markers]]), found)[0])


@pytest.mark.parametrize("curve", [CURVE, read_trust()], ids=["made", "packaged"])
def test_trust_rises_with_what_the_less_sure_part_says_and_falls_with_discord(curve):
    """More by the less sure part means more trust; more discord, of sample or state, means less."""
    for part in ("network", "markers"):
        values = [trust_of(**{part: p}, curve=curve) for p in (0.01, 0.3, 0.9, 0.999)]
        assert values == sorted(values)
        assert values[0] < values[1] < values[2] == values[3]  # from there on the other part is less sure
    for kind in ("shift", "discord"):
        values = [trust_of(**{kind: s}, curve=curve) for s in (0.8, 0.3, 0.0)]
        assert values == sorted(set(values))
    assert (
        0 < trust_of(network=0.0, markers=0.0, curve=curve) < trust_of(network=1, markers=1, curve=curve) < 1
    )


def test_states_are_not_trusted_alike():
    """A state that was often wrong on left-out sets is trusted less at the same probability."""
    assert trust_of("Proliferating") < trust_of("Naive")


def test_a_hand_computed_value():
    """Odds of 9 at a slope of a half, a shift of a half at -2 and a discord of a fifth at -1."""
    logit = 0.5 * np.log(9) - 1.2
    assert trust_of(markers=0.95, shift=0.5, discord=0.2) == pytest.approx(1 / (1 + np.exp(-logit)))


def test_a_lone_cell_is_trusted_as_one_of_a_typical_sample():
    """Without sample and parts, both parts are taken to say what the decision says, at the typical shift."""
    states = np.full((1, 7), 0.1 / 6)
    states[0, STATES.index("Naive")] = 0.9
    assert CURVE.of(states)[0] == pytest.approx(trust_of(shift=TYPICAL_SHIFT, discord=TYPICAL_SHIFT))


def test_a_threshold_holds_in_the_mean_and_in_the_worst_set():
    """The first threshold is taken whose mean risk is within the target and whose worst within half more."""
    assert CURVE.threshold(0.34) == 0.5
    assert CURVE.threshold(0.2) == 0.7
    assert CURVE.threshold(0.15) == 0.9


@pytest.mark.parametrize(
    ("target", "words"), [(0.01, "the least was 0.133"), (0, "no share"), (1.5, "no share")]
)
def test_a_risk_that_was_not_reached_is_refused(target, words):
    """What cannot be promised is told, with what can be."""
    with pytest.raises(OptionsError, match=words):
        CURVE.threshold(target)


def test_prediction_sets_grow_with_coverage_and_shift():
    """A state needs less probability to stay possible where more is asked and where the sample is shifted."""
    assert CURVE.least_probability(0.8, 0.0) == pytest.approx(1 / (1 + np.e))
    assert CURVE.least_probability(0.85, 0.0) == pytest.approx(1 / (1 + np.e**2))
    assert CURVE.least_probability(0.9, 0.5) == pytest.approx(1 / (1 + np.e**3))
    with pytest.raises(OptionsError, match="no prediction sets"):
        CURVE.least_probability(0.95, 0.0)


def test_a_small_sample_is_taken_for_a_typical_one():
    """The shift is the share of disagreements, drawn to the typical one where cells are few."""

    def shift(agrees):
        return measure_discord(agrees, np.repeat(states_of("Naive"), agrees.size, axis=0)).sample

    assert shift(np.zeros(0, bool)) == pytest.approx(TYPICAL_SHIFT)
    assert shift(np.zeros(20, bool)) == pytest.approx((1 + TYPICAL_SHIFT) / 2)
    assert shift(np.ones(100_000, bool)) == pytest.approx(0, abs=1e-3)


def test_discord_is_told_of_each_state():
    """Of a state's calls it is their own, drawn to the sample's where they are few."""
    naive, treg = STATES.index("Naive"), STATES.index("Treg")
    states = np.eye(7)[[naive] * 980 + [treg] * 10]
    found = measure_discord(np.arange(990) < 980, states)
    assert found.sample == pytest.approx((10 + 20 * TYPICAL_SHIFT) / 1010)
    assert found.by_state[treg] == pytest.approx((10 + 10 * found.sample) / 20)
    assert found.by_state[naive] == pytest.approx(10 * found.sample / 990)
    assert found.by_state[STATES.index("Effector")] == pytest.approx(found.sample)


def test_odds_are_bounded():
    """Probabilities of 0 and 1 do not make infinite evidence."""
    assert to_logit(np.array([0.0, 0.5, 1.0])) == pytest.approx([-7, 0, 7])


def test_the_tables_are_read_by_name():
    """Terms are found by their names, whatever the order of the rows."""
    rows = [{"term": str(s), "value": str(i)} for i, s in enumerate(STATES)]
    rows += [{"term": t, "value": v} for t, v in (("shift", "-1"), ("weaker", "0.5"), ("discord", "-2"))]
    trust = parse_trust(
        rows[::-1],
        [{"threshold": "0.5", "risk": "0.1", "worst": "0.2", "coverage": "0.6"}],
        [{"coverage": "0.9", "logit": "-2", "per_shift": "-1"}],
    )
    assert (trust.slope, trust.per_shift, trust.per_discord) == (0.5, -1, -2)
    assert trust.offsets.tolist() == list(range(7))
    assert (trust.risks, trust.levels) == ((RiskPoint(0.5, 0.1, 0.2, 0.6),), (SetLevel(0.9, -2, -1),))


def test_the_packaged_curve_promises_the_default_risk():
    """A tenth wrong, at most 15 % in the worst left-out set, is reached by a threshold below 1."""
    trust = read_trust()
    assert 0.5 < trust.threshold(0.1) < 0.97
    assert [level.coverage for level in trust.levels] == [0.8, 0.9, 0.95]
    assert trust.least_probability(0.95, 0.3) < trust.least_probability(0.8, 0.3) < 0.5
