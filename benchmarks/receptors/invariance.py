"""Measure how far a chain's features depend on what they must not: batch, order, threads.

    python -m benchmarks.receptors.invariance --data FOLDER --bundle NAME_OR_FOLDER

10,000 chains are embedded as embed-tcr does; again in another order, with other threads, in pieces
(so that batches hold other chains), and padded among longer ones, in one call of the network without
sorting by length. Prints the largest difference of any number from the first time.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.receptors.rows import add_options, read_compared
from benchmarks.receptors.speed_chains import join_chains, read_chains
from recipes.datasets.receptors import SEED
from tcellflow.inference.receptors.encoder import choose_encoder
from tcellflow.inference.session import open_session
from tcellflow.receptors.encoding.tokens import parse_vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.io.bundles.folders import Bundle
    from tcellflow.receptors.encoding.sequences import ChainSequences

    Floats = NDArray[np.float32]

CHAINS = 10_000
PIECES = (1, 7, 333)
PADDED = 512


def embed(bundle: Bundle, chains: ChainSequences, *, threads: int, piece: int) -> Floats:
    """Embed chains, so many at a time."""
    encoder = choose_encoder("native", str(bundle.folder)).open(threads=threads, device="cpu")
    starts = range(0, len(chains), piece)
    return np.concatenate(
        [encoder.embed_chains(chains.take(slice(start, start + piece))) for start in starts]
    )


def embed_padded(bundle: Bundle, chains: ChainSequences) -> Floats:
    """Run the network on batches of all lengths, padded to the longest."""
    session = open_session(bundle.model_path, threads=1, device="cpu")
    text = (bundle.folder / bundle.receptors.vocabulary).read_text("utf-8")
    vocabulary = parse_vocabulary(text, where=bundle.folder)
    starts = range(0, len(chains), PADDED)
    batches = (vocabulary.tokenise(chains.take(slice(start, start + PADDED))) for start in starts)
    return np.concatenate([session.run(batch)["features"] for batch in batches])


def main() -> None:
    """Print the differences, and write them if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--chains", type=int, default=CHAINS)
    options = parser.parse_args()
    bundle = read_compared(options).bundle
    parts = [read_chains(options.data, name) for name in ("corpus", "screp_ards")]
    chains = join_chains([part.take(slice(options.chains // 2)) for part in parts])
    order = np.random.default_rng(SEED).permutation(len(chains))
    first = embed(bundle, chains, threads=1, piece=len(chains))
    others = {
        "again": embed(bundle, chains, threads=1, piece=len(chains)),
        "another order": embed(bundle, chains.take(order), threads=1, piece=len(chains))[np.argsort(order)],
        "2 threads": embed(bundle, chains, threads=2, piece=len(chains)),
        **{f"in pieces of {piece}": embed(bundle, chains, threads=1, piece=piece) for piece in PIECES},
        "padded among longer ones": embed_padded(bundle, chains),
    }
    largest = {name: float(np.abs(values - first).max()) for name, values in others.items()}
    size = np.abs(first).max()
    print(f"| {len(chains):,} chains, features up to {size:.1f} | largest difference |\n|---|---|")
    print("\n".join(f"| {name} | {value:.1e} |" for name, value in largest.items()))
    if options.output:
        options.output.write_text(json.dumps(largest, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
