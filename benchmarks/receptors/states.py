"""Ask whether a receptor tells the state of its clone: naive or memory CD8 T cells of three donors.

    python -m benchmarks.receptors.states --data FOLDER --bundle NAME_OR_FOLDER

Labels are gates on CD45RA and CCR7 (silver). A clone is one pair of nucleotide junctions of a donor, and
counts once, with the label of most of its gated cells; equal shares are left out. Two donors are learnt
from, the third is judged; clones of the two whose amino-acid junctions the third has as well are not
learnt from. The file names no V and J genes: the encoder reads the junctions alone, as its peers do.
Clone sizes are not shown to any row.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.receptors.few_shot import measure_auroc
from benchmarks.receptors.rows import OURS, add_options, embed_bundle, embed_untrained, read_compared
from recipes.datasets.receptors import PLAIN
from tcellflow.evaluation.intervals import BOOTSTRAPS, SEED
from tcellflow.inference.receptors.kmers import KmerCounter
from tcellflow.receptors.encoding.sequences import ChainSequences

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

STATES = ("memory", "naive")
BUCKETS = 1_024
MAJORITY = "majority"


def read_clones(folder: Path) -> pd.DataFrame:
    """Read one row per clone with both chains: donor, junctions, and whether it is naive."""
    cells = pd.read_parquet(folder / "tcr_adt_10x_dextramer_cd8/cells.parquet")
    is_plain = cells["TRA_cdr3_aa"].str.fullmatch(PLAIN) & cells["TRB_cdr3_aa"].str.fullmatch(PLAIN)
    is_single = (cells["n_TRA"] == 1) & (cells["n_TRB"] == 1)
    cells = cells[is_plain & is_single & cells["label7"].isin(STATES)]
    keys = ["donor", "TRA_cdr3_nt", "TRB_cdr3_nt", "TRA_cdr3_aa", "TRB_cdr3_aa"]
    naive = (cells["label7"] == "naive").groupby([cells[key] for key in keys]).mean()
    clones = naive[naive != 0.5].rename("naive_share").reset_index()
    return clones.assign(is_naive=clones["naive_share"] > 0.5)


def take_arms(clones: pd.DataFrame) -> dict[str, ChainSequences]:
    """Take the chains of clones, without genes."""
    unknown = np.full(len(clones), None, object)
    return {
        locus: ChainSequences(
            np.full(len(clones), locus, object), clones[f"{locus}_cdr3_aa"].to_numpy(object), unknown, unknown
        )
        for locus in ("TRA", "TRB")
    }


def count_kmers(arms: Mapping[str, ChainSequences]) -> Floats:
    """Count the 1-3-mers of both junctions, each at unit length."""
    blocks = []
    for locus, chains in arms.items():
        counts = KmerCounter((locus,), BUCKETS).count(chains.locus.tolist(), chains.junction_aa.tolist())
        blocks.append(counts / np.sqrt(np.square(counts).sum(1, keepdims=True)))
    return np.concatenate(blocks, 1).astype(np.float32)


def measure_lengths(arms: Mapping[str, ChainSequences]) -> Floats:
    """Give the lengths of both junctions, one column per length."""
    lengths = [np.eye(41, dtype=np.float32)[chains.lengths()] for chains in arms.values()]
    return np.concatenate(lengths, 1)


def judge_rows(clones: pd.DataFrame, features: Mapping[str, Floats]) -> dict[str, NDArray[np.float64]]:
    """Give each clone's score for naive, learnt from the other donors."""
    truth, junctions = (
        clones["is_naive"].to_numpy(),
        clones[["TRA_cdr3_aa", "TRB_cdr3_aa"]].agg("+".join, axis=1),
    )
    scores = {name: np.zeros(len(clones)) for name in features}
    for donor in sorted(clones["donor"].unique()):
        is_tested = (clones["donor"] == donor).to_numpy()
        is_learnt = ~is_tested & ~junctions.isin(junctions[is_tested]).to_numpy()
        for name, values in features.items():
            model = make_pipeline(
                StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=300)
            )
            model.fit(values[is_learnt], truth[is_learnt])
            scores[name][is_tested] = model.decision_function(values[is_tested])
    return scores


def measure(
    clones: pd.DataFrame, scores: NDArray[np.float64], drawn: NDArray[np.int64]
) -> dict[str, list[float]]:
    """Give AUROC and balanced accuracy of each donor on drawn clones."""
    truth, donors = clones["is_naive"].to_numpy()[drawn], clones["donor"].to_numpy()[drawn]
    figures: dict[str, list[float]] = {"AUROC": [], "balanced accuracy": []}
    for donor in sorted(set(donors)):
        mine, is_naive = scores[drawn][donors == donor], truth[donors == donor]
        figures["AUROC"].append(measure_auroc(mine, is_naive, np.ones(len(mine), bool)))
        figures["balanced accuracy"].append(
            float((np.mean(mine[is_naive] > 0) + np.mean(mine[~is_naive] <= 0)) / 2)
        )
    return figures


def main() -> None:
    """Print the table, and write the figures if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    options = parser.parse_args()
    clones = read_clones(options.data)
    print(clones.groupby("donor")["is_naive"].agg(["size", "sum"]))
    arms, bundle = take_arms(clones), read_compared(options).bundle
    kmers, ours = count_kmers(arms), embed_each(bundle, arms)
    features = {
        OURS: ours,
        "1-3-mers": kmers,
        "both": np.concatenate([ours, kmers], 1),
        "lengths": measure_lengths(arms),
        "untrained encoder": np.concatenate(
            [embed_untrained(bundle, {locus: chains}) for locus, chains in arms.items()], 1
        ),
    }
    scores = judge_rows(clones, features)
    scores[MAJORITY] = np.zeros(len(clones)) - 1  # memory, always
    print(write_table(clones, scores, options.output))


def embed_each(bundle: object, arms: Mapping[str, ChainSequences]) -> Floats:
    """Give the vectors of both chains side by side."""
    return np.concatenate([embed_bundle(bundle, {locus: chains}) for locus, chains in arms.items()], 1)


def write_table(clones: pd.DataFrame, scores: Mapping[str, NDArray[np.float64]], output: Path | None) -> str:
    """Write means over donors with intervals over clones, drawn again within each donor."""
    random = np.random.default_rng(SEED)
    rows = [np.flatnonzero(clones["donor"] == donor) for donor in sorted(clones["donor"].unique())]
    every = np.arange(len(clones))
    draws = [
        np.concatenate([random.choice(mine, len(mine)) for mine in rows]) for _ in range(BOOTSTRAPS // 10)
    ]
    whole = {name: measure(clones, each, every) for name, each in scores.items()}
    drawn = {name: [measure(clones, each, draw) for draw in draws] for name, each in scores.items()}
    lines = ["| row | measure | by donor | mean [95 %] | row minus ours [95 %] |", "|---|---|---|---|---|"]
    numbers: dict[str, dict[str, object]] = {}
    for name in scores:
        for figure in ("AUROC", "balanced accuracy"):
            mean = float(np.mean(whole[name][figure]))
            means = np.array([np.mean(each[figure]) for each in drawn[name]])
            less = means - np.array([np.mean(each[figure]) for each in drawn[OURS]])
            interval, paired = np.quantile(means, (0.025, 0.975)), np.quantile(less, (0.025, 0.975))
            difference = mean - float(np.mean(whole[OURS][figure]))
            by_donor = ", ".join(f"{value:.3f}" for value in whole[name][figure])
            lines.append(
                f"| {name} | {figure} | {by_donor} | {mean:.3f} [{interval[0]:.3f}, {interval[1]:.3f}] "
                f"| {difference:+.3f} [{paired[0]:+.3f}, {paired[1]:+.3f}] |"
            )
            numbers.setdefault(name, {})[figure] = {
                "by_donor": whole[name][figure],
                "mean": [mean, *interval],
                "less_than_ours": [difference, *paired],
            }
    if output:
        output.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
