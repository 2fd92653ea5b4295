"""Measure whether programmes keep their numbers at fewer molecules, or with genes lost.

    python -m benchmarks.states.invariance --data FOLDER [-o invariance.json]

Mean absolute change of each programme over the T cells of sets with all genes, where both are measurable,
and the share of cells where the changed cells can no longer be measured.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from recipes.datasets.cells import read_all
from recipes.datasets.labels import find_set
from recipes.programmes.build import thin
from tcellflow.states.programmes import ProgrammeScorer, ProgrammeScores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recipes.datasets.cells import LabelledSet

SETS = ("tenx_healthy_T_1k", "zheng_facs_mudan", "pbmc3k", "citeseq_malt_1k")
DEPTHS = (0.5, 0.25, 0.125)
LEAST_CELLS = 20
SEEDS = 3


def change(cells: LabelledSet, kind: str, seed: int) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Give the programmes of the changed cells, shape (cells, P)."""
    counts, symbols, library = cells.counts, cells.symbols, cells.library
    if kind == "half of the genes":
        rng = np.random.default_rng(seed)
        kept = np.sort(rng.permutation(symbols.size)[: symbols.size // 2])
        counts, symbols = sparse.csr_array(counts[:, kept]), symbols[kept]
    elif kind == "parts per million":
        counts = sparse.csr_array(counts, dtype=np.float64, copy=True)
        counts.data = counts.data * np.repeat(1e6 / library, np.diff(counts.indptr))
        library = np.full(len(cells), 1e6)
    elif kind != "as they are":
        depth = float(kind)
        counts, library = thin(counts, depth, seed), library * depth
    scores: ProgrammeScores = ProgrammeScorer(symbols).score(counts, library)
    return scores.values, scores.names


def compare(cells: LabelledSet, kind: str) -> dict[str, dict[str, float]]:
    """Give change and loss of each programme, averaged over seeds."""
    whole, names = change(cells, "as they are", 0)
    changes, losses = [], []
    for seed in range(SEEDS):
        found, _ = change(cells, kind, seed)
        known = np.isfinite(whole) & np.isfinite(found)
        gap = np.where(known, np.abs(whole - found), 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        changes.append(np.where(known.sum(axis=0) >= LEAST_CELLS, gap, np.nan))
        losses.append((np.isfinite(whole) & np.isnan(found)).mean(axis=0))
    mean, lost = np.mean(changes, axis=0), np.mean(losses, axis=0)
    return {
        name: {"change": round(float(a), 4), "no_longer_measurable": round(float(b), 4)}
        for name, a, b in zip(names, mean, lost, strict=True)
        if np.isfinite(a)
    }


def main() -> None:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    result: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    kinds = (*map(str, DEPTHS), "half of the genes", "parts per million")
    for name in SETS:
        cells = read_all(options.data, find_set(name))
        cells = cells.rows(cells.is_t & (cells.foreign == ""))
        result[name] = {kind: compare(cells, kind) for kind in kinds}
        for kind, of in result[name].items():
            changes = {programme: figures["change"] for programme, figures in of.items()}
            worst = max(changes, key=changes.__getitem__)
            print(f"{name}, {kind}: mean {np.mean(list(changes.values())):.3f}; {worst} {changes[worst]:.3f}")
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
