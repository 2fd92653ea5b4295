"""What mixers of tokens and the order of genes add, on one small setting.

    python -m benchmarks.fusion.ablations --data FOLDER --scratch FOLDER -o ROWS [--set NAME] [--seeds N]

One set, its 1,000 leading genes, WNN clusters of 27 % of the cells (3 % validate); the others' labels judge:
their genes and proteins are seen, their labels never. Seeds change which cells are labelled, the weights and
the batches. Rows: the published design (stages of `--steps` each) with every mixer and order, ours with every
mixer of its token branch, and ours without tokens (a plain perceptron on components and log-ratios). Told are
accuracy, balanced accuracy, accuracy without proteins, and the squared error of masked genes where a network
tells these. A line of JSON for each row and seed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import torch
import yaml
from sklearn.metrics import balanced_accuracy_score

from recipes.fusion.sets import SETS
from tcellflow.models.configurations import TokenConfig
from tcellflow.models.fusion import FusionBasis
from tcellflow.training.fusion.basis import find_axes, make_patches
from tcellflow.training.fusion.batches import show_cells
from tcellflow.training.fusion.cells import choose_fold, choose_genes, list_classes, pool_sets
from tcellflow.training.fusion.manifest import read_fusion_manifest
from tcellflow.training.fusion.options import FusionBatchOptions, FusionTaskOptions, TrainFusionOptions
from tcellflow.training.fusion.sets import read_set
from tcellflow.training.fusion.stages import train_fusion_networks, train_published_stages
from tcellflow.training.fusion.task import predict
from tcellflow.training.options import LoopOptions

if TYPE_CHECKING:
    from tcellflow.models.fusion import FusionNetwork
    from tcellflow.training.fusion.cells import FusionCells

LABEL = "wnn_cluster_scMMAE"
N_GENES, MASKED, JUDGED = 1_000, 0.15, 1_500
PATCH_GENES = 40
ROWS = (
    ("fusion", "none", "genome"),
    ("scfusionttt", "ttt", "genome"),
    ("scfusionttt", "ttt", "shuffle"),
    ("scfusionttt", "ttt", "reverse"),
    ("scfusionttt", "ttt-set", "genome"),
    ("scfusionttt", "attention", "genome"),
    ("scfusionttt", "none", "genome"),
    ("fusion", "ttt", "genome"),
    ("fusion", "ttt", "shuffle"),
    ("fusion", "ttt-set", "genome"),
    ("fusion", "attention", "genome"),
)


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
    parser.add_argument("--steps", type=int, default=120)
    options = parser.parse_args()
    options.scratch.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds):
        manifest, truth = write_manifest(options.data, options.scratch, options.set, seed)
        for architecture, mixer, order in ROWS:
            asked = choose(
                manifest, options.scratch / "run", (architecture, mixer, order), seed, options.steps
            )
            shutil.rmtree(asked.output, ignore_errors=True)
            started = time.process_time()
            network, cells = train(asked)
            row = {
                "set": options.set, "architecture": architecture, "mixer": mixer, "order": order,
                "seed": seed, "steps": options.steps, "cpu_seconds": round(time.process_time() - started, 1),
                **judge(network, cells, truth),
            }  # fmt: skip
            print(json.dumps(row), flush=True)
            with options.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")


def write_manifest(data: Path, scratch: Path, name: str, seed: int) -> tuple[Path, np.ndarray]:
    """Write a manifest in which 27 % of the cells have labels; give the labels of the others, else empty."""
    file = data / SETS[name].file
    labels = ad.read_h5ad(file, backed="r").obs[LABEL].astype(str)
    role = np.full(len(labels), "unlabelled", dtype=object)
    order = np.random.default_rng(seed).permutation(len(labels))
    n_train, n_kept = int(0.27 * len(labels)), int(0.30 * len(labels))
    role[order[:n_train]], role[order[n_train:n_kept]] = "train", "validation"
    table = pd.DataFrame({"cell_id": labels.index, "label": labels.to_numpy(), "role": role, "donor": name})
    table.to_csv(scratch / "cells.tsv", sep="\t", index=False)
    entry = {
        "name": name, "counts": str(file.resolve()), "cells": "cells.tsv", "label": "label", "split": "role",
        "licence": SETS[name].licence,
    }  # fmt: skip
    path = scratch / "sets.yaml"
    path.write_text(yaml.safe_dump({"sets": [entry]}), encoding="utf-8")
    return path, np.where(role == "unlabelled", labels.to_numpy(dtype=object), "")


def choose(
    manifest: Path, output: Path, row: tuple[str, str, str], seed: int, steps: int
) -> TrainFusionOptions:
    """Give the options of one row."""
    architecture, mixer, order = row
    tokens = TokenConfig(width=64, heads=2, batch=64, rna_blocks=2, decoder_blocks=1)
    task = FusionTaskOptions(
        components=16, width=256, tokens=None if row[:2] == ("fusion", "none") else tokens,
        batch=FusionBatchOptions(64, 64), seed=seed,
    )  # fmt: skip
    loop = LoopOptions(
        steps=steps, learning_rate=2e-3, warm_up_steps=20, validate_every=50, seed=seed, device="cpu",
        is_mixed_precision=False,
    )  # fmt: skip
    return TrainFusionOptions(
        manifest, output, architecture=architecture, split="column", n_genes=N_GENES, mixer=mixer,
        order=order, patch_genes=PATCH_GENES, members=1, task=task, loop=loop,
    )  # fmt: skip


def train(options: TrainFusionOptions) -> tuple[FusionNetwork, FusionCells]:
    """Train one network."""
    sets = [read_set(entry) for entry in read_fusion_manifest(options.manifest)]
    panel = choose_genes(sets, options.n_genes)
    proteins = np.array(sorted(map(str, sets[0].targets)), dtype=object)
    fold = choose_fold(sets, options.split, 0.1, options.task.seed)
    cells = pool_sets(sets, panel, proteins, list_classes(sets), fold)
    loadings, spread = find_axes(cells, 32)
    patches = make_patches(panel, options.genes_per_patch, options.order, options.task.seed)
    basis = FusionBasis(*map(torch.from_numpy, (loadings, spread, *patches)))
    run = train_published_stages if options.is_published else train_fusion_networks
    return run(cells, basis, replace(options), None), cells


def judge(network: FusionNetwork, cells: FusionCells, truth: np.ndarray) -> dict[str, float]:
    """Judge by the cells whose labels were hidden."""
    rows = np.flatnonzero(truth != "")
    names = np.unique(truth[rows])
    code = np.searchsorted(names, truth[rows])
    found = {}
    for view, has_adt in (("", True), ("_rna", False)):
        told = predict(network, cells, rows, has_adt=has_adt).logits.argmax(axis=1)
        found[f"accuracy{view}"] = round(float((told == code).mean()), 4)
        found[f"balanced{view}"] = round(float(balanced_accuracy_score(code, told)), 4)
    if network.tokens is not None and network.plain is not None:
        few = rows[:JUDGED]
        genes, gene_mask, proteins, protein_mask = show_cells(cells, few, has_rna=True, has_adt=True)
        hidden = torch.from_numpy(np.random.default_rng(0).random(tuple(genes.shape)) < MASKED)
        shown = gene_mask.expand_as(genes) * ~hidden
        with torch.no_grad():
            out = network(genes, shown, proteins, protein_mask).genes
        found["masked_error"] = round(float((out - genes).square()[hidden].mean()), 4)
        found["token_weight"] = round(float(network.token_weight.detach()), 3)
    return found


if __name__ == "__main__":
    main()
