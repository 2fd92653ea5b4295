"""Class shares are estimated only where they can be, and a shift is a distance from the bundle's cells."""

from __future__ import annotations

import numpy as np
import pytest

from made_calls import STATES, make_calls, sure
from tcellflow.errors import OptionsError
from tcellflow.inference.states.prior_shift import (
    BUNDLE_WEIGHT,
    LEAST_CELLS,
    check_shares,
    estimate_correction,
    measure_shift,
)
from tcellflow.io.bundles.reliability import Reference, Reliability
from tcellflow.vocabulary import State

EVEN = dict.fromkeys(State, 1 / 7)


def reliability(shares=EVEN, ood=(), confidence=()):
    return Reliability(Reference("some", shares, tuple(ood), tuple(confidence)), None, (), None)


def draw(shares, n, *, seed=0, noise=1.0):
    """Posteriors, under even shares, of cells whose states are drawn by other shares."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(7, n, p=shares)
    logits = rng.normal(0, noise, (n, 7))
    logits[np.arange(n), truth] += noise**2  # the exact log-likelihood ratio of a shift by noise squared
    return truth, (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)


def correct(probabilities, stated, *, threshold=0.9, n_ood=0):
    return estimate_correction(probabilities, stated, threshold=threshold, n_ood=n_ood)


def test_shares_are_the_most_probable_ones():
    """Under the shares found, the mean posterior and twice the bundle's shares give the same shares again."""
    shares = np.array([0.05, 0.02, 0.4, 0.4, 0.03, 0.05, 0.05])
    _, probabilities = draw(shares, 5_000, noise=1.5)
    correction = correct(probabilities, reliability())
    assert correction.refusal == ""
    found = np.array(correction.shares)
    posterior = probabilities * found
    posterior /= posterior.sum(axis=1, keepdims=True)
    again = (posterior.mean(axis=0) + BUNDLE_WEIGHT / 7) / (1 + BUNDLE_WEIGHT)
    np.testing.assert_allclose(again, found, atol=1e-5)
    np.testing.assert_allclose(correction.weights, found * 7)
    # on the way from the bundle's shares to the true ones
    assert np.abs(found - shares).sum() < np.abs(1 / 7 - shares).sum()
    assert correction.as_dict()["applied"] is True
    assert list(correction.as_dict()["shares"]) == STATES


def test_corrected_probabilities_are_right_more_often():
    """With the weights more cells are called by their true state."""
    shares = np.array([0.02, 0.02, 0.6, 0.3, 0.02, 0.02, 0.02])
    truth, probabilities = draw(shares, 5_000, seed=1, noise=1.2)
    weights = correct(probabilities, reliability()).weights
    before = (probabilities.argmax(axis=1) == truth).mean()
    after = ((probabilities * weights).argmax(axis=1) == truth).mean()
    assert after > before + 0.05


def test_a_sample_like_the_bundles_cells_is_left_as_it_is():
    """Cells whose mean probabilities are the bundle's shares give those shares and factors of 1."""
    _, probabilities = draw(np.full(7, 1 / 7), 3_000)
    shares = dict(zip(State, probabilities.mean(axis=0).astype(float), strict=True))
    np.testing.assert_allclose(correct(probabilities, reliability(shares)).weights, 1, atol=1e-3)


def test_a_correction_that_overturns_sure_calls_is_refused():
    """A state that every cell may faintly be does not take the sure calls of another."""
    row = np.array([0.0, 0.0, 0.0, 0.8, 0.2, 0.0, 0.0], dtype=np.float32)
    rare = {**dict.fromkeys(State, 0.0), State.NAIVE: 0.995, State.PROLIFERATING: 0.005}
    correction = correct(np.tile(row, (500, 1)), reliability(rare), threshold=0.7)
    assert "100% of the sure calls" in correction.refusal
    assert correction.weights is None
    assert correct(np.tile(row, (500, 1)), reliability(rare), threshold=0.9).refusal == ""


def test_a_state_without_a_stated_share_stays_as_it_is():
    """A state of share 0 gets no cells by the correction, and its factor is 1."""
    shares = {**dict.fromkeys(State, 0.2), State.EXHAUSTED: 0.0, State.PROLIFERATING: 0.0}
    _, probabilities = draw(np.full(7, 1 / 7), 1_000)
    correction = correct(probabilities, reliability(shares))
    assert correction.weights[STATES.index("Exhausted")] == 1
    assert correction.shares[STATES.index("Exhausted")] == 0
    assert sum(correction.shares) == pytest.approx(1)


@pytest.mark.parametrize(
    ("n_cells", "n_ood", "words"),
    [
        (LEAST_CELLS - 1, 0, "199 usable T cells; at least 200"),
        (0, 0, "0 usable"),
        (300, 200, "40% of the T cells are unlike"),
    ],
)
def test_small_and_strange_samples_are_refused_with_a_reason(n_cells, n_ood, words):
    """Too few cells, or too many unlike the training cells, leave the probabilities as they are."""
    _, probabilities = draw(np.full(7, 1 / 7), max(n_cells, 1))
    correction = correct(probabilities[:n_cells], reliability(), n_ood=n_ood)
    assert words in correction.refusal
    assert correction.weights is None
    assert correction.as_dict() == {"applied": False, "refusal": correction.refusal, "shares": None}


def test_thirty_in_a_hundred_may_be_out_of_distribution():
    """The share is of all single T cells, those out of distribution counted: at 30 % it still corrects."""
    _, probabilities = draw(np.full(7, 1 / 7), 700)
    assert correct(probabilities, reliability(), n_ood=300).refusal == ""
    assert "30% of the T cells are unlike" in correct(probabilities, reliability(), n_ood=301).refusal


def test_zero_stays_zero_even_for_cells_that_look_like_the_state():
    """Cells of a state that the bundle states a share of 0 for go to the other states."""
    shares = {**dict.fromkeys(State, 1 / 6), State.EXHAUSTED: 0.0}
    probabilities = np.full((400, 7), 0.02, np.float32)
    probabilities[:, STATES.index("Exhausted")] = 0.88
    correction = correct(probabilities, reliability(shares))
    assert correction.shares[STATES.index("Exhausted")] == 0
    assert correction.weights[STATES.index("Exhausted")] == 1
    assert np.isfinite(correction.weights).all()


@pytest.mark.parametrize(
    "stated", [Reliability(None, None, (), None), reliability(shares=None)], ids=["nothing", "no shares"]
)
def test_a_bundle_without_shares_cannot_be_corrected(stated):
    """Where the bundle states no shares, both the check and the estimate say so."""
    with pytest.raises(OptionsError, match="does not state the class shares"):
        check_shares(stated)
    with pytest.raises(OptionsError, match="does not state the class shares"):
        correct(np.ones((300, 7), np.float32) / 7, stated)


def shift_of(calls, is_usable, stated):
    return measure_shift(calls.ood_score, calls.state_probabilities, is_usable, stated)


def test_a_sample_like_the_training_cells_is_not_shifted():
    """Scores spread evenly over the training percentiles, and shares as stated, give nearly 0."""
    n = 1_000
    calls = make_calls([sure(STATES[i % 7]) for i in range(n)], ood=np.linspace(0, 1, n))
    stated = reliability(ood=[0, 1, 2], confidence=[0.9399, 0.94, 0.9401])
    shift = shift_of(calls, np.ones(n, dtype=bool), stated)
    assert shift["score"] == shift["ood"] < 0.01
    assert shift["states"] < 0.01
    assert shift["dataset"] == "some"


def test_a_sample_unlike_the_training_cells_is_shifted():
    """Cells beyond all training cells, less sure and of one state, are at the far end of each scale."""
    calls = make_calls([sure("Naive", 0.4)] * 50, ood=np.ones(50))
    shift = shift_of(calls, np.ones(50, dtype=bool), reliability(ood=[0, 1], confidence=[0.5, 1.0]))
    assert shift["ood"] == shift["confidence"] == 1
    assert shift["states"] == pytest.approx(0.4 - 1 / 7, abs=0.01)


def test_only_usable_cells_are_compared():
    """Cells that are no single T cells move no figure."""
    calls = make_calls([sure("Naive")] * 10 + [sure("Treg")] * 90)
    usable = np.arange(100) < 10
    alone = shift_of(make_calls([sure("Naive")] * 10), np.ones(10, dtype=bool), reliability())
    assert shift_of(calls, usable, reliability()) == alone


def test_without_reference_or_cells_there_is_no_figure():
    """Nothing to compare with, or nothing to compare, gives nulls; confidence stands in for the ood score."""
    calls = make_calls([sure("Naive")] * 10)
    every = np.ones(10, dtype=bool)
    nothing = shift_of(calls, every, Reliability(None, None, (), None))
    assert set(nothing.values()) == {None}
    assert shift_of(calls, ~every, reliability(confidence=[0.2, 1.0]))["score"] is None
    shift = shift_of(calls, every, reliability(confidence=[0.2, 1.0]))
    assert shift["ood"] is None
    assert shift["score"] == shift["confidence"] > 0
