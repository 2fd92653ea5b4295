"""``tcellflow train states``: a manifest in, a bundle out that predict takes."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from command_line import run_command
from state_cohorts import GENES, write_three
from tcellflow.inference.states import StatePredictor
from tcellflow.io.bundles import read_bundle
from tcellflow.training import seed

TINY = ("--steps", 12, "--distil-steps", 8, "--validate-every", 6, "--batch-size", 16, "--width", 12)
TINY += ("--latent", 8, "--genes", 24, "--teacher", "none", "--device", "cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a short run, and its manifest."""
    folder = tmp_path_factory.mktemp("run")
    manifest = write_three(folder)
    done = run_command(
        "train", "states", "--manifest", manifest, *TINY, "--seeds", 2, "--split", "cohort",
        "--hold-out", "set2", "-o", folder / "out",
    )  # fmt: skip
    assert (done.code, done.stdout) == (0, "")
    return folder / "out", manifest


def test_the_bundle_says_what_it_learnt_from(run):
    """Cohorts, kinds of truth, folds and figures of cells that the judge had not seen are in it."""
    bundle = read_bundle(run[0] / "bundle")
    document = bundle.description.document
    assert [cohort["name"] for cohort in document["training"]] == ["set0", "set1"]
    assert document["evidence"]["Naive"] == document["evidence"]["Treg"] == "gated"
    assert document["evidence"]["Exhausted"] == "teacher"
    assert {(row["cohort"], row["judge"]) for row in document["metrics"]} == {
        ("set0", "the member that had not seen it"),
        ("set1", "the member that had not seen it"),
        ("set2", "the bundle"),
    }
    assert document["recipe"]["held_out"] == ["set2"]
    assert 0.5 < document["ood"]["threshold"] <= 1
    card = (run[0] / "bundle" / "CARD.md").read_text()
    assert "| set0 |" in card
    assert "CC0" in card
    lines = (run[0] / "member-1" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [6, 12]


@pytest.mark.parametrize("ensemble", [False, True])
def test_predict_takes_the_bundle(run, ensemble):
    """Both graphs run, give distributions, and do not look at genes that were not measured."""
    predictor = StatePredictor(run[0] / "bundle", threads=1, device="cpu", ensemble=ensemble)
    assert set(predictor.genes) <= set(GENES)
    expression = np.log1p(np.random.default_rng(0).poisson(3, (300, predictor.genes.size))).astype(np.float32)
    calls = predictor.predict(expression)
    np.testing.assert_allclose(calls.state_probabilities.sum(axis=1), 1, rtol=1e-5)
    assert np.isnan(calls.agreement).all() != ensemble
    assert ((calls.ood_score >= 0) & (calls.ood_score <= 1)).all()
    present = np.ones(predictor.genes.size, bool)
    present[0] = False
    other = expression.copy()
    other[:, 0] = 5
    one, same = predictor.predict(expression, present), predictor.predict(other, present)
    np.testing.assert_array_equal(one.state_probabilities, same.state_probabilities)


def test_a_finished_run_is_neither_lost_nor_done_twice(run, tmp_path):
    """Without --resume or --force the folder is kept; going on gives the same bytes."""
    out, manifest = run
    options = ("--seeds", 2, "--split", "cohort", "--hold-out", "set2", "-o", out)
    refused = run_command("train", "states", "--manifest", manifest, *TINY, *options)
    assert refused.code == 73
    before = {path.name: path.read_bytes() for path in (out / "bundle").iterdir()}
    again = run_command("train", "states", "--manifest", manifest, *TINY, *options, "--resume")
    assert again.code == 0
    assert before == {path.name: path.read_bytes() for path in (out / "bundle").iterdir()}


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--hold-out", "nobody"), 78, "no cohort is called nobody"),
        (("--seeds", 4, "--split", "cohort"), 78, "4 members are wanted"),
        (("--evaluation", "absent.md"), 66, "cannot be read"),
    ],
)
def test_options_that_cannot_be_met_are_refused(run, tmp_path, options, code, says):
    """The exit code and the reason are those of the mistake, and no bundle is left behind."""
    done = run_command("train", "states", "--manifest", run[1], *TINY, *options, "-o", tmp_path / "out")
    assert done.code == code
    assert says in done.stderr
    assert not (tmp_path / "out" / "bundle").exists()


SEED = ("--architecture", "seed", "--genes", 24, "--device", "cpu")


@pytest.fixture
def small_members(monkeypatch):
    """The members of the seed network, so small and brief that a test can train them."""
    small = tuple(replace(member, width=8, heads=2, batch=64) for member in seed.MEMBERS)
    monkeypatch.setattr(seed, "MEMBERS", small)
    monkeypatch.setattr(seed, "EPOCHS", 2)
    return small


def test_the_seed_network_is_trained_as_eight_members_and_the_best_are_kept(tmp_path, small_members):
    """Members are chosen by cells kept back; the bundle tells their scores, and runs without receptors."""
    manifest = write_three(tmp_path)
    done = run_command("train", "states", "--manifest", manifest, *SEED, "-o", tmp_path / "out")
    assert done.code == 0, done.stderr
    recipe = read_bundle(tmp_path / "out" / "bundle").description.document["recipe"]
    kept = [score["is_kept"] for score in recipe["scores"]]
    assert recipe["members"] == 8
    assert (len(kept), sum(kept)) in {(8, 3), (8, 5), (8, 8)}
    assert kept == sorted(kept, reverse=True)
    told = sorted((score["member"] for score in recipe["scores"]), key=lambda member: member["name"])
    assert told == [asdict(member) for member in small_members]
    assert not {"steps", "width", "learning_rate"} & set(recipe)
    predictor = StatePredictor(tmp_path / "out" / "bundle", threads=1, device="cpu")
    calls = predictor.predict(np.ones((3, predictor.genes.size), np.float32))
    np.testing.assert_allclose(calls.state_probabilities.sum(axis=1), 1, rtol=1e-5)
    assert ((calls.agreement >= 0) & (calls.agreement <= 1)).all()


def test_the_first_so_many_members_of_the_seed_network_are_trained_on_request(tmp_path, small_members):
    """--seeds takes them in their order; with --resume more are added to those that are there already."""
    words = ("train", "states", "--manifest", write_three(tmp_path), *SEED, "-o", tmp_path / "out")
    for n_members in (1, 2):
        done = run_command(*words, "--seeds", n_members, "--resume")
        assert done.code == 0, done.stderr
        recipe = read_bundle(tmp_path / "out" / "bundle").description.document["recipe"]
        names = {score["member"]["name"] for score in recipe["scores"]}
        assert names == {member.name for member in small_members[:n_members]}
        assert all(score["is_kept"] for score in recipe["scores"])
        if n_members == 1:
            first = (tmp_path / "out" / "member-1" / "checkpoint.pt").stat().st_mtime_ns
    assert (tmp_path / "out" / "member-1" / "checkpoint.pt").stat().st_mtime_ns == first
    refused = run_command(*words, "--seeds", 9, "--resume")
    assert refused.code == 78
    assert "has 8 members" in refused.stderr
