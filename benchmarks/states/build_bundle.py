"""Train the packaged states bundle again: the recipe behind ``tcellflow/bundles/states``.

    python benchmarks/states/build_bundle.py --data FOLDER RUN [--hold-out NAME ...] [--install]

RUN takes the manifest of cohorts, checkpoints, metrics and the bundle; a run that was stopped goes on. With
``--install`` the bundle replaces the packaged one. With ``--hold-out`` the same recipe learns from all sets
but these and others of their donors: so the evaluation has bundles that never saw what they are judged by.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from cohorts import write_cohorts
from label_maps import find_kin

from tcellflow.io.bundle_writer import write_manifest
from tcellflow.io.bundles import PACKAGED_FOLDER

HERE = Path(__file__).parent
OPTIONS = (
    "--split", "cohort", "--seeds", "4", "--steps", "500", "--distil-steps", "500", "--width", "192",
    "--latent", "96", "--learning-rate", "0.002", "--validate-every", "500", "--device", "cpu",
)  # fmt: skip


def write_expression_manifest(data: Path, folder: Path) -> Path:
    """Write the cohorts' tables, and a manifest of those with expression; what is there already is kept."""
    path = folder / "training.yaml"
    if not path.exists():
        entries = [entry for entry in write_cohorts(data, folder) if "counts" in entry]
        text = yaml.safe_dump({"cohorts": entries}, sort_keys=False, allow_unicode=True, width=120)
        path.write_text(text, encoding="utf-8")
    return path


def build_command(manifest: Path, run: Path, hold_out: list[str]) -> list[str]:
    """Give the command that trains the bundle."""
    program = str(Path(sys.executable).with_name("tcellflow"))
    command = [program, "train", "states", "--manifest", str(manifest), "-o", str(run), "--resume", *OPTIONS]
    names = {entry["name"] for entry in yaml.safe_load(manifest.read_text(encoding="utf-8"))["cohorts"]}
    for name in sorted(frozenset().union(*map(find_kin, hold_out)) & names):
        command += ["--hold-out", name]
    return command


def main() -> None:
    """Train, and install the bundle if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--hold-out", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--install", action="store_true")
    options = parser.parse_args()
    manifest = write_expression_manifest(options.data, options.run / "cohorts")
    subprocess.run(build_command(manifest, options.run, options.hold_out), check=True)
    if options.install:
        target = PACKAGED_FOLDER / "states"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(options.run / "bundle", target)
        write_manifest(PACKAGED_FOLDER)


if __name__ == "__main__":
    main()
