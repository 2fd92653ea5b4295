"""MAIT, iNKT and gamma-delta cells from receptor and expression."""

import numpy as np
import pytest

from tcellflow.states.axes import FUNCTIONS, LINEAGES, possible_joint
from tcellflow.states.programmes import ProgrammeScores, read_programmes
from tcellflow.states.unconventional import ReceptorFacts, Unconventional, find_unconventional, place_lineages

NAMES = read_programmes().names
CD8 = np.eye(6)[[LINEAGES.index("CD8")]]


def make_scores(**values):
    found = np.full((1, len(NAMES)), 0.02, np.float32)
    for name, value in values.items():
        found[:, NAMES.index(name)] = value
    return ProgrammeScores(NAMES, found, np.zeros_like(found), np.ones_like(found))


def make_receptors(alpha=("", ""), beta="", *, gamma=False, delta=False):
    def one(value):
        return np.array([value], dtype=object)

    has = [np.array([bool(x)]) for x in (alpha[0], beta, gamma, delta)]
    return ReceptorFacts(one(alpha[0]), one(alpha[1]), one(beta), *has)


MAIT = make_receptors(("TRAV1-2", "TRAJ33"), "TRBV6-4")
OTHER = make_receptors(("TRAV21", "TRAJ10"), "TRBV5-1")
INKT = make_receptors(("TRAV10", "TRAJ18"), "TRBV25-1")
NONE = make_receptors()
GAMMA_DELTA = make_receptors(gamma=True, delta=True)


@pytest.mark.parametrize(
    ("receptors", "programmes", "innate_like"),
    [
        (MAIT, {"mait": 0.9}, True),
        (MAIT, {"mait": 0.02}, False),  # chance join of the same genes
        (OTHER, {"mait": 0.95}, False),
        (None, {"mait": 0.999}, True),
        (None, {"mait": 0.6}, False),
        (INKT, {}, True),
    ],
)
def test_innate_like(receptors, programmes, innate_like):
    """Receptor and expression together tell MAIT and iNKT cells."""
    found = find_unconventional(CD8, make_scores(**programmes), receptors)
    assert (found.innate_like[0] > 0.5) == innate_like
    assert found.gamma_delta[0] < 0.5


@pytest.mark.parametrize(
    ("receptors", "value", "gamma_delta"),
    [
        (GAMMA_DELTA, 0.5, True),
        (GAMMA_DELTA, 0.01, False),  # expression contradicts strongly
        (NONE, 0.99, True),
        (NONE, 0.3, False),
        (OTHER, 0.95, False),
        (None, 0.99, False),
        (None, 0.999, True),
    ],
)
def test_gamma_delta(receptors, value, gamma_delta):
    """Gamma and delta chains without alpha and beta decide unless expression contradicts strongly."""
    found = find_unconventional(CD8, make_scores(gamma_delta=value), receptors)
    assert (found.gamma_delta[0] > 0.5) == gamma_delta


def test_lineages_are_placed_before_functions():
    """The joint takes the lineages; innate-like cells keep the function, the rest stays in proportion."""
    rng = np.random.default_rng(0)
    joint = rng.gamma(0.3, size=(50, 54)) * possible_joint()
    joint = (joint / joint.sum(axis=1, keepdims=True)).reshape(50, 6, 9)
    found = Unconventional(np.full(50, 0.6), np.full(50, 0.1))
    placed = place_lineages(joint, found)
    assert placed.sum(axis=(1, 2)) == pytest.approx(1)
    assert placed[:, LINEAGES.index("innate_like")].sum(axis=1) == pytest.approx(0.6)
    assert placed[:, LINEAGES.index("gamma_delta")].sum(axis=1) == pytest.approx(0.1)
    assert not placed.reshape(50, -1)[:, ~possible_joint()].any()
    cd4, cd8 = LINEAGES.index("CD4"), LINEAGES.index("CD8")
    assert placed[:, cd4].sum(axis=1) * joint[:, cd8].sum(axis=1) == pytest.approx(
        placed[:, cd8].sum(axis=1) * joint[:, cd4].sum(axis=1)
    )
    assert placed.shape[2] == len(FUNCTIONS)
