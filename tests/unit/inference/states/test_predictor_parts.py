"""Optional parts of a states model: receptors, members, out-of-distribution scores; and weighted states."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from state_bundles import (
    DIMENSION,
    GENES,
    REFERENCE_ENTRY,
    SPEAKING,
    make_states_model,
    write_states_bundle,
)
from tcellflow.errors import BundleError, InputError, OptionsError
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.inference.states.sources import ReceptorBlock
from tcellflow.states.axes import FUNCTIONS, LINEAGES, STATES, find_resting_state
from tcellflow.vocabulary import Function, Lineage, State


@pytest.fixture(scope="module")
def expression():
    rng = np.random.default_rng(0)
    return rng.uniform(0, 3, (300, len(GENES))).astype(np.float32)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "whole"
    return write_states_bundle(folder, with_receptors=True, with_ood=True, n_members=3)


def open_predictor(bundle, **options):
    return StatePredictor(bundle, threads=1, device="cpu", **options)


def softmax(logits):
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def make_receptors(n, *, seed=0):
    rng = np.random.default_rng(seed)
    tra, trb = (rng.normal(size=(n, DIMENSION)).astype(np.float32) for _ in range(2))
    tra[rng.random(n) < 0.5] = np.nan
    trb[rng.random(n) < 0.5] = np.nan
    return ReceptorBlock(tra, trb)


def test_the_tiny_model_is_what_its_page_says(tmp_path, expression):
    """A state's probability is a softmax of twice its gene's log-expression."""
    calls = open_predictor(write_states_bundle(tmp_path / "b")).predict(expression)
    expected = softmax(2 * (expression[:, : len(SPEAKING)] - 1))
    np.testing.assert_allclose(calls.state_probabilities, expected, atol=1e-5)
    for name in ("agreement", "epistemic", "ood_score"):
        assert np.isnan(getattr(calls, name)).all()


def test_missing_chains_are_masked(whole, expression):
    """A chain counts where it is there; a missing one is as if the model had no such input."""
    receptors = make_receptors(len(expression))
    calls = open_predictor(whole).predict(expression, receptors=receptors)
    heard = np.nan_to_num(receptors.tra[:, 0]) + np.nan_to_num(receptors.trb[:, 0])
    logits = 2 * (expression[:, : len(SPEAKING)] - 1)
    logits[:, STATES.index(State.TREG)] += heard
    np.testing.assert_allclose(calls.state_probabilities, softmax(logits), atol=1e-5)
    neither = ~receptors.has_tra & ~receptors.has_trb
    alone = open_predictor(whole).predict(expression)
    assert 0 < neither.sum() < len(neither)
    np.testing.assert_array_equal(alone.state_probabilities[neither], calls.state_probabilities[neither])


def test_flags_may_have_one_axis(tmp_path, whole, expression):
    """Masks are laid out with as many axes as the model takes; the calls are the same."""
    receptors = make_receptors(len(expression))
    flat = make_states_model(receptors=True, ood=True, n_members=3, flat_flags=True)
    other = write_states_bundle(
        tmp_path / "flat", with_receptors=True, with_ood=True, files=[("model.onnx", flat)]
    )
    one, two = (open_predictor(b).predict(expression, receptors=receptors) for b in (whole, other))
    np.testing.assert_array_equal(one.state_probabilities, two.state_probabilities)


def test_vectors_of_another_width_are_refused(whole, expression):
    """Vectors of another encoder are refused with both widths."""
    nothing = np.zeros((len(expression), 5), np.float32)
    with pytest.raises(InputError, match="5 columns; the bundle expects 3"):
        open_predictor(whole).predict(expression, receptors=ReceptorBlock(nothing, nothing))


def test_the_ood_score_is_a_percentile_of_the_training_cells(whole, expression):
    """The raw score is placed between the training cells' quantiles, and stays within 0 and 1."""
    calls = open_predictor(whole).predict(expression)
    expected = np.clip(expression.sum(axis=1) / 20, 0, 1)  # quantiles 0, 10, 20 at 0, 50, 100 %
    np.testing.assert_allclose(calls.ood_score, expected, atol=1e-5)
    far = open_predictor(whole).predict(np.full((1, len(GENES)), 9.0, np.float32))
    assert far.ood_score[0] == 1


def test_members_give_agreement_and_mutual_information(whole, expression):
    """Agreement and epistemic are those of the members, computed here by hand."""
    calls = open_predictor(whole).predict(expression)
    logits = 2 * (expression[:, : len(SPEAKING)] - 1)
    members = np.stack([softmax(logits * slope) for slope in (0.0, 1.0, 2.0)], axis=1)
    best = softmax(logits).argmax(axis=1)
    np.testing.assert_allclose(calls.agreement, (members.argmax(axis=2) == best[:, None]).mean(axis=1))

    def entropy(p):
        return -(p * np.log(p)).sum(axis=-1)

    expected = entropy(members.mean(axis=1)) - entropy(members).mean(axis=1)
    np.testing.assert_allclose(calls.epistemic, expected, atol=1e-4)
    assert (calls.epistemic >= 0).all()


def test_an_ood_score_without_quantiles_is_refused(tmp_path):
    """A raw score means nothing without the training cells it is compared with."""
    reference = {**REFERENCE_ENTRY, "ood_quantiles": []}
    with pytest.raises(BundleError, match="ood_quantiles"):
        write_states_bundle(tmp_path / "a", with_ood=True, reference=reference)
    bundle = write_states_bundle(tmp_path / "b", files=[("model.onnx", make_states_model(ood=True))])
    with pytest.raises(BundleError, match="no 'ood_quantiles'"):
        open_predictor(bundle)


def test_outputs_of_another_size_are_refused(tmp_path, expression):
    """A model that gives two scores per cell is not read as one."""
    model = onnx.load_from_string(make_states_model(ood=True))
    total = next(tensor for tensor in model.graph.initializer if tensor.name == "total")
    total.CopyFrom(numpy_helper.from_array(np.ones((len(GENES), 2), np.float32), "total"))
    scores = next(value for value in model.graph.output if value.name == "ood_score")
    scores.type.tensor_type.shape.dim[1].dim_value = 2
    files = [("model.onnx", model.SerializeToString())]
    bundle = write_states_bundle(tmp_path / "b", with_ood=True, files=files)
    with pytest.raises(BundleError, match=r"'ood_score' has shape \(256, 2\) instead of \(256, 1\)"):
        open_predictor(bundle).predict(expression)


def test_a_model_that_takes_undeclared_receptors_is_refused(tmp_path):
    """A model with receptor inputs needs an entry that says which vectors it takes."""
    bundle = write_states_bundle(tmp_path / "a", files=[("model.onnx", make_states_model(receptors=True))])
    with pytest.raises(BundleError, match="cannot use"):
        open_predictor(bundle)


def test_the_ensemble_is_another_file_of_the_bundle(tmp_path, expression):
    """With an ensemble the members run; a bundle without one says so."""
    single = write_states_bundle(tmp_path / "single")
    with pytest.raises(OptionsError, match="keeps no ensemble"):
        open_predictor(single, ensemble=True)
    ensemble = [("ensemble.onnx", make_states_model(n_members=4))]
    both = write_states_bundle(tmp_path / "both", files=ensemble)
    assert np.isnan(open_predictor(both).predict(expression).agreement).all()
    assert np.isfinite(open_predictor(both, ensemble=True).predict(expression).agreement).all()


def test_masks_may_differ_from_cell_to_cell(tmp_path, expression):
    """A gene masked in one cell changes that cell as if the whole sample lacked it, and no other."""
    predictor = open_predictor(write_states_bundle(tmp_path / "b"))
    present = np.ones(expression.shape, dtype=bool)
    present[7, 3] = False
    calls, plain = predictor.predict(expression, present), predictor.predict(expression)
    rest = np.arange(len(expression)) != 7
    np.testing.assert_array_equal(calls.state_probabilities[rest], plain.state_probabilities[rest])
    lacking = predictor.predict(expression, present[7])
    np.testing.assert_array_equal(calls.state_probabilities[7], lacking.state_probabilities[7])
    with pytest.raises(InputError, match="mask of measured genes"):
        predictor.predict(expression, present[:5])


def test_weights_keep_the_axes_in_agreement(tmp_path, expression):
    """Weighted probabilities are p w / sum, and collapsing the new axes gives the new states."""
    predictor = open_predictor(write_states_bundle(tmp_path / "b"))
    weights = np.array([1.0, 0.5, 2.0, 1.0, 0.1, 1.0, 3.0])
    calls, plain = predictor.weighted(weights).predict(expression), predictor.predict(expression)
    expected = plain.state_probabilities * weights
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(calls.state_probabilities, expected, atol=1e-5)
    np.testing.assert_allclose(calls.p_cycling, expected[:, STATES.index(State.PROLIFERATING)], atol=1e-5)
    np.testing.assert_allclose(calls.p_lineage.sum(axis=1), 1, atol=1e-5)
    treg = calls.p_lineage[:, LINEAGES.index(Lineage.TREG)] * (1 - calls.p_cycling)
    np.testing.assert_allclose(treg, expected[:, STATES.index(State.TREG)], atol=1e-5)
    naive = calls.p_function[:, FUNCTIONS.index(Function.NAIVE)] * (1 - calls.p_cycling)
    np.testing.assert_allclose(naive, expected[:, STATES.index(State.NAIVE)], atol=1e-5)
    assert (predictor.predict(expression).state_probabilities == plain.state_probabilities).all()


def test_even_weights_change_nothing(tmp_path, expression):
    """Weights of 1 give the plain calls, but for rounding."""
    predictor = open_predictor(write_states_bundle(tmp_path / "b"))
    calls = predictor.weighted(np.ones(7)).predict(expression)
    plain = predictor.predict(expression)
    np.testing.assert_allclose(calls.state_probabilities, plain.state_probabilities, atol=1e-6)
    np.testing.assert_allclose(calls.p_lineage, plain.p_lineage, atol=1e-5)
    np.testing.assert_array_equal(calls.function, plain.function)


def test_weights_are_of_a_network_that_decides_alone(tmp_path):
    """Shares are stated for the network's own states, so those read with programmes are not weighed."""
    predictor = open_predictor(write_states_bundle(tmp_path / "b", recipe={"architecture": "axes"}))
    with pytest.raises(OptionsError, match="rest on programmes too"):
        predictor.weighted(np.ones(7))


def test_every_joint_cell_has_one_resting_state():
    """Treg goes with regulatory alone and th_effector with CD4 alone; every other pair has a state."""
    for lineage in LINEAGES:
        for function in FUNCTIONS:
            state = find_resting_state(lineage, function)
            is_zero = (lineage is Lineage.TREG) != (function is Function.REGULATORY) or (
                function is Function.TH_EFFECTOR and lineage is not Lineage.CD4
            )
            assert (state is None) == is_zero
            assert state is not State.PROLIFERATING
