"""The germline genes of human T-cell receptors: IMGT names, families, loops and anchors.

Invariant: the table is read once and never changed; families hold the genes that can rearrange.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from tcellflow.errors import OptionsError

SPECIES: Final = ("human",)

_TABLE = "human_tr_segments.tsv"
_FAMILY = re.compile(r"(TR[ABGD]V\d+|TRBJ\d(?=-))")


@dataclass(frozen=True)
class Gene:
    """One gene of the germline table.

    Parameters
    ----------
    name
        IMGT name with slash.
    locus
        AIRR locus; alpha-delta V genes are filed under TRA.
    segment
        V, D, J or C.
    functionality
        Best of its alleles: F, ORF or P.
    alleles
        Known allele numbers.
    cdr1_aa, cdr2_aa
        Germline loops of allele 01; empty for other segments.
    j_start
        Residues of a J gene in front of its anchor.
    anchor
        Conserved residue: C of a V gene, F, W or C of a J gene; empty if none.
    """

    name: str
    locus: str
    segment: str
    functionality: str
    alleles: frozenset[str]
    cdr1_aa: str
    cdr2_aa: str
    j_start: str
    anchor: str

    @property
    def is_functional(self) -> bool:
        """Whether IMGT calls at least one allele functional."""
        return self.functionality == "F"


def check_species(species: str) -> None:
    """Refuse species without a table of germline genes.

    Raises
    ------
    OptionsError
        If it is not "human".
    """
    if species not in SPECIES:
        raise OptionsError(
            f"receptor genes of the species '{species}' are not known",
            where="--species",
            mend="use human, the only species so far",
        )


@cache
def load_genes() -> dict[str, Gene]:
    """Load the packaged table of human germline genes of T-cell receptors.

    Returns
    -------
    dict
        IMGT name to gene, in the table's order.
    """
    text = files("tcellflow").joinpath("data", _TABLE).read_text(encoding="utf-8")
    return {
        row["gene"]: Gene(
            name=row["gene"],
            locus=row["locus"],
            segment=row["segment"],
            functionality=row["functionality"],
            alleles=frozenset(row["alleles"].split(",")),
            cdr1_aa=row["cdr1_aa"],
            cdr2_aa=row["cdr2_aa"],
            j_start=row["j_start"],
            anchor=row["anchor"],
        )
        for row in csv.DictReader(text.splitlines(), delimiter="\t")
    }


def family_of(gene: str) -> str | None:
    """Give the family (IMGT subgroup) of a germline gene.

    Parameters
    ----------
    gene
        IMGT name, known or not.

    Returns
    -------
    str or None
        ``TRBV6`` for ``TRBV6-2``, ``TRBJ2`` for ``TRBJ2-1``; None where names have no family.
    """
    match = _FAMILY.match(gene)
    return match.group(1) if match and match.group(1) in rearranging_families() else None


@cache
def rearranging_families() -> dict[str, tuple[str, ...]]:
    """Give the germline genes of each V and J family.

    Returns
    -------
    dict
        Family to genes that can rearrange; pseudogenes only where there is nothing else.
    """
    members: dict[str, list[Gene]] = {}
    for gene in load_genes().values():
        match = _FAMILY.match(gene.name)
        # orphons (/OR) lie on another chromosome and cannot rearrange
        if match and "/OR" not in gene.name and gene.locus in {"TRA", "TRB"}:
            members.setdefault(match.group(1), []).append(gene)
    return {
        family: tuple(g.name for g in genes if g.functionality != "P") or tuple(g.name for g in genes)
        for family, genes in members.items()
    }


def loci_of(name: str) -> frozenset[str]:
    """Give the loci a germline gene's standard name belongs to.

    Parameters
    ----------
    name
        IMGT gene or family.

    Returns
    -------
    frozenset of str
        One locus; two for alpha-delta V genes such as ``TRAV38-2/DV8`` and families that hold one.
    """
    members = (name, *rearranging_families().get(name, ()))
    return frozenset({name[:3]} | {"TRD" for member in members if "/DV" in member})
