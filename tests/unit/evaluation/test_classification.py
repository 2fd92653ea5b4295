"""Figures of merit are those of their definitions, whatever the order of the cells."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from tcellflow.evaluation.classification import (
    ECE_BINS,
    auroc,
    balanced_accuracy,
    calibration_error,
    coverage_risk_curve,
    macro_f1,
    risk_area,
    weighted_macro_f1,
)

NAMES = np.array(["a", "b", "c", "d"], dtype=object)


@pytest.fixture
def calls():
    """Give truth, calls, confidences and whether the call is right, of 400 cells; "d" is only ever called."""
    rng = np.random.default_rng(0)
    truth = NAMES[rng.integers(0, 3, 400)]
    predicted = np.where(rng.random(400) < 0.6, truth, NAMES[rng.integers(0, 4, 400)]).astype(object)
    confidence = rng.random(400).round(2)
    return truth, predicted, confidence, np.asarray(truth == predicted, dtype=bool)


def test_f1_and_recall_are_means_over_the_true_classes(calls):
    """Both agree with scikit-learn's; a class that is only called counts against recall alone."""
    truth, predicted, _, _ = calls
    labels, lists = ["a", "b", "c"], (truth.tolist(), predicted.tolist())
    f1 = metrics.f1_score(*lists, labels=labels, average="macro")
    recall = metrics.recall_score(*lists, labels=labels, average="macro")
    assert macro_f1(truth, predicted) == pytest.approx(f1)
    assert balanced_accuracy(truth, predicted) == pytest.approx(recall)


def test_a_weighted_f1_is_that_of_repeated_cells(calls):
    """A cell with weight 2 counts as two cells; weights of 1 change nothing."""
    truth, predicted, _, _ = calls
    weights = np.random.default_rng(1).integers(0, 3, len(truth))
    rows = np.repeat(np.arange(len(truth)), weights)
    found = weighted_macro_f1(truth, predicted, np.stack([np.ones(len(truth)), weights]).astype(float))
    np.testing.assert_allclose(found, [macro_f1(truth, predicted), macro_f1(truth[rows], predicted[rows])])


def test_calibration_error_compares_confidence_with_accuracy():
    """It is 0 where each bin is as right as it is sure, and the gap where every bin errs alike."""
    confidence = np.repeat(np.linspace(0.1, 0.9, ECE_BINS), 1_000)
    is_right = np.tile(np.arange(1_000) / 1_000, ECE_BINS) < confidence
    assert calibration_error(confidence, is_right) == pytest.approx(0, abs=1e-3)
    assert calibration_error(np.full(30, 0.75), np.zeros(30, dtype=bool)) == pytest.approx(0.75)


def test_the_curve_ends_where_too_few_cells_are_called(calls):
    """Every point holds the share of cells called and of wrong ones among them, weighted if asked to."""
    _, _, confidence, is_right = calls
    curve = coverage_risk_curve(confidence, is_right, least_cells=20)
    assert curve[0] == {"threshold": 0.0, "coverage": 1.0, "risk": round(1 - is_right.mean(), 4)}
    last = confidence >= curve[-1]["threshold"]
    assert curve[-1]["coverage"] == round(last.mean(), 4)
    assert curve[-1]["risk"] == round(1 - is_right[last].mean(), 4)
    assert (confidence >= curve[-1]["threshold"] + 0.01).sum() < 20
    twice = coverage_risk_curve(confidence, is_right, least_cells=20, weights=np.full(len(confidence), 2.0))
    assert twice == curve
    heavy = np.where(is_right, 3.0, 1.0)
    risk = coverage_risk_curve(confidence, is_right, least_cells=20, weights=heavy)[0]["risk"]
    assert risk == round((~is_right).sum() / heavy.sum(), 4)


def test_the_area_takes_cells_of_one_confidence_in_no_order(calls):
    """Sure calls that are right make it small; the order of the cells changes nothing."""
    _, _, confidence, is_right = calls
    order = np.random.default_rng(2).permutation(len(confidence))
    assert risk_area(confidence[order], is_right[order]) == pytest.approx(risk_area(confidence, is_right))
    assert risk_area(np.array([0.9, 0.8, 0.1]), np.array([True, True, False])) == pytest.approx(1 / 9)
    assert risk_area(np.full(4, 0.5), np.array([True, False, True, False])) == pytest.approx(0.5)


def test_auroc_counts_ties_half():
    """It agrees with scikit-learn's, ties included."""
    rng = np.random.default_rng(3)
    low, high = rng.normal(0, 1, 200).round(1), rng.normal(1, 1, 150).round(1)
    truth = np.repeat([0, 1], [200, 150])
    assert auroc(low, high) == pytest.approx(metrics.roc_auc_score(truth, np.concatenate([low, high])))
    assert auroc(np.zeros(3), np.zeros(5)) == 0.5
