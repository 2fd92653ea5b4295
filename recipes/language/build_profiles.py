"""Build ``type_profiles.parquet``: the share of each gene among the molecules of measured cell types.

Run as ``python -m recipes.language.build_profiles DATA TARGET [--without SET]``; the benchmark leaves out the
set that it tests on.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import anndata as ad
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

from recipes.language.label_terms import LABELS, MIXED, UNLIKE
from tcellflow.genes.symbols import harmonise_genes
from tcellflow.language.panel import read_panel
from tcellflow.states.programmes import read_programmes

LEAST_CELLS = 10
SCORED_GENES = 800
SEEN_SHARE = 8e-6  # mean over types, for a gene to be among those of pseudo-cells
LEAST_SHARE = 5e-5  # in the type that has most of it, for a gene to tell types apart
MOST_MOLECULES = 200  # that one set counts for, so that a large set does not outvote others
SET_PRIOR = 30  # molecules that a difference between sets must outweigh
ROUNDS = 8
NOISY = ("RPL", "RPS", "MT-", "MTRNR", "HSP", "TRAV", "TRBV", "IGHV", "IGKV", "IGLV", "HB")


@dataclass(frozen=True)
class TypedCells:
    """Cells of one set: counts (cells, genes), symbols, library sizes and Cell Ontology ids ("" = none)."""

    counts: sparse.csr_matrix
    symbols: np.ndarray
    library: np.ndarray
    terms: np.ndarray


def read_typed(data: Path, name: str) -> TypedCells:
    """Read one set, its labels as terms."""
    column, terms, part = LABELS[name]
    adata = ad.read_h5ad(data / name / f"{name}.h5ad")
    genes = harmonise_genes([""] * adata.n_vars, list(adata.var_names.astype(str)))
    counts = sparse.csr_matrix(genes.merge_columns(sparse.csr_matrix(adata.X)))
    library = np.asarray(counts.sum(axis=1)).ravel().astype(float) / (part or 1.0)
    labels = adata.obs[column].astype(str)
    return TypedCells(counts, genes.symbols, library, labels.map(terms).fillna("").to_numpy(dtype=object))


def average(sets: list[TypedCells]) -> tuple[list[str], list[str], np.ndarray]:
    """Average log shares over sets, each set's own habits taken out: types, genes, (types, genes)."""
    genes = sorted({str(symbol) for cells in sets for symbol in cells.symbols})
    types = sorted({t for cells in sets for t in cells.terms} - MIXED - {""})
    place = {gene: i for i, gene in enumerate(genes)}
    logs = np.zeros((len(types), len(sets), len(genes)))
    weights = np.zeros_like(logs)
    for s, cells in enumerate(sets):
        at = np.array([place[str(symbol)] for symbol in cells.symbols])
        for t, name in enumerate(types):
            rows = cells.terms == name
            if rows.sum() >= LEAST_CELLS:
                total = cells.library[rows].sum()
                seen = np.asarray(cells.counts[rows].sum(axis=0)).ravel()
                logs[t, s, at] = np.log((seen + 0.5) / (total + 1))
                weights[t, s, at] = np.minimum(seen + 1, MOST_MOLECULES)
    habits = np.zeros(logs.shape[1:])
    for _ in range(ROUNDS):
        mean = ((logs - habits) * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
        habits = ((logs - mean[:, None]) * weights).sum(axis=0) / (weights.sum(axis=0) + SET_PRIOR)
    return types, genes, np.where(weights.sum(axis=1) > 0, mean, np.nan)


def _without_unlike(cells: TypedCells, name: str) -> TypedCells:
    return _blank(cells, np.isin(cells.terms, [term for of_set, term in UNLIKE if of_set == name]))


def _blank(cells: TypedCells, rows: np.ndarray) -> TypedCells:
    return replace(cells, terms=np.where(rows, "", cells.terms).astype(object))


def build(
    data: Path,
    target: Path,
    without: frozenset[str] = frozenset(),
    without_types: frozenset[str] = frozenset(),
) -> None:
    """Write the profiles of all sets but some and all types but some, whose cells are not used."""
    sets = [_without_unlike(read_typed(data, name), name) for name in LABELS if name not in without]
    sets = [_blank(cells, np.isin(cells.terms, list(without_types))) for cells in sets]
    types, genes, logs = average(sets)
    wanted = {gene for kind in read_panel() for gene in (*kind.positive, *kind.negative)}
    is_panel = np.array([gene in wanted for gene in genes])
    is_programme = np.isin(genes, read_programmes().genes.astype(str))
    is_measured = np.isfinite(logs).sum(axis=0) >= min(6, len(types))
    filled = np.where(np.isfinite(logs), logs, np.nanmean(logs, axis=0, keepdims=True))
    is_noisy = np.array([gene.startswith(NOISY) for gene in genes]) & ~is_panel
    spread = np.where(
        is_measured & ~is_noisy & (filled.max(axis=0) > np.log(LEAST_SHARE)), filled.std(axis=0), 0
    )
    rank = np.argsort(np.argsort(-spread, kind="stable"), kind="stable")
    is_seen = is_measured & (np.exp(filled).mean(axis=0) > SEEN_SHARE)
    kept = is_seen | is_panel | (is_programme & is_measured)
    scored = ((rank < SCORED_GENES) & (spread > 0)) | (is_panel & is_measured)
    columns: dict[str, object] = {
        "gene": [gene for gene, keep in zip(genes, kept, strict=True) if keep],
        "scored": scored[kept],
    }
    for t, name in enumerate(types):
        columns[name] = np.round(np.where(np.isfinite(logs[t, kept]), logs[t, kept], np.nan), 3).astype(
            np.float32
        )
    pq.write_table(pa.table(columns), target, compression="zstd", compression_level=19)
    print(f"{len(types)} types, {kept.sum()} genes, {scored.sum()} scored, {target.stat().st_size} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--without", action="append", default=[])
    given = parser.parse_args()
    build(given.data, given.target, frozenset(given.without))
