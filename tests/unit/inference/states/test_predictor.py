"""State calls are consistent, and independent of chunks and threads."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from scipy import sparse

from receptor_bundles import describe_receptors_bundle, identity_model, write_bundle_folder
from tcellflow.errors import BundleError, InputError, OptionsError
from tcellflow.inference.states.calls import entropy_of, join_calls
from tcellflow.inference.states.network import BATCH_CELLS
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.io.bundles.folders import PACKAGED_FOLDER, read_bundle
from tcellflow.vocabulary import Function, Lineage, State

STATES, LINEAGES, FUNCTIONS = list(State), list(Lineage), list(Function)


@pytest.fixture(scope="module")
def bundle():
    return read_bundle(PACKAGED_FOLDER / "states-linear")


@pytest.fixture(scope="module")
def predictor(bundle):
    return StatePredictor(bundle, threads=1, device="cpu")


def make_expression(bundle, n_cells: int, seed: int = 0) -> np.ndarray:
    """Log-expression of cells drawn towards random classes of the model, so that all states occur."""
    stored = {t.name: numpy_helper.to_array(t) for t in onnx.load(bundle.model_path).graph.initializer}
    rng = np.random.default_rng(seed)
    direction = stored["coef"].T - stored["coef"].mean(axis=1)
    direction /= direction.std(axis=1, keepdims=True)
    towards = direction[rng.integers(0, len(direction), n_cells)]
    noise = rng.normal(0.0, 1.0, size=(n_cells, direction.shape[1]))
    expression = stored["mean"] + stored["scale"] * (0.5 * towards + noise)
    return expression.clip(0, 9).astype(np.float32)


@pytest.fixture(scope="module")
def expression(bundle):
    return make_expression(bundle, 700)


@pytest.fixture(scope="module")
def calls(predictor, expression):
    return predictor.predict(expression)


def test_the_example_of_the_pages_works(predictor):
    """Two lines lead from a matrix to states, whatever the order of its genes."""
    symbols = [*predictor.genes[::-1], "SOMETHING"]
    x = sparse.random_array((5, len(symbols)), density=0.1, format="csr", rng=np.random.default_rng(0))
    found = StatePredictor("states-linear").predict_cells(x, symbols)
    assert set(found.predicted_state) <= set(STATES)
    expected = predictor.predict(x[:, :-1][:, ::-1].toarray().astype(np.float32))
    np.testing.assert_array_equal(found.state_probabilities, expected.state_probabilities)


@pytest.mark.parametrize("chunk", [1, 7, BATCH_CELLS - 1, BATCH_CELLS, 500, 1024])
def test_calls_do_not_depend_on_the_chunk(predictor, expression, calls, chunk):
    """Every value of every cell is the same to the last bit, whatever the chunk it came in."""
    starts = range(0, 70 if chunk == 1 else len(expression), chunk)
    found = join_calls([predictor.predict(expression[s : s + chunk]) for s in starts])
    for field in fields(found):
        ours = getattr(found, field.name)
        np.testing.assert_array_equal(ours, getattr(calls, field.name)[: len(ours)])


@pytest.mark.parametrize("threads", [2, 3])
def test_calls_do_not_depend_on_threads(bundle, expression, calls, threads):
    """Every value is the same to the last bit with more threads."""
    found = StatePredictor(bundle, threads=threads, device="cpu").predict(expression)
    for field in fields(found):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(calls, field.name))


def test_distributions_sum_to_one(calls):
    """States, lineages and functions are distributions; the unreported function is missing, not 0."""
    np.testing.assert_allclose(calls.state_probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(calls.p_lineage.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.nansum(calls.p_function, axis=1), 1, atol=1e-5)
    missing = np.isnan(calls.p_function)
    assert missing[:, FUNCTIONS.index(Function.EXHAUSTED_PROGENITOR)].all()
    assert missing.sum() == len(missing)


def test_the_axes_never_contradict_the_state(predictor, bundle):
    """Treg means lineage Treg and function regulatory; Th_effector means CD4; cycling means Proliferating."""
    found = predictor.predict(make_expression(bundle, 3000, seed=1))
    states, lineage, function, cycle = found.predicted_state, found.lineage, found.function, found.cycle
    others = states != State.PROLIFERATING
    assert ((lineage == Lineage.TREG) == (function == Function.REGULATORY)).all()
    assert ((states == State.TREG) == (lineage == Lineage.TREG))[others].all()
    assert (lineage[function == Function.TH_EFFECTOR] == Lineage.CD4).all()
    assert ((states == State.PROLIFERATING) == (cycle == "cycling")).all()
    meaning = {
        State.NAIVE: {Function.NAIVE},
        State.EFFECTOR: {Function.EFFECTOR},
        State.MEMORY: {Function.CENTRAL_MEMORY, Function.EFFECTOR_MEMORY, Function.RESIDENT_MEMORY},
        State.TH_EFFECTOR: {Function.TH_EFFECTOR},
        State.EXHAUSTED: {Function.EXHAUSTED_TERMINAL},
    }
    for state, functions in meaning.items():
        assert set(function[states == state]) <= functions
    assert set(states) == set(STATES)  # the claim was tried on different states


def test_no_programme_tells_effector_in_a_bundle_of_one_piece(bundle):
    """The baseline's states are the teacher's; asked for programmes it says so."""
    assert StatePredictor(bundle, threads=1, device="cpu", effector_by="gate").effector_by is None
    with pytest.raises(OptionsError, match="of one piece"):
        StatePredictor(bundle, threads=1, device="cpu", effector_by="programme")


def test_a_missing_gene_counts_as_average(predictor, bundle):
    """The value of an absent gene is without effect, and unlike a measured zero."""
    x = make_expression(bundle, 5, seed=3)
    gene = int(np.argmax(bundle.panel.weights))
    present = np.ones(predictor.genes.size, dtype=bool)
    present[gene] = False
    other = x.copy()
    other[:, gene] = 5.0
    absent = predictor.predict(x, present).latent
    np.testing.assert_array_equal(absent, predictor.predict(other, present).latent)
    x[:, gene] = 0.0
    assert not np.allclose(absent, predictor.predict(x).latent)


def test_no_cells_give_no_calls(predictor):
    """An empty matrix gives empty arrays of the right widths."""
    found = predictor.predict(np.zeros((0, predictor.genes.size), np.float32))
    assert found.state_probabilities.shape == (0, 7)
    assert found.latent.shape == (0, 68)
    assert found.confidence.shape == found.entropy.shape == (0,)


@pytest.mark.parametrize("value", [-0.5, 50.0, np.nan, np.inf])
def test_numbers_that_are_no_log_counts_are_refused(predictor, value):
    """Raw counts, scaled values and NaN are refused instead of predicted."""
    x = np.zeros((3, predictor.genes.size), np.float32)
    x[1, 4] = value
    with pytest.raises(InputError, match="log1p"):
        predictor.predict(x)


def test_another_gene_number_is_refused(predictor):
    """A matrix of other genes than the panel's is refused with both shapes."""
    with pytest.raises(InputError, match=r"\(3, 5\)"):
        predictor.predict(np.zeros((3, 5), np.float32))


def test_a_bundle_of_another_task_is_refused(tmp_path):
    """A bundle made for something else cannot predict states."""
    files = {"model.onnx": identity_model(), "vocabulary.json": b"{}"}
    other = read_bundle(write_bundle_folder(tmp_path / "b", describe_receptors_bundle(), files))
    with pytest.raises(BundleError, match="'receptors' instead of 'states'"):
        StatePredictor(other, threads=1, device="cpu")


def test_a_model_with_other_tensors_is_refused(bundle, tmp_path):
    """A model whose inputs or outputs this version does not know is refused, not guessed at."""
    model = onnx.load(bundle.model_path)
    for node in model.graph.node:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                if name == "expression":
                    names[i] = "proteins"
    model.graph.input[0].name = "proteins"
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match="proteins"):
        StatePredictor(replace(bundle, folder=tmp_path), threads=1, device="cpu")


def test_a_model_with_other_sizes_is_refused(bundle, tmp_path):
    """A model that gives eight states is refused with both shapes."""
    model = onnx.load(bundle.model_path)
    for tensor in model.graph.initializer:
        if tensor.name in {"collapse", "to_proliferating"}:
            wider = np.pad(numpy_helper.to_array(tensor), ((0, 0), (0, 1)))
            tensor.CopyFrom(numpy_helper.from_array(wider, tensor.name))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 8
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    other = StatePredictor(replace(bundle, folder=tmp_path), threads=1, device="cpu")
    with pytest.raises(BundleError, match=r"\(256, 8\)"):
        other.predict(np.zeros((1, other.genes.size), np.float32))


def test_entropy_runs_from_certain_to_even():
    """A certain call has entropy 0, an even one ln 7."""
    even, certain = np.full((1, 7), 1 / 7, np.float32), np.eye(7, dtype=np.float32)[:1]
    np.testing.assert_allclose(entropy_of(np.concatenate([certain, even])), [0, np.log(7)], atol=1e-6)
