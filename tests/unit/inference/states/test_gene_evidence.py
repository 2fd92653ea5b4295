"""The genes named behind a call are those whose loss changes it, by exactly the effect told."""

from __future__ import annotations

import numpy as np
import pytest

from state_bundles import DIMENSION, GENES, SPEAKING, write_states_bundle
from tcellflow.inference.states.gene_evidence import find_gene_effects, learn_responses, measure_effects
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.inference.states.sources import ReceptorBlock
from tcellflow.vocabulary import State

STATES = [str(state) for state in State]
PRESENT = np.ones(len(GENES), dtype=bool)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    bundle = write_states_bundle(tmp_path_factory.mktemp("b") / "b", with_receptors=True)
    return StatePredictor(bundle, threads=1, device="cpu")


@pytest.fixture(scope="module")
def expression():
    rng = np.random.default_rng(0)
    return rng.uniform(0, 2.5, (40, len(GENES))).astype(np.float32)


def expected_effects(expression, states, heard=0.0):
    """Log-odds by hand: a gene that is not measured counts as 1, the model's own zero."""
    logits = 2 * (expression[:, : len(SPEAKING)] - 1).astype(float)
    logits[:, STATES.index("Treg")] += heard

    def odds(logits):
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p = (p / p.sum(axis=1, keepdims=True))[np.arange(len(p)), [STATES.index(s) for s in states]]
        return np.log(p / (1 - p))

    effects = np.zeros(expression.shape)
    for gene in range(len(SPEAKING)):
        without = logits.copy()
        without[:, gene] = heard if STATES[gene] == "Treg" else 0
        effects[:, gene] = odds(logits) - odds(without)
    return effects


def ask(predictor, expression, *, present=PRESENT, n_genes=3, receptors=None):
    states = predictor.predict(expression, present, receptors).predicted_state
    each = None if receptors is None else [receptors.take([i]) for i in range(len(expression))]
    responses = learn_responses(predictor, expression, present, states, each)
    effects = find_gene_effects(
        predictor, expression, present, states, responses, n_genes=n_genes, receptors=receptors
    )
    return effects, states


def test_an_effect_is_the_change_of_the_log_odds(predictor, expression):
    """Each effect is the log-odds with the gene less those without it."""
    states = predictor.predict(expression).predicted_state
    every = np.tile(np.arange(len(GENES)), (len(expression), 1))
    found = measure_effects(predictor, expression, PRESENT, states, every)
    np.testing.assert_allclose(found, expected_effects(expression, states), atol=1e-3)


def test_the_loudest_genes_are_named_on_each_side(predictor, expression):
    """For every cell the genes with the largest effects come first, and silent ones are never named."""
    effects, states = ask(predictor, expression)
    expected = expected_effects(expression, states)
    for cell in range(len(expression)):
        for side, sign in (("for", 1), ("against", -1)):
            named = (effects.cell == cell) & (effects.side == side)
            order = np.argsort(-sign * expected[cell], kind="stable")[:3]
            order = [gene for gene in order if sign * expected[cell, gene] > 1e-3]
            assert list(effects.gene[named]) == order
            assert list(effects.rank[named]) == list(range(1, len(order) + 1))
            np.testing.assert_allclose(effects.effect[named], expected[cell, order], atol=1e-3)
    assert (np.diff(effects.cell) >= 0).all()
    assert effects.gene.max() < len(SPEAKING)


def test_the_gene_of_a_state_speaks_for_it(predictor):
    """A cell that is Treg by FOXP3 alone names FOXP3 first."""
    cell = np.ones((1, len(GENES)), np.float32)
    cell[0, GENES.index("FOXP3")] = 3
    effects, states = ask(predictor, cell)
    assert list(states) == ["Treg"]
    assert GENES[effects.gene[0]] == "FOXP3"
    assert (effects.side[0], effects.rank[0]) == ("for", 1)


def test_a_gene_that_was_not_measured_is_never_named(predictor, expression):
    """Only measured genes can have spoken."""
    present = PRESENT.copy()
    present[GENES.index("FOXP3")] = False
    effects, _ = ask(predictor, expression, present=present, n_genes=12)
    assert GENES.index("FOXP3") not in effects.gene
    assert len(effects) > 0


def test_receptors_stay_in_while_genes_are_asked(predictor, expression):
    """The receptor keeps its say: effects are those of the call that was made with it."""
    tra = np.zeros((len(expression), DIMENSION), np.float32)
    tra[:, 0] = 1.5
    receptors = ReceptorBlock(tra, np.full_like(tra, np.nan))
    effects, states = ask(predictor, expression, n_genes=12, receptors=receptors)
    expected = expected_effects(expression, states, heard=1.5)
    np.testing.assert_allclose(effects.effect, expected[effects.cell, effects.gene], atol=1e-3)


def test_no_cells_have_no_effects(predictor):
    """Without cells there is nothing to tell, and the arrays keep their types."""
    effects, _ = ask(predictor, np.zeros((0, len(GENES)), np.float32))
    assert len(effects) == 0
    assert effects.effect.dtype == np.float32
    assert effects.rank.dtype == np.int32
