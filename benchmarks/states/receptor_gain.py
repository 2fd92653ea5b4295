"""Whether receptors add to expression: the two sets that have states, expression and receptors.

    python -m benchmarks.states.receptor_gain --data FOLDER [--bundle receptors] [-o gain.json]

Logistic regression on expression, on the vectors of both chains, and on both; and with the receptors dealt
out anew among the cells of the same donor and state, which keeps what they cost and takes what they tell.
Five folds, five seeds, split by cell (sister cells of a clone on both sides) and by clone. One donor each:
nothing is known of other donors.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from benchmarks.states.held_out import SEED
from recipes.datasets.cells import read_set
from recipes.datasets.features import choose_panel
from recipes.datasets.labels import find_set
from tcellflow.evaluation.classification import weighted_macro_f1
from tcellflow.evaluation.intervals import as_interval, draw_weights
from tcellflow.inference.receptors.encoder import choose_encoder
from tcellflow.receptors.encoding.sequences import ChainSequences

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recipes.datasets.cells import LabelledSet
    from tcellflow.inference.receptors.encoder import ChainEncoder

    Floats = NDArray[np.float32]

NAMES = ("trex_pt17_trimodal", "bd_rhapsody_pbmc_targeted")
SPLITS = ("by cell", "by clone")
EXPRESSION, BOTH, SHUFFLED = "expression", "expression and both chains", "expression and shuffled receptors"
FOLDS, SEEDS, N_GENES, PENALTY = 5, 5, 1_000, 0.003


def read_chains(data: Path, name: str, cells: LabelledSet) -> dict[str, ChainSequences]:
    """Read the chains of the cells; junctions are empty where there is none."""
    description = find_set(name)
    obs = ad.read_h5ad(data / name / description.file, backed="r").obs.loc[list(cells.names)]

    def column(field: str) -> NDArray[np.object_]:
        texts = obs[field].astype(object).fillna("").astype(str).str.partition("*")[0]
        return texts.where(texts != "", None).to_numpy(object)

    return {
        locus: ChainSequences(
            np.full(len(obs), locus, object),
            obs[f"{locus}_cdr3_aa"].astype(object).fillna("").astype(str).to_numpy(object),
            column(f"{locus}_v"),
            column(f"{locus}_j"),
        )
        for locus in ("TRA", "TRB")
    }


def embed(encoder: ChainEncoder, chains: ChainSequences) -> Floats:
    """Embed the chains, standardised; zeros, the mean, where there is none."""
    is_there = np.array([junction.isalpha() for junction in chains.junction_aa])
    found = encoder.embed_chains(chains.take(np.flatnonzero(is_there)))
    vectors = np.zeros((len(chains), found.shape[1]), np.float32)
    vectors[is_there] = (found - found.mean(axis=0)) / np.maximum(found.std(axis=0), 1e-6)
    # as loud as expression: one gene's worth per gene
    return vectors * np.float32(np.sqrt(N_GENES / found.shape[1] / 2))


def deal_out(cells: LabelledSet, rng: np.random.Generator) -> NDArray[np.intp]:
    """Give each cell the row of a cell of the same donor and state."""
    groups = np.array([f"{d}/{s}" for d, s in zip(cells.donors, cells.state, strict=True)], dtype=object)
    rows = np.arange(len(cells))
    for group in sorted(set(groups)):
        inside = np.flatnonzero(groups == group)
        rows[inside] = rng.permutation(inside)
    return rows


def judge(cells: LabelledSet, receptors: dict[str, Floats], *, by_clone: bool, seed: int) -> dict[str, Any]:
    """Give each row's call of each cell, learnt from the other folds."""
    rng = np.random.default_rng(seed)
    truth = cells.state.astype(str).astype(object)
    both = np.concatenate([receptors["TRA"], receptors["TRB"]], axis=1)
    dealt = both[deal_out(cells, rng)]
    alone = np.array([f"cell {i}" for i in range(len(cells))], dtype=object)
    groups = np.where((cells.clones != "") & by_clone, cells.clones, alone)
    rows = (EXPRESSION, "alpha alone", "beta alone", "both chains alone", BOTH, SHUFFLED)
    calls = {row: np.full(len(cells), "", dtype=object) for row in rows}
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(truth, truth, groups):
        panel = choose_panel([cells.rows(train)], N_GENES)
        x = panel.gather(cells)
        blocks = {
            EXPRESSION: x,
            "alpha alone": receptors["TRA"],
            "beta alone": receptors["TRB"],
            "both chains alone": both,
            BOTH: np.concatenate([x, both], axis=1),
            SHUFFLED: np.concatenate([x, dealt], axis=1),
        }
        for row, features in blocks.items():
            model = LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=200)
            calls[row][test] = model.fit(features[train], truth[train].astype(str)).predict(features[test])
    return calls


def evaluate(data: Path, encoder: ChainEncoder) -> dict[str, Any]:
    """Give macro-F1 of all rows, and the gain over expression with paired intervals over cells."""
    result: dict[str, Any] = {}
    for name in NAMES:
        cells = read_set(data, find_set(name))
        cells = cells.rows(np.array([s is not None for s in cells.state]))
        truth = cells.state.astype(str).astype(object)
        receptors = {locus: embed(encoder, c) for locus, c in read_chains(data, name, cells).items()}
        weights = draw_weights(len(cells), seed=SEED)
        for split in SPLITS:
            seeds = [judge(cells, receptors, by_clone=split == "by clone", seed=s) for s in range(SEEDS)]
            scores = {
                row: np.mean([weighted_macro_f1(truth, c[row], weights) for c in seeds], axis=0)
                for row in seeds[0]
            }
            result[f"{name}, {split}"] = {
                row: {"value": as_interval(v), "gain": as_interval(v - scores[EXPRESSION])}
                for row, v in scores.items()
            }
    return result


def render(result: dict[str, Any]) -> str:
    """Write the figures as a Markdown table."""
    rows = list(next(iter(result.values())))
    lines = ["| row | " + " | ".join(result) + " |", "|" + "---|" * (1 + len(result))]
    for row in rows:
        cells = []
        for found in result.values():
            (value, _, _), (gain, low, high) = found[row]["value"], found[row]["gain"]
            cells.append(
                f"{value:.3f}" + (f" ({gain:+.3f}: {low:+.3f} to {high:+.3f})" if row != EXPRESSION else "")
            )
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Evaluate, write JSON, print Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled data sets")
    parser.add_argument("--bundle", default="receptors", help="name or folder of a receptors bundle")
    parser.add_argument("-o", "--output", type=Path, help="JSON file for the figures")
    options = parser.parse_args()
    encoder = choose_encoder("native", options.bundle).open(threads=1, device="cpu")
    result = evaluate(options.data, encoder)
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(render(result))


if __name__ == "__main__":
    main()
