"""What is compared: distances between receptors, of our encoder and of its peers.

Each row of a table is a `Judge`: given references it scores every receptor, the higher the nearer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd
import tidytcells
import torch
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist
from sklearn.linear_model import LogisticRegression

from tcellflow.inference.receptors.encoder import choose_encoder
from tcellflow.inference.receptors.kmers import KmerCounter
from tcellflow.inference.receptors.network import batch_by_length
from tcellflow.io.bundles.folders import Bundle, find_bundle, read_bundle
from tcellflow.models.configurations import ReceptorEncoderConfig
from tcellflow.models.receptors import ReceptorInference
from tcellflow.receptors.encoding.keys import MAX_JUNCTION_LENGTH
from tcellflow.receptors.encoding.tokens import build_vocabulary
from tcellflow.receptors.encoding.vectors import pair_vectors
from tcellflow.training.receptors.corpus import TokenChains
from tcellflow.training.receptors.distance import (
    AlignmentDistance,
    AlignmentWeights,
    measure_edges,
)
from tcellflow.training.receptors.germline import build_germline_tables
from tcellflow.training.receptors.options import ReceptorTaskOptions
from tcellflow.training.receptors.task import build_encoder
from tcellflow.vocabulary import ReceptorBackend

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from tcellflow.receptors.encoding.sequences import ChainSequences

    Arms = Mapping[str, ChainSequences]
    Floats = NDArray[np.float32]
    Indices = NDArray[np.int64]

OURS = "tcellflow"
UNTRAINED = "untrained encoder"
OURS_LOGISTIC = f"{OURS} (logistic regression)"
LOGISTIC = "1-3-mers, V, J (logistic regression)"
# CDR1, CDR2 and CDR3, the last counting three times, gaps as dear as the least similar residues
# (Dash et al. 2017 in the setting of their later software).
TCRDIST = AlignmentWeights(junction=3, gap=4, other_v=0, other_j=0)


class Judge(Protocol):
    """One row of a table."""

    def score(self, pool: Indices, draws: Indices, sizes: Sequence[int]) -> Floats:
        """Score N receptors by the first so many references of each draw.

        ``pool`` (P,) names receptors, ``draws`` (D, k) places in it; gives (D, sizes, N).
        """


@dataclass(frozen=True)
class NearestJudge:
    """Scores by minus the distance to the nearest reference.

    Parameters
    ----------
    measure
        Gives the (P, N) distances of some receptors to all.
    """

    measure: Callable[[Indices], Floats]

    def score(self, pool: Indices, draws: Indices, sizes: Sequence[int]) -> Floats:
        """Score receptors by their nearest references."""
        distances = self.measure(pool)
        scores = np.empty((len(draws), len(sizes), distances.shape[1]), np.float32)
        for draw, places in enumerate(draws):
            nearest = np.full(distances.shape[1], np.inf, np.float32)
            for number, (first, last) in enumerate(zip((0, *sizes), sizes, strict=False)):
                np.minimum(nearest, distances[places[first:last]].min(0), out=nearest)
                scores[draw, number] = -nearest
        return scores


@dataclass(frozen=True)
class LogisticJudge:
    """Scores by a logistic regression of the references against a background of the repertoire.

    Parameters
    ----------
    vectors
        (N, D) of the receptors.
    background
        (B, D) of random receptors.
    """

    vectors: Floats
    background: Floats
    least: int = 5

    def score(self, pool: Indices, draws: Indices, sizes: Sequence[int]) -> Floats:
        """Fit once for each draw and number of references; too few give not a number."""
        scores = np.full((len(draws), len(sizes), len(self.vectors)), np.nan, np.float32)
        for draw, places in enumerate(draws):
            for number, size in enumerate(sizes):
                if size >= self.least:
                    known = np.concatenate([self.vectors[pool[places[:size]]], self.background])
                    truth = np.arange(len(known)) < size
                    model = LogisticRegression(class_weight="balanced").fit(known, truth)
                    scores[draw, number] = model.decision_function(self.vectors)
        return scores


def judge_vectors(vectors: Floats) -> NearestJudge:
    """Judge by the cosines of (N, D) unit vectors."""
    return NearestJudge(lambda pool: 1 - vectors[pool] @ vectors.T)


def judge_genes(arms: Arms) -> NearestJudge:
    """Count the V and J genes that differ; an unknown one differs from all."""
    calls = [calls.astype(str) for chains in arms.values() for calls in (chains.v_call, chains.j_call)]

    def measure(pool: Indices) -> Floats:
        differ = [(names[pool, None] != names) | (names[pool, None] == "None") for names in calls]
        return np.sum(differ, axis=0).astype(np.float32)

    return NearestJudge(measure)


def judge_levenshtein(arms: Arms) -> NearestJudge:
    """Count the residues that were exchanged, lost or gained in the junctions."""
    junctions = [chains.junction_aa.tolist() for chains in arms.values()]

    def measure(pool: Indices) -> Floats:
        each = [
            cdist([names[row] for row in pool], names, scorer=Levenshtein.distance, dtype=np.uint8)
            for names in junctions
        ]
        return np.sum(each, axis=0, dtype=np.float32)

    return NearestJudge(measure)


def judge_kmers(arms: Arms) -> NearestJudge:
    """Compare the 1-3-mers of the junctions alone, by cosine."""
    counts = []
    for locus, chains in arms.items():
        counter = KmerCounter((locus,), 4_096)
        block = counter.count(chains.locus.tolist(), chains.junction_aa.tolist())
        counts.append((block / np.sqrt(np.square(block).sum(1, keepdims=True))).astype(np.float32))
    return judge_vectors(np.concatenate(counts, 1) / np.float32(np.sqrt(len(counts))))


def embed_kmers(arms: Arms) -> Floats:
    """Embed receptors with the encoder that needs no model."""
    return _embed(arms, choose_encoder("kmer").open().embed_chains)


def judge_alignment(arms: Arms, weights: AlignmentWeights, background: Arms | None = None) -> NearestJudge:
    """Align junctions and loops; with a background, distances are corrected for crowding."""
    vocabulary = build_vocabulary()
    distance = AlignmentDistance(build_germline_tables(vocabulary), weights)
    chains = [_tokenise(each) for each in arms.values()]
    edges = torch.zeros(len(chains[0]))
    if background is not None:
        sample = [_tokenise(background[locus]) for locus in arms]
        edges = measure_edges(distance, chains, sample)

    def measure(pool: Indices) -> Floats:
        within = torch.stack([distance.between(each.take(pool), each) for each in chains]).sum(0)
        corrected: Floats = (within - edges[pool, None] - edges).numpy()
        return corrected

    return NearestJudge(measure)


def _tokenise(chains: ChainSequences) -> TokenChains:
    tokens = build_vocabulary().tokenise(chains)
    residues = np.zeros((len(chains), MAX_JUNCTION_LENGTH), np.uint8)
    residues[:, : tokens["residues"].shape[1]] = tokens["residues"]
    narrow = {name: tokens[name].astype(np.uint8) for name in ("locus", "v_call", "j_call")}
    return TokenChains(residues=residues, **narrow)


def embed_bundle(bundle: Bundle, arms: Arms) -> Floats:
    """Embed receptors with a trained bundle."""
    choice = choose_encoder(bundle.receptors.backend, str(bundle.folder), **_accept_alphas(bundle))
    return _embed(arms, choice.open(threads=1, device="cpu").embed_chains)


def _accept_alphas(bundle: Bundle) -> dict[str, bool]:
    return {"force_tra": True} if bundle.receptors.backend == ReceptorBackend.TCR_BERT else {}


def embed_untrained(bundle: Bundle, arms: Arms) -> Floats:
    """Embed receptors with the bundle's network as it was before training."""
    recipe = json.loads((bundle.folder / "bundle.json").read_text("utf-8"))["recipe"]
    vocabulary = build_vocabulary()
    options = ReceptorTaskOptions(network=ReceptorEncoderConfig(**recipe["network"]), seed=recipe["seed"])
    network = ReceptorInference(build_encoder(vocabulary, options)).eval()

    def embed_chains(chains: ChainSequences) -> Floats:
        features = np.empty((len(chains), options.network.dimension), np.float32)
        for rows in batch_by_length(chains.lengths()):
            inputs = vocabulary.tokenise(chains.take(rows))
            with torch.no_grad():
                _, batch, _ = network(**{name: torch.from_numpy(array) for name, array in inputs.items()})
            features[rows] = batch.numpy()
        return features

    return _embed(arms, embed_chains)


def _embed(arms: Arms, embed_chains: Callable[[ChainSequences], Floats]) -> Floats:
    features = [embed_chains(chains) for chains in arms.values()]
    return pair_vectors(features[0], features[1] if len(features) > 1 else np.zeros_like(features[0]))


def embed_sceptr(arms: Arms) -> Floats:
    """Embed receptors with SCEPTR's default model; genes that it refuses are left unknown."""
    import sceptr  # noqa: PLC0415 (a peer of the extra "bench")

    table = pd.DataFrame(index=range(len(next(iter(arms.values())))))
    for arm in "AB":
        chains = arms.get(f"TR{arm}")
        table[f"CDR3{arm}"] = None if chains is None else chains.junction_aa
        table[f"TR{arm}V"] = None if chains is None else _keep_functional(chains.v_call)
        table[f"TR{arm}J"] = None if chains is None else _keep_functional(chains.j_call)
    vectors = np.asarray(sceptr.calc_vector_representations(table), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _keep_functional(calls: NDArray[np.object_]) -> NDArray[np.object_]:
    kept = {
        name: tidytcells.tr.standardize(
            name, species="homosapiens", enforce_functional=True, precision="gene", log_failures=False
        )
        for name in {name for name in calls if name is not None}
    }
    return np.array([kept.get(name) for name in calls], dtype=object)


@dataclass(frozen=True)
class Compared:
    """What is beside our encoder in the tables.

    Parameters
    ----------
    bundle
        Our encoder.
    tcr_bert
        A bundle made of TCR-BERT's weights, where they are at hand.
    has_peers
        Whether there are peers at all.
    has_sceptr
        Whether SCEPTR, which has to be installed, is one of them.
    """

    bundle: Bundle
    tcr_bert: Bundle | None = None
    has_peers: bool = True
    has_sceptr: bool = True


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every script here has."""
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--bundle", default="receptors", help="a bundle's name or folder")
    parser.add_argument("--tcr-bert", help="a bundle of TCR-BERT's weights, as another row")
    parser.add_argument("--without-sceptr", action="store_true", help="leave its row out")
    parser.add_argument("--output", type=Path, help="JSON file for the figures")


def read_compared(options: argparse.Namespace, *, has_peers: bool = True) -> Compared:
    """Read the bundles that were named."""
    named = [read_bundle(find_bundle(name)) for name in (options.bundle, options.tcr_bert) if name]
    return Compared(named[0], named[1] if len(named) > 1 else None, has_peers, not options.without_sceptr)


def make_judges(arms: Arms, background: Arms, compared: Compared) -> dict[str, Judge]:
    """Make every row of the tables for N receptors; the background is a sample of the repertoire."""
    ours = embed_bundle(compared.bundle, arms)
    judges: dict[str, Judge] = {
        OURS: judge_vectors(ours),
        OURS_LOGISTIC: LogisticJudge(ours, embed_bundle(compared.bundle, background)),
    }
    if not compared.has_peers:
        return judges
    kmers = embed_kmers(arms)
    judges |= {
        "V and J alone": judge_genes(arms),
        "1-3-mers (cosine)": judge_kmers(arms),
        "1-3-mers, V, J (cosine)": judge_vectors(kmers),
        LOGISTIC: LogisticJudge(kmers, embed_kmers(background)),
        "Levenshtein": judge_levenshtein(arms),
        "TCRdist-like": judge_alignment(arms, TCRDIST),
        "teacher (alignment less crowding)": judge_alignment(arms, AlignmentWeights(), background),
        UNTRAINED: judge_vectors(embed_untrained(compared.bundle, arms)),
    }
    if compared.has_sceptr:
        judges["SCEPTR"] = judge_vectors(embed_sceptr(arms))
    if compared.tcr_bert:
        judges["TCR-BERT"] = judge_vectors(embed_bundle(compared.tcr_bert, arms))
    return judges
