"""What has to be embedded: each distinct chain and pair once, and the keys of every cell.

Invariant: the order of files and rows changes nothing; a cell's chain is its first-ranked one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd

from tcellflow.errors import ContractError
from tcellflow.receptors.encoding.keys import embedding_keys, pair_key, why_not_embeddable
from tcellflow.vocabulary import EmbeddingKind, Locus

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Which = Literal["first", "all"]
KIND_OF_LOCUS: Final = {str(Locus.TRA): str(EmbeddingKind.TRA), str(Locus.TRB): str(EmbeddingKind.TRB)}
_CELL: Final = ["sample_id", "cell_id"]


class NotEmbedded(StrEnum):
    """Why an embeddable chain has no vector all the same."""

    LOWER_RANK = "lower_rank"
    LOCUS_OF_ENCODER = "locus_not_covered_by_backend"


@dataclass(frozen=True)
class DistinctReceptors:
    """Distinct chains and pairs of all cells; made by `find_distinct`.

    Parameters
    ----------
    chains
        ``kind``, ``emb_id``, ``locus``, ``junction_aa``, ``v_call``, ``j_call``; sorted by kind and id.
    pairs
        ``emb_id`` and the row numbers ``tra`` and ``trb`` in `chains`; sorted by id.
    cells
        ``emb_tra``, ``emb_trb`` and ``emb_pair`` (None = missing), indexed by sample and cell; only
        cells with one of them.
    n_embedded
        Chains whose vector is in the tables (not distinct).
    not_embedded
        The other chains per reason; with `n_embedded` they add up to the chains given.
    """

    chains: pd.DataFrame
    pairs: pd.DataFrame
    cells: pd.DataFrame
    n_embedded: int
    not_embedded: Mapping[str, int]


def check_keys(chains: pd.DataFrame, *, where: object) -> None:
    """Refuse distinct chains whose key is not that of their own sequence.

    Raises
    ------
    ContractError
        If ``emb_id`` differs from the key computed anew.
    """
    expected = pd.Series(embedding_keys(chains), index=chains.index, dtype=object)
    wrong = chains["emb_id"].fillna("") != expected.fillna("")
    if wrong.any():
        first = chains[wrong].iloc[0]
        raise ContractError(
            f"{int(wrong.sum())} chains carry a key that does not belong to their sequence "
            f"(first: cell {first['cell_id']!r}, {first['locus']} {first['junction_aa']})",
            where=where,
            mend="re-run tcellflow preprocess; do not edit sequences or gene names in its files",
        )


def find_distinct(
    chains: pd.DataFrame, loci: Collection[Locus], *, which: Which = "first"
) -> DistinctReceptors:
    """Find the distinct chains and pairs to embed.

    Parameters
    ----------
    chains
        Rows of the chains table, of one or more samples.
    loci
        Loci that the encoder covers.
    which
        "first": the first-ranked chain of each arm. "all": every rank, e.g. second alpha chains.

    Returns
    -------
    DistinctReceptors
        Pairs are always of first-ranked chains.
    """
    covered = chains["locus"].isin([locus for locus in loci if locus in KIND_OF_LOCUS])
    is_first = chains["rank"] == 1
    wanted = chains["emb_id"].notna() & covered & (is_first if which == "first" else True)
    unique = chains[wanted].drop_duplicates("emb_id")
    unique = unique.assign(kind=unique["locus"].map(KIND_OF_LOCUS).astype(object))
    unique = unique.sort_values(["kind", "emb_id"], ignore_index=True)
    cells = _key_cells(chains[wanted & is_first])
    return DistinctReceptors(
        chains=unique[["kind", "emb_id", "locus", "junction_aa", "v_call", "j_call"]],
        pairs=_find_pairs(cells, unique["emb_id"]),
        cells=cells,
        n_embedded=int(wanted.sum()),
        not_embedded=_tally(chains, covered, wanted),
    )


def _key_cells(first: pd.DataFrame) -> pd.DataFrame:
    index = pd.MultiIndex.from_frame(first[_CELL].drop_duplicates().sort_values(_CELL))
    cells = pd.DataFrame(index=index)
    for locus, kind in KIND_OF_LOCUS.items():
        rows = first[first["locus"] == locus]
        keys = np.full(len(index), None, dtype=object)
        keys[index.get_indexer(pd.MultiIndex.from_frame(rows[_CELL]))] = rows["emb_id"].to_numpy()
        cells[f"emb_{kind}"] = keys
    made: dict[tuple[str, str], str] = {}
    pairs = np.full(len(index), None, dtype=object)
    for row, (tra, trb) in enumerate(zip(cells["emb_tra"], cells["emb_trb"], strict=True)):
        if tra is not None and trb is not None:
            if (tra, trb) not in made:
                made[tra, trb] = pair_key(tra, trb)
            pairs[row] = made[tra, trb]
    cells["emb_pair"] = pairs
    return cells


def _find_pairs(cells: pd.DataFrame, ids: pd.Series[str]) -> pd.DataFrame:
    pairs = cells[cells["emb_pair"].notna()].drop_duplicates("emb_pair").sort_values("emb_pair")
    rows = pd.Index(ids)
    return pd.DataFrame(
        {
            "emb_id": pairs["emb_pair"].to_numpy(),
            "tra": rows.get_indexer(pd.Index(pairs["emb_tra"])),
            "trb": rows.get_indexer(pd.Index(pairs["emb_trb"])),
        }
    )


def _tally(chains: pd.DataFrame, covered: pd.Series[bool], wanted: pd.Series[bool]) -> dict[str, int]:
    left = chains[~wanted]
    without_key = left["emb_id"].isna()
    counts: Counter[str] = Counter()
    for locus, junction in left.loc[without_key, ["locus", "junction_aa"]].itertuples(index=False):
        counts[str(why_not_embeddable(locus, junction))] += 1
    counts[NotEmbedded.LOCUS_OF_ENCODER] += int((~without_key & ~covered[~wanted]).sum())
    counts[NotEmbedded.LOWER_RANK] += int((~without_key & covered[~wanted]).sum())
    return {str(reason): count for reason, count in sorted(counts.items()) if count}
