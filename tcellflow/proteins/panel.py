"""Antibody panels: which gene each antibody binds the product of.

Invariant: no antibody is lost or renamed; one that is unknown stays in the panel without a gene
and is counted.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import InputError
from tcellflow.genes.reference import read_gene_reference
from tcellflow.proteins.names import AntibodyKind, clean_name, find_kind, name_key, name_variants

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tcellflow.provenance import JsonValue

GENE_SEPARATOR: Final = "|"
_N_EXAMPLES: Final = 20


@dataclass(frozen=True)
class AntibodyPanel:
    """The antibodies of one panel, in its order.

    Parameters
    ----------
    raw_names
        Names as the file spells them, shape (P,).
    names
        Names without technical decorations, shape (P,); all different.
    genes
        Approved symbols of the genes bound, joined by "|" (CD66 binds four), "" where unknown
        or none; shape (P,). CD45RA and CD45RO are both PTPRC.
    kinds
        `AntibodyKind` of each, shape (P,).
    """

    raw_names: NDArray[np.object_]
    names: NDArray[np.object_]
    genes: NDArray[np.object_]
    kinds: NDArray[np.object_]

    @property
    def is_protein(self) -> NDArray[np.bool_]:
        """Which antibodies bind a protein of the cell, shape (P,)."""
        return np.asarray(self.kinds == AntibodyKind.PROTEIN)

    @property
    def is_isotype(self) -> NDArray[np.bool_]:
        """Which are isotype controls, shape (P,)."""
        return np.asarray(self.kinds == AntibodyKind.ISOTYPE)

    @property
    def is_hashtag(self) -> NDArray[np.bool_]:
        """Which are sample hashtags, shape (P,)."""
        return np.asarray(self.kinds == AntibodyKind.HASHTAG)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Raw names of the proteins without a gene."""
        return tuple(self.raw_names[self.is_protein & (self.genes == "")])

    def as_dict(self) -> dict[str, JsonValue]:
        """Give the account of the panel as JSON-ready data.

        Returns
        -------
        dict
            Numbers of antibodies by kind, of those with a gene, and up to 20 unknown names.
        """
        return {
            "n_antibodies": len(self.raw_names),
            "n_proteins": int(self.is_protein.sum()),
            "n_isotypes": int(self.is_isotype.sum()),
            "n_hashtags": int(self.is_hashtag.sum()),
            "n_with_gene": int((self.genes != "").sum()),
            "n_unknown": len(self.unknown),
            "unknown": list(self.unknown[:_N_EXAMPLES]),
        }


def name_antibodies(
    names: Sequence[str] | NDArray[np.object_], *, where: object = "antibody names"
) -> AntibodyPanel:
    """Find the genes whose products the antibodies of a panel bind.

    Parameters
    ----------
    names
        Antibody names as the file spells them.
    where
        Named in errors as the place.

    Returns
    -------
    AntibodyPanel
        One entry per antibody, in input order.

    Raises
    ------
    InputError
        If a name occurs twice.
    """
    raw = [str(name) for name in names]
    if len(set(raw)) < len(raw):
        repeated = sorted({name for name in raw if raw.count(name) > 1})
        raise InputError(
            f"{len(repeated)} antibody names are repeated (e.g. {', '.join(repeated[:_N_EXAMPLES])})",
            where=where,
            mend="give each antibody its own name, e.g. with its clone",
        )
    kinds = [find_kind(name) for name in raw]
    cleaned = [clean_name(name) for name in raw]
    clashing = {name for name in cleaned if cleaned.count(name) > 1}
    shown = [full if name in clashing else name for name, full in zip(cleaned, raw, strict=True)]
    genes = [
        _find_genes(name) if kind is AntibodyKind.PROTEIN else ""
        for name, kind in zip(raw, kinds, strict=True)
    ]
    return AntibodyPanel(*(np.array(column, dtype=object) for column in (raw, shown, genes, kinds)))


def _find_genes(name: str) -> str:
    table, reference = _read_antibody_table(), read_gene_reference()
    for variant in name_variants(name):
        known = table.get(name_key(variant))
        if known is not None:
            return known
        upper = variant.upper()
        for symbol in (variant, upper, upper.replace(".", "-"), "".join(c for c in upper if c.isalnum())):
            if symbol in reference.approved:
                return symbol
            found = reference.symbols_of_alias.get(symbol, GENE_SEPARATOR)
            if GENE_SEPARATOR not in found:
                return found
    return ""


@cache
def _read_antibody_table() -> Mapping[str, str]:
    with (files("tcellflow") / "data" / "antibodies.tsv").open(encoding="utf-8") as handle:
        return {row["key"]: row["genes"] for row in csv.DictReader(handle, delimiter="\t")}
