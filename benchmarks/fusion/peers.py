"""Other programs on CITE-seq sets, in an environment of their own.

    python benchmarks/fusion/peers.py --scratch FOLDER -o ROWS SET [SET ...] [--only NAME ...] [--seeds N]

Reads what `benchmarks.fusion.neighbours --export` wrote and leaves ``<set>.<program>.seed<n>.npz`` beside it:
vectors or, for the nearest neighbours of muon, neighbours and graph. TotalANVI learns from 27 % of the WNN
clusters, as the designs of the ablations do. Needs muon, mofapy2 and scvi-tools; none of them is a dependency
of tcellflow. totalVI and TotalANVI run to their own end (400 epochs at these sizes, early stopping as
it is by default) unless ``--epochs`` or ``--minutes`` end them before; both read the 4,000 variable genes.
A line of JSON for each, with seconds, the epochs that were run, and the peak memory of the process so far:
that of one program is told by a call with that one alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import anndata as ad
import numpy as np
from scipy import sparse

_NEIGHBOURS = 20
_FACTORS = 20
_GENES = 4_000
_LEARNT, _BATCH = 0.9, 128  # of totalVI's defaults: cells that are not for validation, and of a batch


def main() -> None:
    """Run the programs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument(
        "--only", nargs="+", choices=("wnn", "mofa", "totalvi", "totalanvi"), default=("wnn", "mofa")
    )
    parser.add_argument("--epochs", type=int, default=None, help="of totalVI; its own default if not given")
    parser.add_argument("--minutes", type=float, default=None, help="of the clock, at most, for totalVI")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("sets", nargs="+")
    options = parser.parse_args()
    jobs = [(a, b, c) for a in options.sets for b in options.only for c in range(options.seeds)]
    for name, program, seed in jobs:
        if not (options.scratch / f"{name}.{program}.seed{seed}.npz").exists():
            whole = ad.read_h5ad(options.scratch / f"{name}.peers.h5ad")
            started, epochs = time.process_time(), {}
            if program.startswith("total"):
                asked = {"max_epochs": options.epochs, "max_time": _limit(options.minutes)}
                found, epochs = run_totalvi(whole, asked, seed, has_labels=program == "totalanvi")
            else:
                found = run_wnn(whole) if program == "wnn" else run_mofa(whole, seed)
            seconds = round(time.process_time() - started, 1)
            np.savez(options.scratch / f"{name}.{program}.seed{seed}.npz", **found)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            row = {
                "set": name, "program": program, "seed": seed, "cells": whole.n_obs, "cpu_seconds": seconds,
                "peak_mib": peak, **epochs,
            }  # fmt: skip
            print(json.dumps(row), flush=True)
            with options.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")


def _limit(minutes: float | None) -> dict[str, float] | None:
    return None if minutes is None else {"minutes": minutes}


def prepare(whole: ad.AnnData) -> object:
    """Give both modalities as muon's tutorials do: log-normal genes, CLR proteins, components of both."""
    import muon as mu  # noqa: PLC0415 (only where it is installed)
    import scanpy as sc  # noqa: PLC0415

    rna = ad.AnnData(whole.X.copy(), whole.obs[[]].copy(), whole.var[[]].copy())
    protein = whole.obsm["protein"]
    prot = ad.AnnData(sparse.csr_matrix(protein.to_numpy(dtype=np.float32)), whole.obs[[]].copy())
    prot.var_names = list(protein.columns)
    sc.pp.normalize_total(rna, target_sum=1e4)
    sc.pp.log1p(rna)
    if rna.n_vars > _GENES:
        sc.pp.highly_variable_genes(rna, n_top_genes=_GENES)
        rna = rna[:, rna.var["highly_variable"]].copy()
    sc.pp.scale(rna, max_value=10)
    sc.pp.pca(rna, n_comps=30, random_state=0)
    mu.prot.pp.clr(prot)
    prot.X = prot.X.toarray() if sparse.issparse(prot.X) else prot.X
    sc.pp.scale(prot, max_value=10)
    sc.pp.pca(prot, n_comps=min(18, prot.n_vars - 1), random_state=0)
    return mu.MuData({"rna": rna, "prot": prot})


def run_wnn(whole: ad.AnnData) -> dict[str, np.ndarray]:
    """Weighted nearest neighbours."""
    import muon as mu  # noqa: PLC0415
    import scanpy as sc  # noqa: PLC0415

    both = prepare(whole)
    for modality in both.mod.values():
        sc.pp.neighbors(modality, random_state=0)
    mu.pp.neighbors(both, n_neighbors=_NEIGHBOURS, key_added="wnn", random_state=0)
    distances = both.obsp["wnn_distances"].tocsr()
    nearest = np.tile(np.arange(both.n_obs)[:, None], (1, _NEIGHBOURS))
    for row in range(both.n_obs):
        part = slice(*distances.indptr[row : row + 2])
        order = distances.indices[part][np.argsort(distances.data[part], kind="stable")]
        order = order[order != row][:_NEIGHBOURS]
        nearest[row, : len(order)] = order
    graph = both.obsp["wnn_connectivities"].tocoo()
    return {"nearest": nearest, "row": graph.row, "column": graph.col, "weight": graph.data}


def run_mofa(whole: ad.AnnData, seed: int) -> dict[str, np.ndarray]:
    """Factors of MOFA+."""
    import muon as mu  # noqa: PLC0415

    both = prepare(whole)
    mu.tl.mofa(both, n_factors=_FACTORS, convergence_mode="fast", seed=seed + 1, use_obs=None, outfile=None)
    factors = both.obsm["X_mofa"]
    return {"vectors": factors / np.maximum(factors.std(axis=0), 1e-9)}


def run_totalvi(
    whole: ad.AnnData, asked: dict[str, object], seed: int, *, has_labels: bool
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Latent vectors of totalVI, or of TotalANVI, and how many epochs of how many were run."""
    import scanpy as sc  # noqa: PLC0415
    import scvi  # noqa: PLC0415

    scvi.settings.seed = seed
    if whole.n_vars > _GENES:
        logs = ad.AnnData(whole.X.copy(), whole.obs[[]].copy(), whole.var[[]].copy())
        sc.pp.normalize_total(logs, target_sum=1e4)
        sc.pp.log1p(logs)
        sc.pp.highly_variable_genes(logs, n_top_genes=_GENES)
        whole = whole[:, logs.var["highly_variable"].to_numpy()].copy()
    whole.layers["counts"] = whole.X.copy()
    options = {"protein_expression_obsm_key": "protein", "layer": "counts"}
    if has_labels:
        kind = scvi.external.TOTALANVI
        kind.setup_anndata(whole, labels_key=f"learnt{seed}", unlabeled_category="unknown", **options)
    else:
        kind = scvi.model.TOTALVI
        kind.setup_anndata(whole, **options)
    model = kind(whole)
    counts = [whole.n_obs]
    if has_labels:
        counts.append(int((whole.obs[f"learnt{seed}"] != "unknown").sum()))
    learnt = [int(np.ceil(_LEARNT * count)) for count in counts]
    # batches of one cell are refused by its normalisation
    batch = next(size for size in range(_BATCH, 0, -1) if all(count % size != 1 for count in learnt))
    model.train(accelerator="cpu", enable_progress_bar=True, batch_size=batch, **asked)
    epochs = {"epochs": len(model.history["elbo_train"]), "of": int(model.trainer.max_epochs)}
    return {"vectors": model.get_latent_representation()}, epochs


if __name__ == "__main__":
    main()
