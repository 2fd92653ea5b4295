"""Turn the data sets into a training manifest: one table of cells per set, and what its labels mean.

    python -m recipes.states.cohorts --data FOLDER -o cohorts [--without NAME ...]

Writes ``cohorts.yaml`` and, for each set, ``NAME.cells.tsv`` with the columns

    cell_id       as in the counts or the receptor table
    donor         unique over all sets
    clone         clone within the donor; empty without a beta chain
    library_size  true library size, measured or estimated; empty for receptors alone
    kind          ``T``, or ``B``, ``NK``, ``myeloid``: other cells, of which none may look like a T cell
    label         the set's own label where it says something (protein gate, sorting, authors)
    teacher       pseudo-label of states-linear where it is sure and neighbours agree (T cells whose
                  function has no label)
    cycle         ``cycling`` or ``resting`` by marker genes

`labels` of a cohort lists these columns in the order of their worth, with the kind of evidence and the map
to the axes: the first column that speaks about an axis decides it. A list of values means one of these,
``?`` that nothing is known.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml

from recipes.datasets.cells import LabelledSet, find_clones, find_donors, read_all
from recipes.datasets.description import NOTHING, Axes, Foreign, SetDescription
from recipes.datasets.labels import (
    MORE_LABELLED,
    RECEPTOR_SETS,
    SETS,
    UNLABELLED,
    find_kin,
)
from recipes.states.pseudo_labels import find_pseudo_labels, read_teacher_label
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.vocabulary import Cycle, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable

COLUMNS = ("cell_id", "donor", "clone", "library_size", "kind", "label", "teacher", "cycle")
T_CELL = "T"
UNKNOWN = "?"
CYCLE_MAP = {str(Cycle.CYCLING): Axes(cycling=True), str(Cycle.RESTING): Axes(cycling=False)}
AIRR = ("cell_id", "sequence_id", "locus", "productive", "v_call", "j_call", "junction", "junction_aa")


def write_axes(axes: Axes) -> dict[str, Any]:
    """Write what a label says for the manifest."""

    def one_of(values: tuple[str, ...]) -> Any:
        names = [str(value) for value in values]
        return UNKNOWN if not names else names[0] if len(names) == 1 else names

    cycle = UNKNOWN if axes.cycling is None else str(Cycle.CYCLING if axes.cycling else Cycle.RESTING)
    return {"lineage": one_of(axes.lineages), "function": one_of(axes.functions), "cycle": cycle}


def describe_labels(
    description: SetDescription, labels: Iterable[str], teacher: Iterable[str], cycle: Iterable[str]
) -> list[dict[str, Any]]:
    """Describe the label columns that hold anything."""
    columns = [
        ("label", description.evidence, {label: description.truth[label] for label in set(labels) - {""}}),
        ("cycle", Evidence.MARKER, {label: CYCLE_MAP[label] for label in set(cycle) - {""}}),
        ("teacher", Evidence.TEACHER, {label: read_teacher_label(label) for label in set(teacher) - {""}}),
    ]
    return [
        {
            "column": column,
            "evidence": str(evidence),
            "map": {label: write_axes(axes) for label, axes in sorted(meaning.items())},
        }
        for column, evidence, meaning in columns
        if meaning
    ]


def write_expression_set(
    data: Path, description: SetDescription, teacher: StatePredictor, folder: Path
) -> dict[str, Any]:
    """Write the cells of a set with expression; gives its entry in the manifest."""
    cells = read_all(data, description)
    table = tabulate(cells, teacher)
    table.to_csv(folder / f"{description.name}.cells.tsv", sep="\t", index=False, quoting=csv.QUOTE_NONE)
    entry: dict[str, Any] = {
        "name": description.name,
        "counts": str((data / description.name / description.file).resolve()),
        "counts_kind": description.counts_kind,
        "cells": f"{description.name}.cells.tsv",
    }
    if description.receptors:
        entry["receptors"] = str((data / description.name / description.receptors).resolve())
    entry["labels"] = describe_labels(description, table["label"], table["teacher"], table["cycle"])
    return {**entry, **tell_origin(data, description)}


def tell_origin(data: Path, description: SetDescription) -> dict[str, str]:
    """Give licence and source of a set for the card of what is trained on it."""
    known = json.loads((data / description.name / "dataset.json").read_text(encoding="utf-8"))
    return {"licence": str(known.get("licence", known.get("license"))), "source": str(known["source"])}


def tabulate(cells: LabelledSet, teacher: StatePredictor) -> pd.DataFrame:
    """Give one row for each cell that teaches something: T cells, and other cells of a known kind."""
    pseudo = find_pseudo_labels(cells, teacher)
    says = np.array([axes is not NOTHING for axes in cells.axes])
    has_function = np.array([bool(axes.functions) for axes in cells.axes])
    is_foreign = np.isin(cells.foreign, list(Foreign))
    is_t = cells.is_t & ~is_foreign
    table = pd.DataFrame(
        {
            "cell_id": cells.names,
            "donor": cells.donors,
            "clone": cells.clones,
            "library_size": np.round(cells.library, 1),
            "kind": np.where(is_t, T_CELL, cells.foreign),
            "label": np.where(says & is_t, cells.labels, ""),
            "teacher": np.where(is_t & ~has_function, pseudo.teacher, ""),
            "cycle": np.where(is_t, pseudo.cycle, ""),
        },
        columns=list(COLUMNS),
    )
    return table[(is_t | is_foreign) & ~np.isnan(cells.library)]


def write_receptor_set(data: Path, description: SetDescription, folder: Path) -> dict[str, Any]:
    """Write the cells and chains of a set of receptors without expression."""
    source = pd.read_parquet(data / description.name / description.file)
    source["cell_id"] = source["cell_id"].astype(str)
    source = source[source["label_orig"].isin(list(description.truth))]
    source = source[(source["TRA_cdr3_aa"].fillna("") != "") | (source["TRB_cdr3_aa"].fillna("") != "")]
    table = pd.DataFrame(
        {
            "cell_id": source["cell_id"],
            "donor": find_donors(source, description),
            "clone": find_clones(source),
            "library_size": "",
            "kind": T_CELL,
            "label": source["label_orig"],
            "teacher": "",
            "cycle": "",
        },
        columns=list(COLUMNS),
    )
    table.to_csv(folder / f"{description.name}.cells.tsv", sep="\t", index=False, quoting=csv.QUOTE_NONE)
    chains = pd.concat([_take_chains(source, locus) for locus in ("TRA", "TRB")]).sort_values("sequence_id")
    chains.to_csv(folder / f"{description.name}.airr.tsv", sep="\t", index=False)
    return {
        "name": description.name,
        "cells": f"{description.name}.cells.tsv",
        "receptors": f"{description.name}.airr.tsv",
        "labels": describe_labels(description, table["label"], (), ()),
        **tell_origin(data, description),
    }


def _take_chains(source: pd.DataFrame, locus: str) -> pd.DataFrame:
    """Give the chains of one locus as AIRR rows; sets without V and J genes leave them empty."""
    empty = pd.Series("", index=source.index)
    chains = pd.DataFrame(
        {
            "cell_id": source["cell_id"],
            "sequence_id": source["cell_id"] + f"_{locus}",
            "locus": locus,
            "productive": "T",
            "v_call": source.get(f"{locus}_v", empty).fillna(""),
            "j_call": source.get(f"{locus}_j", empty).fillna(""),
            "junction": source[f"{locus}_cdr3_nt"].fillna(""),
            "junction_aa": source[f"{locus}_cdr3_aa"].fillna(""),
        },
        columns=list(AIRR),
    )
    return chains[chains["junction_aa"] != ""]


def write_cohorts(data: Path, folder: Path, without: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Write all cohorts but those that are left out; gives the entries of the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    teacher = StatePredictor("states-linear", threads=1, device="cpu")
    entries = [
        write_expression_set(data, description, teacher, folder)
        for description in (*SETS, *MORE_LABELLED, *UNLABELLED)
        if description.name not in without
    ]
    entries += [write_receptor_set(data, d, folder) for d in RECEPTOR_SETS if d.name not in without]
    text = yaml.safe_dump(
        {"cohorts": entries}, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None
    )
    (folder / "cohorts.yaml").write_text(text, encoding="utf-8")
    return entries


def main() -> None:
    """Write the manifest and say what is in it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument(
        "--without",
        nargs="*",
        default=[],
        metavar="NAME",
        help="sets to hold out: they and other sets of their donors are left out",
    )
    options = parser.parse_args()
    without = frozenset().union(*map(find_kin, options.without))
    for entry in write_cohorts(options.data, options.output, without):
        table = pd.read_csv(options.output / entry["cells"], sep="\t", dtype=str, keep_default_na=False)
        filled = {column: int((table[column] != "").sum()) for column in ("label", "teacher", "cycle")}
        print(f"{entry['name']}: {table['kind'].value_counts().to_dict()}; {filled}")


if __name__ == "__main__":
    main()
