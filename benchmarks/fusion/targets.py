"""What `train fusion` by its defaults reaches of the aims of the project, on cells whose labels it never saw.

    python -m benchmarks.fusion.targets --data FOLDER --scratch FOLDER -o ROWS [--set NAME ...] [--seeds N]
        [--unseen]

One set, labels of 27 % of its cells (3 % validate, the others' genes and proteins are seen, their labels
never); one bundle by the command's defaults. The step's own code then fuses the set with both modalities,
with genes and with proteins alone, and the 70 % judge: accuracy, macro-F1 and adjusted Rand index of the
labels told, expected calibration error, and how Leiden's groups of the vectors agree with the labels of
all cells. A bundle of PBMC 10k also tells the proteins of PBMC 5k from genes: correlation of log1p counts,
and their root mean squared error (RMSLE) at the bundle's own scale and at each protein's in the set
("calibrated"), with the share of cells in the 90 % intervals. A line of JSON for each set and seed,
without those that the file holds already.

What is learnt from without labels is still learnt from: the network that is kept learns what its teachers,
shown genes and proteins, say of those cells, and knows it when it is shown their genes alone. With
``--unseen`` half of the 70 % is left out of training, and both halves are judged.
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
import yaml
from sklearn.metrics import accuracy_score, adjusted_rand_score, f1_score

from benchmarks.fusion.cells import draw_labelled, fuse_set
from benchmarks.fusion.neighbours import draw, judge_groups
from recipes.fusion.sets import SETS
from tcellflow.inference.fusion.fuser import Fuser
from tcellflow.training.fusion.manifest import read_fusion_manifest
from tcellflow.training.fusion.options import TrainFusionOptions
from tcellflow.training.fusion.sets import read_set
from tcellflow.training.fusion.train import train_fusion

if TYPE_CHECKING:
    from tcellflow.inference.fusion.fuser import FusedCells
    from tcellflow.training.fusion.sets import FusionSet

LABELS = {
    "citeseq_pbmc10k": "wnn_cluster_scMMAE",
    "citeseq_pbmc5k": "wnn_cluster_scMMAE",
    "citeseq_cbmc8k": "rna_annotation",
}
VIEWS = ("rna+adt", "rna", "adt")
TEACHER, PUPIL = "citeseq_pbmc10k", "citeseq_pbmc5k"
_INTERVAL = 1.6448536269514722  # 90 % of a normal distribution lies within so many deviations
_BINS = 15


def main() -> None:
    """Train and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--set", nargs="+", default=list(LABELS), choices=sorted(LABELS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--unseen", action="store_true", help="leave half of the cells that judge out of training"
    )
    options = parser.parse_args()
    for seed, name in [(seed, name) for seed in range(options.seeds) for name in options.set]:
        key = {"set": name, "seed": seed, "unseen": options.unseen}
        if key in read_done(options.output):
            continue
        folder = options.scratch / f"{name}.{seed}{'.unseen' * options.unseen}"
        line = {**key, **measure(options.data, folder, name, seed, is_unseen=options.unseen)}
        print(json.dumps(line), flush=True)
        with options.output.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read_done(path: Path) -> list[dict[str, object]]:
    """Read which rows a file of results holds."""
    if not path.exists():
        return []
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [{key: line[key] for key in ("set", "seed", "unseen")} for line in lines]


def measure(data: Path, folder: Path, name: str, seed: int, *, is_unseen: bool) -> dict[str, object]:
    """Train one bundle and judge it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    truth = ad.read_h5ad(data / SETS[name].file, backed="r").obs[LABELS[name]].astype(str)
    role = pd.Series(draw_roles(len(truth), seed, is_unseen=is_unseen), truth.index)
    asked = TrainFusionOptions(write_manifest(data, folder, name, role), folder / "run", split="column")
    asked = replace(
        asked, task=replace(asked.task, seed=seed), loop=replace(asked.loop, seed=seed, device="cpu")
    )
    started = time.process_time()
    bundle = train_fusion(asked)
    found: dict[str, object] = {"cpu_seconds": round(time.process_time() - started, 1)}
    fuser = Fuser(bundle, threads=1)
    one = read_whole(data, folder, name)
    labels, role = (column.loc[one.cell_ids].to_numpy() for column in (truth, role))
    for view in VIEWS:
        cells = fuse_set(fuser, one, view).cells
        groups = judge_groups(draw(cells.latent)[1], labels, np.ones(len(one), bool))
        found[view] = judge_labels(fuser, cells, labels, role == "unlabelled") | {"leiden": groups}
        if is_unseen:
            found[view]["unseen"] = judge_labels(fuser, cells, labels, role == "test")
    if name == TEACHER and not is_unseen:
        found["imputed"] = judge_proteins(fuser, read_whole(data, folder, PUPIL))
    return found


def draw_roles(n_cells: int, seed: int, *, is_unseen: bool) -> np.ndarray:
    """Draw what each cell is for; of those whose labels judge, every other is left out if asked for."""
    role = np.full(n_cells, "unlabelled", dtype=object)
    learnt, kept = draw_labelled(n_cells, seed)
    role[learnt], role[kept] = "train", "validation"
    if is_unseen:
        role[np.flatnonzero(role == "unlabelled")[::2]] = "test"
    return role


def read_whole(data: Path, folder: Path, name: str) -> FusionSet:
    """Read all cells of a set, without labels."""
    obs = ad.read_h5ad(data / SETS[name].file, backed="r").obs
    everything = pd.Series("unlabelled", obs.index)
    return read_set(read_fusion_manifest(write_manifest(data, folder / "whole", name, everything))[0])


def write_manifest(data: Path, folder: Path, name: str, role: pd.Series) -> Path:
    """Write a manifest of one set in which cells have roles, and labels only if they may teach them."""
    folder.mkdir(parents=True, exist_ok=True)
    source = SETS[name]
    obs = ad.read_h5ad(data / source.file, backed="r").obs
    table = pd.DataFrame({"cell_id": obs.index, "donor": name, "role": role.to_numpy()})
    is_taught = table["role"].isin(["train", "validation"]).to_numpy()
    table["label"] = np.where(is_taught, obs[LABELS[name]].astype(str), "")
    if source.library:
        table["library_size"] = pd.to_numeric(obs[source.library], errors="coerce").to_numpy()
    table.fillna("").to_csv(folder / f"{name}.tsv", sep="\t", index=False)
    entry = {
        "name": name, "counts": str((data / source.file).resolve()), "cells": f"{name}.tsv", "label": "label",
        "split": "role", "licence": source.licence,
    }  # fmt: skip
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"sets": [entry]}), encoding="utf-8")
    return path


def judge_labels(
    fuser: Fuser, cells: FusedCells, labels: np.ndarray, judged: np.ndarray
) -> dict[str, object]:
    """Judge the classes of some cells by their labels."""
    rows = np.flatnonzero(judged)
    share = cells.class_probabilities[rows]
    told = np.array(fuser.details.classes, dtype=str)[share.argmax(axis=1)]
    return {
        "judged": len(rows),
        "accuracy": round(float(accuracy_score(labels[rows], told)), 4),
        "macro_f1": round(float(f1_score(labels[rows], told, average="macro")), 4),
        "label_ari": round(float(adjusted_rand_score(labels[rows], told)), 4),
        "ece": round(measure_calibration(share.max(axis=1), told == labels[rows]), 4),
    }


def measure_calibration(confidence: np.ndarray, right: np.ndarray) -> float:
    """Give the expected calibration error over bins of equally many cells."""
    parts = np.array_split(np.argsort(confidence, kind="stable"), _BINS)
    gaps = [len(part) * abs(confidence[part].mean() - right[part].mean()) for part in parts]
    return float(sum(gaps) / len(confidence))


def judge_proteins(fuser: Fuser, one: FusionSet) -> dict[str, object]:
    """Judge the proteins that genes tell of a set that nobody learnt from."""
    alone = fuse_set(fuser, one, "rna").cells
    fused = fuse_set(fuser, one, "rna+adt")  # measured proteins are told from genes there too
    scaled, deviation = fused.cells, fused.cells.imputed_sd / fused.widths  # the bundle's, not the sample's
    place = {str(target): column for column, target in enumerate(one.targets)}
    found = {}
    for column, target in enumerate(map(str, fuser.proteins.targets)):
        level = np.log1p(one.proteins[:, place[target]].astype(np.float64))
        told = scaled.imputed[:, column]
        within = np.abs(told - level) <= _INTERVAL * deviation[:, column]
        found[target] = {
            "r": round(float(np.corrcoef(told, level)[0, 1]), 4),
            "rmsle": round(_root_mean_square(alone.imputed[:, column] - level), 4),
            "rmsle_calibrated": round(_root_mean_square(told - level), 4),
            "coverage": round(float(within.mean()), 4),
        }
    return found


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


if __name__ == "__main__":
    main()
