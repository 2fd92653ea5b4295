"""``tcellflow train receptors``: tables in, a bundle out."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from architecture.sources import ROOT
from command_line import run_command
from receptor_corpora import make_chains, make_pairs, write_table
from tcellflow.inference.session import open_session
from tcellflow.io.bundles.folders import read_bundle
from tcellflow.receptors.encoding.tokens import build_vocabulary, parse_vocabulary

TINY = ("--steps", 6, "--validate-every", 2, "--batch-size", 16, "--width", 8, "--layers", 1)
TINY += ("--dimension", 8, "--device", "cpu", "--name", "tiny")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Options that name a small corpus."""
    folder = tmp_path_factory.mktemp("corpus")
    alphas, betas = make_chains(800, "TRA", 1), make_chains(1_500, "TRB", 2)
    other = make_chains(100, "TRB", 5, source="there")
    chains = write_table(folder / "chains.parquet", alphas, betas, other)
    pairs = write_table(folder / "pairs.parquet", make_pairs(600, 3))
    labelled = write_table(folder / "labelled.parquet", {"junction_aa": betas["junction_aa"][:40]})
    return ("--chains", chains, "--pairs", pairs, "--withhold", labelled)


@pytest.fixture(scope="module")
def run(tables, tmp_path_factory):
    """The folder of a short run."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "licences.toml").write_text('here = "CC0"\n')
    (folder / "results.md").write_text("## Results\n\nNone yet.\n")
    done = run_command(
        "train", "receptors", *tables, *TINY, "--exclude-source", "there", "-o", folder / "out",
        "--licences", folder / "licences.toml", "--evaluation", folder / "results.md",
    )  # fmt: skip
    assert (done.code, done.stdout) == (0, "")
    return folder / "out"


def test_the_bundle_is_whole_and_says_what_it_is_made_of(run):
    """The bundle passes its checks; rows, licences and what was left out are in it and on its card."""
    bundle = read_bundle(run / "bundle")
    document = bundle.description.document
    assert document["training"][0] == {
        "table": "chains.parquet",
        "source": "here",
        "rows": 2_260,
        "licence": "CC0",
    }
    assert document["left_out_rows"] == {"excluded source": 100, "withheld junction": 40}
    assert document["excluded_sources"] == ["there"]
    assert document["cluster_distances"] == {"pair": 0.0, "trb": 0.0, "tra": 0.0}  # too few to tell
    card = (run / "bundle" / "CARD.md").read_text()
    assert "| chains.parquet | here | 2,260 | CC0 |" in card
    assert "No receptor with a known epitope was seen" in card
    assert card.endswith("## Results\n\nNone yet.\n")


def test_vectors_have_unit_length_and_the_declared_width(run):
    """The graph reads the tokeniser's arrays and gives what bundle.json declares."""
    bundle = read_bundle(run / "bundle")
    vocabulary = parse_vocabulary(
        (run / "bundle" / bundle.receptors.vocabulary).read_text(), where="vocabulary.json"
    )
    assert vocabulary == build_vocabulary()
    session = open_session(bundle.model_path, threads=1, device="cpu")
    assert session.input_names == tuple(tensor.name for tensor in bundle.description.inputs)
    residues = np.random.default_rng(0).integers(2, 22, (5, 12))
    ones = np.ones(5, np.int64)
    found = session.run({"locus": ones, "residues": residues, "v_call": ones, "j_call": ones})
    assert found["vector"].shape == (5, bundle.receptors.dimension)
    np.testing.assert_allclose(np.linalg.norm(found["vector"], axis=1), 1, atol=1e-6)
    assert found["residue_logits"].shape == (5, 12, 20)


def test_metrics_have_one_line_per_validation(run):
    """Each line says the step, and losses of training and validation."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert {"train_contrast", "validation_loss", "validation_residue", "validation_teacher"} <= lines[
        0
    ].keys()


def test_the_same_command_gives_the_same_bundle(run, tables, tmp_path):
    """Two runs of one command give the same bytes."""
    done = run_command(
        "train", "receptors", *tables, *TINY, "--exclude-source", "there", "-o", tmp_path / "again",
        "--licences", run.parent / "licences.toml", "--evaluation", run.parent / "results.md",
    )  # fmt: skip
    assert done.code == 0
    for name in ("model.onnx", "bundle.json", "CARD.md", "vocabulary.json"):
        assert (run / "bundle" / name).read_bytes() == (tmp_path / "again" / "bundle" / name).read_bytes()


def test_an_earlier_run_is_not_overwritten(run, tables):
    """Without --resume or --force a folder with a run is refused; going on ends with the same bundle."""
    before = (run / "bundle" / "model.onnx").read_bytes()
    command = ("train", "receptors", *tables, *TINY, "--exclude-source", "there", "-o", run)
    refused = run_command(*command)
    assert refused.code == 73
    assert "--resume" in refused.stderr
    assert run_command(*command, "--resume").code == 0
    assert (run / "bundle" / "model.onnx").read_bytes() == before


def test_other_data_do_not_go_on_with_a_run(run, tables):
    """--resume with rows that the checkpoint did not learn from is an input error."""
    done = run_command("train", "receptors", *tables, *TINY, "-o", run, "--resume")
    assert done.code == 66
    assert "task.corpus.betas" in done.stderr


@pytest.mark.slow
def test_a_process_that_was_killed_is_continued(tables, tmp_path):
    """Killed by SIGKILL after a checkpoint and resumed, the bundle is that of an undisturbed run."""
    options = [*TINY, "--steps", "100", "--validate-every", "20"]
    command = [sys.executable, "-c", "from tcellflow.cli.app import main; main()", "train", "receptors"]
    command += [str(word) for word in (*tables, *options, "-o", tmp_path / "killed")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed" / "checkpoint.pt").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not (tmp_path / "killed" / "bundle").exists()
    for folder, more in (("killed", ["--resume"]), ("whole", [])):
        assert run_command("train", "receptors", *tables, *options, "-o", tmp_path / folder, *more).code == 0
    for name in ("bundle/model.onnx", "bundle/bundle.json", "metrics.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_no_steps_write_an_untrained_bundle(tables, tmp_path):
    """A bundle with random weights, for comparisons, needs no training."""
    done = run_command("train", "receptors", *tables, *TINY, "--steps", 0, "-o", tmp_path)
    assert done.code == 0
    assert read_bundle(tmp_path / "bundle").description.document["metrics"] == []


def test_label_free_pairs_need_the_labelled_receptors(tables, tmp_path):
    """Pairs without a list of labelled receptors are refused unless labelled ones may stay."""
    chains, pairs = tables[:2], tables[2:4]
    done = run_command("train", "receptors", *chains, *pairs, *TINY, "-o", tmp_path)
    assert done.code == 78
    assert "--keep-labelled" in done.stderr
    assert (
        run_command("train", "receptors", *chains, *pairs, *TINY, "--keep-labelled", "-o", tmp_path).code == 0
    )


@pytest.mark.parametrize(
    ("content", "option"), [("here = ", "--licences"), (None, "--licences"), (None, "--evaluation")]
)
def test_unreadable_notes_are_told_before_training(tables, tmp_path, content, option):
    """A broken or missing file for the card is an input error at once."""
    path = tmp_path / "notes"
    if content is not None:
        path.write_text(content)
    done = run_command("train", "receptors", *tables, *TINY, "-o", tmp_path / "out", option, path)
    assert done.code == 66
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "data"),
    [
        ("receptors", "--chains"),
        ("states", "--manifest"),
        ("fusion", "--manifest"),
        ("language", "--manifest"),
    ],
)
def test_a_name_that_no_bundle_can_have_is_told_before_training(command, data, tmp_path):
    """Nothing is read and nothing written."""
    given = tmp_path / "given"
    given.write_text("")
    done = run_command("train", command, data, given, "-o", tmp_path / "run", "--name", "My bundle")
    assert done.code == 78
    assert "my-bundle" in done.stderr
    assert not (tmp_path / "run").exists()


def test_too_few_receptors_are_refused(tmp_path):
    """A corpus that leaves nothing to judge by is an input error."""
    chains = write_table(tmp_path / "chains.parquet", make_chains(3, "TRB", 2))
    done = run_command("train", "receptors", "--chains", chains, *TINY, "-o", tmp_path / "out")
    assert done.code == 66
    assert "too small" in done.stderr


_WITHOUT_TORCH = """
import importlib.machinery, sys
sys.argv = ["tcellflow", "train", "receptors", "--chains", "x.parquet"]
found = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = classmethod(
    lambda cls, name, *rest: None if name.partition(".")[0] == "torch" else found(name, *rest)
)
from tcellflow.cli.app import main
main()
"""


def test_without_torch_the_command_says_what_to_install():
    """Where torch is missing, training ends with 78 and the command that mends it."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TORCH], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 78
    assert "pip install '.[train]'" in done.stderr
