"""The account of a sample's receptors for qc.json: what became of every contig, gene name, junction and cell.

Invariant: contigs read = chains kept + contigs dropped per reason, and the counts per level of V
and of J each add up to the chains kept; every possible key is there.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tcellflow.receptors.contigs import DropReason
from tcellflow.receptors.encoding.keys import NotEmbeddable, why_not_embeddable
from tcellflow.receptors.germline import load_genes
from tcellflow.receptors.segments import CallLevel
from tcellflow.vocabulary import ChainPairing, ReceptorSubtype

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import StrEnum

    import pandas as pd

    from tcellflow.provenance import JsonValue
    from tcellflow.receptors.chains import ChosenChains


def account_for_receptors(chosen: ChosenChains, cells: pd.DataFrame) -> dict[str, JsonValue]:
    """Account for a sample's receptors in qc.json: count what became of every contig and cell.

    Parameters
    ----------
    chosen
        Usable chains.
    cells
        Classes of the cells, from `summarise_cells`.

    Returns
    -------
    dict
        The part ``receptors`` of the contract `Qc`, without clones and barcodes.
    """
    chains = chosen.chains
    reasons = (why_not_embeddable(*pair) for pair in zip(chains["locus"], chains["junction_aa"], strict=True))
    return {
        "layout": chosen.layout,
        "contigs": {
            "read": chosen.rows_read,
            "kept": len(chains),
            "dropped": {str(reason): chosen.dropped.get(reason, 0) for reason in DropReason},
        },
        "genes": {segment: _count_names(chains, segment) for segment in ("v", "j")},
        "junctions": {
            "anchors_added": int(chains["anchor_added"].sum()),
            "not_embeddable": _count_each(reasons, NotEmbeddable),
            "distinct_keys": int(chains["emb_id"].nunique()),
        },
        "cells": {
            "chain_pairing": _count_each(cells["chain_pairing"], ChainPairing),
            "receptor_subtype": _count_each(cells["receptor_subtype"], ReceptorSubtype),
        },
    }


def _count_names(chains: pd.DataFrame, segment: str) -> dict[str, JsonValue]:
    """Count how precisely the genes of a segment were understood, renamed and not functional ones."""
    genes = load_genes()
    names = chains[f"{segment}_call"].dropna()
    return {
        **_count_each(chains[f"{segment}_level"], CallLevel),
        "renamed": int(chains[f"{segment}_renamed"].sum()),
        "not_functional": sum(name in genes and not genes[name].is_functional for name in names),
    }


def _count_each(values: Iterable[str | None], words: type[StrEnum]) -> dict[str, JsonValue]:
    found = Counter(values)
    return {str(word): found[word] for word in words}
