"""Train the packaged fusion bundle from the CITE-seq sets.

    python -m recipes.fusion.build --data FOLDER RUN [--install] [--hold-out NAME ...] [-- OPTIONS]

RUN takes the manifest of sets, checkpoints, metrics and the bundle; a run that was stopped goes on. With
``--hold-out`` the same recipe learns from all sets but these, so that the evaluation has bundles that never
saw what they are judged by. OPTIONS are those of ``tcellflow train fusion``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from recipes.fusion.sets import SETS, write_sets
from recipes.install import install_bundle

OPTIONS = (
    "--split", "cell", "--members", "5", "--steps", "1200", "--distil-steps", "4000", "--device", "cpu",
    "--validate-every", "200",
)  # fmt: skip


def build_command(manifest: Path, run: Path, hold_out: list[str], more: list[str]) -> list[str]:
    """Give the command that trains the bundle; sets of one donor are held out together."""
    program = str(Path(sys.executable).with_name("tcellflow"))
    command = [program, "train", "fusion", "--manifest", str(manifest), "-o", str(run), "--resume", *OPTIONS]
    command += ["--name", "fusion", "--licence", "MIT"]
    donors = {SETS[name].donor or name for name in hold_out}
    for name, source in SETS.items():
        if (source.donor or name) in donors:
            command += ["--hold-out", name]
    return [*command, *more]


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--hold-out", nargs="*", default=[], metavar="NAME")
    parser.add_argument(
        "--install", action="store_true", help="put the bundle in the place of the packaged one"
    )
    options, more = parser.parse_known_args()
    manifest = write_sets(options.data, options.run / "sets")
    command = build_command(manifest, options.run, options.hold_out, [one for one in more if one != "--"])
    subprocess.run(command, check=True)
    if options.install:
        install_bundle(options.run / "bundle", "fusion")


if __name__ == "__main__":
    main()
