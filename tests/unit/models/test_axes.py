"""The axes network: masks add nothing, axes cannot contradict each other, members are one product."""

from __future__ import annotations

import pytest
import torch

from tcellflow.models.axes import AxesNetwork, stack_members
from tcellflow.models.configurations import AxesConfig
from tcellflow.models.exported_states import AxesInference, Calibration
from tcellflow.states.axes import STATES, possible_joint, resting_states

GENES = 20
POSSIBLE = torch.from_numpy(possible_joint().copy())


def build(seed, **changes):
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        config = AxesConfig(genes=GENES, width=16, latent=8, **changes)
        return AxesNetwork(config, torch.zeros(GENES), torch.ones(GENES), POSSIBLE).eval()


def infer(network, temperature=1.0):
    collapse = torch.from_numpy(resting_states()).float()
    calibration = Calibration(temperature, torch.zeros(54))
    return AxesInference(network, calibration, collapse, STATES.index("Proliferating")).eval()


@pytest.fixture
def cells():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(6, GENES, generator=generator), torch.ones(1, GENES)


def test_states_sum_to_one_and_no_structural_zero_has_mass(cells):
    """The collapse is a distribution; impossible pairs of lineage and function have none of it."""
    states, joint, lineage, function, cycling, *_ = infer(build(1))(*cells)
    torch.testing.assert_close(states.sum(1), torch.ones(6))
    assert joint.reshape(6, 54)[:, ~POSSIBLE].max() < 1e-12
    torch.testing.assert_close(lineage.sum(1), torch.ones(6))
    torch.testing.assert_close(function, joint.sum(1))
    torch.testing.assert_close(states[:, STATES.index("Proliferating")], cycling[:, 0])
    treg = (1 - cycling[:, 0]) * lineage[:, 2]
    torch.testing.assert_close(states[:, STATES.index("Treg")], treg)


def test_what_was_not_measured_is_not_looked_at(cells):
    """The value of a gene that was not measured changes nothing."""
    expression, present = cells
    present = present.clone()
    present[:, 3] = 0
    other = expression.clone()
    other[:, 3] = 5.0
    network = infer(build(1))
    torch.testing.assert_close(network(expression, present)[0], network(other, present)[0])


def test_missing_receptors_add_nothing(cells):
    """Without chains a network with receptors says exactly what its expression says."""
    network = infer(build(1, receptor_dimension=3))
    vectors, none = torch.rand(6, 3), torch.zeros(6, 1)
    alone = network(*cells)
    masked = network(*cells, vectors, vectors, none, none)
    shown = network(*cells, vectors, vectors, none + 1, none + 1)
    assert torch.equal(alone[0], masked[0])
    assert not torch.equal(alone[0], shown[0])


def test_members_are_stacked_without_change(cells):
    """Each member of the stack says what it says alone; the ensemble's joint is their mean."""
    one, two = build(1), build(2)
    *whole, members = infer(stack_members([one, two]), 1.5)(*cells)
    alone = [infer(network, 1.5)(*cells) for network in (one, two)]
    for number in range(2):
        torch.testing.assert_close(members[:, number], alone[number][0])
    torch.testing.assert_close(whole[1], (alone[0][1] + alone[1][1]) / 2)


def test_members_of_other_scales_are_not_stacked():
    """A stack has one mean and scale for all: members of another are refused."""
    one, two = build(1), build(2)
    two.mean += 0.1
    with pytest.raises(ValueError, match="standardise"):
        stack_members([one, two])
