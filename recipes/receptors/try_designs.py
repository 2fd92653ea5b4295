"""Train variants of the receptor encoder for a short while each, and judge them on development epitopes.

Run ``python -m recipes.receptors.try_designs CORPUS RUNS``; the results go into ``tried.md`` by hand.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from recipes.receptors.build import CHAINS, KEPT_FOR_EVALUATION, PAIRS, WITHHELD, WITHOUT_LICENCE
from tcellflow.training.receptors.options import CorpusOptions, TrainReceptorsOptions
from tcellflow.training.receptors.train import train_receptors

HERE = Path(__file__).parent
DEFAULT = TrainReceptorsOptions(CorpusOptions(chains=()))
FINAL = DEFAULT.task
DESIGNS = {
    "final": FINAL,
    "contrast alone": replace(FINAL, teacher_weight=0),
    "teacher alone": replace(FINAL, contrast_weight=0),
    "temperature 0.1": replace(FINAL, temperature=0.1),
    "temperature 0.03": replace(FINAL, temperature=0.03),
    "batch 1,024": replace(FINAL, batch_size=1_024),
    "width 128": replace(FINAL, network=replace(FINAL.network, width=128, feed_forward=512)),
    "2 layers": replace(FINAL, network=replace(FINAL.network, layers=2)),
    "256 numbers": replace(FINAL, network=replace(FINAL.network, dimension=256)),
    "softness 4": replace(FINAL, teacher=replace(FINAL.teacher, softness=4.0)),
    "natural pairs alone": replace(FINAL, mix=replace(FINAL.mix, natural_pairs=0.5, random_pairs=0.0)),
    "chains never dropped": replace(FINAL, noise=replace(FINAL.noise, drop_chain=0.0)),
}


def main() -> None:
    """Train and judge the designs that have no result yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--designs", nargs="*", choices=DESIGNS, default=list(DESIGNS))
    options = parser.parse_args()
    corpus = CorpusOptions(
        chains=tuple(options.corpus / name for name in CHAINS),
        pairs=tuple(options.corpus / name for name in PAIRS),
        withheld=tuple(options.corpus / name for name in WITHHELD),
        excluded_sources=frozenset((*KEPT_FOR_EVALUATION, *WITHOUT_LICENCE)),
    )
    loop = replace(DEFAULT.loop, steps=options.steps, warm_up_steps=100, validate_every=100, device="cpu")
    for name in options.designs:
        folder = options.runs / name.replace(" ", "-").replace(",", "")
        started = time.process_time()
        bundle = train_receptors(TrainReceptorsOptions(corpus, folder, DESIGNS[name], loop, resume=True))
        seconds = time.process_time() - started
        command = [
            sys.executable,
            "-m",
            "benchmarks.receptors.few_shot",
            "--data",
            str(options.corpus.parent),
        ]
        command += ["--bundle", str(bundle.folder), "--epitopes", "development", "--no-peers"]
        judged = subprocess.run(command, check=True, capture_output=True, text=True)
        print(json.dumps({"design": name, "steps": options.steps, "cpu_seconds": round(seconds)}))
        print(judged.stdout, flush=True)


if __name__ == "__main__":
    main()
