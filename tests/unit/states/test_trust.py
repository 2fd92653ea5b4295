"""Trust: how many calls like this one were right on sets left out."""

import numpy as np
import pytest

from tcellflow.states.axes import STATES
from tcellflow.states.trust import Trust, parse_trust

CURVE = Trust(0.5, np.array([0.0, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0]))


def states_of(state, p):
    states = np.full((1, 7), (1 - p) / 6)
    states[0, STATES.index(state)] = p
    return states


def test_trust_rises_with_the_probability():
    """Of the same state, the more probable call is trusted more."""
    values = [CURVE.of(states_of("Naive", p))[0] for p in (0.3, 0.6, 0.9, 0.99, 1.0)]
    assert values == sorted(values)
    assert 0 < values[0] < values[-1] < 1


def test_states_are_not_trusted_alike():
    """A state that was often wrong on left-out sets is trusted less at the same probability."""
    assert CURVE.of(states_of("Proliferating", 0.9)) < CURVE.of(states_of("Naive", 0.9))


def test_a_hand_computed_value():
    """Odds of 9 at a slope of a half are odds of 3."""
    assert CURVE.of(states_of("Naive", 0.9))[0] == pytest.approx(0.75)


def test_the_table_is_read_by_state():
    """Offsets are found by the name of the state, whatever the order of the rows."""
    rows = [{"state": str(s), "slope": "0.5", "offset": str(i)} for i, s in enumerate(STATES)]
    trust = parse_trust(rows[::-1])
    assert trust.slope == 0.5
    assert trust.offsets.tolist() == list(range(7))
