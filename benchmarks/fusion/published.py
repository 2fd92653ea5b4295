"""The ten metrics of the published protocol, and the same on cells whose labels nobody learnt.

    python -m benchmarks.fusion.published --data FOLDER --scratch FOLDER -o ROWS BUNDLE [--set NAME]

Labels are WNN clusters and gates where a set has both, else what `benchmarks.fusion.neighbours` judges by.
Vectors of trained systems are taken from the scratch folder as ``<set>.<system>.seed<n>.npz``, where
`benchmarks.fusion.ablations` and `benchmarks.fusion.peers` leave them; what a set alone gives, and fuse with
the bundle, which must not have learnt from the set, are computed here.

Paper: groups by Leiden's modularity on the unweighted graph of 20 neighbours, against the clusters of all
cells that have one, those learnt from included: adjusted Rand index, normalised and adjusted mutual
information, Fowlkes-Mallows index, Jaccard index and F-measure of pairs; on the map of the cells, silhouette
(SC), Calinski-Harabasz (CHI) and Davies-Bouldin (DBI) of the groups, and (silhouette + 1) / 2 of the clusters
(ASW).
Honest: the same groups on the 70 % of the cells whose labels nobody learnt, against clusters and against
gates; SC, CHI, DBI and ASW of the labels in the vectors themselves. Mean and deviation over five
seeds of Leiden and those of the systems. A line of JSON for each system, protocol and kind of labels.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn import metrics

from benchmarks.fusion.cells import draw_labelled, fit_own, fuse_set
from benchmarks.fusion.neighbours import LABELS, NO_LABEL, read_peer
from recipes.fusion.sets import SETS, write_sets
from tcellflow.graph.communities import find_communities
from tcellflow.graph.layout import lay_out_graph
from tcellflow.graph.neighbours import find_neighbours, join_neighbours, to_whole_numbers
from tcellflow.inference.fusion.fuser import Fuser
from tcellflow.io.bundles.folders import read_bundle
from tcellflow.io.matrices.opening import open_matrix
from tcellflow.training.fusion.manifest import read_fusion_manifest
from tcellflow.training.fusion.sets import read_set

VIEWS = {"fuse": "rna+adt", "fuse, genes": "rna"}
_KINDS = 2  # of labels, the clusters first
_NEIGHBOURS = 20
_LEIDEN_SEEDS = 5


def main() -> None:
    """Judge all systems."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--set", default="citeseq_pbmc5k", choices=sorted(SETS))
    parser.add_argument("bundle", type=Path)
    options = parser.parse_args()
    entries = {entry.name: entry for entry in read_fusion_manifest(write_sets(options.data, options.scratch))}
    one = read_set(entries[options.set])
    obs = open_matrix(one.entry.cohort.counts).obs.loc[one.cell_ids]
    labels = {kind: obs[kind].astype(str).to_numpy() for kind in LABELS[options.set][:_KINDS]}
    systems = dict(fit_own(one))
    fuser = Fuser(read_bundle(options.bundle), threads=1)
    # groups are of vectors before they are averaged, as the step's own
    systems |= {name: fuse_set(fuser, one, view).sharp.vectors for name, view in VIEWS.items()}
    found = {name: [(0, *draw(vectors))] for name, vectors in systems.items()}
    for path in sorted(options.scratch.glob(f"{options.set}.*.npz")):
        parts = path.name.split(".")
        seed = int(parts[2].removeprefix("seed")) if parts[2].startswith("seed") else 0
        found.setdefault(parts[1], []).append((seed, *read_drawn(path)))
    with options.output.open("a", encoding="utf-8") as file:
        for system, runs in found.items():
            for row in judge(runs, labels):
                line = {"set": options.set, "system": system, "seeds": len(runs), **row}
                print(json.dumps(line), flush=True)
                file.write(json.dumps(line) + "\n")


def draw(vectors: np.ndarray) -> tuple[np.ndarray | None, sparse.coo_matrix, np.ndarray]:
    """Give vectors, the unweighted graph, and places on the map."""
    points = to_whole_numbers(np.nan_to_num(vectors.astype(np.float64)))
    nearest, squared = find_neighbours(points, _NEIGHBOURS)
    return vectors, _join(nearest), lay_out_graph(join_neighbours(nearest, squared), points)


def read_drawn(path: Path) -> tuple[np.ndarray | None, sparse.coo_matrix, np.ndarray]:
    """Read what another script left, vectors or neighbours alone."""
    with np.load(path) as stored:
        if "vectors" in stored:
            return draw(stored["vectors"])
    nearest, graph = read_peer(path)
    start = np.random.default_rng(0).normal(size=(len(nearest), 8))  # the layout begins anywhere
    return None, _join(nearest[:, :_NEIGHBOURS]), lay_out_graph(graph, start)


def judge(
    runs: list[tuple[int, np.ndarray | None, sparse.coo_matrix, np.ndarray]], labels: dict[str, np.ndarray]
) -> list[dict[str, object]]:
    """Judge one system by both protocols; the paper's reads the first kind of labels."""
    clusters = next(iter(labels))
    rows: dict[tuple[str, str], list[dict[str, float]]] = {}
    for seed, vectors, graph, places in runs:
        n = graph.shape[0]
        held_out = np.ones(n, bool)
        held_out[np.concatenate(draw_labelled(n, seed))] = False
        for leiden in range(_LEIDEN_SEEDS):
            group = find_communities(graph, 1.0, leiden)
            known = ~np.isin(labels[clusters], NO_LABEL)
            agreement = compare(labels[clusters][known], group[known])
            width = silhouette(places[known], labels[clusters][known])
            shape = describe(places, group) | {"asw": (width + 1) / 2}
            rows.setdefault(("paper", clusters), []).append({**agreement, **shape})
            for kind, label in labels.items():
                kept = held_out & ~np.isin(label, NO_LABEL)
                row = compare(label[kept], group[kept])
                if vectors is not None:
                    row |= describe(vectors[kept], label[kept])
                    row["asw"] = (row["sc"] + 1) / 2
                rows.setdefault(("honest", kind), []).append(row)
    return [
        {
            "protocol": protocol,
            "labels": kind,
            **{
                name: [round(float(np.mean(values)), 4), round(float(np.std(values)), 4)]
                for name in parts[0]
                for values in [[part[name] for part in parts]]
            },
        }
        for (protocol, kind), parts in rows.items()
    ]


def compare(label: np.ndarray, group: np.ndarray) -> dict[str, float]:
    """Give the six figures of agreement."""
    (_, fp), (fn, tp) = metrics.pair_confusion_matrix(label, group)
    return {
        "ari": metrics.adjusted_rand_score(label, group),
        "nmi": metrics.normalized_mutual_info_score(label, group),
        "ami": metrics.adjusted_mutual_info_score(label, group),
        "fmi": metrics.fowlkes_mallows_score(label, group),
        "ji": tp / (tp + fp + fn),
        "f": 2 * tp / (2 * tp + fp + fn),
    }


def describe(points: np.ndarray, group: np.ndarray) -> dict[str, float]:
    """Give the three figures of how groups lie."""
    return {
        "sc": silhouette(points, group),
        "chi": metrics.calinski_harabasz_score(points, group),
        "dbi": metrics.davies_bouldin_score(points, group),
    }


def silhouette(points: np.ndarray, group: np.ndarray) -> float:
    """Give the mean silhouette of at most 2,000 cells drawn once."""
    return float(metrics.silhouette_score(points, group, sample_size=min(2_000, len(points)), random_state=0))


def _join(nearest: np.ndarray) -> sparse.coo_matrix:
    rows = np.repeat(np.arange(len(nearest)), nearest.shape[1])
    ones = np.ones(nearest.size)
    found = sparse.csr_matrix((ones, (rows, nearest.ravel())), shape=(len(nearest),) * 2)
    return sparse.coo_matrix(found + found.T)


if __name__ == "__main__":
    main()
