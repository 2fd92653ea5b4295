"""How calls hold where only a targeted panel of genes was measured.

    python -m benchmarks.states.targeted --data FOLDER [-o targeted.json]

Each set with all genes is cut to the genes of a panel: those of a real one (the genes of
bd_rhapsody_pbmc_targeted), and the best that could be designed: the most variable of the genes that the
bundle looks at, with the markers of the T-cell gate. The calls of the cut cells are compared with those of
the same cells with all genes: coverage of the bundle's panel by weight, share of T cells with a reported
state, share of the cells reported with all genes that are reported with the same state, and share of the
reported ones that say another state. The limit below which a sample is refused is lifted here, to see what
lies below it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from unittest import mock

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from tcellflow.api import predict_states
from tcellflow.cells.markers import GATE_GENES, find_markers
from tcellflow.genes.panel import align_panel
from tcellflow.genes.symbols import harmonise_genes
from tcellflow.inference.states import StatePredictor, checks

SETS = ("tenx_healthy_T_1k", "citeseq_malt_1k")
REAL_PANEL = "bd_rhapsody_pbmc_targeted"
SIZES = (300, 500, 1000, 2000)
LIBRARY = "all_molecules"
UNRESOLVED = "Unresolved"


def read_set(path: Path) -> ad.AnnData:
    """Read a set under approved symbols, with the molecules of each cell."""
    found = ad.read_h5ad(path)
    names = found.var_names.to_numpy(dtype=object)
    genes = harmonise_genes(np.full(len(names), "", dtype=object), names, where=path)
    counts = sparse.csr_matrix(genes.merge_columns(sparse.csr_matrix(found.X)))
    obs = pd.DataFrame({LIBRARY: np.asarray(counts.sum(axis=1)).ravel()}, index=found.obs_names)
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=genes.symbols))


def rank_for_design(cells: ad.AnnData, wanted: np.ndarray) -> np.ndarray:
    """Rank genes as a panel would be designed: gate, then the bundle's, by variance of logs over mean."""
    logs = sparse.csr_matrix(sparse.diags(1e4 / np.maximum(cells.obs[LIBRARY].to_numpy(), 1)) @ cells.X)
    logs.data = np.log1p(logs.data)
    mean = np.asarray(logs.mean(axis=0)).ravel()
    variance = np.asarray(logs.power(2).mean(axis=0)).ravel() - mean**2
    is_marker = np.isin(cells.var_names, GATE_GENES)
    return np.lexsort((-variance / np.maximum(mean, 1e-3), ~np.isin(cells.var_names, wanted), ~is_marker))


def compare(
    cells: ad.AnnData, kept: np.ndarray, whole: pd.DataFrame, predictor: StatePredictor
) -> dict[str, float]:
    """Compare the calls of cut cells with those of whole ones."""
    part = cells[:, kept].copy()
    found = predict_states(part, library_size_column=LIBRARY)
    panel = align_panel(
        part.var_names.to_numpy(dtype=object), predictor.genes, predictor.bundle.panel.weights
    )
    is_t = whole["is_t_cell"].to_numpy(dtype=bool)
    before = whole["state"].astype(str).to_numpy()
    after = found["state"].astype(str).to_numpy()
    was, now = is_t & (before != UNRESOLVED), is_t & (after != UNRESOLVED)
    both = was & now
    return {
        "genes": len(kept),
        "coverage": round(float(panel.coverage), 3),
        "gate_markers": int(find_markers(part.var_names.to_numpy(dtype=object)).present.sum()),
        "reported": round(float(now.sum() / max(is_t.sum(), 1)), 3),
        "reported_with_all_genes": round(float(was.sum() / max(is_t.sum(), 1)), 3),
        "kept_state": round(float((both & (before == after)).sum() / max(was.sum(), 1)), 3),
        "other_state": round(float((both & (before != after)).sum() / max(both.sum(), 1)), 3),
        "still_t_cells": round(
            float((found["is_t_cell"].to_numpy(dtype=bool) & is_t).sum() / max(is_t.sum(), 1)), 3
        ),
    }


def main() -> None:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args()
    predictor = StatePredictor("states")
    real = read_set(asked.data / REAL_PANEL / "counts.h5ad").var_names
    result: dict[str, list[dict[str, float]]] = {}
    with mock.patch.object(checks, "LEAST_COVERAGE", 0.0):
        for name in SETS:
            cells = read_set(next((asked.data / name).glob("*.h5ad")))
            whole = predict_states(cells, library_size_column=LIBRARY)
            ranked = rank_for_design(cells, predictor.genes)
            panels = [np.flatnonzero(np.isin(cells.var_names, real))]
            panels += [np.sort(ranked[:size]) for size in SIZES if size < cells.n_vars]
            result[name] = [compare(cells, kept, whole, predictor) for kept in panels]
            print(name, json.dumps(result[name]), flush=True)
    if asked.output is not None:
        asked.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
