"""Verdicts follow the order of reasons and keep the calls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from made_calls import STATES, evidence_of, make_calls, sure
from tcellflow.inference.states.abstention import Rules
from tcellflow.inference.states.verdicts import decide_verdicts, list_prediction_sets

RULES = Rules(target_risk=0.1, threshold=0.5)


def test_verdicts_keep_the_prediction():
    """Only the reported state changes; the call itself is left as it was."""
    calls = make_calls([sure("Naive", 0.4), sure("Naive")])
    verdicts = decide_verdicts(calls, evidence_of(2), RULES)
    assert list(verdicts.state) == ["Unresolved", "Naive"]
    assert list(calls.predicted_state) == ["Naive", "Naive"]
    assert list(verdicts.is_abstained) == [True, False]
    assert list(verdicts.is_usable) == [True, True]


def test_a_confidence_at_the_threshold_is_called():
    """The threshold itself is enough."""
    calls = make_calls([sure("Naive", 0.5)])
    verdicts = decide_verdicts(calls, evidence_of(1), Rules(0.1, float(calls.confidence[0])))
    assert list(verdicts.state) == ["Naive"]


def test_the_strongest_reason_is_told():
    """Not a T cell goes before doublet, coverage, strangeness and low confidence, in this order."""
    calls = make_calls([sure("Naive", 0.3)] * 5, ood=[0.99] * 4 + [0.5])
    evidence = evidence_of(5, not_t=[0], doublets=[0, 1])
    evidence = replace(evidence, n_panel_genes=np.array([0, 0, 0, 9, 9]))
    verdicts = decide_verdicts(calls, evidence, replace(RULES, ood_threshold=0.95))
    assert list(verdicts.reason) == ["not_t_cell", "doublet", "coverage", "ood", "low_confidence"]
    assert list(verdicts.state) == ["Not_T", *["Unresolved"] * 4]
    assert list(verdicts.is_strange) == [False, False, False, True, False]
    assert list(verdicts.is_usable) == [False, False, False, False, True]


def test_strange_cells_are_called_where_the_bundle_has_no_threshold():
    """Without a threshold of the bundle no call abstains for its out-of-distribution score."""
    calls = make_calls([sure("Naive")], ood=[1.0])
    assert list(decide_verdicts(calls, evidence_of(1), RULES).state) == ["Naive"]


def test_prediction_sets_hold_what_is_probable_enough():
    """A set lists the states from the level on, most probable first; it may be empty."""
    rows = [sure("Treg", 0.94), [0.3, 0, 0.5, 0.2, 0, 0, 0], np.full(7, 1 / 7)]
    found = list_prediction_sets(np.array(rows, dtype=np.float32), 0.25)
    assert list(found) == ["Treg", "Memory|Effector", ""]
    assert STATES[2] == "Memory"
