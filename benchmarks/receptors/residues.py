"""Judge how well hidden residues are guessed, on studies that training never saw.

    python -m benchmarks.receptors.residues --data FOLDER --bundle NAME_OR_FOLDER

Each residue between the anchors is hidden alone and guessed from the rest. The ends are the residues
that the germline mostly settles: the first four and the last five of the junction; the centre is the
rest. Peers learn from chains the encoder learnt from: the residues met at a position of junctions of that
length (also: with the V gene, counted from the start, or the J gene, counted from the end), and a Markov
model of order 2, asked as a whole: P(x | both sides) is the product of the three terms that hold x.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.receptors.rows import OURS, add_options, read_compared
from recipes.datasets.receptors import SEED, UNLABELLED_SOURCES, make_chains, read_background, read_unlabelled
from tcellflow.evaluation.intervals import bootstrap
from tcellflow.inference.session import open_session
from tcellflow.receptors.encoding.sequences import RESIDUES
from tcellflow.receptors.encoding.tokens import FIRST_RESIDUE, MASKED, parse_vocabulary, tokenise_junctions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.io.bundles.folders import Bundle
    from tcellflow.receptors.encoding.sequences import ChainSequences

    Tokens = NDArray[np.int64]

CHAINS = 2_000
LEARN = 300_000
HEAD, TAIL = 4, 5
PARTS = ("centre", "ends")
KINDS = len(RESIDUES) + FIRST_RESIDUE
BATCH = 512
PRIOR = 0.5  # added to every count


class PositionModel:
    """Residues met at a position, counted from either end, of junctions of one length.

    Parameters
    ----------
    chains
        What it learns from.
    uses_genes
        Whether positions are those of a V gene (from the start, in the first half) or of a J gene (from
        the end) rather than of a length.
    """

    def __init__(self, chains: ChainSequences, *, uses_genes: bool) -> None:
        self._uses_genes = uses_genes
        self._counts: dict[tuple[object, int], NDArray[np.float64]] = {}
        for key, token in zip(*self._keys(chains), strict=True):
            self._counts.setdefault(key, np.full(KINDS, PRIOR))[token] += 1

    def _keys(self, chains: ChainSequences) -> tuple[list[tuple[object, int]], Tokens]:
        keys: list[tuple[object, int]] = []
        for junction, v_call, j_call in zip(chains.junction_aa, chains.v_call, chains.j_call, strict=True):
            n = len(junction)
            for place in range(n):
                is_early = 2 * place < n
                gene = (v_call, place) if is_early else (j_call, place - n)
                keys.append(gene if self._uses_genes else (n, place))
        tokens = tokenise_junctions(chains.junction_aa)
        return keys, tokens[tokens != 0]

    def guess(self, chains: ChainSequences) -> Tokens:
        """Guess every residue; gives them chain by chain."""
        flat = np.zeros(KINDS)
        keys, _ = self._keys(chains)
        return np.array([int(self._counts.get(key, flat).argmax()) for key in keys])


class MarkovModel:
    """A Markov chain of order 2 over residues.

    Parameters
    ----------
    chains
        What it learns from.
    """

    def __init__(self, chains: ChainSequences) -> None:
        counts = np.full((KINDS, KINDS, KINDS), PRIOR)
        padded = self._pad(chains)
        np.add.at(counts, (padded[:, :-2], padded[:, 1:-1], padded[:, 2:]), 1)
        self._log = np.log(counts / counts.sum(2, keepdims=True))

    @staticmethod
    def _pad(chains: ChainSequences) -> Tokens:
        return np.pad(tokenise_junctions(chains.junction_aa), ((0, 0), (2, 2)))

    def guess(self, chains: ChainSequences) -> Tokens:
        """Guess every residue; gives them chain by chain."""
        padded = self._pad(chains)
        a, b, x, c, d = (padded[:, shift : padded.shape[1] - 4 + shift] for shift in range(5))
        every = np.arange(KINDS)
        scores = self._log[a, b] + self._log[b[..., None], every, c[..., None]]
        scores += self._log[every, c[..., None], d[..., None]]
        scores[..., :FIRST_RESIDUE] = -np.inf
        return scores.argmax(-1)[x != 0]


def guess_by_bundle(bundle: Bundle, chains: ChainSequences) -> Tokens:
    """Hide each residue alone and ask the encoder."""
    session = open_session(bundle.model_path, threads=1, device="cpu")
    text = (bundle.folder / bundle.receptors.vocabulary).read_text("utf-8")
    inputs = parse_vocabulary(text, where=bundle.folder).tokenise(chains)
    owner, place = np.nonzero(inputs["residues"])
    guesses = np.empty(len(owner), np.int64)
    for start in range(0, len(owner), BATCH):
        rows, hidden = owner[start : start + BATCH], place[start : start + BATCH]
        batch = {name: array[rows] for name, array in inputs.items()}
        batch["residues"][np.arange(len(rows)), hidden] = MASKED
        logits = session.run(batch)["residue_logits"][np.arange(len(rows)), hidden]
        guesses[start : start + BATCH] = logits.argmax(1) + FIRST_RESIDUE
    return guesses


def judge_locus(folder: Path, bundle: Bundle, locus: str) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Give the (chains, 1) share of residues guessed right, by row and part of the junction."""
    kind = locus
    table = read_unlabelled(folder, kind, UNLABELLED_SOURCES).sample(CHAINS, random_state=SEED)
    chains = make_chains(table, locus, f"_{locus.lower()}")
    learn = read_background(folder, locus, LEARN)
    tokens = tokenise_junctions(chains.junction_aa)
    owner, place = np.nonzero(tokens)
    from_end = chains.lengths()[owner] - 1 - place
    is_anchor = (place == 0) | (from_end == 0)
    is_centre = (place >= HEAD) & (from_end >= TAIL)
    rows = {
        "position and length": PositionModel(learn, uses_genes=False).guess(chains),
        "position and V or J gene": PositionModel(learn, uses_genes=True).guess(chains),
        "Markov of order 2, both sides": MarkovModel(learn).guess(chains),
        OURS: guess_by_bundle(bundle, chains),
    }
    figures: dict[str, dict[str, NDArray[np.float64]]] = {}
    for name, guesses in rows.items():
        is_right = guesses == tokens[owner, place]
        figures[name] = {}
        for part, is_in in zip(PARTS, (is_centre, ~is_centre & ~is_anchor), strict=True):
            right = np.bincount(owner[is_in], is_right[is_in], len(chains))
            asked = np.bincount(owner[is_in], minlength=len(chains))
            figures[name][part] = (right[asked > 0] / asked[asked > 0])[:, None]
    return figures


def main() -> None:
    """Print the table, and write the figures if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    options = parser.parse_args()
    bundle = read_compared(options).bundle
    numbers: dict[str, dict[str, object]] = {}
    print("| hidden residues guessed | part | accuracy | less than ours by |\n|---|---|---|---|")
    for locus in ("TRB", "TRA"):
        figures = judge_locus(options.data, bundle, locus)
        for part in PARTS:
            for name, parts in figures.items():
                accuracy = bootstrap(parts[part])
                less = bootstrap(figures[OURS][part] - parts[part])
                print(f"| {locus}: {name} | {part} | {accuracy} | {'' if name == 'tcellflow' else less} |")
                numbers.setdefault(f"{locus} {part}", {})[name] = {
                    "accuracy": [accuracy.mean, accuracy.low, accuracy.high],
                    "less_than_ours": [less.mean, less.low, less.high],
                }
    if options.output:
        options.output.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
