"""What `--refit` and `--adt-norm` change on sets that a bundle did not learn from.

    python -m benchmarks.fusion.choices --data FOLDER --scratch FOLDER -o ROWS BUNDLE SET [SET ...]

Refit: correlation of log counts and what genes tell, mean of the proteins that the bundle tells too and
of all (cells are told by maps that their own fifth was no part of). Norms: balanced accuracy of 15
neighbours, as in `benchmarks.fusion.neighbours`. Intervals: cells inside those of 90 %, where the sample
measured the proteins and where it had genes alone. A line of JSON for each set and choice.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.fusion.cells import fuse_set
from benchmarks.fusion.neighbours import LABELS, LEAST, NO_LABEL, draw, judge
from recipes.fusion.sets import SETS, write_sets
from tcellflow.inference.fusion.fuser import Fuser
from tcellflow.inference.fusion.sample import FuseChoices
from tcellflow.inference.fusion.space import find_columns
from tcellflow.io.bundles.folders import read_bundle
from tcellflow.io.matrices.opening import open_matrix
from tcellflow.training.fusion.manifest import read_fusion_manifest
from tcellflow.training.fusion.sets import read_set

if TYPE_CHECKING:
    from tcellflow.inference.fusion.sample import FusedSample
    from tcellflow.training.fusion.sets import FusionSet


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("sets", nargs="+", choices=sorted(SETS))
    options = parser.parse_args()
    entries = {entry.name: entry for entry in read_fusion_manifest(write_sets(options.data, options.scratch))}
    fuser = Fuser(read_bundle(options.bundle), threads=1)
    for name in options.sets:
        one = read_set(entries[name])
        obs = open_matrix(one.entry.cohort.counts).obs.loc[one.cell_ids]
        rows = [
            {
                "choice": "refit",
                **judge_refit(fuse_set(fuser, one, "rna+adt", FuseChoices("clr", refit=True))),
            }
        ]
        views = ("rna+adt", "rna")
        rows += [{"choice": "intervals", "view": v, **judge_intervals(fuser, one, v)} for v in views]
        for norm in ("clr", "mixture", "dsb"):
            nearest, _ = draw(fuse_set(fuser, one, "rna+adt", FuseChoices(norm)).vectors)
            for column in LABELS[name]:
                labels = obs[column].astype(str).to_numpy()
                counts = pd.Series(labels).value_counts()
                kept = np.isin(labels, [n for n in counts.index if n not in NO_LABEL and counts[n] >= LEAST])
                told = float(judge(nearest, labels, kept)[0])
                rows.append({"choice": norm, "labels": column, "accuracy": round(told, 4)})
        with options.output.open("a", encoding="utf-8") as file:
            for row in rows:
                line = {"set": name, "cells": len(one), **row}
                print(json.dumps(line), flush=True)
                file.write(json.dumps(line) + "\n")


def judge_refit(fused: FusedSample) -> dict[str, float]:
    """Compare what the sample's maps and the bundle tell of its proteins."""
    known = {str(target): i for i, target in enumerate(fused.fuser.proteins.targets)}
    well = fused.fuser.proteins.cells >= fused.fuser.LEAST_CELLS
    levels = np.log1p(fused.proteins.counts)
    bundle, refit = [], []
    for column, target in enumerate(map(str, fused.proteins.targets)):
        if target in known and well[known[target]]:
            told = fused.cells.imputed[:, known[target]]
            bundle.append(np.corrcoef(told, levels[:, column])[0, 1])
            refit.append(fused.refit.correlation[column])
    return {
        "proteins": len(bundle),
        "bundle": round(float(np.mean(bundle)), 4),
        "refit": round(float(np.mean(refit)), 4),
        "all_proteins": len(fused.refit.targets),
        "refit_all": round(float(fused.refit.correlation.mean()), 4),
    }


def judge_intervals(fuser: Fuser, one: FusionSet, view: str) -> dict[str, float]:
    """Give the share of cells inside the 90 % intervals of what genes tell, mean over proteins."""
    fused = fuse_set(fuser, one, view)
    columns = find_columns(fuser.proteins.targets, one.targets)
    told = np.flatnonzero((columns >= 0) & (fuser.proteins.cells >= fuser.LEAST_CELLS))
    levels = np.log1p(one.proteins[:, columns[told]].astype(np.float64))
    inside = np.abs(levels - fused.cells.imputed[:, told]) < 1.645 * fused.cells.imputed_sd[:, told]
    return {"proteins": len(told), "inside": round(float(inside[one.has_adt].mean()), 4)}


if __name__ == "__main__":
    main()
