"""The cells of one CITE-seq set: counts under approved symbols, antibody counts under their targets, labels.

Invariant: row i of every array is the same cell; a cell without antibodies or without a label is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tcellflow.errors import InputError
from tcellflow.ingest.barcode_matching import Matching
from tcellflow.ingest.proteins import open_proteins
from tcellflow.io.matrices.opening import open_matrix
from tcellflow.io.matrices.source import split_features
from tcellflow.proteins.panel import name_antibodies
from tcellflow.proteins.targets import sum_by_target
from tcellflow.training.cohorts.cells import read_cell_table, read_cohort

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from tcellflow.training.cohorts.cells import Cohort
    from tcellflow.training.fusion.manifest import FusionEntry


class Role(StrEnum):
    """What a cell is for."""

    TRAIN = "train"
    VALIDATION = "validation"
    UNLABELLED = "unlabelled"  # learnt from, but never by its label
    TEST = "test"  # not looked at


@dataclass(frozen=True)
class FusionSet:
    """The cells of one set.

    Parameters
    ----------
    entry
        Its description.
    cell_ids
        Names of the B cells.
    symbols
        Gene symbols, shape (G,).
    counts
        Shape (B, G), float32, as in the file.
    library
        Library size of each cell, shape (B,), float64, > 0.
    targets
        What the antibodies measure, shape (P,), all different.
    proteins
        Antibody counts by target, shape (B, P), float32; clones against one target are summed.
    has_adt
        Which cells have antibody counts, shape (B,).
    label
        Shape (B,), str, "" where unknown or the role is `Role.UNLABELLED`.
    role
        Shape (B,), `Role`; "" where the manifest leaves it open.
    donor
        Shape (B,), str; distinct between sets unless the manifest names donors.
    """

    entry: FusionEntry
    cell_ids: NDArray[np.object_]
    symbols: NDArray[np.object_]
    counts: sparse.csr_matrix
    library: NDArray[np.float64]
    targets: NDArray[np.object_]
    proteins: NDArray[np.float32]
    has_adt: NDArray[np.bool_]
    label: NDArray[np.object_]
    role: NDArray[np.object_]
    donor: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.cell_ids)


def read_set(entry: FusionEntry) -> FusionSet:
    """Read a set.

    Parameters
    ----------
    entry
        Its description.

    Returns
    -------
    FusionSet
        Its cells, except those of `Role.TEST`.

    Raises
    ------
    InputError
        If a file is damaged, a column is missing, hardly any cell of the table is in the matrix, no label is
        among the classes, or a role has another name.
    """
    cohort = read_cohort(entry.cohort)
    table = _read_table(entry, cohort)
    role = _read_roles(entry, table)
    rows = np.flatnonzero(role != Role.TEST)
    targets, proteins, has_adt = _read_proteins(entry, cohort.cell_ids)
    return FusionSet(
        entry=entry,
        cell_ids=cohort.cell_ids[rows],
        symbols=cohort.symbols,
        counts=cohort.counts[rows],
        library=cohort.library[rows],
        targets=targets,
        proteins=proteins[rows],
        has_adt=has_adt[rows],
        label=np.where(role == Role.UNLABELLED, "", _read_labels(entry, table))[rows],
        role=role[rows],
        donor=cohort.truth.donor[rows],
    )


def _read_table(entry: FusionEntry, cohort: Cohort) -> pd.DataFrame:
    source = open_matrix(entry.cohort.counts, slot=entry.cohort.slot) if entry.cohort.counts else None
    obs, names = (None, None) if source is None else (source.obs, source.barcodes)
    table = read_cell_table(entry.cohort, obs, names).set_index("cell_id")
    return table.reindex(pd.Index(cohort.cell_ids))


def _read_labels(entry: FusionEntry, table: pd.DataFrame) -> NDArray[np.object_]:
    if entry.label is None:
        return np.full(len(table), "", dtype=object)
    label = table[entry.label].to_numpy(dtype=object)
    if entry.classes is None:
        return label
    known = np.isin(label, list(entry.classes))
    if not known.any():
        found = ", ".join(sorted({str(name) for name in label})[:10])
        raise InputError(
            f"{entry.name}: no label of column '{entry.label}' is among the classes; there are: {found}",
            where=entry.cohort.cells or entry.cohort.counts,
            mend="spell the keys of 'classes' as the labels are",
        )
    absent = sorted(set(entry.classes) - set(label))
    if absent:
        raise InputError(
            f"{entry.name}: no cell has the label {', '.join(map(repr, absent))} of 'classes'",
            where=entry.cohort.cells or entry.cohort.counts,
            mend="spell it as the labels are, or leave it out",
        )
    return np.where(known, label, "")


def _read_roles(entry: FusionEntry, table: pd.DataFrame) -> NDArray[np.object_]:
    if entry.split is None:
        return np.full(len(table), "", dtype=object)
    role = table[entry.split].to_numpy(dtype=object)
    wrong = sorted(set(role) - {"", *Role})
    if wrong:
        raise InputError(
            f"{entry.name}: column '{entry.split}' says {', '.join(map(str, wrong[:5]))}",
            where=entry.cohort.cells or entry.cohort.counts,
            mend=f"give {', '.join(Role)}, or nothing",
        )
    return role


def _read_proteins(
    entry: FusionEntry, cell_ids: NDArray[np.object_]
) -> tuple[NDArray[np.object_], NDArray[np.float32], NDArray[np.bool_]]:
    """Read antibody counts of cells, summed by target; no column where there are none."""
    nothing = (
        np.empty(0, dtype=object), np.empty((len(cell_ids), 0), np.float32), np.zeros(len(cell_ids), bool)
    )  # fmt: skip
    if entry.cohort.counts is None:
        return nothing
    source = open_matrix(entry.cohort.counts, slot=entry.cohort.slot)
    features = split_features(source)
    found = open_proteins(source, features, entry.adt, Matching())
    if found is None:
        return nothing
    place = {name: row for row, name in enumerate(source.barcodes)}
    rows = np.array([place[name] for name in cell_ids])
    if found.counts is None:
        columns = np.flatnonzero(features.antibodies)
        counts = np.concatenate([block[:, columns].toarray() for block in source.blocks()])[rows]
    else:
        counts = found.counts[rows].toarray()
    targets, summed = sum_by_target(counts, name_antibodies(found.names, where=found.path))
    has_adt = found.has_adt[rows] & (len(targets) > 0)
    return targets, summed, has_adt & (summed.sum(axis=1) > 0)
