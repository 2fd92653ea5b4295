"""`train fusion` from a manifest to a bundle that runs, of either architecture, with labels or without."""

from __future__ import annotations

import json
from dataclasses import replace

import anndata as ad
import numpy as np
import pytest
import torch

from command_line import run_command
from fusion_sets import KINDS, make_set, write_sets
from tcellflow.errors import InputError, OptionsError, OutputError
from tcellflow.inference.session import open_session
from tcellflow.io.bundles.fusion import read_fusion_genes, read_fusion_proteins
from tcellflow.models.configurations import TokenConfig
from tcellflow.steps.fuse import FuseOptions, fuse
from tcellflow.steps.preprocess import PreprocessOptions, preprocess
from tcellflow.training.checkpoints import CHECKPOINT_FILE, METRICS_FILE
from tcellflow.training.fusion.options import FusionBatchOptions, FusionTaskOptions, TrainFusionOptions
from tcellflow.training.fusion.train import train_fusion
from tcellflow.training.options import LoopOptions

LOOP = LoopOptions(
    steps=60, learning_rate=5e-3, warm_up_steps=5, weight_decay=0.01, validate_every=30, device="cpu",
    is_mixed_precision=False,
)  # fmt: skip
TASK = FusionTaskOptions(components=4, width=32, latent=8, batch=FusionBatchOptions(32, 32))


@pytest.fixture
def manifest(tmp_path):
    """Two sets of different panels, one with labels."""
    few = make_set(tmp_path, "two", 1, antibodies=("CD3", "CD19", "CD14"))
    del few["label"]
    return write_sets(tmp_path, make_set(tmp_path, "one", 0, n_cells=240, split="role"), few)


def options(manifest, **changes):
    found = TrainFusionOptions(
        manifest, manifest.parent / "run", n_genes=20, members=2, task=TASK, loop=LOOP, distil_steps=60,
        patch_genes=4,
    )  # fmt: skip
    return replace(found, **changes)


def run_model(bundle, *, has_rna=True, has_adt=True, seed=0):
    """Ask the bundle about three cells."""
    rng = np.random.default_rng(seed)
    details = bundle.description.details
    inputs = {}
    for name, mask, width, is_there in (
        ("genes", "gene_mask", details.genes.rows, has_rna),
        ("proteins", "protein_mask", details.proteins.rows, has_adt),
    ):
        inputs[name] = rng.normal(size=(3, width)).astype(np.float32)
        inputs[mask] = np.full((3, width), is_there, dtype=np.float32)
    return open_session(bundle.folder / "model.onnx", threads=1, device="cpu").run(inputs)


def test_a_manifest_becomes_a_bundle(manifest):
    """It learns, it judges itself on cells it had not seen, and it says what it learnt from."""
    bundle = train_fusion(options(manifest, split="column"))
    details, document = bundle.description.details, bundle.description.document
    assert details.classes == tuple(sorted(KINDS))
    genes = read_fusion_genes(bundle.folder, details.genes)
    assert len(genes.symbols) == details.genes.rows == 20
    assert genes.weights.sum() == pytest.approx(1, abs=1e-4)
    proteins = read_fusion_proteins(bundle.folder, details.proteins)
    assert proteins.targets.tolist() == ["CD14", "CD19", "CD3E", "CD4", "CD8A", "PTPRC:RA"]
    assert [one["cells"] for one in document["training"]] == [237, 160]
    whole = next(row for row in document["metrics"] if row["view"] == "rna+adt")
    assert whole["accuracy"] > 0.9
    for views, weights in (({}, None), ({"has_adt": False}, [1, 0]), ({"has_rna": False}, [0, 1])):
        out = run_model(bundle, **views)
        assert all(np.isfinite(part).all() for part in out.values())
        np.testing.assert_allclose(out["class_probabilities"].sum(axis=1), 1, atol=1e-5)
        if weights:
            np.testing.assert_allclose(out["weights"], [weights] * 3)
    assert (manifest.parent / "run" / "network" / METRICS_FILE).exists()
    card = (bundle.folder / "CARD.md").read_text()
    assert "| one | 237 |" in card
    assert "validation fold" in card


def test_members_have_no_gate_and_their_pupil_has(manifest):
    """On few labels a gate fits noise; the network that is kept tells what its modalities weigh."""
    run = options(manifest, split="column")
    train_fusion(run)

    def read(folder):
        return torch.load(run.output / folder / CHECKPOINT_FILE, weights_only=True)["state"]["network"]

    for folder in ("member-1", "member-2"):
        network = read(folder)
        assert not network["plain.gate.weight"].any()
        assert not network["plain.gate.bias"].any()
        assert network["plain.of_mask.weight"].any()  # which begins with zeros too, and learns
    assert read("network")["plain.gate.weight"].any()


def test_a_bundle_can_be_verified(manifest):
    """``bundle verify`` reads its files and runs its network, though no step applies it."""
    bundle = train_fusion(options(manifest, members=1))
    done = run_command("bundle", "verify", str(bundle.folder))
    assert done.code == 0, done.stderr
    assert done.stdout.startswith(f"{bundle.description.name} 1: whole")


def test_a_set_that_is_held_out_judges(manifest):
    """Its figures stand under its name; nobody learnt from it."""
    document = train_fusion(options(manifest, hold_out=frozenset({"two"}))).description.document
    assert [one["name"] for one in document["training"]] == ["one"]
    judged = [row for row in document["metrics"] if row["judge"] == "held-out set"]
    assert {row["set"] for row in judged} == {"two"}
    assert all(row["proteins"] == 3 for row in judged)


def test_a_bundle_of_few_cells_fuses_into_every_file(manifest, tmp_path):
    """No protein has enough cells to be told of others: only the tables of these are not there."""
    bundle = train_fusion(options(manifest))
    cells = ad.read_h5ad(manifest.parent / "one.h5ad")
    counts = ad.AnnData(cells.X, cells.obs, cells.var)
    counts.write_h5ad(tmp_path / "gex.h5ad")
    preprocess(
        PreprocessOptions(output=tmp_path, prefix="s", gex=tmp_path / "gex.h5ad", min_genes=1, min_counts=1)
    )
    fuse(FuseOptions(tmp_path / "s.cells.h5ad", tmp_path, "s", bundle=str(bundle.folder), device="cpu"))
    fused = ad.read_h5ad(tmp_path / "s.fused.h5ad")
    assert "adt_imputed" not in fused.obsm
    assert np.isfinite(fused.obsm["X_fused"]).all()


def test_without_labels_there_are_no_classes(manifest):
    """Proteins alone are learnt; the class axis is empty."""
    document = manifest.read_text().replace("label: kind_of_cell", "licence: CC0")
    manifest.write_text(document.replace("licence: CC0\n  licence", "licence"))
    bundle = train_fusion(options(manifest))
    assert bundle.description.details.classes == ()
    assert run_model(bundle)["class_probabilities"].shape == (3, 0)


@pytest.mark.parametrize("mixer", ["ttt", "attention"])
def test_the_published_design_has_three_stages(manifest, mixer):
    """Masked pre-training, labels, and guessing; the bundle answers to expression alone too."""
    task = replace(TASK, tokens=TokenConfig(width=16, heads=2, batch=4, rna_blocks=1, decoder_blocks=1))
    run = options(manifest, architecture="scfusionttt", mixer=mixer, task=task, loop=replace(LOOP, steps=20))
    bundle = train_fusion(run)
    for stage in (1, 2, 3):
        assert (run.output / f"stage-{stage}" / CHECKPOINT_FILE).exists()
    assert bundle.description.document["recipe"]["architecture"] == "scfusionttt"
    assert np.isfinite(run_model(bundle, has_adt=False)["latent"]).all()


def test_pre_training_can_be_left_out(manifest):
    """Labels are then learnt from random weights."""
    tokens = TokenConfig(width=16, heads=2, batch=4, rna_blocks=1, decoder_blocks=1)
    task = replace(TASK, tokens=tokens, is_pretrained=False)
    run = options(manifest, architecture="scfusionttt", mixer="none", task=task, loop=replace(LOOP, steps=10))
    train_fusion(run)
    assert {path.parent.name for path in run.output.glob(f"*/{CHECKPOINT_FILE}")} == {"stage-2", "stage-3"}


def test_tokens_tell_their_weight(manifest):
    """The card says what the branch came to weigh."""
    task = replace(TASK, tokens=TokenConfig(width=16, heads=2, batch=4, rna_blocks=1))
    run = options(manifest, mixer="ttt-set", members=1, task=task, loop=replace(LOOP, steps=20))
    bundle = train_fusion(run)
    assert "weight_of_tokens" in bundle.description.document
    assert "weight of the token branch" in (bundle.folder / "CARD.md").read_text()


def test_the_same_run_gives_the_same_bytes_and_can_be_resumed(manifest):
    """A run whose last checkpoint was lost ends with the same graph."""
    first = train_fusion(options(manifest))
    graph = (first.folder / "model.onnx").read_bytes()
    run = options(manifest, resume=True)
    (run.output / "network" / CHECKPOINT_FILE).unlink()
    assert (train_fusion(run).folder / "model.onnx").read_bytes() == graph


def test_an_earlier_run_is_not_overwritten(manifest):
    """Unless asked to."""
    train_fusion(options(manifest, members=1))
    with pytest.raises(OutputError, match="an earlier run"):
        train_fusion(options(manifest, members=1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hold_out": frozenset({"three"})}, "no set is called three"),
        ({"hold_out": frozenset({"one", "two"})}, "all sets are held out"),
    ],
)
def test_what_cannot_be_held_out_is_told(manifest, changes, words):
    """Before anything is written."""
    with pytest.raises(OptionsError, match=words):
        train_fusion(options(manifest, **changes))
    assert not (manifest.parent / "run").exists()


def test_donors_of_held_out_sets_teach_nobody(tmp_path):
    """A donor on both sides would flatter the figures."""
    sets = [make_set(tmp_path, name, 0) for name in ("one", "two")]
    for one in sets:
        path = tmp_path / f"{one['name']}.tsv"
        path.write_text(path.read_text().replace(f"{one['name']}-donor", "donor"))
    with pytest.raises(OptionsError, match="have donors of the sets held out"):
        train_fusion(options(write_sets(tmp_path, *sets), hold_out=frozenset({"two"})))


def test_sets_without_proteins_teach_nothing(tmp_path):
    """There is nothing to fuse."""
    with pytest.raises(InputError, match="no set has antibody counts"):
        train_fusion(options(write_sets(tmp_path, make_set(tmp_path, "one", 0, antibodies=()))))


def test_metrics_are_told_in_one_line_each(manifest):
    """JSON lines with losses by name."""
    run = options(manifest, members=1)
    train_fusion(run)
    lines = (run.output / "network" / METRICS_FILE).read_text().splitlines()
    assert len(lines) == 2
    assert {"train_classes", "train_proteins", "validation_loss"} <= set(json.loads(lines[0]))
