"""Receptors as scRepertoire writes them into a cell's metadata: CTgene, CTnt and CTaa.

Invariant: the two arms are joined by ``_``, several chains of an arm by ``;`` and genes by ``.``;
each gene is known by its own name, not by its place, which changed between versions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from tcellflow.errors import InputError
from tcellflow.io.contigs.airr import collect_airr
from tcellflow.io.contigs.cell_tables import CELL_COLUMNS, cell_names
from tcellflow.io.files.text_tables import check_columns
from tcellflow.io.files.text_values import MISSING

if TYPE_CHECKING:
    from pathlib import Path

    from tcellflow.io.files.text_tables import TextTable
    from tcellflow.receptors.contigs import RawChains

LAYOUT: Final = "scRepertoire metadata table"
_REQUIRED: Final = ("CTgene", "CTaa")
_SEGMENT: Final = re.compile(r"(?:TC?R[ABGD]|IG[HKL])([VDJ])(?=[\dA-Z])", re.IGNORECASE)
_ARMS: Final = 2


def is_screpertoire_table(columns: frozenset[str]) -> bool:
    """Recognise scRepertoire metadata by ``CTgene`` or ``CTaa``."""
    return bool({"CTgene", "CTaa"} & columns)


def read_screpertoire_table(table: TextTable) -> RawChains:
    """Read cell metadata with scRepertoire's columns.

    Parameters
    ----------
    table
        One row per cell; cells without a receptor have empty columns.

    Returns
    -------
    RawChains
        One contig per chain; the metadata hold no counts.

    Raises
    ------
    InputError
        If columns are missing, or genes and sequences of a cell do not go together.
    """
    check_columns(table, _REQUIRED, layout=LAYOUT)
    frame = table.read({*CELL_COLUMNS, "CTgene", "CTnt", "CTaa"})
    return collect_screpertoire(frame, cell_names(frame, table), where=table.path)


def collect_screpertoire(frame: pd.DataFrame, cell_ids: pd.Series, *, where: Path) -> RawChains:
    """Take scRepertoire's columns apart.

    Parameters
    ----------
    frame
        ``CTgene``, ``CTaa`` and perhaps ``CTnt``; None = missing.
    cell_ids
        (cells,) names.
    where
        Named in errors as the place.

    Returns
    -------
    RawChains
        One contig per chain.

    Raises
    ------
    InputError
        If genes and sequences of a cell do not go together.
    """
    empty = pd.Series([None] * len(frame), dtype=object, index=frame.index)
    columns = (cell_ids, *(frame.get(name, empty) for name in ("CTgene", "CTaa", "CTnt")))
    records = [
        chain
        for cell, genes, residues, nucleotides in zip(*columns, strict=True)
        if genes is not None or residues is not None
        for chain in _chains_of_cell(cell, (genes, residues, nucleotides), where)
    ]
    names = ["cell_id", "v_call", "d_call", "j_call", "c_call", "junction_aa", "junction", "productive"]
    rows = pd.DataFrame(records, columns=names, dtype=object)
    return collect_airr(rows, layout=LAYOUT, where=where)


def _chains_of_cell(cell: str | None, texts: tuple[str | None, ...], where: Path) -> list[dict[str, Any]]:
    split = [_split(text, cell, where) for text in texts if text is not None]
    n_chains = [max(len(arms[arm]) for arms in split) for arm in range(_ARMS)]
    if any(len(arms[arm]) not in {n_chains[arm], 1} for arms in split for arm in range(_ARMS)):
        raise InputError(
            f"cell {cell} has different numbers of genes and sequences: {' / '.join(filter(None, texts))}",
            where=where,
            mend="export the metadata again",
        )
    nothing: list[list[str | None]] = [[None], [None]]
    genes, residues, nucleotides = (
        _split(text, cell, where) if text is not None else nothing for text in texts
    )
    chains = []
    for arm in range(_ARMS):
        for number in range(n_chains[arm]):
            chain = {
                "cell_id": cell,
                "junction_aa": _at(residues[arm], number),
                "junction": _at(nucleotides[arm], number),
                "productive": "True",  # scRepertoire keeps productive contigs only
                **_genes_of(_at(genes[arm], number)),
            }
            if any(chain.get(name) for name in ("junction_aa", "junction", "v_call", "j_call")):
                chains.append(chain)
    return chains


def _split(text: str, cell: str | None, where: Path) -> list[list[str | None]]:
    arms = text.split("_")
    if len(arms) != _ARMS:
        raise InputError(
            f"cell {cell} has {text!r} where two arms joined by one _ belong",
            where=where,
            mend="export the metadata again with scRepertoire's combineTCR",
        )
    return [[None if part in MISSING else part for part in arm.split(";")] for arm in arms]


def _at(values: list[str | None], number: int) -> str | None:
    return values[number] if number < len(values) else None


def _genes_of(text: str | None) -> dict[str, str]:
    genes: dict[str, str] = {}
    for name in (text or "").split("."):
        if name not in MISSING:
            segment = _SEGMENT.match(name)
            genes.setdefault(f"{segment.group(1).lower()}_call" if segment else "c_call", name)
    return genes
