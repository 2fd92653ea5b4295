"""What other weights of a vector's three parts would do, on sets that a bundle did not learn from.

    python -m benchmarks.fusion.weights --data FOLDER --scratch FOLDER -o ROWS BUNDLE SET [SET ...]

The step puts the bundle's directions, the axes of genes and those of proteins beside each other with the
lengths .7, 1 and 1. Here the same parts get other lengths, the same for every set: balanced accuracy of 15
neighbours and adjusted Rand index of Leiden's groups (mean of five seeds), as in
`benchmarks.fusion.neighbours`. A line of JSON for each set, label and choice, without those that the file
holds already. `benchmarks.fusion.tables` chooses for each set the lengths that are best on all others.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.fusion.cells import fuse_set
from benchmarks.fusion.neighbours import LABELS, LEAST, NO_LABEL, draw, judge, judge_groups
from recipes.fusion.sets import SETS, write_sets
from tcellflow.inference.fusion.fuser import Fuser
from tcellflow.inference.fusion.smoothing import SharpVectors
from tcellflow.io.bundles.folders import read_bundle
from tcellflow.io.matrices.opening import open_matrix
from tcellflow.training.fusion.manifest import read_fusion_manifest
from tcellflow.training.fusion.sets import read_set

if TYPE_CHECKING:
    from tcellflow.inference.fusion.sample import FusedSample

SHIPPED = (0.7, 1.0, 1.0)
CHOICES = (
    SHIPPED,
    (0.7, 1.0, 1.5),
    (0.7, 1.5, 1.0),
    (0.7, 0.7, 1.0),
    (1.0, 1.0, 1.0),
    (0.4, 1.0, 1.0),
    (1.0, 1.0, 1.5),
    (0.4, 1.0, 1.5),
)


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
        fused = fuse_set(fuser, one, "rna+adt")
        for lengths in CHOICES:
            key = {"set": name, "lengths": list(lengths)}
            if any(key.items() <= line.items() for line in read_done(options.output)):
                continue
            rows = judge_lengths(fused, obs, name, lengths)
            with options.output.open("a", encoding="utf-8") as file:
                for row in rows:
                    line = {**key, "cells": len(one), **row}
                    print(json.dumps(line), flush=True)
                    file.write(json.dumps(line) + "\n")


def read_done(path: Path) -> list[dict[str, object]]:
    """Read the lines of a file of results; none if there is no file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def judge_lengths(
    fused: FusedSample, obs: pd.DataFrame, name: str, lengths: tuple[float, float, float]
) -> list[dict[str, object]]:
    """Judge the vectors of a set with other lengths of their parts."""
    sharp = SharpVectors(stretch(fused, lengths).astype(np.float32), fused.sharp.kinds)
    nearest, graph = draw(sharp.smooth(sharp))[0], draw(sharp.vectors)[1]
    rows: list[dict[str, object]] = []
    for column in LABELS[name]:
        labels = obs[column].astype(str).to_numpy()
        counts = pd.Series(labels).value_counts()
        kept = np.isin(labels, [n for n in counts.index if n not in NO_LABEL and counts[n] >= LEAST])
        told = float(judge(nearest, labels, kept)[0])
        rows.append({"labels": column, "accuracy": round(told, 4), **judge_groups(graph, labels, kept)})
    return rows


def stretch(fused: FusedSample, lengths: tuple[float, float, float]) -> np.ndarray:
    """Give the vectors, before they are averaged, with other lengths of their three parts."""
    widths, vectors = fused.space.widths, fused.sharp.vectors.astype(np.float64)
    # the parts of genes and proteins begin where 24 and 44 numbers end, however many axes there are
    for start, part, before, now in zip((0, 24, 44), widths, SHIPPED, lengths, strict=True):
        vectors[:, start : start + widths[part]] *= now / before
    return vectors


if __name__ == "__main__":
    main()
