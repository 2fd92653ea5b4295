"""What mixers of tokens, the order of genes, masking, stages and patches add, on one small setting.

    python -m benchmarks.fusion.ablations --data FOLDER --scratch FOLDER -o ROWS [--set NAME] [--seeds N]

One set, its 1,000 leading genes, WNN clusters of 27 % of the cells (3 % validate); the others' labels
judge: their genes and proteins are seen, their labels never. Seeds change which cells are labelled, the
weights, the batches and what a shuffle is. Rows: the published design (stages of `--steps` each) with
every mixer and order, without its pre-training, with other shares masked and other patches (these by
attention, which costs least of those that read several tokens); ours with
every mixer of its token branch, and without tokens (a plain perceptron on components and log-ratios).
Told are accuracy, balanced accuracy, accuracy without proteins, the adjusted Rand index of the told
classes against gates, which nobody learnt, and the squared error of masked genes (of the published design
after its first stage). A line of JSON for each row and seed, without those that the file holds already;
the vectors of the two main designs stay in the scratch folder for `benchmarks.fusion.published`.
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import torch
import yaml
from sklearn.metrics import adjusted_rand_score, balanced_accuracy_score

from benchmarks.fusion.cells import draw_labelled
from benchmarks.fusion.neighbours import NO_LABEL
from recipes.fusion.sets import SETS
from tcellflow.models.configurations import TokenConfig
from tcellflow.models.fusion import FusionBasis
from tcellflow.training.checkpoints import CHECKPOINT_FILE
from tcellflow.training.fusion.basis import find_axes, make_patches
from tcellflow.training.fusion.batches import show_cells
from tcellflow.training.fusion.cells import choose_fold, choose_genes, list_classes, pool_sets
from tcellflow.training.fusion.manifest import read_fusion_manifest
from tcellflow.training.fusion.options import (
    FusionBatchOptions,
    FusionTaskOptions,
    TrainFusionOptions,
    ViewOptions,
)
from tcellflow.training.fusion.sets import read_set
from tcellflow.training.fusion.stages import train_fusion_networks, train_published_stages
from tcellflow.training.fusion.task import predict
from tcellflow.training.options import LoopOptions

if TYPE_CHECKING:
    from tcellflow.models.configurations import MixerKind
    from tcellflow.models.fusion import FusionNetwork
    from tcellflow.training.fusion.cells import FusionCells
    from tcellflow.training.fusion.options import Architecture, GeneOrder

LABEL, GATES = "wnn_cluster_scMMAE", "cell_type_l2"
N_GENES, MASKED, JUDGED = 1_000, 0.15, 1_500


@dataclass(frozen=True)
class Row:
    """One design that is tried."""

    architecture: Architecture
    mixer: MixerKind
    order: GeneOrder = "genome"
    patch: int = 40
    masked: float = 0.15
    pretrained: bool = True


_PUBLISHED: Architecture = "scfusionttt"
ROWS = (
    Row("fusion", "none"),
    Row(_PUBLISHED, "ttt"),
    Row(_PUBLISHED, "ttt", "shuffle"),
    Row(_PUBLISHED, "attention"),
    Row(_PUBLISHED, "none"),
    Row(_PUBLISHED, "ttt", "reverse"),
    Row(_PUBLISHED, "ttt-set"),
    Row("fusion", "ttt"),
    Row("fusion", "ttt", "shuffle"),
    Row("fusion", "ttt-set"),
    Row("fusion", "attention"),
    Row(_PUBLISHED, "ttt-set", pretrained=False),
    Row(_PUBLISHED, "attention", pretrained=False),
    Row(_PUBLISHED, "attention", masked=0.3),
    Row(_PUBLISHED, "attention", masked=0.5),
    Row(_PUBLISHED, "attention", patch=20),
    Row(_PUBLISHED, "attention", patch=10),
)

MAIN = 5  # rows that get all their seeds before the others get any


def main() -> None:
    """Train and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--set", default="citeseq_pbmc5k", choices=sorted(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rows", type=int, default=len(ROWS), help="the leading rows alone")
    options = parser.parse_args()
    options.scratch.mkdir(parents=True, exist_ok=True)
    done = read_done(options.output)
    gates = ad.read_h5ad(options.data / SETS[options.set].file, backed="r").obs[GATES].astype(str).to_numpy()
    asked_rows = ROWS[: options.rows]
    parts = asked_rows[:MAIN], asked_rows[MAIN:]
    for rows, seed in [(part, seed) for part in parts for seed in range(options.seeds)]:
        manifest, truth = write_manifest(options.data, options.scratch, options.set, seed)
        for row in rows:
            key = {"set": options.set, **asdict(row), "seed": seed, "steps": options.steps}
            if json.dumps(key) in done:
                continue
            asked = choose(manifest, options.scratch / "run", row, seed, options.steps)
            shutil.rmtree(asked.output, ignore_errors=True)
            started = time.process_time()
            network, cells, classes = train(asked)
            seconds = round(time.process_time() - started, 1)
            line = {**key, "cpu_seconds": seconds, **judge(network, cells, classes, truth, gates)}
            if asked.is_published and row.pretrained:
                line["masked_error"] = measure_masked(read_first_stage(asked.output, network), cells, truth)
            elif network.tokens is not None and network.plain is not None:
                line["masked_error"] = measure_masked(network, cells, truth)
                line["token_weight"] = round(float(network.token_weight.detach()), 3)
            if row in (ROWS[0], ROWS[1]):
                latent = predict(network, cells, np.arange(len(cells))).latent
                np.savez(options.scratch / f"{options.set}.{row.architecture}.seed{seed}.npz", vectors=latent)
            print(json.dumps(line), flush=True)
            with options.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def read_done(path: Path) -> set[str]:
    """Read which rows a file of results holds."""
    if not path.exists():
        return set()
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    names = ("set", *(one.name for one in fields(Row)), "seed", "steps")
    return {json.dumps({name: line[name] for name in names}) for line in lines}


def write_manifest(data: Path, scratch: Path, name: str, seed: int) -> tuple[Path, np.ndarray]:
    """Write a manifest in which 27 % of the cells have labels; give the labels of the others, else empty.

    What stands for no label is none, whether drawn or not.
    """
    file = data / SETS[name].file
    labels = ad.read_h5ad(file, backed="r").obs[LABEL].astype(str)
    role = np.full(len(labels), "unlabelled", dtype=object)
    learnt, kept = draw_labelled(len(labels), seed)
    role[learnt], role[kept] = "train", "validation"
    has_label = ~labels.isin(NO_LABEL).to_numpy()
    truth = np.where(has_label & (role == "unlabelled"), labels.to_numpy(dtype=object), "")
    role[~has_label] = "unlabelled"
    table = pd.DataFrame({"cell_id": labels.index, "label": labels.to_numpy(), "role": role, "donor": name})
    table.to_csv(scratch / "cells.tsv", sep="\t", index=False)
    entry = {
        "name": name, "counts": str(file.resolve()), "cells": "cells.tsv", "label": "label", "split": "role",
        "licence": SETS[name].licence,
    }  # fmt: skip
    path = scratch / "ablation.yaml"
    path.write_text(yaml.safe_dump({"sets": [entry]}), encoding="utf-8")
    return path, truth


def choose(manifest: Path, output: Path, row: Row, seed: int, steps: int) -> TrainFusionOptions:
    """Give the options of one row."""
    tokens = TokenConfig(width=64, heads=2, batch=64, rna_blocks=2, decoder_blocks=1)
    is_plain = (row.architecture, row.mixer) == ("fusion", "none")
    task = FusionTaskOptions(
        components=16, width=256, tokens=None if is_plain else tokens, is_pretrained=row.pretrained,
        batch=FusionBatchOptions(32, 32, views=ViewOptions(masked=row.masked)), seed=seed,
    )  # fmt: skip
    loop = LoopOptions(
        steps=steps, learning_rate=2e-3, warm_up_steps=20, validate_every=50, seed=seed, device="cpu",
        is_mixed_precision=False,
    )  # fmt: skip
    return TrainFusionOptions(
        manifest, output, architecture=row.architecture, split="column", n_genes=N_GENES, mixer=row.mixer,
        order=row.order, patch_genes=row.patch, members=1, task=task, loop=loop,
    )  # fmt: skip


def train(options: TrainFusionOptions) -> tuple[FusionNetwork, FusionCells, tuple[str, ...]]:
    """Train one network; its classes are those that are learnt."""
    sets = [read_set(entry) for entry in read_fusion_manifest(options.manifest)]
    panel = choose_genes(sets, options.n_genes)
    proteins = np.array(sorted(map(str, sets[0].targets)), dtype=object)
    fold = choose_fold(sets, options.split, 0.1, options.task.seed)
    classes = list_classes(sets)
    cells = pool_sets(sets, panel, proteins, classes, fold)
    loadings, spread = find_axes(cells, 32)
    patches = make_patches(panel, options.genes_per_patch, options.order, options.task.seed)
    basis = FusionBasis(*map(torch.from_numpy, (loadings, spread, *patches)))
    run = train_published_stages if options.is_published else train_fusion_networks
    return run(cells, basis, replace(options), None), cells, classes


def judge(
    network: FusionNetwork, cells: FusionCells, classes: tuple[str, ...], truth: np.ndarray, gates: np.ndarray
) -> dict[str, float]:
    """Judge by the cells whose labels were hidden, and by gates; a class that nobody learnt is missed."""
    rows = np.flatnonzero(truth != "")
    place = {name: number for number, name in enumerate(classes)}
    code = np.array([place.get(name, -1) for name in truth[rows]])
    gated = ~np.isin(gates[rows], NO_LABEL)
    found = {}
    for view, has_adt in (("", True), ("_rna", False)):
        told = predict(network, cells, rows, has_adt=has_adt).logits.argmax(axis=1)
        found[f"accuracy{view}"] = round(float((told == code).mean()), 4)
        found[f"balanced{view}"] = round(float(balanced_accuracy_score(code, told)), 4)
        found[f"ari_gates{view}"] = round(float(adjusted_rand_score(gates[rows][gated], told[gated])), 4)
    return found


def read_first_stage(output: Path, network: FusionNetwork) -> FusionNetwork:
    """Give the published design as its pre-training left it."""
    state = torch.load(output / "stage-1" / CHECKPOINT_FILE, weights_only=True)["state"]["network"]
    first = copy.deepcopy(network)
    first.load_state_dict(state)
    return first.eval()


def measure_masked(network: FusionNetwork, cells: FusionCells, truth: np.ndarray) -> float:
    """Give the squared error of genes that are masked, 15 % whatever was masked in training."""
    few = np.flatnonzero(truth != "")[:JUDGED]
    genes, gene_mask, proteins, protein_mask = show_cells(cells, few, has_rna=True, has_adt=True)
    hidden = torch.from_numpy(np.random.default_rng(0).random(tuple(genes.shape)) < MASKED)
    shown = gene_mask.expand_as(genes) * ~hidden
    with torch.no_grad():
        out = network(genes, shown, proteins, protein_mask).genes
    return round(float((out - genes).square()[hidden].mean()), 4)


if __name__ == "__main__":
    main()
