"""Small tables as a step would have written them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from tcellflow.contracts.tables import RECEPTORS
from tcellflow.io.tables.parquet import write_table
from tcellflow.provenance import StepNote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_receptors(
    path: Path,
    cells: Sequence[str],
    clones: Sequence[str | None],
    *,
    sample_id: str = "s1",
    emb_tra: Sequence[str | None] | None = None,
    clusters: Sequence[tuple[str | None, int | None]] | None = None,
) -> Path:
    """Write a receptors table of embed-tcr: one pair per cell, with these clones, vectors and clusters."""
    n = len(cells)
    rows = {column.name: [None] * n for column in RECEPTORS.columns} | {
        "cell_id": list(cells),
        "sample_id": [sample_id] * n,
        "donor": ["d1"] * n,
        "has_tra": [True] * n,
        "has_trb": [True] * n,
        "chain_pairing": ["single pair"] * n,
        "receptor_type": ["TCR"] * n,
        "receptor_subtype": ["TRA+TRB"] * n,
        "doublet_suspect": [False] * n,
        "clone_id": list(clones),
        "emb_tra": [None] * n if emb_tra is None else list(emb_tra),
    }
    schema = RECEPTORS.schema()
    if clusters is not None:
        schema = RECEPTORS.schema(optional=["receptor_cluster", "receptor_cluster_size"])
        rows["receptor_cluster"], rows["receptor_cluster_size"] = (
            list(c) for c in zip(*clusters, strict=True)
        )
    write_table(path, pa.table(rows, schema=schema), RECEPTORS, StepNote("embed-tcr"))
    return path
