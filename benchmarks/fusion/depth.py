"""What showing cells with the depth of the panel's genes alone does for a bundle that `train fusion` makes.

    python -m benchmarks.fusion.depth --data FOLDER --scratch FOLDER -o ROWS [--set NAME ...] [--seeds N]

As `benchmarks.fusion.targets` trains and judges, by the command's defaults and without such views (which
was the default before); a pair of rows for each set and seed, of the same labels. PBMC 10k knows how deep its
cells are, PBMC 5k only what its 4,000 genes count. A line of JSON for each, without those that the file
holds already.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path

import anndata as ad
import pandas as pd

from benchmarks.fusion.cells import fuse_set
from benchmarks.fusion.targets import (
    LABELS,
    PUPIL,
    TEACHER,
    VIEWS,
    draw_roles,
    judge_labels,
    judge_proteins,
    read_whole,
    write_manifest,
)
from recipes.fusion.sets import SETS
from tcellflow.inference.fusion.fuser import Fuser
from tcellflow.training.fusion.options import TrainFusionOptions
from tcellflow.training.fusion.train import train_fusion


def main() -> None:
    """Train and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--set", nargs="+", default=[TEACHER, PUPIL], choices=sorted(LABELS))
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    default = TrainFusionOptions(Path()).task.batch.views.narrow
    for seed, name in [(seed, name) for seed in range(options.seeds) for name in options.set]:
        for share in (0.0, default):
            key = {"set": name, "seed": seed, "narrow": share}
            lines = options.output.read_text("utf-8").splitlines() if options.output.exists() else []
            if any(key.items() <= json.loads(line).items() for line in lines):
                continue
            line = {**key, **measure(options.data, options.scratch / "depth", name, seed, share)}
            print(json.dumps(line), flush=True)
            with options.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def measure(data: Path, folder: Path, name: str, seed: int, share: float) -> dict[str, object]:
    """Train one bundle and judge it."""
    shutil.rmtree(folder, ignore_errors=True)
    truth = ad.read_h5ad(data / SETS[name].file, backed="r").obs[LABELS[name]].astype(str)
    role = pd.Series(draw_roles(len(truth), seed, is_unseen=False), truth.index)
    asked = TrainFusionOptions(write_manifest(data, folder, name, role), folder / "run", split="column")
    batch = replace(asked.task.batch, views=replace(asked.task.batch.views, narrow=share))
    fuser = Fuser(
        train_fusion(
            replace(
                asked,
                task=replace(asked.task, batch=batch, seed=seed),
                loop=replace(asked.loop, seed=seed, device="cpu"),
            )
        ),
        threads=1,
    )
    one = read_whole(data, folder, name)
    labels, role = (column.loc[one.cell_ids].to_numpy() for column in (truth, role))
    found: dict[str, object] = {
        view: judge_labels(fuser, fuse_set(fuser, one, view).cells, labels, role == "unlabelled")
        for view in VIEWS
    }
    if name == TEACHER:
        found["imputed"] = judge_proteins(fuser, read_whole(data, folder, PUPIL))
    return found


if __name__ == "__main__":
    main()
