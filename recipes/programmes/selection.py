"""Which programmes and genes: a selection of our own from published lists.

A gene is a candidate where at least one list that was read holds it for the programme, or two hold it for
an opposing state. What the labelled cells say decides which of them stay (`estimate`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMMES = (
    "naive_stemness", "memory_resting", "gzmk_effector_memory", "resident_memory", "cytotoxic",
    "terminal_effector", "cd4_ctl", "kir_nk_like", "exhaustion_core", "exhaustion_progenitor",
    "exhaustion_terminal", "activation", "th1", "th2", "th17", "tfh", "treg_core", "treg_effector", "mait",
    "gamma_delta", "ifn_response", "stress_heat_shock", "dissociation_ieg", "cycling", "cycling_s",
    "cycling_g2m",
)  # fmt: skip
# Lists of others that were read; those cited from general knowledge alone do not count.
SOURCE = re.compile(r"10\.\d{4,}/\S+|PMC\d+")
# Segments tell clones, but for those that define a lineage.
SEGMENT = re.compile(r"TR[ABGD][VDJ].*")
DEFINING = {"mait": {"TRAV1-2"}, "gamma_delta": {"TRDV1", "TRDV2", "TRDV3", "TRGV9"}}
LEAST_OPPOSING = 2
# Alpha and beta constant genes are in every T cell and leak; CD8 and CD4 belong to the lineage.
NEVER = {"TRAC", "TRBC1", "TRBC2"}
# Cytotoxic alpha-beta cells show these as strongly: what they tell is the cytotoxic programme's.
SHARED = {
    "gamma_delta": {"CCL5", "NKG7", "GNLY", "KLRG1", "KLRD1", "CD7", "TYROBP", "CD160"},
    # effector cells lack these too
    "exhaustion_core": {"IL7R", "CCR7", "SELL", "LEF1", "TCF7"},
    "exhaustion_terminal": {"IL7R", "CCR7", "SELL", "LEF1", "TCF7", "BACH2", "SATB1"},
}


@dataclass(frozen=True)
class Candidate:
    """A gene of a programme: `sign` +1 or -1, the number of lists and their names."""

    programme: str
    gene: str
    sign: int
    n_lists: int
    sources: tuple[str, ...]


def read_candidates(data: Path) -> list[Candidate]:
    """Read the candidates of all programmes, in the order of the lists."""
    table = pd.read_csv(data / "programmes" / "programmes.tsv", sep="\t", keep_default_na=False)
    found = []
    for row in table.itertuples():
        programme, gene = str(row.programme), str(row.gene)
        if programme not in PROGRAMMES or gene in NEVER | SHARED.get(programme, set()):
            continue
        if SEGMENT.fullmatch(gene) and gene not in DEFINING.get(programme, set()):
            continue
        sign = 1 if row.polarity == "+" else -1
        listed = str(row.lists if sign > 0 else row.opposing).split(";")
        sources = tuple(source for source in listed if SOURCE.fullmatch(source))
        if len(sources) >= (1 if sign > 0 else LEAST_OPPOSING):
            found.append(Candidate(programme, gene, sign, len(sources), sources))
    order = {name: i for i, name in enumerate(PROGRAMMES)}
    return sorted(found, key=lambda c: order[c.programme])
