"""Evidence of the whole decision is what a matrix without the gene's column changes, and nothing else."""

from __future__ import annotations

import anndata
import numpy as np
import pytest
from scipy import sparse

from tcellflow.genes.panel import align_panel
from tcellflow.inference.states.gene_evidence import KeptFacts, WholeDecision, measure_effects
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.inference.states.sources import MatrixCells
from tcellflow.io.bundles.folders import find_bundle
from tcellflow.states.axes import STATES
from tcellflow.states.marker_model import read_marker_model
from tcellflow.states.programmes import read_programmes
from tcellflow.states.unconventional import ReceptorFacts

SMALL = 1e-6
ASKED = ("GZMB", "PDCD1", "NKG7", "CCR7", "MKI67", "FOXP3", "B2M", "TOX")


@pytest.fixture(scope="module")
def predictor():
    return StatePredictor(find_bundle("states"), threads=1, device="cpu")


def make_cells(predictor, n_cells=6):
    """Make cells with 700 to 9,000 molecules that run programmes at random."""
    rng = np.random.default_rng(3)
    table, model = read_programmes(), read_marker_model()
    names = np.array(sorted({*predictor.genes, *table.genes, *model.genes}), dtype=object)
    share = np.full(names.size, 1e-4)
    share[np.searchsorted(names.astype(str), model.genes.astype(str))] = model.background
    shares = np.tile(share / share.sum(), (n_cells, 1))
    for cell in range(n_cells):
        pairs = table.programme_of == rng.integers(len(table.names))
        places = np.searchsorted(names.astype(str), table.genes[table.gene_of[pairs]].astype(str))
        shares[cell, places] = table.plus[pairs]
    library = np.linspace(700, 9_000, n_cells).round()
    counts = rng.poisson(shares / shares.sum(axis=1, keepdims=True) * library[:, None])
    logs = np.log1p(counts / library[:, None] * 1e4).astype(np.float32)
    return names, sparse.csr_matrix(logs), library


def call(predictor, names, logs, library, chains):
    source = MatrixCells(logs, names, library)
    panel = align_panel(names, predictor.genes)
    return predictor.call_cells(source, panel, chains=chains).calls


def odds(calls, state):
    p = calls.state_probabilities[np.arange(len(state)), state].astype(float)
    return np.log((p + SMALL) / (1 - p + SMALL))


def choose_genes(whole, predictor):
    """Choose some with a say in all parts, and some beyond the panel."""
    outside = whole.genes[predictor.genes.size :][:3]
    places = [int(np.flatnonzero(whole.genes == gene)[0]) for gene in (*ASKED, *outside)]
    assert whole.present[places].all()
    return np.array(places)


def test_effects_are_those_of_a_matrix_without_the_gene(predictor):
    """For every cell and gene the effect is that of taking the column away and calling anew."""
    names, logs, library = make_cells(predictor)
    n = len(library)
    text = np.full(n, "", dtype=object)
    alpha_v = np.where(np.arange(n) == 1, "TRAV1-2", "").astype(object)
    alpha_j = np.where(np.arange(n) == 1, "TRAJ33", "").astype(object)
    has, none = np.ones(n, dtype=bool), np.zeros(n, dtype=bool)
    check(predictor, names, logs, library, ReceptorFacts(alpha_v, alpha_j, text, has, has, none, none))


@pytest.mark.data
def test_effects_on_real_cells_are_exact(predictor, shared_data):
    """On cells of a real sample too, with the molecules they hold."""
    cells = anndata.read_h5ad(shared_data / "tenx_healthy_T_1k" / "counts.h5ad")[:8]
    counts = cells.X.toarray()
    names, first = np.unique(cells.var_names.to_numpy().astype(object), return_index=True)
    library = counts.sum(axis=1)
    logs = np.log1p(counts[:, first] / library[:, None] * 1e4).astype(np.float32)
    check(predictor, names, sparse.csr_matrix(logs), library)


def check(predictor, names, logs, library, chains=None):
    whole = WholeDecision(predictor, names)
    places = choose_genes(whole, predictor)
    calls = call(predictor, names, logs, library, chains)
    state = np.array([STATES.index(name) for name in calls.predicted_state])
    asked = np.tile(places, (len(library), 1))
    kept = KeptFacts(np.asarray(library, float), None, chains)
    found = measure_effects(
        predictor=whole,
        expression=whole.gather(logs),
        present=whole.present,
        states=calls.predicted_state,
        genes=asked,
        receptors=kept,
    )
    for column, place in enumerate(places):
        is_left = names != whole.genes[place]
        without = call(predictor, names[is_left], logs[:, is_left], library, chains)
        expected = odds(calls, state) - odds(without, state)
        np.testing.assert_allclose(found[:, column], expected, atol=1e-4, err_msg=whole.genes[place])
    assert np.abs(found).max() > 0.05
