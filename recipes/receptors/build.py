"""Train the packaged receptor encoder again: the recipe behind ``tcellflow/bundles/receptors``.

Run ``python -m recipes.receptors.build CORPUS RUN``; CORPUS is the folder of the receptor
corpus, RUN takes checkpoint and metrics. A run that was stopped goes on. With ``--install`` the bundle
replaces the packaged one.

Sources without a stated licence are left out, and so are those that the evaluation keeps for itself:
CD39_HGSC_10x and UniTCR_GSE_pembro_10x (held-out residues, unlabelled receptors) and
IMMREP22_memCD8_controls (negatives). No junction of a receptor with a known epitope is learnt.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from recipes.install import install_bundle

HERE = Path(__file__).parent
CHAINS = ("trb_human.parquet", "tra_olga_synthetic.parquet", "tra_human.parquet")
PAIRS = ("paired_human.parquet",)
WITHHELD = ("epitope_human.parquet", "immrep22_train.parquet")
KEPT_FOR_EVALUATION = ("CD39_HGSC_10x", "UniTCR_GSE_pembro_10x", "IMMREP22_memCD8_controls")
WITHOUT_LICENCE = ("COVID_TCR_conga_clones", "COVID_TCR_10x", "Benaroya_T1D", "pMTnet_bg10k")


def build_command(corpus: Path, run: Path) -> list[str]:
    """Give the command that trains the bundle."""
    program = str(Path(sys.executable).with_name("tcellflow"))
    command = [program, "train", "receptors", "-o", str(run), "--resume"]
    command += ["--name", "receptors", "--licence", "MIT"]
    for option, names in (("--chains", CHAINS), ("--pairs", PAIRS), ("--withhold", WITHHELD)):
        command += [word for name in names for word in (option, str(corpus / name))]
    for source in (*KEPT_FOR_EVALUATION, *WITHOUT_LICENCE):
        command += ["--exclude-source", source]
    command += ["--licences", str(HERE / "licences.toml"), "--device", "cpu"]
    evaluation = HERE / "card.md"
    return [*command, "--evaluation", str(evaluation)] if evaluation.exists() else command


def main() -> None:
    """Train, and install the bundle if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--install", action="store_true")
    options = parser.parse_args()
    subprocess.run(build_command(options.corpus, options.run), check=True)
    if options.install:
        install_bundle(options.run / "bundle", "receptors")


if __name__ == "__main__":
    main()
