"""Train the packaged states bundle again: the recipe behind ``tcellflow/bundles/states``.

    python -m recipes.states.build --data FOLDER RUN [--hold-out NAME ...] [--install]
    python -m recipes.states.build --data FOLDER RUN --hold-out NAME --architecture seed --seeds 3

RUN takes the manifest of cohorts, checkpoints, metrics and the bundle; a run that was stopped goes on. With
``--install`` the bundle replaces the packaged one. With ``--hold-out`` the same recipe learns from all sets
but these and others of their donors: so the evaluation has bundles that never saw what they are judged by.
``--architecture seed`` trains the seed network on the same sets, to be judged beside them.
``--receptors native`` learns from receptors too, ``--receptors-alone`` from sets of nothing else as well;
`benchmarks.states.receptor_rows` judges such bundles.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from recipes.datasets.labels import find_kin
from recipes.install import install_bundle
from recipes.states.cohorts import write_cohorts

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
OPTIONS = {
    "axes": (
        "--split", "cohort", "--steps", "500", "--distil-steps", "3000", "--width", "192",
        "--latent", "96", "--learning-rate", "0.002", "--validate-every", "500", "--device", "cpu",
    ),
    # All members have one validation fold, a fifth. By cohort it would be the largest set, half of the
    # labelled cells; by clone it is a fifth of each set: the original's split by cell, less sister cells on
    # both sides.
    "seed": ("--architecture", "seed", "--split", "clone", "--device", "cpu"),
}  # fmt: skip
SEEDS = {"axes": 4, "seed": 8}


def write_expression_manifest(data: Path, folder: Path) -> Path:
    """Write the cohorts' tables, and a manifest of those with expression; what is there already is kept."""
    path = folder / "training.yaml"
    if not path.exists():
        entries = [entry for entry in write_cohorts(data, folder) if "counts" in entry]
        text = yaml.safe_dump({"cohorts": entries}, sort_keys=False, allow_unicode=True, width=120)
        path.write_text(text, encoding="utf-8")
    return path


def build_command(
    manifest: Path,
    run: Path,
    hold_out: list[str],
    architecture: str = "axes",
    seeds: int | None = None,
    more: Sequence[str] = (),
) -> list[str]:
    """Give the command that trains the bundle; of options given twice the last counts."""
    program = str(Path(sys.executable).with_name("tcellflow"))
    command = [program, "train", "states", "--manifest", str(manifest), "-o", str(run), "--resume"]
    command += ["--name", "states", "--licence", "MIT"]
    command += [*OPTIONS[architecture], "--seeds", str(seeds or SEEDS[architecture])]
    names = {entry["name"] for entry in yaml.safe_load(manifest.read_text(encoding="utf-8"))["cohorts"]}
    for name in sorted(frozenset().union(*map(find_kin, hold_out)) & names):
        command += ["--hold-out", name]
    return [*command, *more]


def main() -> None:
    """Train, and install the bundle if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--hold-out", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--architecture", choices=tuple(OPTIONS), default="axes")
    parser.add_argument("--seeds", type=int, metavar="N", help="members, if not those of the recipe")
    parser.add_argument("--receptors", metavar="ENCODER", help="learn from receptors too")
    parser.add_argument("--receptors-alone", action="store_true", help="from sets without expression as well")
    parser.add_argument("--split", help="what stays together, if not as in the recipe")
    parser.add_argument("--seed", help="of folds, weights and batches")
    parser.add_argument("--install", action="store_true")
    options = parser.parse_args()
    if options.install and options.architecture == "seed":
        parser.error("--install: the seed network is too large to be packaged")
    if options.receptors_alone and not options.receptors:
        parser.error("--receptors-alone: add --receptors")
    cohorts = options.run / "cohorts"
    manifest = write_expression_manifest(options.data, cohorts)
    if options.receptors_alone:
        manifest = cohorts / "cohorts.yaml"
    asked = {name: getattr(options, name) for name in ("receptors", "split", "seed")}
    more = [part for name, value in asked.items() if value is not None for part in (f"--{name}", value)]
    command = build_command(
        manifest, options.run, options.hold_out, options.architecture, options.seeds, more
    )
    subprocess.run(command, check=True)
    if options.install:
        install_bundle(options.run / "bundle", "states")


if __name__ == "__main__":
    main()
