"""Which distance links unrelated receptors only once in a million pairs, and what such clusters are worth.

    python -m benchmarks.receptors.cluster_distance CORPUS_FOLDER

Background: receptors without known epitope, of sources that the packaged encoder did not learn from. The
distance is read from them alone. Clusters are then judged on receptors with known epitopes (without
dextramer rows): how many are in a cluster of two or more, and how often two of a cluster share their
epitope, with 95 % intervals from 1,000 bootstrap draws of clusters. Prints Markdown.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from tcellflow.inference.receptors.encoder import ChainEncoder, choose_encoder
from tcellflow.inference.receptors.neighbours import find_clusters
from tcellflow.inference.receptors.similar import DEFAULT_DISTANCES
from tcellflow.receptors.encoding.keys import is_embeddable
from tcellflow.receptors.encoding.sequences import ChainSequences
from tcellflow.receptors.encoding.vectors import pair_vectors
from tcellflow.vocabulary import EmbeddingKind

BACKGROUND = (
    "COVID_TCR_conga_clones",
    "COVID_TCR_10x",
    "IMMREP22_memCD8_controls",
    "CD39_HGSC_10x",
    "UniTCR_GSE_pembro_10x",
)
KINDS = (EmbeddingKind.PAIR, EmbeddingKind.TRB, EmbeddingKind.TRA)
FIELDS = ("junction_aa", "v_call", "j_call")
N_BACKGROUND, N_DRAWS, RATE = 12_000, 1_000, 1e-6
EDGES = np.linspace(0, 0.5, 1001)


def columns_of(kind: str) -> list[str]:
    """Give the columns that make two receptors of a kind the same."""
    sides = ("tra", "trb") if kind == EmbeddingKind.PAIR else (kind,)
    return [f"{field}_{side}" for side in sides for field in FIELDS]


def take_kind(table: pd.DataFrame, kind: str, extra: list[str]) -> pd.DataFrame:
    """Give the distinct receptors of a kind that can be embedded."""
    sides = ("tra", "trb") if kind == EmbeddingKind.PAIR else (kind,)
    rows = table.dropna(subset=[f"junction_aa_{side}" for side in sides])
    for side in sides:
        rows = rows[[is_embeddable(side.upper(), junction) for junction in rows[f"junction_aa_{side}"]]]
    return rows.drop_duplicates([*columns_of(kind), *extra])


def embed(rows: pd.DataFrame, kind: str, encoder: ChainEncoder) -> np.ndarray:
    """Give the vectors of receptors."""
    features = {}
    for side in ("tra", "trb") if kind == EmbeddingKind.PAIR else (kind,):
        calls = [rows[f"{field}_{side}"].astype(object).to_numpy(copy=True) for field in FIELDS]
        for call in calls:
            call[pd.isna(call)] = None
        locus = np.full(len(rows), side.upper(), dtype=object)
        features[side] = encoder.embed_chains(ChainSequences(locus, *calls))
    if kind == EmbeddingKind.PAIR:
        return pair_vectors(features["tra"], features["trb"])
    return pair_vectors(features[kind], np.zeros_like(features[kind]))


def share_below(vectors: np.ndarray) -> np.ndarray:
    """Give the share of pairs of rows below each distance of `EDGES` but the first."""
    counts = np.zeros(len(EDGES) - 1)
    for first in range(0, len(vectors), 2_000):
        distances = 1 - vectors[first : first + 2_000] @ vectors.T
        distances[np.arange(len(distances)), np.arange(first, first + len(distances))] = np.inf
        counts += np.histogram(np.maximum(distances, 0), EDGES)[0]
    return np.cumsum(counts) / (len(vectors) * (len(vectors) - 1))


def judge(rows: pd.DataFrame, vectors: np.ndarray, distance: float) -> str:
    """Say how many receptors are in clusters, and how often two of a cluster share their epitope."""
    labels = find_clusters(vectors, distance)
    epitopes = pd.factorize(rows["epitope"])[0]
    shares = []  # of each cluster, so that a large one counts no more than a small one
    for members in pd.Series(epitopes).groupby(labels):
        n = np.bincount(members[1])
        size = n.sum()
        if size > 1:
            shares.append((n * (n - 1)).sum() / (size * (size - 1)))
    clustered = np.bincount(labels)[labels] > 1
    chance = np.square(np.bincount(epitopes) / len(epitopes)).sum()
    same = np.array(shares)
    draws = np.random.default_rng(0).integers(0, len(same), (N_DRAWS, len(same)))
    low, high = np.quantile(same[draws].mean(axis=1), [0.025, 0.975])
    return f"{clustered.mean():.1%} | {len(same):,} | {same.mean():.2f} ({low:.2f}-{high:.2f}) | {chance:.2f}"


def main() -> None:
    """Measure every backend that comes with the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    corpus = parser.parse_args().corpus
    pairs = pd.read_parquet(corpus / "paired_human.parquet")
    pairs = pairs[~pairs["has_epitope_label"] & pairs["source"].isin(BACKGROUND)]
    labelled = pd.read_parquet(corpus / "epitope_human.parquet")
    labelled = labelled[~labelled["is_10x_dextramer_ref"]]
    head = f"backend | receptors | distance at {RATE:g} | default | unrelated pairs | in clusters | clusters"
    print(f"| {head} | share of pairs with one epitope | by chance |\n{'|---' * 9}|")
    for backend, defaults in DEFAULT_DISTANCES.items():
        encoder = choose_encoder(backend).open(threads=1, device="cpu")
        for kind in KINDS:
            some = take_kind(pairs, kind, []).sample(N_BACKGROUND, random_state=0)
            shares = share_below(embed(some, kind, encoder))
            limit = EDGES[np.searchsorted(shares, RATE, side="right")]
            default = defaults[kind]
            within = shares[np.searchsorted(EDGES, default) - 1]
            known = take_kind(labelled, kind, ["epitope"])
            said = judge(known, embed(known, kind, encoder), default)
            print(f"| {backend} | {kind} | {limit:.3f} | {default} | {within:.1e} | {said} |", flush=True)


if __name__ == "__main__":
    main()
