"""Receptors as inputs of `train states`: chosen as embed-tcr does, masked where missing, never in the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from receptor_bundles import write_bert_bundle, write_native_bundle
from state_cohorts import (
    add_receptors,
    without_counts,
    write_airr,
    write_cohort,
    write_manifest,
    write_three_with_receptors,
)
from tcellflow.errors import BundleError, InputError
from tcellflow.evaluation.classification import macro_f1
from tcellflow.inference.receptors.encoder import choose_encoder, find_encoder
from tcellflow.models.exported_states import Calibration
from tcellflow.models.seed import SeedEnsemble
from tcellflow.receptors.encoding.sequences import ChainSequences
from tcellflow.states.axes import STATES, possible_joint
from tcellflow.training.cohorts.cells import read_cohort, read_receptor_cohort
from tcellflow.training.cohorts.manifest import read_manifest
from tcellflow.training.cohorts.receptors import embed_cohorts
from tcellflow.training.loop import train
from tcellflow.training.options import LoopOptions
from tcellflow.training.states.batches import StateBatches
from tcellflow.training.states.cells import choose_panel, measure_scales, pool_cohorts
from tcellflow.training.states.distil import DistilTask
from tcellflow.training.states.noise import measure_ambient
from tcellflow.training.states.options import SEED_MEMBERS, BatchOptions, StateNoise, StateTaskOptions
from tcellflow.training.states.predictions import collapse, predict_cells
from tcellflow.training.states.seed import SeedTask, joint_cells
from tcellflow.training.states.splits import split_folds
from tcellflow.training.states.task import StateTask
from tcellflow.training.states.train import export_states

TASK = StateTaskOptions(width=16, latent=8, batch=BatchOptions(t_cells=24, strange=8))


def read_all(manifest, encoder):
    entries = read_manifest(manifest)
    cohorts = [read_cohort(entry) if entry.counts else read_receptor_cohort(entry) for entry in entries]
    return embed_cohorts(cohorts, encoder)


@pytest.fixture(scope="module")
def kmer():
    return choose_encoder("kmer")


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory, kmer):
    return read_all(write_three_with_receptors(tmp_path_factory.mktemp("cohorts")), kmer)


@pytest.fixture(scope="module")
def panel(cohorts):
    return choose_panel(cohorts[:3], 40)[0]


@pytest.fixture(scope="module")
def cells(cohorts, panel):
    return pool_cohorts(cohorts, panel)


def embed(encoder, locus, junction, v_call, j_call):
    columns = (np.array([value], dtype=object) for value in (locus, junction, v_call, j_call))
    return encoder.open(device="cpu").embed_chains(ChainSequences(*columns))[0]


def test_a_cell_has_its_first_ranked_chain_with_its_genes_and_without(tmp_path, kmer):
    """Most molecules win, as in embed-tcr; V and J can be taken away; absent chains are zeros and masks."""
    cell = "one-7"
    chains = [(cell, "TRA", "CAAAAAF", 1), (cell, "TRA", "CAGGGGGF", 9), ("one-8", "TRB", "CASSSF", 1)]
    entry = {**write_cohort(tmp_path, "one", 1), "receptors": write_airr(tmp_path / "one.tsv.airr", chains)}
    (cohort,) = read_all(write_manifest(tmp_path, entry), kmer)
    rows = np.array([7, 8, 9])
    d = cohort.chains.dimension
    shown = cohort.chains.show(rows)
    np.testing.assert_array_equal(shown[0, :d], embed(kmer, "TRA", "CAGGGGGF", "TRAV12-1", "TRAJ33"))
    np.testing.assert_array_equal(shown[:, 2 * d :], [[1, 0], [0, 1], [0, 0]])
    assert not shown[0, d : 2 * d].any()
    assert not shown[2].any()
    nameless = cohort.chains.show(rows, nameless=np.ones(3, bool))
    np.testing.assert_array_equal(nameless[0, :d], embed(kmer, "TRA", "CAGGGGGF", None, None))
    hidden = cohort.chains.show(rows, kept=np.zeros((3, 2), bool))
    assert not hidden.any()


def test_a_distinct_chain_is_embedded_once_over_all_cohorts(tmp_path, kmer):
    """Two cohorts that share a chain share its vector."""
    entries = []
    for seed, name in enumerate(("one", "two")):
        chains = [(f"{name}-{i}", "TRB", "CASSLGQF", 1) for i in range(60)]
        receptors = write_airr(tmp_path / f"{name}.airr", chains)
        entries.append({**write_cohort(tmp_path, name, seed), "receptors": receptors})
    one, two = read_all(write_manifest(tmp_path, *entries), kmer)
    assert len(one.chains.vectors) == 2  # with genes and without
    assert one.chains.trb[3].tolist() == two.chains.trb[5].tolist()


def test_receptors_that_do_not_fit_are_refused(tmp_path, kmer):
    """Foreign cell names, chains that nothing can embed and weights without alpha chains are named."""
    entry = write_cohort(tmp_path, "one", 1)

    def read(chains, encoder):
        path = write_airr(tmp_path / "one.airr", chains)
        return read_all(write_manifest(tmp_path, {**entry, "receptors": path}), encoder)

    with pytest.raises(InputError, match="receptors of one do not fit its cells"):
        read([(f"stranger{i}x", "TRB", "CASSSF", 1) for i in range(60)], kmer)
    with pytest.raises(InputError, match="none of 60 chains can be embedded"):
        read([(f"one-{i}", "TRB", "CF", 1) for i in range(60)], kmer)
    write_bert_bundle(tmp_path / "bert")
    with pytest.raises(BundleError, match="learnt beta chains alone"):
        read([(f"one-{i}", "TRA", "CASSSF", 1) for i in range(60)], find_encoder(str(tmp_path / "bert")))


def test_an_encoder_is_found_by_backend_or_bundle(tmp_path):
    """A folder names its own backend; what is neither is refused."""
    assert find_encoder("native").bundle is not None
    write_native_bundle(tmp_path / "own")
    assert find_encoder(str(tmp_path / "own")).bundle.folder == tmp_path / "own"
    with pytest.raises(BundleError):
        find_encoder("nonsense")


def test_cells_without_a_chain_are_left_out_of_cohorts_of_receptors_alone(cohorts):
    """They would show nothing at all; cohorts with expression keep them."""
    assert [cohort.has_expression for cohort in cohorts] == [True, True, True, False]
    assert cohorts[3].chains.is_there.any(axis=1).all()
    assert 0 < len(cohorts[3].truth) < 90
    assert not cohorts[0].chains.is_there.any(axis=1).all()
    assert cohorts[2].chains is None


def test_receptors_alone_touch_nothing_that_expression_decides(cohorts, panel, cells):
    """Scales, ambient profiles and folds are those without them, and they are in no fold."""
    without = pool_cohorts(cohorts[:3], panel)
    for one, other in zip(measure_scales(cells), measure_scales(without), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(measure_ambient(cells)[:3], measure_ambient(without))
    for unit in ("random", "clone", "donor", "cohort"):
        folds = split_folds(cells, unit, 3, seed=1)
        np.testing.assert_array_equal(folds[: len(without)], split_folds(without, unit, 3, seed=1))
        assert (folds[len(without) :] == -1).all()


def test_a_donor_of_receptors_alone_stays_on_one_side(cells):
    """Where the same person has cells with expression, nobody is judged by them and learns of them too."""
    cells = replace(cells, truth=replace(cells.truth, donor=cells.truth.donor.copy()))
    cells.truth.donor[~cells.has_expression] = "set0-donor0"
    folds = split_folds(cells, "donor", 3, seed=1)
    assert set(folds[~cells.has_expression]) == set(folds[cells.truth.donor == "set0-donor0"])


def test_batches_show_receptors_alone_beside_the_cells_with_expression(cells):
    """They come behind the T cells in their share, show a chain and no gene; a step is always the same."""
    options = BatchOptions(t_cells=40, strange=8, receptors_alone=0.25)
    noise = StateNoise(chain_dropped=0.9, expression_dropped=0.0)
    batches = StateBatches(cells, options, noise, 3)
    batch = batches.draw(2)
    assert torch.equal(batch.receptors, batches.draw(2).receptors)
    assert len(batch.joint) == 50
    assert len(batch.expression) == 58
    alone = slice(40, 50)
    assert not batch.present[alone].any()
    assert not batch.expression[alone].any()
    assert (batch.receptors[alone, -2:].sum(dim=1) > 0).all()
    assert (batch.present[:40].sum(dim=1) > 0).all()
    assert (batch.present[50:].sum(dim=1) > 0).all()
    assert not batch.receptors[50:].any()
    assert batch.is_ood[:50].sum() == 0
    none = StateBatches(cells, replace(options, receptors_alone=0.0), noise, 3).draw(2)
    assert len(none.joint) == 40
    assert torch.equal(none.expression[:40], batch.expression[:40])


def test_noise_hides_chains_genes_of_chains_and_expression(cells):
    """Each has a chance of its own, and a chain that is not there never appears."""
    still = StateNoise(chain_dropped=0, segments_dropped=0, expression_dropped=0)
    options = BatchOptions(t_cells=400, strange=0, receptors_alone=0.0)

    def draw(**changes):
        return StateBatches(cells, options, replace(still, **changes), 3).draw(0)

    whole, d = draw(), cells.receptors.dimension
    there = whole.receptors[:, -2:]
    fewer = draw(chain_dropped=0.5).receptors[:, -2:]
    assert (fewer <= there).all()
    assert 0.3 < float(fewer.sum() / there.sum()) < 0.7
    bare = draw(segments_dropped=1.0).receptors
    assert torch.equal(bare[:, -2:], there)
    has = there[:, 0] == 1
    assert (bare[has, :d] != whole.receptors[has, :d]).any(dim=1).all()
    blind = draw(expression_dropped=1.0)
    seen = blind.present.sum(dim=1) > 0
    assert torch.equal(seen, there.sum(dim=1) == 0)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory, kmer):
    """A member of cohorts whose genes say nothing of the state and whose receptors say all."""
    folder = tmp_path_factory.mktemp("learnt")
    entries = [add_receptors(folder, write_cohort(folder, f"set{i}", i), i) for i in range(3)]
    cohorts = read_all(write_manifest(folder, *entries[:2], without_counts(entries[2])), kmer)
    cells = pool_cohorts(cohorts, np.array(["ACTB", "B2M", "GAPDH", "RPL3", "MALAT1"], dtype=object))
    folds = cells.cohort == 1
    options = replace(TASK, noise=StateNoise(chain_dropped=0.2))
    task = StateTask(cells.take(np.flatnonzero(~folds)), cells.take(np.flatnonzero(folds)), options)
    loop = LoopOptions(
        steps=150, learning_rate=0.02, warm_up_steps=5, validate_every=150, device="cpu",
        is_mixed_precision=False,
    )  # fmt: skip
    history = train(task, folder / "run", loop)
    return task, cells.take(np.flatnonzero(folds)), history


def test_a_member_learns_from_receptors(learnt):
    """Shown the chains of a cohort it never saw, it names states; without them it guesses."""
    task, _, history = learnt
    assert history[-1]["validation_macro_f1"] > 0.6
    cells = task._validation
    rows = np.flatnonzero(cells.truth.is_t & (cells.truth.state != ""))
    joint, cycle, _ = predict_cells(task.network, replace(cells, receptors=None), rows)
    called = np.array(STATES, dtype=object)[collapse(joint, cycle).argmax(axis=1)]
    assert macro_f1(cells.truth.state[rows], called) < 0.5


def test_without_any_gene_the_head_of_the_latent_vector_speaks_alone(learnt):
    """The head straight from the genes would have its bias alone to say."""
    task, cells, _ = learnt
    rows = np.flatnonzero(cells.receptors.is_there.any(axis=1))[:5]
    chains = torch.from_numpy(cells.receptors.show(rows))
    nothing = torch.zeros(5, 5)
    with torch.no_grad():
        heads = task.network(nothing, nothing, chains).heads
        other = task.network(nothing, torch.ones(5, 5), chains).heads
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(other[0], other[1])


def test_labels_of_receptors_alone_do_not_move_the_head_of_the_genes(cells):
    """Where only they are labelled, its bias gets no gradient and that of the other head does."""
    truth = replace(cells.truth, joint=cells.truth.joint.copy())
    truth.joint[cells.has_expression] = possible_joint()
    task = StateTask(
        replace(cells, truth=truth), cells, replace(TASK, noise=StateNoise(expression_dropped=0))
    )
    loss, parts = task.measure_loss(0)
    loss.backward()
    assert parts["labels"] > 0
    network = task.network
    assert not network.joint_of_genes.bias.grad.any()
    assert network.joint.bias.grad.any()


def test_a_cell_of_receptors_alone_teaches_nothing_about_genes(cells):
    """Nothing measured is no extreme of few genes: layers before the latent vector do not follow it."""
    network = StateTask(cells, cells, TASK).network
    rows = np.flatnonzero(~cells.has_expression)[:8]
    nothing = torch.zeros(8, cells.counts.shape[1])
    logits = network(nothing, nothing, torch.from_numpy(cells.receptors.show(rows)))
    (logits.joint.square().sum() + logits.cycle.sum()).backward()
    for layer in (network.of_genes, network.of_missing, network.to_latent, network.joint_of_genes):
        assert layer.weight.grad is None or not layer.weight.grad.any()
    assert network.of_receptors.weight.grad.any()


def test_consistency_compares_cells_that_are_seen(cells):
    """Cells that lost their expression, and receptors alone, have no other view; the loss is finite."""
    options = replace(TASK, consistency_weight=0.5, noise=StateNoise(expression_dropped=0.5))
    loss, parts = StateTask(cells, cells, options).measure_loss(1)
    assert torch.isfinite(loss)
    assert parts["consistency"] > 0


def test_a_missing_chain_adds_nothing(learnt):
    """A mask of 0 is the same as no receptors, for one chain or both; other cells change nothing."""
    task, cells, _ = learnt
    rows = np.arange(20)
    masked = replace(cells, receptors=replace(cells.receptors, tra=cells.receptors.tra * 0 - 1,
                                              trb=cells.receptors.trb * 0 - 1))  # fmt: skip
    without = replace(cells, receptors=None)
    for one, other in zip(
        predict_cells(task.network, masked, rows), predict_cells(task.network, without, rows), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_the_graph_takes_receptors_and_agrees_with_the_network(learnt):
    """Exported with chains, with one mask for all cells and with one for each, cells without genes too."""
    graph, difference = export_states(learnt[0].network, Calibration(1.3, torch.zeros(54)))
    assert difference < 1e-5
    assert b"has_trb" in graph


def test_a_student_is_judged_by_cells_with_expression_and_their_chains(cells):
    """Its checks depend on the receptors that are shown, and not on cohorts of receptors alone."""
    task = StateTask(cells, cells, TASK)
    calibration = Calibration(1.0, torch.zeros(54))

    def check(shown):
        torch.manual_seed(0)
        student = DistilTask(shown, task.network, calibration, TASK)
        student.network.eval()
        with torch.no_grad():
            return student.validate()["loss"]

    measured = cells.take(np.flatnonzero(cells.has_expression))
    assert check(cells) == check(measured)
    chains = replace(cells.receptors, trb=np.full_like(cells.receptors.trb, -1))
    assert check(cells) != check(replace(cells, receptors=chains))


def test_a_checkpoint_knows_its_receptors(cells):
    """Other chains, or the same in other cells, are another run."""
    base = StateTask(cells, cells, TASK).fingerprint
    turned = replace(cells.receptors, trb=cells.receptors.trb[::-1].copy())
    for receptors in (replace(cells.receptors, digest="other"), turned):
        assert StateTask(replace(cells, receptors=receptors), cells, TASK).fingerprint != base
    measured = cells.take(np.flatnonzero(cells.has_expression))
    without = StateTask(replace(measured, receptors=None), measured, TASK).fingerprint
    assert without["receptors"] is None


def test_the_seed_network_takes_chains_of_the_encoders_width(cells):
    """Chains are heard, V/J genes stay missing, receptors alone teach it nothing, and the graph agrees."""
    member = replace(SEED_MEMBERS[0], width=8, heads=2, batch=32)
    known = np.flatnonzero(cells.truth.is_t & (cells.truth.state != "") & cells.has_expression)
    task = SeedTask(cells, known[::2], known[1::2], member)
    assert task.network.config.chain == cells.receptors.dimension
    loss, _ = task.measure_loss(0)
    loss.backward()
    assert task.network.tcr_encoder[0].weight.grad[:, : task.network.config.chain].any()
    assert not task.network.vj_token_proj[0].weight.grad.any()
    ensemble = SeedEnsemble([task.network.eval()], joint_cells(), has_receptors=True).eval()
    has = known[cells.receptors.is_there[known].any(axis=1)][:20]
    joint, _, _ = predict_cells(ensemble, cells, has)
    without, _, _ = predict_cells(ensemble, replace(cells, receptors=None), has)
    assert (joint != without).any(axis=1).all()
    _, difference = export_states(ensemble, Calibration(1.0, torch.zeros(54)))
    assert difference < 1e-5
