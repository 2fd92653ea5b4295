"""Compare what puts claims into words: the template, the network, and it without its rules or its cells.

    python -m benchmarks.language.realisers CELLS --groupby COL [--bundle NAME] [-o JSON]

CELLS should be a set that the bundle did not learn from. Sentences are judged as they were written,
before the check.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from tcellflow.inference.language.writer import NeuralWriter
from tcellflow.io.bundles.folders import find_bundle, read_bundle
from tcellflow.language.claims import plan_claims
from tcellflow.language.realising.draft import Draft
from tcellflow.language.realising.rows import make_rows
from tcellflow.language.realising.tokens import EOS, NAME_END, STOP, TokenSet, spell
from tcellflow.language.template import Register, Sentence, choose_claims, realise
from tcellflow.language.verifier import Verdict, Verifier
from tcellflow.steps.describe.inputs import open_sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tcellflow.language.facts import SampleFacts
    from tcellflow.language.realising.phrases import Phrase
    from tcellflow.language.realising.rows import Row

MOST_TOKENS = 400


class FreeDraft(Draft):
    """A draft without rules: any token may come, any row may fill any slot, and names are spelled freely."""

    def __init__(self, rows: Sequence[Row], tokens: TokenSet, phrases: Sequence[Phrase]) -> None:
        super().__init__(rows, tokens, phrases)
        self.rows, self.tokens = tuple(rows), tokens
        self.pieces: list[tuple[str, bool]] = []
        self.said: list[int] = []
        self.n_tokens = 0

    def allow(self) -> np.ndarray:
        """Allow every token but the marks that only begin a text."""
        allowed = np.ones(len(self.tokens.tokens), dtype=bool)
        allowed[: self.tokens.place[EOS]] = False
        return allowed

    def allow_rows(self, token: int) -> np.ndarray:
        """Allow every row."""
        return np.full(len(self.rows), token in self.tokens.slots, dtype=bool)

    def push(self, token: int, row: int | None = None) -> int | None:
        """Write what was asked for; a slot that the row cannot fill takes what it is about."""
        text = self.tokens.tokens[token]
        self.n_tokens += 1
        if text == EOS or self.n_tokens > MOST_TOKENS:
            self.is_done = True
        elif token in self.tokens.slots and row is not None:
            slot = self.tokens.slots[token][1]
            if slot != "name":
                self.pieces.append((self.rows[row].fields.get(slot, self.rows[row].claim.subject), False))
            self.said.append(row)
            return row
        elif text != NAME_END:
            self.pieces.append((text.strip("<>") if len(text) > 2 else text, True))
            if text == STOP:
                claims = tuple(self.rows[i].claim for i in dict.fromkeys(self.said))
                self.sentences.append(Sentence(spell(self.pieces), claims))
                self.pieces, self.said = [], []
        return None


def measure(
    facts: SampleFacts, texts: Sequence[Sequence[Sentence]], plans: Sequence[Any], units: Sequence[int]
) -> dict[str, float]:
    """Measure texts of one register: what is true, what is said, and how they read."""
    verifier = Verifier(facts)
    verdicts: Counter[str] = Counter()
    n_claims = n_said = n_repeated = 0
    openers: Counter[str] = Counter()
    words = 0
    for unit, sentences, claims in zip(units, texts, plans, strict=True):
        for sentence in sentences:
            checked = verifier.check(sentence.text, unit)
            worst = next((c.verdict for c in checked if c.verdict is not Verdict.SUPPORTED), None)
            verdicts[str(worst or (Verdict.SUPPORTED if checked else Verdict.UNCHECKED))] += 1
            openers[" ".join(sentence.text.split()[:2])] += 1
            words += len(sentence.text.split())
        said = [id(claim) for sentence in sentences for claim in sentence.claims]
        n_claims += len(claims)
        n_said += len(set(said) & {id(claim) for claim in claims})
        n_repeated += len(said) - len(set(said))
    n = max(sum(verdicts.values()), 1)
    shares = np.array(list(openers.values())) / max(sum(openers.values()), 1)
    return {
        "sentences": n,
        "supported": verdicts["supported"] / n,
        "contradicted": verdicts["contradicted"] / n,
        "unknown_entity": verdicts["unknown_entity"] / n,
        "claims_said": n_said / max(n_claims, 1),
        "claims_repeated": n_repeated / max(n_said, 1),
        "claims_per_sentence": n_said / n,
        "words_per_claim": words / max(n_said, 1),
        "ways_to_begin": float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0,
    }


def compare(facts: SampleFacts, writer: NeuralWriter, register: Register) -> list[dict[str, Any]]:
    """Compare all ways to write on one sample, in one register."""
    units = [i for i, numbers in enumerate(facts.numbers) if numbers["cells"] > 0]
    last, genes = len(facts.units) - 1, list(facts.evidence.place)
    plans = [choose_claims(plan_claims(facts, i)[1], register) for i in units]
    groups = [-1 if i == last else i for i in units]
    expression = [writer.panel.standardise(genes, facts.evidence.measure_expression(i)) for i in groups]
    told = [make_rows(claims) for claims in plans]
    ways = {
        "template": lambda: [realise(claims, register) for claims in plans],
        "network": lambda: _write(writer, told, expression, register),
        "network without cells": lambda: _write(writer, told, [0 * one for one in expression], register),
        "network without rules": lambda: _write(writer, told, expression, register, FreeDraft),
    }
    rows = []
    for name, write in ways.items():
        started = time.perf_counter()
        texts = write()
        timed = {"register": register, "realiser": name, "texts": len(texts)}
        timed["seconds"] = time.perf_counter() - started
        rows.append({**timed, **measure(facts, texts, plans, units)})
    return rows


def _write(writer: NeuralWriter, rows: Any, expression: Any, register: Any, draft: Any = Draft) -> list[Any]:
    plans = list(zip(rows, expression, strict=True))
    return [one.sentences for one in writer.write_rows(plans, register, draft)]


def main() -> None:
    """Compare on one file of cells."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cells", type=Path)
    parser.add_argument("--groupby", required=True)
    parser.add_argument("--bundle", default="language")
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    sample = open_sample(given.cells, predictions=None, chains=None, groupby=given.groupby, layer=None)
    facts, writer = sample.measure(), NeuralWriter(read_bundle(find_bundle(given.bundle)))
    rows = [row for register in get_args(Register) for row in compare(facts, writer, register)]
    for row in rows:
        print(" | ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{v}" for k, v in row.items()))
    if given.output:
        given.output.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
