"""The account of embed-tcr: what became of every chain and cell.

Invariant: embedded chains and the others, per reason, add up to the chains given.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from tcellflow.vocabulary import EmbeddingKind

if TYPE_CHECKING:
    import pandas as pd

    from tcellflow.inference.receptors.encoder import ChainEncoder
    from tcellflow.provenance import JsonValue
    from tcellflow.receptors.encoding.distinct import DistinctReceptors

_LOG = logging.getLogger(__name__)


_SEVERAL: Final = 2


def summarise_embedding(
    encoder: ChainEncoder, n_chains: int, receptors: pd.DataFrame, distinct: DistinctReceptors
) -> dict[str, JsonValue]:
    """Account for the receptors of embed-tcr: count what was embedded, and what was not and why.

    Returns
    -------
    dict
        JSON; ``warnings`` holds sentences for the user, which are logged too.
    """
    kinds = distinct.chains["kind"].value_counts()
    truncated = int((distinct.chains["junction_aa"].str.len() > encoder.max_length).sum())
    warnings = [*_list_warnings(encoder, n_chains, truncated, distinct), *_tell_donors(receptors)]
    for warning in warnings:
        _LOG.warning("%s", warning)
    content: dict[str, JsonValue] = {
        "backend": encoder.name,
        "dimension": encoder.dimension,
        "pooling": encoder.pooling,
        "cells": {
            "total": len(receptors),
            "with_alpha_vector": int(receptors["emb_tra"].notna().sum()),
            "with_beta_vector": int(receptors["emb_trb"].notna().sum()),
            "with_pair_vector": int(receptors["emb_pair"].notna().sum()),
            "pairing": {str(k): int(n) for k, n in sorted(receptors["chain_pairing"].value_counts().items())},
        },
        "chains": {
            "total": n_chains,
            "embedded": distinct.n_embedded,
            "not_embedded": dict(distinct.not_embedded),
        },
        "unique": {
            "pair": len(distinct.pairs),
            **{str(kind): int(kinds.get(kind, 0)) for kind in (EmbeddingKind.TRA, EmbeddingKind.TRB)},
        },
        "truncated_junctions": truncated,
        "warnings": [*warnings],
    }
    if "receptor_cluster" in receptors:
        sizes = receptors.drop_duplicates("receptor_cluster")["receptor_cluster_size"].dropna()
        content["clusters"] = {"total": len(sizes), "with_similar_receptors": int((sizes > 1).sum())}
    return content


def _list_warnings(
    encoder: ChainEncoder, n_chains: int, truncated: int, distinct: DistinctReceptors
) -> list[str]:
    warnings: list[str] = []
    if not distinct.n_embedded:
        reasons = ", ".join(f"{name} {count}" for name, count in distinct.not_embedded.items())
        warnings.append(f"None of {n_chains} chains could be embedded ({reasons or 'the files are empty'}).")
    if truncated:
        warnings.append(
            f"{truncated} junctions are longer than {encoder.max_length} residues and were cut in the middle."
        )
    return warnings


def _tell_donors(receptors: pd.DataFrame) -> list[str]:
    """Tell of several samples without donors: their clones are not joined, though they may be of one."""
    samples = receptors[["sample_id", "donor"]].drop_duplicates()
    n_samples = samples["sample_id"].nunique()
    n_unknown = int((samples["sample_id"] == samples["donor"]).sum())
    if n_samples < _SEVERAL or not n_unknown:
        return []
    told = (
        f"no donor is known of {n_unknown} of {n_samples} samples: each is taken for a donor of its own, "
        "and no clone spans them (preprocess --donor)"
    )
    return [told]
