"""How many altered sentences the verifier catches, and how many true ones it doubts.

Run as ``python -m benchmarks.language.altered CELLS [--groupby COL] [--pred FILE]``. True sentences are drawn
from facts of the matrix in several ways of writing, ours among them; each is then altered in one way: another
gene, the other polarity, another number, another group.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np

from tcellflow.language.claims import plan_claims
from tcellflow.language.evidence import Presence
from tcellflow.language.panel import read_panel
from tcellflow.language.template import realise
from tcellflow.language.verifier import Verdict, Verifier
from tcellflow.steps.describe.inputs import open_sample

THERE = (
    "{g} is detected in {n} % of the cells.",
    "{n}% of cells express {g}.",
    "These cells express {g}.",
    "They are {g}+.",
    "{g} transcripts were found in these cells.",
    "The cells are positive for {g}.",
    "Expression of {g} is seen in {n} percent of them.",
)
ABSENT = (
    "{g} is absent.",
    "These cells do not express {g}.",
    "They lack {g}.",
    "The cells are negative for {g}.",
    "{g} was not detected in this group.",
    "No {g} expression is seen.",
)
FLIPS = (
    ("is detected", "is not detected"), ("express", "do not express"), ("They are {g}+", "They are {g}-"),
    ("were found", "were not found"), ("positive", "negative"), ("is seen", "is not seen"),
)  # fmt: skip


def write_pairs(facts: object, unit: int, rng: np.random.Generator) -> list[tuple[str, str, str]]:
    """Write (kind, true sentence, altered sentence) for one unit."""
    genes = sorted({g for kind in read_panel() for g in kind.positive})
    known = {g: f for g in genes if (f := facts.gene(unit, g)) is not None}  # type: ignore[attr-defined]
    there = [g for g, f in known.items() if f.presence is Presence.PRESENT]
    absent = [g for g, f in known.items() if f.presence is Presence.ABSENT]
    pairs = []
    if not there or not absent:
        return pairs
    for _ in range(12):
        gene, other = str(rng.choice(there)), str(rng.choice(absent))
        i = int(rng.integers(len(THERE)))
        number = f"{known[gene].pct:.1f}"
        true = THERE[i].format(g=gene, n=number)
        pairs.append(("gene", true, THERE[i].format(g=other, n=number)))
        flipped = true
        for pattern, replacement in FLIPS:
            old, new = pattern.format(g=gene), replacement.format(g=gene)
            if old in flipped:
                flipped = (
                    flipped.replace("% of cells express", "% of cells do not express")
                    if "% of" in flipped and old == "express"
                    else flipped.replace(old, new, 1)
                )
                break
        if flipped != true:
            pairs.append(("polarity", true, flipped))
        if number in true:
            wrong = known[gene].pct + float(rng.choice([-1, 1])) * float(rng.uniform(3, 40))
            wrong = wrong if 0 <= wrong <= 100 else abs(100 - known[gene].pct) / 2 + 1
            if abs(wrong - known[gene].pct) > 0.1:
                pairs.append(("number", true, THERE[i].format(g=gene, n=f"{wrong:.1f}")))
        j = int(rng.integers(len(ABSENT)))
        pairs.append(("gene", ABSENT[j].format(g=other), ABSENT[j].format(g=gene)))
    return pairs


def alter_ours(facts: object, unit: int, rng: np.random.Generator) -> list[tuple[str, str, str]]:
    """Alter the numbers of the sentences that the template writes."""
    import re  # noqa: PLC0415 (used here alone)

    pairs = []
    for sentence in realise(plan_claims(facts, unit)[1]):  # type: ignore[arg-type]
        numbers = list(re.finditer(r"(?<![\w:.-])\d+(?:\.\d+)?(?![\w-])", sentence.text))
        if numbers:
            hit = numbers[int(rng.integers(len(numbers)))]
            decimals = len(hit.group().partition(".")[2])
            wrong = float(hit.group()) * float(rng.choice([0.5, 0.8, 1.3, 2])) + 2 * 10.0**-decimals
            text = sentence.text[: hit.start()] + f"{wrong:.{decimals}f}" + sentence.text[hit.end() :]
            if text != sentence.text:
                pairs.append(("template number", sentence.text, text))
    return pairs


def measure(cells: Path, groupby: str | None, predictions: Path | None, seed: int = 0) -> dict[str, object]:
    """Measure both shares on one sample."""
    sample = open_sample(cells, predictions=predictions, chains=None, groupby=groupby, layer=None)
    facts = sample.measure()
    verifier, rng = Verifier(facts), np.random.default_rng(seed)
    caught: Counter[str] = Counter()
    total: Counter[str] = Counter()
    doubted = n_true = 0
    misses: list[tuple[str, str, str]] = []
    for unit, numbers in enumerate(facts.numbers):
        if numbers["cells"] < 20:
            continue
        for kind, true, altered in write_pairs(facts, unit, rng) + alter_ours(facts, unit, rng):
            n_true += 1
            verdict = verifier.check(true, unit)[0]
            if verdict.verdict is not Verdict.SUPPORTED:
                doubted += 1
                misses.append(("doubted", true, verdict.reason))
            total[kind] += 1
            verdict = verifier.check(altered, unit)[0]
            caught[kind] += verdict.verdict is not Verdict.SUPPORTED
            if verdict.verdict is Verdict.SUPPORTED:
                misses.append((kind, true, altered))
    return {
        "caught": {kind: round(caught[kind] / total[kind], 4) for kind in total},
        "caught_all": round(sum(caught.values()) / sum(total.values()), 4),
        "false_alarms": round(doubted / n_true, 4),
        "n": n_true,
        "examples_missed": misses[:12],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", type=Path)
    parser.add_argument("--groupby")
    parser.add_argument("--pred", type=Path)
    given = parser.parse_args()
    print(json.dumps(measure(given.cells, given.groupby, given.pred), indent=1))
