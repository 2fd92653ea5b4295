"""The contracts of similar receptors: nearest neighbours, and the columns that name clusters.

Invariant: the columns of clusters mean the same in every table that has them.
"""

from __future__ import annotations

from typing import Final

from tcellflow.contracts.columns import Column, Table
from tcellflow.vocabulary import EmbeddingKind

EMB_ID_PATTERN: Final = "[0-9a-f]{20}"

NEIGHBOURS: Final = Table(
    name="neighbours",
    version=1,
    key=("emb_id", "rank"),
    meaning="The nearest other receptors of each distinct chain and pair, among those of the same kind.",
    columns=(
        Column("kind", "string", "what is compared", choices=EmbeddingKind),
        Column("emb_id", "string", "key of the chain or pair", pattern=EMB_ID_PATTERN),
        Column("rank", "int32", "1 = nearest; equally near ones in the order of their keys", low=1),
        Column("neighbour_id", "string", "key of the neighbour", pattern=EMB_ID_PATTERN),
        Column("distance", "float32", "1 - cosine of the two vectors", low=0, high=2),
    ),
)


def list_cluster_columns(since: int) -> tuple[Column, ...]:
    """List the columns that name clusters of similar receptors.

    Parameters
    ----------
    since
        Version of the table that brought them.

    Returns
    -------
    tuple of Column
        There only where neighbours were asked for.
    """
    return (
        Column(
            "receptor_cluster",
            "string",
            "cluster of similar receptors, a hash of its members; with --neighbours; null without a vector",
            nullable=True,
            pattern=EMB_ID_PATTERN,
            since=since,
            optional=True,
        ),
        Column(
            "receptor_cluster_size",
            "int32",
            "distinct receptors in the cluster; 1 = no similar one; with --neighbours",
            nullable=True,
            low=1,
            since=since,
            optional=True,
        ),
    )
