"""Time the packaged encoder beside TCR-BERT's configuration, and tell what deduplication gains.

    python -m benchmarks.receptors.speed --data FOLDER --bundle NAME_OR_FOLDER

Product and peer run as alternating pairs of fresh processes on one thread; CPU seconds per distinct
junction are those of tokenising and embedding, with the network loaded. The peer sees fewer junctions
(the first ones of the same list), because it is slow; it has no deduplication, so its cost is per cell.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.harness.machine import describe_machine, measure_limits
from benchmarks.harness.processes import Run, run_child, run_pairs, summarise
from benchmarks.receptors.speed_chains import number_distinct, read_chains, save_chains

PEERS = {
    "one": "one by one, padded to 32",
    "batch": "batches of 64, padded to 32",
    "upstream": "padded to 64",
}
SETS = ("screp_ards", "dextramer")


def per_chain(run: Run) -> float:
    """Give the milliseconds of CPU per chain of a run."""
    return 1_000 * float(str(run.report["embed_seconds"])) / int(str(run.report["chains"]))


def compare(options: argparse.Namespace, path: Path, mode: str) -> dict[str, object]:
    """Run product and peer in turn."""
    ours = [sys.executable, "-m", "benchmarks.receptors.speed_ours", str(path), options.bundle, "distinct"]
    peer = [
        sys.executable,
        "-m",
        "benchmarks.receptors.speed_bert",
        str(path),
        str(options.peer_chains),
        mode,
    ]
    mine, theirs = run_pairs(ours, peer, options.pairs)
    ratios = [per_chain(b) / per_chain(a) for a, b in zip(mine, theirs, strict=True)]
    return {
        "peer": PEERS[mode],
        "ratio_per_junction": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
        "ours_ms": statistics.median(map(per_chain, mine)),
        "peer_ms": statistics.median(map(per_chain, theirs)),
        "ours": summarise(mine),
        "peer_process": summarise(theirs),
    }


def measure_gain(options: argparse.Namespace, path: Path) -> dict[str, object]:
    """Embed all chains of a set, and the distinct ones."""
    child = [sys.executable, "-m", "benchmarks.receptors.speed_ours", str(path), options.bundle]
    runs = {which: run_child([*child, which]) for which in ("all", "distinct")}
    seconds = {which: float(str(run.report["embed_seconds"])) for which, run in runs.items()}
    return {
        "chains": runs["all"].report["chains"],
        "distinct": runs["distinct"].report["chains"],
        "cpu_seconds": seconds,
        "gain": seconds["all"] / seconds["distinct"],
    }


def write_sets(options: argparse.Namespace, folder: Path) -> dict[str, Path]:
    """Write the chains that are timed; of a large set a share of the distinct ones, with all their copies."""
    paths = {}
    for name, most in (("corpus", options.chains), *((name, options.most) for name in SETS)):
        chains = read_chains(options.data, name)
        number = number_distinct(chains)
        share = min(1.0, most / len(chains)) if most else 1.0
        kept = np.random.default_rng(0).permutation(number.max() + 1)[: round(share * (number.max() + 1))]
        paths[name] = save_chains(
            chains.take(np.flatnonzero(np.isin(number, kept))), folder / f"{name}.parquet"
        )
    return paths


def main() -> None:
    """Print every figure as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--bundle", default="receptors", help="a bundle's name or folder")
    parser.add_argument("--chains", type=int, default=10_000)
    parser.add_argument("--peer-chains", type=int, default=128)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--most", type=int, default=0, help="chains of the sets with duplicates; 0 = all")
    parser.add_argument("--parts", nargs="+", choices=(*PEERS, *SETS), default=[*PEERS, *SETS])
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    options = parser.parse_args()
    document: dict[str, object] = {
        "machine": describe_machine(("onnxruntime", "torch", "transformers", "numpy")),
        "limits_before": measure_limits(),
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = write_sets(options, Path(folder))
        for mode in (mode for mode in PEERS if mode in options.parts):
            document[mode] = compare(options, paths["corpus"], mode)
            print(mode, document[mode], file=sys.stderr, flush=True)
        for name in (name for name in SETS if name in options.parts):
            document[name] = measure_gain(options, paths[name])
            print(name, document[name], file=sys.stderr, flush=True)
    document["limits_after"] = measure_limits()
    text = json.dumps(document, indent=1)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
