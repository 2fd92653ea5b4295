"""Network, programmes, markers and receptor brought to one distribution."""

import numpy as np
import pytest
from scipy import sparse

from tcellflow.states.axes import FUNCTIONS, LINEAGES, STATES, possible_joint
from tcellflow.states.decision import DEEP_WEIGHT, SHALLOW_WEIGHT, decide, weigh_markers
from tcellflow.states.marker_model import (
    MarkerFeatures,
    parse_marker_model,
    predict_states,
    read_marker_model,
)
from tcellflow.states.programmes import ProgrammeScores, read_programmes

NAMES = read_programmes().names


def draw(n, seed=0):
    rng = np.random.default_rng(seed)
    joint = rng.gamma(0.3, size=(n, 54)) * possible_joint()
    joint = (joint / joint.sum(axis=1, keepdims=True)).reshape(n, 6, 9)
    values = rng.random((n, len(NAMES))).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = np.nan
    scores = ProgrammeScores(NAMES, values, np.zeros_like(values), np.ones_like(values))
    markers = rng.dirichlet(np.ones(7), size=n)
    markers[:, STATES.index("Th_effector")] = 0
    markers /= markers.sum(axis=1, keepdims=True)
    return joint, rng.random(n), scores, markers, np.full(n, 2_000.0)


@pytest.mark.parametrize("effector_by", ["programme", "gate"])
def test_every_word_is_read_from_one_distribution(effector_by):
    """States sum to 1, the reported combination is possible in the reported state, nothing contradicts."""
    found = decide(*draw(300), effector_by=effector_by)
    states = found.ruled.states
    assert states.sum(axis=1) == pytest.approx(1)
    assert found.ruled.joint.sum(axis=(1, 2)) == pytest.approx(1)
    assert (found.state == np.array(STATES, dtype=object)[states.argmax(axis=1)]).all()
    treg = found.state == "Treg"
    assert (found.lineage[treg] == "Treg").all()
    assert (found.function[treg] == "regulatory").all()
    resting = found.state != "Proliferating"
    assert not (found.lineage[resting & ~treg] == "Treg").any()
    assert ((found.cycle == "cycling") == ~resting).all()
    helpers = found.state == "Th_effector"
    assert (found.lineage[helpers] == "CD4").all()
    assert (found.function[helpers] == "th_effector").all()
    assert ((found.helper != "") == helpers).all()
    exhausted = found.state == "Exhausted"
    assert np.char.startswith(found.function[exhausted].astype(str), "exhausted_").all()


def test_support_is_what_either_part_says_of_the_call():
    """The linear model's column is its own probability of the call; where it has no class, the network's."""
    joint, cycling, scores, markers, molecules = draw(300)
    joint[:30], cycling[:30], scores.values[:30] = 0, 0, 0.01
    joint[:30, LINEAGES.index("CD4"), FUNCTIONS.index("th_effector")] = 1
    scores.values[:30, NAMES.index("th1")] = 0.99
    found = decide(joint, cycling, scores, markers, molecules)
    called = np.array([STATES.index(state) for state in found.state])
    rows = np.arange(300)
    helper = found.state == "Th_effector"
    assert 0 < helper.sum() < 300
    both = [STATES.index("Exhausted"), STATES.index("Effector")]  # told apart with the programme's help
    plain = ~helper & ~np.isin(called, both)
    assert found.support[plain, 1] == pytest.approx(markers[rows, called][plain])
    shared = ~helper & ~plain
    assert (found.support[shared, 1] <= markers[shared][:, both].sum(1) + 1e-6).all()
    assert (found.support[helper, 0] == found.support[helper, 1]).all()
    silent = decide(joint, cycling, scores, np.zeros_like(markers), molecules)
    alone = silent.ruled.states
    assert found.support[:, 0] == pytest.approx(alone[rows, called])
    assert silent.agrees.all()
    sure = np.eye(7)[alone.argmax(1)]
    sure[30:, STATES.index("Naive")] += 9
    sure /= sure.sum(1, keepdims=True)
    told = decide(joint, cycling, scores, sure, molecules).agrees
    known = sure.max(0) > 0
    assert (told[30:] == ((alone * known)[30:].argmax(1) == STATES.index("Naive"))).all()
    assert 0 < found.agrees.mean() < 1


def test_by_gate_the_linear_model_does_not_tell_effector():
    """With the gate's word, what the linear model takes for Effector or Memory is split as the gates do."""
    joint, cycling, scores, markers, molecules = draw(50)
    swapped = markers.copy()
    both = [STATES.index("Effector"), STATES.index("Memory")]
    swapped[:, both] = markers[:, both[::-1]]
    first, second = (
        decide(joint, cycling, scores, m, molecules, effector_by="gate").ruled.states
        for m in (markers, swapped)
    )
    assert first == pytest.approx(second)


def test_a_cell_is_decided_alone():
    """A cell's distribution is the same alone and among others."""
    joint, cycling, scores, markers, molecules = draw(20)
    together = decide(joint, cycling, scores, markers, molecules).ruled.states
    one = slice(3, 4)
    of_one = ProgrammeScores(NAMES, scores.values[one], scores.evidence[one], scores.power[one])
    alone = decide(joint[one], cycling[one], of_one, markers[one], molecules[one]).ruled.states
    assert alone == pytest.approx(together[one], abs=1e-12)


def test_no_cells():
    """An empty sample gives empty arrays."""
    found = decide(*draw(0))
    assert found.state.shape == (0,)
    assert found.ruled.states.shape == (0, 7)


def test_markers_count_for_more_at_few_molecules():
    """The linear model's weight falls with depth between its two bounds."""
    weights = weigh_markers(np.array([100.0, 1_000.0, 1_700.0, 3_000.0, 50_000.0]))
    assert weights[[0, 1]] == pytest.approx(SHALLOW_WEIGHT)
    assert weights[[3, 4]] == pytest.approx(DEEP_WEIGHT)
    assert DEEP_WEIGHT < weights[2] < SHALLOW_WEIGHT


def test_the_packaged_linear_model():
    """It knows six of the seven states, and its rows sum to 1."""
    model = read_marker_model()
    assert set(model.states) == set(STATES) - {"Th_effector"}
    assert model.coefficients.shape == (model.genes.size + len(NAMES), 6)
    features = np.random.default_rng(0).normal(size=(10, model.scale.size)).astype(np.float32)
    assert predict_states(model, features).sum(axis=1) == pytest.approx(1)


def test_unmeasured_genes_add_nothing():
    """A matrix without any of its genes gives the intercept's distribution."""
    model = read_marker_model()
    features = MarkerFeatures(["ACTB"], model.genes, model.background).gather(
        sparse.csr_array([[5.0]]), np.array([3_000.0])
    )
    assert not features.any()


def two_states(genes):
    return parse_marker_model(
        [
            *(
                {"feature": g, "background": of, "scale": "1", "Naive": "1", "Memory": "-1"}
                for g, of in genes
            ),
            {"feature": "(intercept)", "background": "", "scale": "", "Naive": "0", "Memory": "0"},
        ]
    )


def test_a_gene_enters_as_its_ratio_to_a_typical_cell():
    """The feature is log((count + .5) / (expected + .5)), of at most 4,000 molecules, less its mean."""
    model = two_states([("A", "0.001"), ("B", "0.1")])
    assert model.states == ("Naive", "Memory")
    features = MarkerFeatures(["A", "B"], model.genes, model.background)
    counts = np.array([[3.0, 98.0], [12.0, 1_604.0]])  # together what a typical cell holds
    gathered = features.gather(sparse.csr_array(counts), np.array([1_000.0, 16_000.0]))
    chance = [0.5 ** (k + 1) for k in range(200)]  # negative binomial of size 1, mean 1
    mean = sum(p * np.log((k + 0.5) / 1.5) for k, p in enumerate(chance))
    assert gathered[0, 0] == pytest.approx(np.log(3.5 / 1.5) - mean, abs=1e-3)
    chance = [0.2 * 0.8**k for k in range(400)]
    mean = sum(p * np.log((k + 0.5) / 4.5) for k, p in enumerate(chance))
    assert gathered[1, 0] == pytest.approx(np.log(3.5 / 4.5) - mean, abs=1e-3)


def test_genes_as_in_a_typical_cell_push_to_no_side_at_any_depth():
    """Over cells whose counts spread around a typical cell's, features are 0 on average."""
    rng = np.random.default_rng(0)
    background = np.full(50, 0.002)
    features = MarkerFeatures(
        [f"G{i}" for i in range(50)], np.array([f"G{i}" for i in range(50)], object), background
    )
    for library in (500.0, 2_000.0, 4_000.0):
        mean = library * 0.002
        counts = sparse.csr_array(rng.geometric(1 / (1 + mean), size=(4_000, 50)) - 1.0)
        gathered = features.gather(counts, np.full(4_000, library))[:, :50]
        assert abs(gathered.mean()) < 0.06


def test_a_wrong_library_size_moves_a_cell_little():
    """Where sums over a selection of genes stand for library sizes, the model's genes tell the depth."""
    model = read_marker_model()
    rng = np.random.default_rng(1)
    counts = sparse.csr_array(
        rng.poisson(3_000 * model.background, size=(200, model.genes.size)).astype(float)
    )
    features = MarkerFeatures(model.genes, model.genes, model.background)
    right, wrong = (features.gather(counts, np.full(200, n))[:, : model.genes.size] for n in (3_000.0, 700.0))
    naive = np.log((counts.toarray() + 0.5) / (700 * model.background + 0.5))
    plain = np.log((counts.toarray() + 0.5) / (3_000 * model.background + 0.5))
    assert np.abs(wrong - right).mean() < 0.3 * np.abs(naive - plain).mean()


def test_lineages_and_functions_have_their_places():
    """The joint is lineage by function."""
    assert (len(LINEAGES), len(FUNCTIONS)) == (6, 9)


def test_exhausted_cells_of_other_studies_are_told_by_their_programme():
    """What the linear model takes for Effector is half split by the programme, where that is measurable."""
    joint, cycling, scores, markers, molecules = draw(200)
    column = NAMES.index("exhaustion_core")
    scores.values[:, column] = 0.99
    scores.values[100:, column] = np.nan
    markers[:] = 0.001
    markers[:, STATES.index("Effector")] = 0.995
    found = decide(joint, cycling * 0, scores, markers, molecules)
    cells = found.lineage != "Treg"
    assert (found.state[:100] == "Exhausted")[cells[:100]].mean() > 0.7
    assert (found.state[100:] == "Effector")[cells[100:]].mean() > 0.7
    assert found.ruled.states.sum(axis=1) == pytest.approx(1)
