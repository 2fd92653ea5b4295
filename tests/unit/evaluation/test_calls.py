"""Figures of calls on labelled cells, against hand-counted ones."""

from __future__ import annotations

import numpy as np

from tcellflow.evaluation.calls import measure_calls, measure_reported, measure_states

TRUTH = np.array(["a"] * 6 + ["b"] * 4, dtype=object)
CALLED = np.array(["a"] * 5 + ["b"] + ["b"] * 2 + ["a", "c"], dtype=object)


def test_figures_of_calls_are_those_counted_by_hand():
    """Seven of ten are right; F1 of a is 10/12, of b 4/7; intervals hold the figure."""
    found = measure_calls(TRUTH, CALLED, np.full(10, 0.7))
    assert found["cells"] == 10
    assert found["accuracy"][0] == 0.7
    assert found["accuracy"][1] < 0.7 < found["accuracy"][2]
    assert found["macro_f1"][0] == round((10 / 12 + 4 / 7) / 2, 4)
    assert found["balanced_accuracy"] == round((5 / 6 + 2 / 4) / 2, 4)
    assert found["curve"][0] == {"threshold": 0.0, "coverage": 1.0, "risk": 0.3}
    assert found["risk_area"] == 0.3


def test_each_state_has_its_row_and_absent_ones_have_none():
    """A state that is only called has no recall and no F1; one that is neither has no row."""
    a, b, c = measure_states(TRUTH, CALLED, ["a", "b", "c", "d"])
    assert (a["cells"], a["called"], a["precision"], a["recall"]) == (6, 6, 0.8333, 0.8333)
    assert b["called_as"] == {"a": 1, "b": 2, "c": 1}
    assert (c["cells"], c["called"], c["precision"], c["recall"], c["f1"]) == (0, 1, 0.0, None, None)


def test_what_is_reported_has_a_coverage_and_a_risk():
    """Half is reported and a fifth of it wrong; where nothing is reported there is no risk."""
    is_reported = np.array([True] * 4 + [False, True] + [False] * 4)
    assert measure_reported(TRUTH, CALLED, is_reported) == {"coverage": 0.5, "risk": 0.2}
    assert measure_reported(TRUTH, CALLED, np.zeros(10, bool)) == {"coverage": 0.0, "risk": None}
