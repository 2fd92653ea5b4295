"""Members of the axes network: they learn, noise leaves the truth alone, a killed run ends the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from state_cohorts import write_three
from tcellflow.models.exported_states import Calibration
from tcellflow.states.axes import STATES, possible_joint
from tcellflow.training.cohorts.cells import read_cohort
from tcellflow.training.cohorts.manifest import read_manifest
from tcellflow.training.cohorts.truth import UNKNOWN_CYCLE
from tcellflow.training.loop import train
from tcellflow.training.options import LoopOptions
from tcellflow.training.states.batches import StateBatches
from tcellflow.training.states.calibration import JudgedCells, calibrate, fit_calibration
from tcellflow.training.states.cells import choose_panel, pool_cohorts
from tcellflow.training.states.distil import mix_cells
from tcellflow.training.states.figures import calibration_error, measure_sets
from tcellflow.training.states.noise import measure_ambient, noise_cells, show_cells, shuffle_genes
from tcellflow.training.states.options import BatchOptions, StateNoise, StateTaskOptions
from tcellflow.training.states.predictions import predict_cells
from tcellflow.training.states.task import StateTask, measure_label_loss
from tcellflow.training.states.train import export_states

TASK = StateTaskOptions(width=16, latent=8, batch=BatchOptions(t_cells=24, strange=8))
LOOP = LoopOptions(steps=200, learning_rate=0.01, warm_up_steps=5, validate_every=20, device="cpu",
                   is_mixed_precision=False)  # fmt: skip


class Killed(BaseException):
    """Stands for a signal."""


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    cohorts = [read_cohort(entry) for entry in read_manifest(write_three(tmp_path_factory.mktemp("cohorts")))]
    return pool_cohorts(cohorts, choose_panel(cohorts, 40)[0])


def make_task(cells, options=TASK):
    kept = cells.cohort == 2
    return StateTask(cells.take(np.flatnonzero(~kept)), cells.take(np.flatnonzero(kept)), options)


@pytest.mark.parametrize("consistency", [0.0, 0.2])
def test_a_member_learns_states_of_another_cohort(cells, tmp_path, consistency):
    """Judged by a cohort it did not see, macro-F1 rises far above a guess."""
    task = make_task(cells, replace(TASK, consistency_weight=consistency))
    history = train(task, tmp_path, LOOP)
    assert max(line["validation_macro_f1"] for line in history) > 0.6


def test_nobody_is_called_proliferating_where_no_label_tells_of_cycling(cells, tmp_path):
    """A head that nothing teaches must not call: its random weights named a third of all cells."""
    silent = replace(cells, truth=replace(cells.truth, cycle=np.full_like(cells.truth.cycle, UNKNOWN_CYCLE)))
    task = make_task(silent)
    train(task, tmp_path, replace(LOOP, steps=40))
    _, cycling, _ = predict_cells(task.network.cpu(), silent, np.arange(len(silent)))
    assert cycling.max() < -5
    taught = make_task(cells)
    assert taught.network.cycle.weight.abs().max() > 0


def test_a_killed_member_ends_with_the_same_bits(cells, tmp_path, monkeypatch):
    """Stopped between two checkpoints and started again, the weights are those of one run."""
    whole = make_task(cells)
    train(whole, tmp_path / "whole", LOOP)
    task = make_task(cells)
    honest = task.measure_loss

    def fail(step):
        if step == 33:
            raise Killed
        return honest(step)

    monkeypatch.setattr(task, "measure_loss", fail)
    with pytest.raises(Killed):
        train(task, tmp_path / "killed", LOOP)
    again = make_task(cells)
    train(again, tmp_path / "killed", LOOP, resume=True)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name


def test_batches_hear_every_label_and_depend_on_the_step_alone(cells):
    """The same step gives the same batch; rare labels and other cells are in it."""
    batches = StateBatches(cells, BatchOptions(t_cells=64, strange=16), StateNoise(), 3)
    one, same, other = batches.draw(5), batches.draw(5), batches.draw(6)
    assert torch.equal(one.expression, same.expression)
    assert not torch.equal(one.expression, other.expression)
    assert one.is_ood[:64].sum() == 0
    assert one.is_ood[64:].all()
    assert {tuple(row.tolist()) for row in one.joint} >= {
        tuple(cells.truth.joint[np.flatnonzero(cells.truth.state == state)[0]]) for state in ("Naive", "Treg")
    }


def test_noise_removes_molecules_and_genes_and_nothing_else(cells):
    """No noise gives the cells themselves; noise hides genes that are then neither seen nor zero."""
    rows, rng = np.arange(20), np.random.default_rng(0)
    ambient = measure_ambient(cells)
    np.testing.assert_allclose(ambient.sum(axis=1), 1)
    still = StateNoise(
        thinned=0, contaminated=0, fewer_genes=0, panel_sums=0, library=0, chemistry=0, chain_dropped=0
    )
    shown = noise_cells(cells, rows, ambient, still, rng)
    np.testing.assert_allclose(shown.expression, show_cells(cells, rows).expression, rtol=1e-5)
    noised = noise_cells(cells, rows, ambient, replace(still, fewer_genes=1.0), rng)
    hidden = noised.present == 0
    assert 0.05 < hidden.mean() < 0.95
    assert (noised.expression[hidden] == 0).all()
    thin = noise_cells(cells, rows, ambient, replace(still, thinned=1.0, least_depth=0.1), rng)
    assert (thin.expression > 0).sum() < (shown.expression > 0).sum()
    shuffled = shuffle_genes(shown, rng)
    np.testing.assert_allclose(np.sort(shuffled.expression), np.sort(shown.expression))


def test_open_labels_cost_nothing_and_wrong_ones_little():
    """A label that allows everything gives no loss; with label noise no label costs without bound."""
    logits = torch.zeros(2, 54)
    logits[0, 0] = 50.0
    possible = torch.from_numpy(possible_joint().copy())
    free = possible.expand(2, 54)
    one = torch.ones(2, 1)
    assert float(measure_label_loss(logits, free, one, 0.1)) == 0
    wrong = torch.zeros(2, 54, dtype=torch.bool)
    wrong[:, 1] = True
    assert float(measure_label_loss(logits[:1], wrong[:1], one[:1], 0.1)) < 5
    assert float(measure_label_loss(logits[:1], wrong[:1], one[:1], 1e-9)) > 15


def test_calibration_mends_overconfidence():
    """Logits that are three times too large come out calibrated; sets cover what they state."""
    rng = np.random.default_rng(0)
    naive, memory = STATES.index("Naive"), STATES.index("Memory")
    p = rng.uniform(0.01, 0.99, 4000)
    state = np.where(rng.random(4000) < p, "Naive", "Memory").astype(object)
    joint = np.full((4000, 54), -40.0, np.float32)
    joint[:, 0], joint[:, 1] = 3 * np.log(p / (1 - p)), 0  # CD4 naive, CD4 central memory
    kept = JudgedCells(
        joint, np.full(4000, -20, np.float32), state, np.full(4000, -1, np.int8), np.zeros(4000, np.int64)
    )
    raw = calibrate(kept, Calibration(1.0, torch.zeros(54)))
    fitted = fit_calibration(kept)
    mended = calibrate(kept, fitted)
    assert raw[:, [naive, memory]].sum() == pytest.approx(4000, rel=1e-3)
    assert calibration_error(raw, kept) > 0.1
    assert calibration_error(mended, kept) < 0.03
    for level in measure_sets(mended, kept):
        own = np.where(state == "Naive", mended[:, naive], mended[:, memory])
        assert (own >= level["least_probability"]).mean() == pytest.approx(level["coverage"], abs=0.01)


def test_mixtures_lie_between_two_cells(cells):
    """A mixed cell has values between those of two cells, and only genes that both measure."""
    batch = StateBatches(cells, BatchOptions(t_cells=30, strange=10), StateNoise(fewer_genes=1.0), 0).draw(3)
    mixed = mix_cells(batch, 0.5, np.random.default_rng(1))
    is_same = (mixed.expression == batch.expression).all(1) & (mixed.present == batch.present).all(1)
    assert 8 < int(is_same.sum()) < 32
    assert torch.equal(mixed.present, mixed.present * batch.present)
    assert not (mixed.expression * (1 - mixed.present)).any()
    for row in torch.nonzero(~is_same).flatten()[:5]:
        own, found, seen = batch.expression[row], mixed.expression[row], mixed.present[row] > 0
        between = (found >= torch.minimum(own, batch.expression) - 1e-5) & (
            found <= torch.maximum(own, batch.expression) + 1e-5
        )
        assert between[:, seen].all(1).any()
    assert torch.equal(mix_cells(batch, 0.0, np.random.default_rng(1)).expression, batch.expression)


def make_judged(n_cohorts, of_effector, seed=0):
    """Cohorts of memory cells, a third of which the logits call effector, and of true effector cells."""
    rng = np.random.default_rng(seed)
    state = np.tile(np.array(["Memory"] * 90 + ["Effector"] * of_effector, dtype=object), n_cohorts)
    joint = np.full((len(state), 54), -40.0, np.float32)
    joint[:, 1], joint[:, 4] = rng.normal(0.5, 1, len(state)), 0  # CD4 central memory, CD4 effector
    joint[state == "Effector", 4] += 1
    cohort = np.repeat(np.arange(n_cohorts), 90 + of_effector)
    none = np.full(len(state), -1, np.int8)
    return JudgedCells(joint, np.full(len(state), -20, np.float32), state, none, cohort)


def test_states_that_validation_cells_never_have_are_called_less():
    """Where no effector cell was kept back, calls of Effector on memory cells count against the state."""
    kept = make_judged(4, of_effector=0)
    raw = calibrate(kept, Calibration(1.0, torch.zeros(54)))
    mended = calibrate(kept, fit_calibration(kept))
    effector, memory = STATES.index("Effector"), STATES.index("Memory")
    assert (raw[:, effector] > raw[:, memory]).mean() > 0.2
    assert (mended[:, effector] > mended[:, memory]).mean() < 0.1


def test_a_single_cohort_moves_the_shifts_less_than_several():
    """Without a second cohort nobody can judge how far shifts carry, so they are held back."""
    effector, memory = STATES.index("Effector"), STATES.index("Memory")

    def lead(kept):
        p = calibrate(kept, fit_calibration(kept)).mean(axis=0)
        return p[memory] / p[effector]

    assert lead(make_judged(1, of_effector=0)) < 0.5 * lead(make_judged(4, of_effector=0))


def test_the_fit_is_the_likeliest(monkeypatch):
    """No other temperature or shift of a calibrated state makes the cells likelier."""
    monkeypatch.setattr("tcellflow.training.states.calibration._PULLS", (0.0,))
    kept = make_judged(3, of_effector=60)
    fitted = fit_calibration(kept)
    truth = np.array([STATES.index(state) for state in kept.state])

    def loss(calibration):
        p = calibrate(kept, calibration)[np.arange(len(truth)), truth]
        return -(kept.weights() * np.log(p)).mean()

    best = loss(fitted)
    to_effector = torch.zeros(54)
    to_effector[4] = 1.0
    for step in (-0.05, 0.05):
        assert loss(Calibration(fitted.temperature * (1 + step), fitted.shift)) > best
        assert loss(Calibration(fitted.temperature, fitted.shift + step * to_effector)) > best


def test_the_exported_graph_takes_one_mask_or_many(cells):
    """Graph and network agree with one mask for all cells and with one per cell."""
    task = make_task(cells)
    _, difference = export_states(task.network, Calibration(1.3, torch.zeros(54)))
    assert difference < 1e-5
