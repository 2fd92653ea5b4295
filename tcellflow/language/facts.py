"""The facts of groups of cells: numbers measured on the files, by name, and the evidence of genes.

Invariant: a fact is a number that anybody can measure again on the same files; what was not measured has no
entry. The names are ``cells``, ``share``, ``state:Naive``, ``programme:cytotoxic``, ``type:CL:0000895`` ...
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tcellflow.language.candidates import list_panel
from tcellflow.language.evidence import GeneEvidence
from tcellflow.language.ontology import read_ontology
from tcellflow.language.panel import read_profiles
from tcellflow.language.typing import LEAST_GENES, CellTyper
from tcellflow.states.programmes import ProgrammeScorer
from tcellflow.vocabulary import SELECTION_GENES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from tcellflow.genes.panel import CsrBlock
    from tcellflow.language.evidence import GeneFact

SAMPLE: Final = "sample"
RUNS: Final = 0.5  # of a programme's 0-1
_T_CELL: Final = "CL:0000084"
_LEAST_MEASURED: Final = 5
_SHARES: Final = {"state": "state", "lineage": "lineage", "v_call_vj": "v", "v_call_vdj": "v"}
_MEDIANS: Final = {"molecules": "molecules", "genes": "genes", "mito": "mito"}


@dataclass(frozen=True)
class Unit:
    """One group of cells.

    Parameters
    ----------
    level
        What kind of group: state, cluster, clonotype, sample, or the user's column.
    name
        Its name within the level.
    """

    level: str
    name: str


class SampleFacts:
    """All facts of one sample's groups.

    Parameters
    ----------
    units
        The groups; the whole sample is the last.
    numbers
        Facts of each unit by name.
    words
        Texts of each unit by name, e.g. its junction.
    evidence
        Genes in groups.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        numbers: Sequence[Mapping[str, float]],
        words: Sequence[Mapping[str, str]],
        evidence: GeneEvidence,
    ) -> None:
        self.units = tuple(units)
        self.numbers = tuple(numbers)
        self.words = tuple(words)
        self.evidence = evidence

    def gene(self, unit: int, gene: str) -> GeneFact | None:
        """Give the facts of a gene in a unit; None where it is not measured."""
        return self.evidence.of(-1 if unit == len(self.units) - 1 else unit, gene)


def measure(
    blocks: Iterable[tuple[CsrBlock, NDArray[np.float64]]],
    genes: NDArray[np.object_],
    table: pd.DataFrame,
    levels: Sequence[str],
    proteins: pd.DataFrame | None = None,
    programmes: pd.DataFrame | None = None,
) -> SampleFacts:
    """Measure the facts of all groups of one sample.

    Parameters
    ----------
    blocks
        Counts (cells, genes) and library sizes, in the order of `table`.
    genes
        Symbols of the columns.
    table
        One row per cell: a column per level, and what else is known (``state``, ``lineage``, ``is_t_cell``,
        ``donor``, ``paired``, ``v_call_vj``, ``junction_vdj`` ...).
    levels
        Columns of `table` whose values are groups; missing values are in none.
    proteins
        CLR of antibodies, a column each; NaN rows where a cell has none.
    programmes
        0-1, a column each, NaN = not measurable; scored from the counts if not given.
    """
    units: list[Unit] = []
    members: list[NDArray[np.bool_]] = []
    groups = np.full((len(levels), len(table)), -1, dtype=np.int64)
    for row, level in enumerate(levels):
        values = table[level].astype(object)
        for name in sorted(values.dropna().unique(), key=str):
            is_in = (values == name).to_numpy(dtype=bool)
            groups[row, is_in] = len(units)
            units.append(Unit(level, str(name)))
            members.append(is_in)
    evidence = GeneEvidence(genes, groups, len(units), read_profiles())
    found = _measure_cells(blocks, genes, evidence, programmes)
    units.append(Unit(SAMPLE, SAMPLE))
    members.append(np.ones(len(table), dtype=bool))
    cells = table.assign(**{name: found[name] for name in ("molecules", "genes") if name not in table})
    if len(cells) and "is_t_cell" not in cells and found["type_ids"]:
        cells["is_t_cell"] = _find_t_cells(found)
    numbers = [_count(cells, is_in, found, proteins) for is_in in members]
    return SampleFacts(units, numbers, [_word(cells, is_in) for is_in in members], evidence)


def _measure_cells(
    blocks: Iterable[tuple[CsrBlock, NDArray[np.float64]]],
    genes: NDArray[np.object_],
    evidence: GeneEvidence,
    programmes: pd.DataFrame | None,
) -> dict[str, Any]:
    scorer = ProgrammeScorer(genes) if programmes is None else None
    typer = CellTyper(genes, list_panel())
    parts: dict[str, list[NDArray[Any]]] = {"molecules": [], "genes": [], "programmes": [], "types": []}
    profiles = read_profiles()
    is_known = np.isin(genes, profiles.genes)
    covered = float(np.exp(profiles.logs[:, np.isin(profiles.genes, genes)]).sum(axis=1).mean())
    for counts, library in blocks:
        whole = library
        if len(genes) < SELECTION_GENES and covered > 0:  # the sum of a selection is no library size
            whole = np.maximum(library, counts @ is_known.astype(np.float64) / covered)
        evidence.add(counts, whole)
        parts["molecules"].append(library)
        parts["genes"].append(np.diff(counts.indptr))
        if scorer is not None:
            parts["programmes"].append(scorer.score(counts, whole).values)
        parts["types"].append(typer.score(counts).probabilities)
    joined: dict[str, Any] = {name: np.concatenate(part) if part else None for name, part in parts.items()}
    if scorer is not None:
        joined["programme_names"] = scorer.table.names
    elif programmes is not None:
        joined["programme_names"] = tuple(programmes.columns)
        joined["programmes"] = programmes.to_numpy(dtype=np.float32)
    joined["type_ids"] = [c.cl_id for c in typer.candidates] if typer.n_genes >= LEAST_GENES else []
    return joined


def _count(
    cells: pd.DataFrame, is_in: NDArray[np.bool_], found: Mapping[str, Any], proteins: pd.DataFrame | None
) -> dict[str, float]:
    own, n = cells[is_in], int(is_in.sum())
    facts: dict[str, float] = {"cells": n, "share": 100 * n / max(len(cells), 1)}
    if not n:
        return facts
    for column, kind in _SHARES.items():
        if column in own:
            counted = own[column].dropna().astype(str).value_counts()
            facts |= {f"{kind}:{name}": 100 * count / n for name, count in counted.items()}
    for column, kind in _MEDIANS.items():
        if column in own:
            facts[kind] = float(own[column].median())
    facts |= _count_programmes(own, found["programme_names"], found["programmes"][is_in])
    if "paired" in own:
        facts["paired"] = 100 * float(own["paired"].mean())
    if "donor" in own:
        facts["donors"] = own["donor"].nunique()
    if found["type_ids"]:
        mean = found["types"][is_in].mean(axis=0)
        facts |= {f"type:{cl_id}": float(p) for cl_id, p in zip(found["type_ids"], mean[:-1], strict=True)}
    if proteins is not None:
        medians = proteins[is_in].median()
        facts |= {f"protein:{name}": float(value) for name, value in medians.items() if np.isfinite(value)}
    return facts


def _find_t_cells(found: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Find the cells that are more likely T cells than not, for programmes are those of T cells."""
    ontology = read_ontology()
    is_t = np.array([_T_CELL in ontology.above(cl_id) for cl_id in found["type_ids"]])
    return np.asarray(found["types"][:, :-1][:, is_t].sum(axis=1) > 0.5)


def _count_programmes(
    own: pd.DataFrame, names: Sequence[str], values: NDArray[np.float32]
) -> dict[str, float]:
    """Count, of each programme, the T cells in which it runs, in percent of those where it can be told."""
    is_t = own["is_t_cell"].to_numpy(dtype=bool) if "is_t_cell" in own else np.ones(len(own), dtype=bool)
    facts = {}
    for i, name in enumerate(names):
        told = values[is_t, i]
        told = told[np.isfinite(told)]
        if len(told) >= max(_LEAST_MEASURED, len(own) / 2):
            facts[f"programme:{name}"] = 100 * float((told >= RUNS).mean())
    return facts


def _word(cells: pd.DataFrame, is_in: NDArray[np.bool_]) -> dict[str, str]:
    """Give what all cells of a group share: the junctions of a clone."""
    own = cells[is_in]
    words = {}
    for column in ("junction_vj", "junction_vdj"):
        values = list(own[column].dropna().unique()) if column in own else list[str]()
        if len(values) == 1:
            words[column] = str(values[0])
    return words
