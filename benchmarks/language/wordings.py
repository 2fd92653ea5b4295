"""How many sentences in people's own words are caught when altered, and doubted when true.

Run as ``python -m benchmarks.language.wordings PBMC3K [DONOR]``: the file of pbmc3k with the column
``cell_type``, and ``annotated.h5ad`` of the 10x healthy donor beside the tables of ``tcellflow run``. The
sentences of ``wordings.tsv`` were written by hand about these cells; those of all parts but ``tuned`` before
the parser had seen any of them, and its first figures on them stand in the documentation.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tcellflow.language.verifier import Verdict, Verifier
from tcellflow.steps.describe.inputs import open_sample

if TYPE_CHECKING:
    from tcellflow.language.facts import SampleFacts

TABLE = Path(__file__).with_suffix(".tsv")
_WORST = (Verdict.CONTRADICTED, Verdict.UNKNOWN_ENTITY, Verdict.INSUFFICIENT, Verdict.SUPPORTED)


def read_facts(pbmc3k: Path, donor: Path | None) -> dict[str, SampleFacts]:
    """Measure the samples that the sentences are about; those of the donor only where it is given."""
    facts = {
        "pbmc3k": open_sample(
            pbmc3k, predictions=None, chains=None, groupby="cell_type", layer=None
        ).measure()
    }
    if donor is not None:
        stem = donor.name.removesuffix(".annotated.h5ad")
        facts["donor"] = open_sample(
            donor,
            predictions=donor.with_name(f"{stem}.predictions.parquet"),
            chains=donor.with_name(f"{stem}.chains.parquet"),
            groupby=None,
            layer=None,
        ).measure()
    return facts


def judge(facts: dict[str, SampleFacts]) -> list[dict[str, str]]:
    """Give the worst verdict on each true and each altered sentence."""
    verifiers = {name: Verifier(of_sample) for name, of_sample in facts.items()}
    judged = []
    with TABLE.open(encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["sample"] not in facts:
                continue
            names = [unit.name for unit in facts[row["sample"]].units]
            unit = names.index(row["group"])
            verdicts = {}
            for side in ("true", "altered"):
                found = {item.verdict for item in verifiers[row["sample"]].check(row[side], unit)}
                verdicts[f"{side}_verdict"] = str(next((v for v in _WORST if v in found), Verdict.UNCHECKED))
            judged.append(row | verdicts)
    return judged


def count(judged: list[dict[str, str]]) -> dict[str, dict[str, object]]:
    """Count, for each part, what was caught and what was doubted."""
    figures: dict[str, dict[str, object]] = {}
    for part in dict.fromkeys(row["part"] for row in judged):
        own = [row for row in judged if row["part"] == part]
        caught = sum(row["altered_verdict"] != Verdict.SUPPORTED for row in own)
        figures[part] = {
            "n": len(own),
            "caught": round(caught / len(own), 4),
            "contradicted": round(sum(r["altered_verdict"] == "contradicted" for r in own) / len(own), 4),
            "doubted": round(sum(r["true_verdict"] != Verdict.SUPPORTED for r in own) / len(own), 4),
            "true_verdicts": dict(Counter(r["true_verdict"] for r in own)),
        }
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pbmc3k", type=Path)
    parser.add_argument("donor", type=Path, nargs="?")
    given = parser.parse_args()
    print(json.dumps(count(judge(read_facts(given.pbmc3k, given.donor))), indent=1))
