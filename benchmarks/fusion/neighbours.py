"""Judge fused vectors of sets that nobody learnt from by the labels of each cell's neighbours.

    python -m benchmarks.fusion.neighbours --data FOLDER --scratch FOLDER -o ROWS [--genes N] BUNDLE SET [...]

Balanced accuracy of 15 neighbours over five folds of the cells with labels, mean of three drawings of the
folds, with 95 % bootstrap intervals over cells, and the paired difference from "PCA and CLR" (20 whitened
components and centred log-ratios fitted on the set itself; for one modality from PCA or CLR alone), also with
the vectors drawn half-way to their nearest cells as fuse draws its own ("averaged"); adjusted
Rand index and normalised mutual information of Leiden's groups, mean and deviation over five seeds. Classes
of fewer than ten cells are left out. Vectors and graphs of other programs are taken from the scratch folder,
where `benchmarks.fusion.peers` leaves them. With ``--genes`` nothing but so many genes drawn at random was
counted. A line of JSON for each set, label and row.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.model_selection import StratifiedKFold

from benchmarks.fusion.cells import draw_labelled, fit_own, fuse_set
from recipes.fusion.sets import SETS, write_sets
from tcellflow.evaluation.intervals import as_interval, draw_weights
from tcellflow.graph.communities import find_communities
from tcellflow.graph.neighbours import find_neighbours, join_neighbours, to_whole_numbers
from tcellflow.inference.fusion.fuser import Fuser
from tcellflow.inference.fusion.smoothing import SharpVectors
from tcellflow.io.bundles.folders import read_bundle
from tcellflow.io.matrices.opening import open_matrix
from tcellflow.training.fusion.manifest import read_fusion_manifest
from tcellflow.training.fusion.sets import FusionSet, read_set

LABELS = {
    "citeseq_pbmc10k": ("wnn_cluster_scMMAE", "cell_type_l2", "tagtango_Fine_RNA"),
    "citeseq_pbmc5k": ("wnn_cluster_scMMAE", "cell_type_l2"),
    "citeseq_malt_1k": ("wnn_cluster_scMMAE", "cell_type_l2"),
    "citeseq_cbmc8k": ("rna_annotation",),
    "eccite_pbmc_3300": ("cluster_scdcc",),
    "abseq_bm_250": ("condensed_cell_type",),
    "trex_pt17_trimodal": ("adt_state",),
}
NO_LABEL = ("undefined", "unmatched", "nan", "")
VIEWS = {"rna+adt": "PCA and CLR", "rna": "PCA", "adt": "CLR"}
_NEIGHBOURS = 15
_WIDE = 60  # neighbours among which those of the other folds are sought
_SEEDS = 3
_LEIDEN_SEEDS = 5
LEAST = 10


def main() -> None:
    """Judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--scratch", type=Path, required=True, help="folder for tables and other programs")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file that lines are added to")
    parser.add_argument("--genes", type=int, default=None, help="that many alone, drawn at random")
    parser.add_argument("--export", action="store_true", help="write the sets for other programs, and stop")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("sets", nargs="+", choices=sorted(SETS))
    options = parser.parse_args()
    entries = {entry.name: entry for entry in read_fusion_manifest(write_sets(options.data, options.scratch))}
    for name in options.sets:
        one = read_set(entries[name])
        if options.export:
            export_set(one, options.scratch / f"{name}.peers.h5ad")
            continue
        if options.genes is not None:
            one = draw_genes(one, options.genes)
        rows = judge_set(Fuser(read_bundle(options.bundle), threads=1), one, name, options.scratch)
        rows = [row | {"genes": one.counts.shape[1]} for row in rows]
        with options.output.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def draw_genes(one: FusionSet, n_genes: int) -> FusionSet:
    """Give a set as if nothing but some genes had been counted."""
    drawn = np.sort(np.random.default_rng(0).permutation(one.counts.shape[1])[:n_genes])
    counts = one.counts[:, drawn]
    library = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1).astype(one.library.dtype)
    return replace(one, counts=counts, symbols=one.symbols[drawn], library=library)


def export_set(one: FusionSet, path: Path) -> None:
    """Write counts and proteins for programs that run in environments of their own."""
    found = ad.AnnData(
        one.counts, pd.DataFrame(index=list(one.cell_ids)), pd.DataFrame(index=list(one.symbols))
    )
    found.var_names_make_unique()
    labels = open_matrix(one.entry.cohort.counts).obs.loc[one.cell_ids]
    if "wnn_cluster_scMMAE" in labels:  # for programs that learn from a part of them
        for seed in range(_SEEDS):
            learnt = np.full(len(one), "unknown", dtype=object)
            rows = draw_labelled(len(one), seed)[0]
            drawn = labels["wnn_cluster_scMMAE"].astype(str).to_numpy(dtype=object)[rows]
            learnt[rows] = np.where(np.isin(drawn, NO_LABEL), "unknown", drawn)
            found.obs[f"learnt{seed}"] = learnt.astype(str)
    found.obsm["protein"] = pd.DataFrame(one.proteins, found.obs_names, list(one.targets))
    found.write_h5ad(path)


def judge_set(fuser: Fuser, one: FusionSet, name: str, scratch: Path) -> list[dict[str, object]]:
    """Judge the bundle and all others on one set."""
    obs = open_matrix(one.entry.cohort.counts).obs.loc[one.cell_ids]
    graphs: dict[str, tuple[str, np.ndarray, sparse.coo_matrix]] = {}
    own = fit_own(one)
    for view, rival in VIEWS.items():
        graphs[rival] = (rival, *draw(own[rival]))
        sharp = SharpVectors(own[rival].astype(np.float32), np.zeros(len(one), np.int64))
        graphs[f"{rival}, averaged"] = (rival, *draw(sharp.smooth(sharp)))
        fused = fuse_set(fuser, one, view)
        # groups are of vectors before they are averaged, as the step's own
        graphs[f"fuse, {view}"] = (rival, draw(fused.vectors)[0], draw(fused.sharp.vectors)[1])
        graphs[f"bundle alone, {view}"] = (rival, *draw(fused.cells.latent))
    for path in sorted(scratch.glob(f"{name}.*.npz")):
        graphs[path.name.split(".")[1]] = ("PCA and CLR", *read_peer(path))
    rows = []
    for column in LABELS[name]:
        labels = obs[column].astype(str).to_numpy()
        counts = pd.Series(labels).value_counts()
        kept = np.isin(labels, [n for n in counts.index if n not in NO_LABEL and counts[n] >= LEAST])
        told = {system: judge(nearest, labels, kept) for system, (_, nearest, _) in graphs.items()}
        for system, (rival, _, graph) in graphs.items():
            rows.append(
                {
                    "set": name, "labels": column, "system": system, "cells": int(kept.sum()),
                    "accuracy": as_interval(told[system]),
                    "difference": as_interval(told[system] - told[rival]),
                    **judge_groups(graph, labels, kept),
                }
            )  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)
    return rows


def draw(vectors: np.ndarray) -> tuple[np.ndarray, sparse.coo_matrix]:
    """Give the nearest neighbours (B, 60) of each cell, and the graph of the nearest 15."""
    points = to_whole_numbers(np.nan_to_num(vectors.astype(np.float64)))
    nearest, squared = find_neighbours(points, min(_WIDE, len(points) - 1))
    return nearest, join_neighbours(nearest[:, :_NEIGHBOURS], squared[:, :_NEIGHBOURS])


def read_peer(path: Path) -> tuple[np.ndarray, sparse.coo_matrix]:
    """Read what another program left: vectors, or neighbours and a graph."""
    with np.load(path) as found:
        if "vectors" in found:
            return draw(found["vectors"])
        shape = (len(found["nearest"]),) * 2
        graph = sparse.coo_matrix((found["weight"], (found["row"], found["column"])), shape=shape)
        return found["nearest"], graph


def judge(nearest: np.ndarray, labels: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Give the balanced accuracy, and that of each bootstrap, mean over drawings of the folds."""
    names, code = np.unique(labels, return_inverse=True)
    right = np.zeros(int(kept.sum()))
    for seed in range(_SEEDS):
        fold = np.full(len(labels), -1)
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        for number, (_, test) in enumerate(folds.split(np.zeros(kept.sum()), labels[kept])):
            fold[np.flatnonzero(kept)[test]] = number
        usable = (fold[nearest] >= 0) & (fold[nearest] != fold[:, None])
        usable &= usable.cumsum(axis=1) <= _NEIGHBOURS
        votes = np.zeros((len(labels), len(names)))
        for column in range(nearest.shape[1]):
            np.add.at(
                votes, (np.arange(len(labels)), code[nearest[:, column]]), usable[:, column].astype(float)
            )
        right += (votes.argmax(axis=1) == code)[kept] / _SEEDS
    weights = draw_weights(len(right), seed=0)
    recall = [
        (weights * is_one * right).sum(1) / np.maximum((weights * is_one).sum(1), 1e-9)
        for is_one in (code[kept] == one for one in np.unique(code[kept]))
    ]
    return np.asarray(np.mean(recall, axis=0))


def judge_groups(graph: sparse.coo_matrix, labels: np.ndarray, kept: np.ndarray) -> dict[str, float]:
    """Compare Leiden's groups with the labels."""
    groups = [find_communities(graph, 1.0, seed)[kept] for seed in range(_LEIDEN_SEEDS)]
    rand = [adjusted_rand_score(labels[kept], group) for group in groups]
    shared = [normalized_mutual_info_score(labels[kept], group) for group in groups]
    return {
        "ari": round(float(np.mean(rand)), 4),
        "ari_sd": round(float(np.std(rand)), 4),
        "nmi": round(float(np.mean(shared)), 4),
    }


if __name__ == "__main__":
    main()
