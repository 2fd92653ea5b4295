"""Build the packaged table of programmes again.

    python -m recipes.programmes.build --data FOLDER [-o FOLDER] [--without NAME ...]

Writes ``programmes.tsv`` (one row for each programme and gene) and ``programme_scales.tsv`` (the logistic
curve of each programme). ``--without`` leaves sets out, of the melanoma set single patients: so that a table
can be judged by cells that it never saw.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from recipes.datasets.labels import find_set
from recipes.programmes.contrasts import find_contrasts, is_melanoma, read_sources
from recipes.programmes.estimate import estimate_programmes
from recipes.programmes.receptors import read_receptors
from recipes.programmes.selection import read_candidates
from tcellflow.states.programmes import SCALES, TABLE, ProgrammeScorer, make_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recipes.datasets.cells import LabelledSet
    from recipes.programmes.contrasts import Contrast
    from recipes.programmes.selection import Candidate

OUTPUT = Path(__file__).resolve().parents[2] / "tcellflow" / "data"
# Where no labelled cells tell: rare programmes need some evidence before they are believed.
OFFSET, SLOPE = -2.0, 2.0
DEPTHS = (1.0, 0.5, 0.25, 0.125)
MOST_CELLS = 400  # of each side of a contrast
SHALLOW_SLOPE, STEEP_SLOPE = 0.15, 2.7


@dataclass(frozen=True)
class Sources:
    """Everything the table is made of, read once."""

    candidates: Sequence[Candidate]
    sets: Mapping[str, LabelledSet]
    data: Path

    def without(self, names: frozenset[str]) -> Sources:
        """Leave sets out, and others of their donors."""
        gone = {n for n in self.sets if n in names or any(n.startswith(f"{g}:") for g in names)}
        donors = {find_set(n).donor for n in gone if not is_melanoma(n) and n != "eccite_pbmc_3300"} - {""}
        return Sources(
            self.candidates,
            {
                n: cells
                for n, cells in self.sets.items()
                if n not in gone and cells.description.donor not in donors
            },
            self.data,
        )


def read_all_sources(data: Path) -> Sources:
    """Read candidates and cells."""
    return Sources(read_candidates(data), read_sources(data), data)


def build_table(sources: Sources) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Give the rows of the table and the logistic curves by programme."""
    contrasts = find_contrasts(sources.sets, read_receptors(sources.data, sources.sets))
    rows = estimate_programmes(sources.candidates, contrasts, sources.sets)
    names = list(dict.fromkeys(row["programme"] for row in rows))
    scales = {name: fit_scale(name, rows, contrasts.get(name, ())) for name in names}
    return rows, scales


def fit_scale(name: str, rows: Sequence[Mapping[str, Any]], contrasts: Sequence[Contrast]) -> dict[str, Any]:
    """Fit the logistic curve of a programme over all contrasts and depths; both sides weigh the same."""
    table = make_table([r for r in rows if r["programme"] == name], {name: {"offset": 0, "slope": 1}})
    evidence, truth, weights = [], [], []
    for i, contrast in enumerate(contrasts):
        for running, chosen in ((1, contrast.running), (0, contrast.resting)):
            at = np.flatnonzero(chosen)
            if not at.size:
                continue
            at = np.sort(np.random.default_rng(i).permutation(at)[:MOST_CELLS])
            cells = contrast.cells.rows(at)
            for depth in DEPTHS if cells.description.counts_kind == "umi" else (1.0,):
                counts = thin(cells.counts, depth, seed=i)
                scores = ProgrammeScorer(cells.symbols, table).score(counts, cells.library * depth)
                known = np.isfinite(scores.values[:, 0])
                evidence.append(scores.evidence[known, 0])
                truth.append(np.full(known.sum(), running))
                weights.append(np.full(known.sum(), 1 / max(known.sum(), 1)))
    if not evidence or not np.concatenate(evidence).size:
        return {"programme": name, "offset": OFFSET, "slope": SLOPE, "n_contrasts": 0}
    x, y, w = np.concatenate(evidence)[:, None], np.concatenate(truth), np.concatenate(weights)
    if len(np.unique(y)) < 2:
        return {"programme": name, "offset": OFFSET, "slope": SLOPE, "n_contrasts": 0}
    model = LogisticRegression(C=1.0).fit(x, y, sample_weight=w * len(w) / w.sum())
    slope = float(np.clip(model.coef_[0, 0], SHALLOW_SLOPE, STEEP_SLOPE))
    offset = float(np.clip(model.intercept_[0], -4.0, 1.0))
    return {
        "programme": name, "offset": round(offset, 3), "slope": round(slope, 3), "n_contrasts": len(contrasts)
    }  # fmt: skip


def thin(counts: sparse.csr_array, depth: float, seed: int) -> sparse.csr_array:
    """Keep each molecule with the probability `depth`."""
    if depth >= 1:
        return counts
    thinned = sparse.csr_array(counts, copy=True)
    thinned.data = np.random.default_rng(seed).binomial(np.round(counts.data).astype(np.int64), depth)
    thinned.eliminate_zeros()
    return thinned


def write_table(
    rows: Sequence[Mapping[str, Any]], scales: Mapping[str, Mapping[str, Any]], folder: Path
) -> None:
    """Write both files."""
    for name, of_file in ((TABLE, rows), (SCALES, list(scales.values()))):
        with (folder / name).open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, list(of_file[0]), delimiter="\t", lineterminator="\n")
            writer.writeheader()
            writer.writerows(of_file)
        print(name, hashlib.sha256((folder / name).read_bytes()).hexdigest())


def main() -> None:
    """Build and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME")
    options = parser.parse_args()
    rows, scales = build_table(read_all_sources(options.data).without(frozenset(options.without)))
    options.output.mkdir(parents=True, exist_ok=True)
    write_table(rows, scales, options.output)


if __name__ == "__main__":
    main()
