"""Plans to learn from: the claims of many groups of real cells, and of mixtures that contradict themselves.

Invariant: genes, types and their numbers were measured on cells of the set; what the set does not record
(states, receptors, donors, antibodies) is drawn at random, for only its place in a sentence is learnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from tcellflow.errors import InputError
from tcellflow.inference.language.memory import LanguagePanel
from tcellflow.ingest.cell_reader import open_cells
from tcellflow.language.claims import plan_claims
from tcellflow.language.facts import SAMPLE, measure
from tcellflow.language.realising.rows import make_rows
from tcellflow.vocabulary import Lineage, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tcellflow.language.realising.rows import Row
    from tcellflow.training.language.manifest import LanguageEntry
    from tcellflow.training.language.options import PlanOptions

_CLONES: Final = "clonotype"  # level whose groups share a receptor
_V_GENES: Final = ("TRAV12-2", "TRAV1-2", "TRAV8-3", "TRBV20-1", "TRBV6-5", "TRBV28", "TRBV7-9", "TRAV29/DV5")
_PROTEINS: Final = ("CD3", "CD4", "CD8a", "CD45RA", "CD45RO", "CD14", "CD19", "CD56", "PD-1", "CD127")
_LEAST_SPREAD: Final = 0.05  # of log expression between groups
_RESIDUES: Final = "ACDEFGHIKLMNPQRSTVWY"


@dataclass(frozen=True)
class Plan:
    """One group of cells as it is described.

    Parameters
    ----------
    rows
        What can be said.
    expression, symbols
        log1p(molecules per 10,000) of the group's genes, and their names.
    term
        Cell Ontology id of its label; empty where it has none or is mixed.
    source
        Name of the set.
    is_kept
        Whether it judges and is not learnt from.
    """

    rows: tuple[Row, ...]
    expression: NDArray[np.float32]
    symbols: NDArray[np.object_]
    term: str
    source: str
    is_kept: bool


def make_plans(entry: LanguageEntry, options: PlanOptions, seed: int) -> list[Plan]:
    """Make the plans of one set.

    Parameters
    ----------
    entry
        The set.
    options
        How many groups, and of which sizes.
    seed
        Of the drawings.

    Raises
    ------
    InputError
        If the file cannot be read, or has no such column of labels.
    """
    rng = np.random.default_rng(seed)
    reader = open_cells(entry.counts, layer=entry.slot)
    if entry.label not in reader.obs:
        raise InputError(
            f"there is no column {entry.label!r} in obs", where=entry.counts,
            mend="choose from: " + ", ".join(map(str, reader.obs.columns[:20])),
        )  # fmt: skip
    labels = reader.obs[entry.label].astype(object).to_numpy()
    labels = np.array(["" if pd.isna(label) else str(label) for label in labels], dtype=object)
    table = pd.DataFrame(index=pd.RangeIndex(len(labels)))
    is_kept = rng.random(len(labels)) < options.fold
    terms: dict[tuple[str, str], str] = {}
    levels = []
    for number in range(options.drawings):
        level = _CLONES if number == 0 else f"drawing {number}"
        table[level], found = _draw_groups(labels, is_kept, entry.terms, options, rng)
        terms |= {(level, name): term for name, term in found.items()}
        levels.append(level)
    proteins = _add_drawn(table, rng)
    facts = measure(reader.counts(), reader.gene_names, table, levels, proteins)
    n_kept = _count_kept(options)
    plans = []
    for i, unit in enumerate(facts.units):
        if unit.level == SAMPLE:
            continue
        _, claims = plan_claims(facts, i)
        plans.append(
            Plan(
                tuple(make_rows(claims)),
                facts.evidence.measure_expression(i).astype(np.float32),
                np.asarray(reader.gene_names, dtype=object),
                terms.get((unit.level, unit.name), ""),
                entry.name,
                int(unit.name) < n_kept,
            )
        )
    return plans


def choose_panel(plans: Sequence[Plan], n_genes: int) -> LanguagePanel:
    """Choose the genes that vary most between the groups of a set, averaged over sets."""
    spread: dict[str, list[float]] = {}
    sources = sorted({plan.source for plan in plans})
    for source in sources:
        own = [plan for plan in plans if plan.source == source]
        deviation = np.stack([plan.expression for plan in own]).std(axis=0)
        for symbol, value in zip(own[0].symbols, deviation, strict=True):
            spread.setdefault(str(symbol), []).append(float(value))
    worth = {symbol: sum(values) / len(sources) for symbol, values in spread.items()}
    best = sorted(worth, key=lambda symbol: (-worth[symbol], symbol))[:n_genes]
    place = {symbol: i for i, symbol in enumerate(sorted(best))}
    values = np.full((len(plans), len(place)), np.nan)
    for row, plan in enumerate(plans):
        for symbol, value in zip(plan.symbols, plan.expression, strict=True):
            if symbol in place:
                values[row, place[symbol]] = value
    scale = np.maximum(np.nanstd(values, axis=0), _LEAST_SPREAD)
    return LanguagePanel(np.array(list(place), dtype=object), np.nanmean(values, axis=0), scale)


def _draw_groups(
    labels: NDArray[np.object_],
    is_kept: NDArray[np.bool_],
    terms: Mapping[str, str],
    options: PlanOptions,
    rng: np.random.Generator,
) -> tuple[NDArray[np.object_], dict[str, str]]:
    """Draw groups of one label or of two: each cell's group (None for the rest), and the groups' terms."""
    group = np.full(len(labels), None, dtype=object)
    found: dict[str, str] = {}
    names = sorted({str(label) for label in labels if label})
    n_kept = _count_kept(options)
    for number in range(options.groups):
        is_mixed = rng.random() < options.mixed and len(names) > 1
        chosen = rng.choice(names, size=2 if is_mixed else 1, replace=False)
        size = int(np.exp(rng.uniform(np.log(options.least), np.log(options.most))))
        taken = 0
        for label in chosen:
            is_free = (labels == label) & (group == None)  # noqa: E711 (an array of objects)
            free = np.flatnonzero(is_free & (is_kept == (number < n_kept)))
            rows = rng.permutation(free)[: size // len(chosen)]
            group[rows] = str(number)
            taken += len(rows)
        if taken and len(chosen) == 1:
            found[str(number)] = terms.get(str(chosen[0]), "")
    return group, found


def _count_kept(options: PlanOptions) -> int:
    """Count the groups of a drawing, the first ones, that are made of the cells that judge."""
    return max(1, round(options.fold * options.groups))


def _add_drawn(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Draw what the set does not record, by groups of the first drawings: columns, and antibodies."""
    n = len(table)
    common = rng.choice(list(State), size=40)
    by_group = table[_CLONES].map(lambda name: -1 if name is None else int(name)).to_numpy() % 40
    is_common = rng.random(n) < 0.7
    table["state"] = np.where(is_common, common[by_group], rng.choice(list(State), size=n)).astype(object)
    table["lineage"] = rng.choice([Lineage.CD4, Lineage.CD8], size=n).astype(object)
    table["donor"] = rng.choice(["a", "b", "c", "d"], size=n).astype(object)
    table["paired"] = rng.random(n) < 0.6
    for suffix, genes in (("vj", "TRAV"), ("vdj", "TRBV")):
        own = [gene for gene in _V_GENES if gene.startswith(genes)]
        table[f"v_call_{suffix}"] = np.array(own, dtype=object)[by_group % len(own)]
        inner = ["".join(rng.choice(list(_RESIDUES), size=rng.integers(8, 14))) for _ in range(41)]
        table[f"junction_{suffix}"] = [f"CA{inner[i]}F" for i in by_group]
    levels = rng.normal(0.5, 0.6, (40, len(_PROTEINS)))[by_group] + rng.normal(0, 0.2, (n, len(_PROTEINS)))
    return pd.DataFrame(levels, columns=list(_PROTEINS))
