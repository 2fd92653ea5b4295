"""Train the packaged language bundle from the labelled sets.

    python -m recipes.language.build_bundle --data FOLDER RUN [--install] [--hold-out NAME ...] [-- OPTIONS]

RUN takes the manifest of sets, checkpoints, metrics and the bundle; a run that was stopped goes on. With
``--hold-out`` the same recipe learns from all sets but these, so that the evaluation has bundles that never
saw what they are judged by. OPTIONS are those of ``tcellflow train language``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import yaml

from recipes.install import install_bundle
from recipes.language.label_terms import LABELS, MIXED


def write_manifest(data: Path, folder: Path) -> Path:
    """Write the manifest of the labelled sets; labels that mix types have no term."""
    sets = []
    for name, (column, terms, _) in LABELS.items():
        known = json.loads((data / name / "dataset.json").read_text(encoding="utf-8"))
        is_10x = name != "citeseq_cbmc8k"
        sets.append({
            "name": name,
            "counts": str((data / name / f"{name}.h5ad").resolve()),
            "label": column,
            "terms": {label: term for label, term in terms.items() if term not in MIXED},
            "licence": "CC BY 4.0 (10x Genomics)" if is_10x else "GEO GSE100866, public",
            "source": str(known["paper"]),
        })  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sets.yaml"
    path.write_text(yaml.safe_dump({"sets": sets}, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


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
    manifest = write_manifest(options.data, options.run)
    program = str(Path(sys.executable).with_name("tcellflow"))
    command = [program, "train", "language", "--manifest", str(manifest), "-o", str(options.run), "--resume"]
    command += ["--name", "language", "--licence", "MIT", "--device", "cpu"]
    for name in options.hold_out:
        command += ["--hold-out", name]
    subprocess.run([*command, *(one for one in more if one != "--")], check=True)
    if options.install:
        install_bundle(options.run / "bundle", "language")


if __name__ == "__main__":
    main()
