"""Programmes: a number between 0 and 1 that depth and lost genes do not move."""

import time
from importlib.resources import files

import h5py
import numpy as np
import pytest
from scipy import sparse
from scipy.stats import nbinom

from tcellflow.states.programmes import (
    ENOUGH,
    LEAST_POWER,
    ProgrammeScorer,
    make_table,
    read_programmes,
    score_programmes,
)

SAMPLES = files("tcellflow") / "data" / "samples"
FILE = "sample_filtered_feature_bc_matrix.h5"
MINIMUM = {
    "naive_stemness", "memory_resting", "gzmk_effector_memory", "resident_memory", "cytotoxic",
    "terminal_effector", "cd4_ctl", "kir_nk_like", "exhaustion_core", "exhaustion_progenitor",
    "exhaustion_terminal", "activation", "th1", "th2", "th17", "tfh", "treg_core", "treg_effector", "mait",
    "gamma_delta", "ifn_response", "stress_heat_shock", "dissociation_ieg", "cycling", "cycling_s",
    "cycling_g2m",
}  # fmt: skip


def read_sample(name):
    """Read counts of a packaged sample, CSR (cells, genes), and its gene symbols."""
    with h5py.File(SAMPLES / name / FILE) as file:
        matrix = file["matrix"]
        n_genes, n_cells = matrix["shape"][:]
        counts = sparse.csr_array(
            (matrix["data"][:], matrix["indices"][:], matrix["indptr"][:]), shape=(n_cells, n_genes)
        )
        kinds = matrix["features/feature_type"][:].astype(str)
        symbols = matrix["features/name"][:].astype(str).astype(object)
    genes = np.flatnonzero(kinds == "Gene Expression")
    first = np.unique(symbols[genes], return_index=True)[1]
    kept = genes[np.sort(first)]
    return sparse.csr_array(counts[:, kept]), symbols[kept]


@pytest.fixture(scope="module", params=["tenx_healthy_T_1k", "trex_pt17_trimodal"])
def sample(request):
    counts, symbols = read_sample(request.param)
    return counts, symbols, counts.sum(axis=1).astype(np.float64)


def thin(counts, depth, seed=0):
    thinned = counts.copy()
    thinned.data = np.random.default_rng(seed).binomial(counts.data, depth)
    thinned.eliminate_zeros()
    return thinned


def mean_change(first, second):
    """Give the mean absolute change of each programme over cells where both are measurable."""
    known = np.isfinite(first) & np.isfinite(second)
    change = np.where(known, np.abs(first - second), 0).sum(axis=0)
    return (change / np.maximum(known.sum(axis=0), 1))[known.sum(axis=0) > 20]


def test_the_table_holds_all_programmes():
    """The packaged table holds every programme that other parts name, each with several genes."""
    table = read_programmes()
    assert set(table.names) == MINIMUM
    assert np.bincount(table.programme_of).min() >= 8
    assert (table.plus > 0).all()
    assert (table.minus > 0).all()


@pytest.mark.parametrize(("depth", "most"), [(0.5, 0.06), (0.25, 0.08), (0.125, 0.1)])
def test_depth_does_not_move_the_numbers(sample, depth, most):
    """The same cells at a half to an eighth of their molecules keep their numbers within noise."""
    counts, symbols, n = sample
    whole = score_programmes(counts, symbols, n).values
    fewer = score_programmes(thin(counts, depth), symbols, n * depth).values
    assert mean_change(whole, fewer).mean() <= most


def test_lost_genes_do_not_move_the_numbers(sample):
    """The same cells with half of the genes not measured keep their numbers within noise."""
    counts, symbols, n = sample
    kept = np.sort(np.random.default_rng(1).permutation(symbols.size)[: symbols.size // 2])
    whole = score_programmes(counts, symbols, n).values
    fewer = score_programmes(sparse.csr_array(counts[:, kept]), symbols[kept], n).values
    assert mean_change(whole, fewer).mean() <= 0.1


def test_reads_of_full_length_protocols_are_brought_to_molecules(sample):
    """The same cells as parts per million, which have no depth, keep their numbers nearly."""
    counts, symbols, n = sample
    tpm = sparse.csr_array(counts, dtype=np.float64)
    tpm.data = tpm.data * np.repeat(1e6 / n, np.diff(tpm.indptr))
    whole = score_programmes(counts, symbols, n).values
    fewer = score_programmes(tpm, symbols, np.full(len(n), 1e6)).values
    assert mean_change(whole, fewer).mean() <= 0.05


def test_too_few_molecules_are_not_measurable(sample):
    """At 50 molecules nothing can be told, neither presence nor absence."""
    counts, symbols, n = sample
    few = score_programmes(thin(counts, 0.01), symbols, n * 0.01)
    assert np.isnan(few.values[:, few.names.index("exhaustion_core")]).all()
    assert np.isfinite(few.evidence).all()
    assert (few.power[np.isfinite(few.values)] >= LEAST_POWER).all()


def test_genes_that_no_one_measured_leave_a_programme_unmeasurable():
    """A matrix without one gene of any programme gives no number for any."""
    scores = score_programmes(np.ones((3, 2)), ["ACTB", "GAPDH"], np.full(3, 5_000.0))
    assert np.isnan(scores.values).all()
    assert (scores.evidence == 0).all()


def test_cells_outside_the_gate_get_none(sample):
    """Cells that are no T cells get no number, whatever they show."""
    counts, symbols, n = sample
    is_t = np.arange(len(n)) % 2 == 0
    scores = score_programmes(counts, symbols, n, is_t)
    assert np.isnan(scores.values[~is_t]).all()
    assert np.isfinite(scores.values[is_t]).any()


def test_blocks_do_not_matter(sample):
    """A cell's numbers are the same alone and among others."""
    counts, symbols, n = sample
    scorer = ProgrammeScorer(symbols)
    together = scorer.score(counts[:50], n[:50]).values
    alone = np.vstack([scorer.score(counts[[i]], n[[i]]).values for i in range(50)])
    assert np.array_equal(together, alone, equal_nan=True)


def hand_table():
    """One programme of a gene for it and one against it."""
    rows = [
        {"programme": "p", "gene": "UP", "plus": 1e-2, "minus": 1e-4, "background": 1e-3},
        {"programme": "p", "gene": "DOWN", "plus": 1e-4, "minus": 1e-2, "background": 1e-3},
    ]
    return make_table(rows, {"p": {"offset": 0.0, "slope": 1.0}})


def test_a_hand_computed_ratio():
    """The evidence is the log-likelihood ratio of two negative binomials, scaled to what is enough."""
    table, n, x = hand_table(), 1_000.0, np.array([[3.0, 0.0]])
    running, resting = n * table.running, n * table.minus
    order = np.argsort(table.gene_of)
    genes = table.genes[table.gene_of[order]]
    counts = np.array([x[0, ["UP", "DOWN"].index(g)] for g in genes])

    def log_pmf(mean):
        return nbinom.logpmf(counts, 2, 2 / (2 + mean[order])).sum()

    weight = np.log(running / resting) - np.log((running + 2) / (resting + 2))
    expected = (weight * (running - resting)).sum()
    ratio = (log_pmf(running) - log_pmf(resting)) * min(1, ENOUGH / expected)
    found = ProgrammeScorer(["UP", "DOWN"], table).score(sparse.csr_array(x), np.array([n]))
    assert found.evidence[0, 0] == pytest.approx(ratio, rel=2e-3)


def test_a_gene_against_counts_against():
    """Molecules of a gene that speaks against a programme lower its number."""
    scorer = ProgrammeScorer(["UP", "DOWN"], hand_table())
    with_it, without = scorer.score(sparse.csr_array([[2.0, 5.0], [2.0, 0.0]]), np.full(2, 1_000.0)).values[
        :, 0
    ]
    assert with_it < without


def test_speed():
    """Programmes of 10,000 cells take at most .3 seconds of CPU."""
    counts, symbols = read_sample("tenx_healthy_T_1k")
    many = sparse.csr_array(sparse.vstack([counts] * 9)[:10_000])
    n = many.sum(axis=1).astype(np.float64)
    scorer = ProgrammeScorer(symbols)
    start = time.process_time()
    for first in range(0, many.shape[0], 4_096):
        scorer.score(many[first : first + 4_096], n[first : first + 4_096])
    assert time.process_time() - start < 0.6  # .3 on a quiet machine
