"""The account of a sample's receptors for the quality-control file.

Invariant: contigs read = chains kept + contigs dropped per reason, and the counts per level of V
and of J each add up to the chains kept.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcellflow.receptors.contigs import DropReason
from tcellflow.receptors.encoding.keys import NotEmbeddable, why_not_embeddable
from tcellflow.receptors.germline import load_genes
from tcellflow.receptors.segments import CallLevel
from tcellflow.vocabulary import ChainPairing, ReceptorSubtype

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from tcellflow.provenance import JsonValue
    from tcellflow.receptors.chains import ChosenChains


@dataclass(frozen=True)
class GeneTally:
    """How the names of one segment were understood.

    Parameters
    ----------
    levels
        Chains per level.
    renamed
        Chains whose gene was spelt differently.
    not_functional
        Chains with a gene that IMGT calls ORF or pseudogene.
    """

    levels: Mapping[CallLevel, int]
    renamed: int
    not_functional: int

    def as_dict(self) -> dict[str, JsonValue]:
        """Give the counts as JSON-ready data, one key per level, ``renamed`` and ``not_functional``."""
        counts: dict[str, JsonValue] = {str(level): self.levels.get(level, 0) for level in CallLevel}
        return {**counts, "renamed": self.renamed, "not_functional": self.not_functional}


@dataclass(frozen=True)
class ReceptorTally:
    """What became of every contig, gene name, junction and cell.

    Parameters
    ----------
    layout
        What the receptor file was recognised as.
    contigs_read, contigs_kept
        Rows in the file; rows that are usable chains.
    dropped
        Contigs per reason.
    v_genes, j_genes
        How gene names were understood.
    anchors_added
        Chains whose anchors were restored from the germline.
    not_embeddable
        Chains without a vector, per reason.
    distinct_keys
        Distinct vectors to compute.
    pairing, subtypes
        Cells per class.
    """

    layout: str
    contigs_read: int
    contigs_kept: int
    dropped: Mapping[DropReason, int]
    v_genes: GeneTally
    j_genes: GeneTally
    anchors_added: int
    not_embeddable: Mapping[NotEmbeddable, int]
    distinct_keys: int
    pairing: Mapping[ChainPairing, int]
    subtypes: Mapping[ReceptorSubtype, int]

    def as_dict(self) -> dict[str, JsonValue]:
        """Give the account as JSON-ready data, every possible key present.

        Returns
        -------
        dict
            Keys ``layout``, ``contigs``, ``genes``, ``junctions``, ``cells``.
        """
        return {
            "layout": self.layout,
            "contigs": {
                "read": self.contigs_read,
                "kept": self.contigs_kept,
                "dropped": {str(reason): self.dropped.get(reason, 0) for reason in DropReason},
            },
            "genes": {"v": self.v_genes.as_dict(), "j": self.j_genes.as_dict()},
            "junctions": {
                "anchors_added": self.anchors_added,
                "not_embeddable": {str(why): self.not_embeddable.get(why, 0) for why in NotEmbeddable},
                "distinct_keys": self.distinct_keys,
            },
            "cells": {
                "chain_pairing": {str(value): self.pairing.get(value, 0) for value in ChainPairing},
                "receptor_subtype": {str(value): self.subtypes.get(value, 0) for value in ReceptorSubtype},
            },
        }


def tally_receptors(chosen: ChosenChains, cells: pd.DataFrame) -> ReceptorTally:
    """Count what became of every usable or dropped contig and every cell (of `summarise_cells`)."""
    chains = chosen.chains
    reasons = (why_not_embeddable(*pair) for pair in zip(chains["locus"], chains["junction_aa"], strict=True))
    return ReceptorTally(
        layout=chosen.layout,
        contigs_read=chosen.rows_read,
        contigs_kept=len(chains),
        dropped=dict(chosen.dropped),
        v_genes=_tally_genes(chains, "v"),
        j_genes=_tally_genes(chains, "j"),
        anchors_added=int(chains["anchor_added"].sum()),
        not_embeddable=Counter(reason for reason in reasons if reason is not None),
        distinct_keys=int(chains["emb_id"].nunique()),
        pairing=Counter(ChainPairing(value) for value in cells["chain_pairing"]),
        subtypes=Counter(ReceptorSubtype(value) for value in cells["receptor_subtype"]),
    )


def _tally_genes(chains: pd.DataFrame, segment: str) -> GeneTally:
    genes = load_genes()
    names = chains[f"{segment}_call"].dropna()
    return GeneTally(
        levels=Counter(CallLevel(level) for level in chains[f"{segment}_level"]),
        renamed=int(chains[f"{segment}_renamed"].sum()),
        not_functional=sum(name in genes and not genes[name].is_functional for name in names),
    )
