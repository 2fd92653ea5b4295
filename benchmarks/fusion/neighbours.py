"""Judge fused vectors of a set that nobody learnt from by the labels of each cell's neighbours.

    python -m benchmarks.fusion.neighbours --data FOLDER BUNDLE SET [SET ...]

Balanced accuracy of 15 neighbours over five folds of the cells with labels, five times; beside it the same
of 20 whitened principal components and centred log-ratios that were fitted on the set itself, of the
components alone, and of proteins alone. Classes of fewer than ten cells are left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from recipes.fusion.sets import SETS, write_sets
from tcellflow.cells.normalise import log_normalise
from tcellflow.inference.fusion.fuser import Fuser
from tcellflow.inference.fusion.standardise import clr_by_protein, measure_centres, sum_genes
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
_NEIGHBOURS = 15
_SEEDS = 5
_LEAST = 10


def main() -> None:
    """Print a line of JSON for each set, label and view."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--scratch", type=Path, required=True, help="folder for the tables of cells")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("sets", nargs="+", choices=sorted(SETS))
    options = parser.parse_args()
    fuser = Fuser(read_bundle(options.bundle), threads=1)
    entries = {entry.name: entry for entry in read_fusion_manifest(write_sets(options.data, options.scratch))}
    for name in options.sets:
        judge_set(fuser, read_set(entries[name]), name)


def judge_set(fuser: Fuser, one: FusionSet, name: str) -> None:
    """Judge the bundle on one set."""
    obs = open_matrix(one.entry.cohort.counts).obs.loc[one.cell_ids]
    vectors = {view: fuse(fuser, one, view) for view in ("rna+adt", "rna", "adt")}
    rivals = fit_rivals(one)
    for column in LABELS[name]:
        labels = obs[column].astype(str).to_numpy()
        rows = {f"fused {view}": judge(value, labels) for view, value in vectors.items()}
        rows |= {rival: judge(value, labels) for rival, value in rivals.items()}
        print(json.dumps({"set": name, "labels": column, **rows}), flush=True)


def fuse(fuser: Fuser, one: FusionSet, view: str) -> np.ndarray:
    """Give fused vectors of all cells, (B, D)."""
    logs = log_expression(one)
    has_rna, has_adt = np.full(len(one), "rna" in view), one.has_adt & ("adt" in view)
    sample = fuser.read_sample(
        one.symbols if "rna" in view else np.empty(0, object),
        sum_genes([logs], len(one.symbols)) if "rna" in view else None,
        one.targets if "adt" in view else np.empty(0, object),
        one.proteins[has_adt],
    )
    return fuser.fuse(sample, logs, one.proteins, (has_rna, has_adt)).latent


def log_expression(one: FusionSet) -> sparse.csr_matrix:
    """Give log1p(counts per 10,000), CSR (B, G)."""
    counts = one.counts.astype(np.int32)
    return sparse.csr_matrix(
        (log_normalise(counts, one.library), counts.indices, counts.indptr), shape=counts.shape
    )


def fit_rivals(one: FusionSet) -> dict[str, np.ndarray]:
    """Give components and log-ratios that are fitted on the set itself."""
    scaled = one.counts.multiply(1e4 / one.library[:, None]).tocsr().astype(np.float64)
    scaled.data = np.log1p(scaled.data)
    values = np.asarray(scaled[:, choose_variable(one.counts, 4000)].todense())
    values = np.clip((values - values.mean(0)) / np.maximum(values.std(0), 1e-6), -10, 10)
    power, axes = np.linalg.eigh(values.T @ values)
    components = values @ axes[:, np.argsort(-power)[:20]]
    components /= components.std(0)
    ratios = clr_by_protein(one.proteins, measure_centres(one.proteins))
    ratios = (ratios - ratios.mean(0)) / np.maximum(ratios.std(0), 1e-6)
    return {
        "20 components + log-ratios": np.hstack([components, ratios]),
        "20 components": components,
        "log-ratios": ratios,
    }


def choose_variable(counts: sparse.csr_matrix, n_genes: int) -> np.ndarray:
    """Choose the genes that vary most for their mean."""
    wide = counts.astype(np.float64)
    mean = np.asarray(wide.mean(0)).ravel()
    variance = np.asarray(wide.multiply(wide).mean(0)).ravel() - mean**2
    usable = np.flatnonzero((mean > 0) & (variance > 0))
    x, y = np.log10(mean[usable]), np.log10(variance[usable])
    residual = y - np.polyval(np.polyfit(x, y, 2), x)
    return np.sort(usable[np.argsort(-residual)[:n_genes]])


def judge(vectors: np.ndarray, labels: np.ndarray) -> float:
    """Give the mean balanced accuracy of neighbours over seeds of the folds."""
    counts = pd.Series(labels).value_counts()
    kept = np.isin(labels, [n for n in counts.index if n not in NO_LABEL and counts[n] >= _LEAST])
    scores = []
    for seed in range(_SEEDS):
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        told = cross_val_predict(KNeighborsClassifier(_NEIGHBOURS), vectors[kept], labels[kept], cv=folds)
        scores.append(balanced_accuracy_score(labels[kept], told))
    return round(float(np.mean(scores)), 4)


if __name__ == "__main__":
    main()
