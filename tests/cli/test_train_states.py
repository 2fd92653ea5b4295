"""``tcellflow train states``: a manifest in, a bundle out that predict takes."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from command_line import run_command
from state_cohorts import GENES, write_three, write_three_with_receptors
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.inference.states.sources import ReceptorBlock
from tcellflow.io.bundles.folders import PACKAGED_FOLDER, read_bundle
from tcellflow.training.states import seed

SAMPLES = Path(str(files("tcellflow"))) / "data" / "samples"
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
    small = tuple(replace(member, width=8, heads=2, batch=64) for member in seed.SEED_MEMBERS)
    monkeypatch.setattr(seed, "SEED_MEMBERS", small)
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


@pytest.fixture(scope="module")
def run_with_receptors(tmp_path_factory):
    """The folder of a short run with receptors, its manifest and its options."""
    folder = tmp_path_factory.mktemp("receptors")
    manifest = write_three_with_receptors(folder)
    options = ("train", "states", "--manifest", manifest, *TINY, "--seeds", 2, "--split", "cohort",
               "--hold-out", "set2", "--receptors", "native", "-o", folder / "out")  # fmt: skip
    done = run_command(*options)
    assert (done.code, done.stdout) == (0, ""), done.stderr
    return folder / "out", options


def test_a_bundle_with_receptors_says_which_vectors_it_takes(run_with_receptors):
    """Encoder, inputs and chains are told; figures are of cells with expression alone."""
    document = read_bundle(run_with_receptors[0] / "bundle").description.document
    encoder = read_bundle(PACKAGED_FOLDER / "receptors")
    assert document["receptors"] == {
        "dimension": 128,
        "encoder": "native",
        "encoder_name": "receptors",
        "encoder_sha256": encoder.sha256,
    }
    assert [tensor["name"] for tensor in document["inputs"]][2:] == ["tra", "trb", "has_tra", "has_trb"]
    told = {cohort["name"]: (cohort["counts"], "with_tra" in cohort) for cohort in document["training"]}
    assert told == {"set0": ("umi", True), "set1": ("umi", True), "set3": ("none, receptors alone", True)}
    assert {row["cohort"] for row in document["metrics"]} == {"set0", "set1", "set2"}
    assert "| set3 |" in (run_with_receptors[0] / "bundle" / "CARD.md").read_text()


def test_a_run_with_receptors_goes_on_and_knows_its_receptors(run_with_receptors):
    """Going on gives the same bytes; without receptors or with others the checkpoints are refused."""
    out, options = run_with_receptors
    before = {path.name: path.read_bytes() for path in (out / "bundle").iterdir()}
    assert run_command(*options, "--resume").code == 0
    assert before == {path.name: path.read_bytes() for path in (out / "bundle").iterdir()}
    for other in ("none", "kmer"):
        done = run_command(*options, "--resume", "--receptors", other)
        assert (done.code, "receptors" in done.stderr) == (66, True)


@pytest.mark.parametrize("ensemble", [False, True])
def test_calls_from_receptors_are_those_of_the_cell_in_any_chunk(run_with_receptors, ensemble):
    """Pairs, single chains and none: each cell's call depends on its own row alone, and chains are heard."""
    predictor = StatePredictor(run_with_receptors[0] / "bundle", threads=1, device="cpu", ensemble=ensemble)
    rng = np.random.default_rng(0)
    expression = np.log1p(rng.poisson(3, (300, predictor.genes.size))).astype(np.float32)
    tra, trb = rng.normal(0, 0.1, (2, 300, 128)).astype(np.float32)
    tra[::3], trb[::2] = np.nan, np.nan
    chains = ReceptorBlock(tra, trb)
    whole = predictor.predict(expression, receptors=chains)
    for size in (1, 7, 150):
        pieces = [slice(start, start + size) for start in range(0, 70 if size == 1 else 300, size)]
        parts = [predictor.predict(expression[rows], receptors=chains.take(rows)) for rows in pieces]
        found = np.concatenate([part.state_probabilities for part in parts])
        np.testing.assert_array_equal(found, whole.state_probabilities[: len(found)])
    without = predictor.predict(expression)
    is_other = (without.state_probabilities != whole.state_probabilities).any(axis=1)
    np.testing.assert_array_equal(is_other, chains.has_tra | chains.has_trb)


def test_predict_takes_receptors_one_chain_or_none_of_a_real_sample(run_with_receptors, tmp_path):
    """From the packaged files of a patient: every way is called; cells without chains stay as they were."""
    sample = SAMPLES / "trex_pt17_trimodal"
    contigs = sample / "filtered_contig_annotations.csv"
    table = pd.read_csv(contigs, dtype=str, keep_default_na=False)
    table[table["chain"] == "TRB"].to_csv(tmp_path / "beta.csv", index=False)
    calls, inputs, strangeness = {}, {}, {}
    for name, given in (("both", contigs), ("beta", tmp_path / "beta.csv"), ("none", None)):
        out = tmp_path / name
        tcr = () if given is None else ("--tcr", given)
        steps = [("preprocess", "--gex", sample / "sample_filtered_feature_bc_matrix.h5", *tcr)]
        vectors = ()
        if given is not None:
            steps.append(("embed-tcr", out / "s.chains.parquet", "--gex", out / "s.cells.h5ad"))
            vectors = (
                "--receptors",
                out / "s.receptors.parquet",
                "--embeddings",
                out / "s.embeddings.parquet",
            )
        bundle = run_with_receptors[0] / "bundle"
        steps.append(("predict", out / "s.cells.h5ad", "--bundle", bundle, *vectors, "--target-risk", 1))
        for step in steps:
            done = run_command(*step, "-o", out, "--prefix", "s")
            assert done.code == 0, done.stderr
        predictions = pq.read_table(out / "s.predictions.parquet").to_pandas().set_index("barcode")
        inputs[name] = predictions["inputs"]
        calls[name] = predictions.filter(like="prob_")
        strangeness[name] = predictions["ood_score"]
    assert len(calls["both"]) == len(calls["beta"]) == len(calls["none"]) > 200
    assert set(inputs["both"]) == {"gex", "gex+tra+trb"}
    assert set(inputs["beta"]) == {"gex", "gex+trb"}
    assert set(inputs["none"]) == {"gex"}
    for name in ("both", "beta"):
        is_other = (calls[name] != calls["none"]).any(axis=1)
        assert is_other[inputs[name] != "gex"].all()
        # that chains are missing speaks in the decision, to the network it is nothing
        without = inputs[name] == "gex"
        assert (strangeness[name][without] == strangeness["none"][without]).all()


def test_receptors_that_no_cohort_has_are_refused_and_those_not_asked_for_are_told(tmp_path):
    """Nothing to learn from is a contradiction; receptors that are left out are named with the option."""
    done = run_command(
        "train", "states", "--manifest", write_three(tmp_path), *TINY, "--receptors", "native",
        "-o", tmp_path / "out",
    )  # fmt: skip
    assert done.code == 78
    assert "no cohort that could be learnt from has receptors" in done.stderr
    (tmp_path / "more").mkdir()
    done = run_command(
        "train", "states", "--manifest", write_three_with_receptors(tmp_path / "more"), *TINY, "--seeds", 9,
        "--split", "cohort", "-o", tmp_path / "out",
    )  # fmt: skip
    assert "--encoder native would" in done.stderr
