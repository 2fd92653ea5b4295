"""The rule from lineage, function, cycle and programmes to the seven states."""

import numpy as np
import pytest

from tcellflow.states.axes import FUNCTIONS, LINEAGES, STATES, possible_joint
from tcellflow.states.programmes import ProgrammeScores, read_programmes
from tcellflow.states.rule import Bits, apply_rule, find_bits, pool_states

NAMES = read_programmes().names


def make_scores(n, **values):
    found = np.full((n, len(NAMES)), 0.02, np.float32)
    for name, value in values.items():
        found[:, NAMES.index(name)] = value
    return ProgrammeScores(NAMES, found, np.zeros_like(found), np.ones_like(found))


def sure(lineage, function, n=1):
    joint = np.zeros((n, len(LINEAGES), len(FUNCTIONS)))
    joint[:, LINEAGES.index(lineage), FUNCTIONS.index(function)] = 1
    return joint


def draw_joint(n, seed=0):
    rng = np.random.default_rng(seed)
    joint = rng.gamma(0.3, size=(n, len(LINEAGES) * len(FUNCTIONS))) * possible_joint()
    return (joint / joint.sum(axis=1, keepdims=True)).reshape(n, len(LINEAGES), len(FUNCTIONS))


def call(joint, scores, cycling=0.0, effector_by="programme"):
    bits = find_bits(scores, joint, effector_by)
    states = apply_rule(joint, np.full(len(joint), cycling), bits).states
    return STATES[int(states[0].argmax())]


@pytest.mark.parametrize(
    ("lineage", "function", "programmes", "state"),
    [
        ("CD8", "effector_memory", {"cytotoxic": 0.95}, "Effector"),
        ("CD8", "effector_memory", {}, "Memory"),
        ("CD8", "effector", {}, "Memory"),
        ("CD8", "effector_memory", {"cytotoxic": 0.95, "exhaustion_core": 0.95}, "Exhausted"),
        ("CD8", "resident_memory", {"exhaustion_core": 0.9}, "Exhausted"),
        ("Treg", "regulatory", {"cytotoxic": 0.95, "exhaustion_core": 0.95}, "Treg"),
        ("CD4", "naive", {}, "Naive"),
        ("CD4", "th_effector", {"tfh": 0.9}, "Th_effector"),
        ("CD8", "central_memory", {"th1": 0.9}, "Memory"),
        ("gamma_delta", "effector_memory", {"terminal_effector": 0.9}, "Effector"),
    ],
)
def test_the_rule(lineage, function, programmes, state):
    """Each combination gives the state that the page of the states names."""
    assert call(sure(lineage, function), make_scores(1, **programmes)) == state


def test_a_cycling_cell_is_proliferating_and_keeps_its_state_underneath():
    """A cycling regulatory cell is Proliferating; its lineage and function stay."""
    joint = sure("Treg", "regulatory")
    ruled = apply_rule(joint, np.array([0.9]), find_bits(make_scores(1), joint, "programme"))
    assert STATES[int(ruled.states[0].argmax())] == "Proliferating"
    assert ruled.joint == pytest.approx(joint, abs=1e-9)


def test_by_gate_the_function_says_effector():
    """With the gate's word the cytotoxic programme does not vote."""
    memory = sure("CD8", "effector_memory")
    assert call(memory, make_scores(1, cytotoxic=0.95), effector_by="gate") == "Memory"
    assert call(sure("CD8", "effector"), make_scores(1), effector_by="gate") == "Effector"


@pytest.mark.parametrize(
    ("function", "programme", "state"),
    [
        ("exhausted_terminal", "exhaustion_core", "Exhausted"),
        ("effector", "cytotoxic", "Effector"),
    ],
)
def test_what_is_not_measurable_is_left_to_the_function(function, programme, state):
    """A programme that cannot be told leaves the network's own word."""
    scores = make_scores(1, **{programme: np.nan})
    if programme == "cytotoxic":
        scores = make_scores(1, cytotoxic=np.nan, terminal_effector=np.nan)
    assert call(sure("CD8", function), scores) == state


def test_states_sum_to_one_and_agree_with_the_axes():
    """States sum to 1, Treg and cycling are those of the axes, lineages are kept."""
    joint, cycling = draw_joint(200), np.random.default_rng(1).random(200)
    values = np.random.default_rng(2).random((200, len(NAMES))).astype(np.float32)
    scores = ProgrammeScores(NAMES, values, np.zeros_like(values), np.ones_like(values))
    ruled = apply_rule(joint, cycling, find_bits(scores, joint, "programme"))
    states = ruled.states
    assert states.sum(axis=1) == pytest.approx(1)
    assert states[:, STATES.index("Proliferating")] == pytest.approx(cycling)
    treg = joint[:, LINEAGES.index("Treg"), FUNCTIONS.index("regulatory")]
    assert states[:, STATES.index("Treg")] == pytest.approx(treg * (1 - cycling))
    assert ruled.joint.sum(axis=2) == pytest.approx(joint.sum(axis=2))
    assert not ruled.joint.reshape(200, -1)[:, ~possible_joint()].any()
    th_effector = ruled.resting[:, LINEAGES.index("CD4"), FUNCTIONS.index("th_effector")]
    assert states[:, STATES.index("Th_effector")] == pytest.approx(
        th_effector[:, STATES.index("Th_effector")]
    )


def test_exhausted_cells_are_progenitors_or_terminal():
    """What the rule calls exhausted has an exhausted function, by the stronger of both programmes."""
    joint = sure("CD8", "effector_memory")
    scores = make_scores(1, exhaustion_core=0.95, exhaustion_terminal=0.9, exhaustion_progenitor=0.1)
    ruled = apply_rule(joint, np.zeros(1), find_bits(scores, joint, "programme"))
    function = ruled.joint.sum(axis=1)[0]
    assert FUNCTIONS[int(function.argmax())] == "exhausted_terminal"


def test_a_follicular_helper_is_no_exhausted_cell():
    """A CD4 cell that runs both programmes is a helper; a CD8 cell is exhausted."""
    scores = make_scores(1, exhaustion_core=0.9, tfh=0.95)
    assert call(sure("CD4", "effector_memory"), scores) == "Th_effector"
    assert call(sure("CD8", "effector_memory"), scores) == "Exhausted"


def test_other_state_probabilities_move_the_axes_along():
    """After reweighting the distribution has the wanted states, and the axes sum to 1 with them."""
    joint = draw_joint(100)
    ruled = apply_rule(
        joint, np.full(100, 0.2), find_bits(make_scores(100, cytotoxic=0.4), joint, "programme")
    )
    wanted = np.random.default_rng(3).dirichlet(np.ones(7), size=100)
    moved = ruled.reweighted(wanted)
    assert moved.states == pytest.approx(wanted)
    assert moved.joint.sum(axis=(1, 2)) == pytest.approx(1)
    assert not moved.joint.reshape(100, -1)[:, ~possible_joint()].any()


def test_a_state_that_no_combination_can_be_stays_at_zero():
    """A cell that is surely Treg does not become Naive by reweighting."""
    joint = sure("Treg", "regulatory")
    ruled = apply_rule(joint, np.zeros(1), find_bits(make_scores(1), joint, "programme"))
    moved = ruled.reweighted(np.full((1, 7), 1 / 7))
    assert moved.states[0, STATES.index("Treg")] == pytest.approx(1)


def test_pooling_keeps_what_the_second_does_not_know():
    """A state that the second has no class for keeps the first's share; the sum stays 1."""
    first = np.random.default_rng(0).dirichlet(np.ones(7), size=50)
    second = np.random.default_rng(1).dirichlet(np.ones(7), size=50)
    known = np.array([s != "Th_effector" for s in STATES])
    second[:, ~known] = 0
    second /= second.sum(axis=1, keepdims=True)
    pooled = pool_states(first, second, 0.5, known)
    assert pooled.sum(axis=1) == pytest.approx(1)
    assert pooled[:, ~known] == pytest.approx(first[:, ~known])


@pytest.mark.parametrize(("weight", "which"), [(0.0, 0), (1.0, 1)])
def test_pooling_at_its_ends(weight, which):
    """Weight 0 gives the first, weight 1 the second."""
    both = np.random.default_rng(0).dirichlet(np.ones(7) * 3, size=(2, 50))
    pooled = pool_states(both[0], both[1], weight, np.ones(7, dtype=bool))
    assert pooled == pytest.approx(both[which], abs=2e-3)


def test_bits_are_given_for_each_function():
    """Bits have one column for each function."""
    bits = find_bits(make_scores(4), draw_joint(4), "programme")
    assert isinstance(bits, Bits)
    assert bits.exhausted.shape == bits.cytotoxic.shape == bits.helper.shape == (4, len(FUNCTIONS))
