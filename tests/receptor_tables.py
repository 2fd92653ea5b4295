"""Makers of chains tables and cells files that belong together: seeded, small, valid.

Invariant: rows are given in short form, everything else follows from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import scipy.sparse as sp

from tcellflow.contracts.tables import CHAINS
from tcellflow.io.h5ad.cells_writer import write_cells
from tcellflow.io.tables.parquet import write_table
from tcellflow.provenance import StepNote
from tcellflow.receptors.clonotypes import assign_clones
from tcellflow.receptors.encoding.keys import embedding_keys
from tcellflow.receptors.pairing import summarise_cells
from tcellflow.vocabulary import ARM_OF_LOCUS, Locus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

GENES = {
    "TRA": ("TRAV12-1", "TRAJ33"),
    "TRB": ("TRBV20-1", "TRBJ2-7"),
    "TRG": ("TRGV9", "TRGJP"),
    "TRD": ("TRDV2", "TRDJ1"),
}
_AMINO_ACIDS = list("ACDEFGHIKLMNPQRSTVWY")


def make_chain_rows(
    rows: Sequence[tuple[str, str, str]], *, sample: str = "s1", donor: str = "d1"
) -> pd.DataFrame:
    """Make the chains table of (cell, locus, junction_aa) rows, strongest chain of an arm first."""
    frame = pd.DataFrame(rows, columns=["cell_id", "locus", "junction_aa"], dtype=object)
    frame["sample_id"], frame["donor"] = sample, donor
    frame["arm"] = [str(ARM_OF_LOCUS[Locus(locus)]) for locus in frame["locus"]]
    frame["rank"] = (frame.groupby(["cell_id", "arm"]).cumcount() + 1).astype("int32")
    frame["v_call"] = [GENES[locus][0] for locus in frame["locus"]]
    frame["j_call"] = [GENES[locus][1] for locus in frame["locus"]]
    frame["v_call_raw"], frame["j_call_raw"] = frame["v_call"], frame["j_call"]
    for name in ("junction", "d_call", "c_call"):
        frame[name] = np.full(len(frame), None, dtype=object)
    frame["umi_count"] = np.float32(5)
    frame["consensus_count"] = np.float32(50)
    frame["productive"], frame["anchor_added"] = True, False
    frame["emb_id"] = embedding_keys(frame)
    return frame


def make_repertoire(
    n_cells: int, *, seed: int = 0, sample: str = "s1", donor: str = "d1", n_distinct: int = 10_000
) -> pd.DataFrame:
    """Make chains of many cells: pairs, single chains, second chains, gamma-delta, broken junctions."""
    rng = np.random.default_rng(seed)
    middles = [
        "".join(rng.choice(_AMINO_ACIDS, int(rng.integers(5, 20)))) for _ in range(min(n_distinct, n_cells))
    ]
    rows: list[tuple[str, str, str]] = []
    for number in range(n_cells):
        cell = f"{number:08d}-1"
        loci = (("TRA", "TRB"), ("TRB",), ("TRA", "TRA", "TRB"), ("TRG", "TRD"), ("TRA",))[
            int(rng.choice(5, p=[0.6, 0.15, 0.1, 0.05, 0.1]))
        ]
        rows += [(cell, locus, f"C{middles[int(rng.integers(len(middles)))]}F") for locus in loci]
        if number % 20 == 7:
            rows[-1] = (*rows[-1][:2], "CAS*LGF")
    return make_chain_rows(rows, sample=sample, donor=donor)


def write_chain_rows(path: Path, rows: pd.DataFrame, **rules: str) -> Path:
    """Write a chains table as preprocess does."""
    table = pa.Table.from_pandas(rows, CHAINS.schema(), preserve_index=False)
    write_table(path, table, CHAINS, StepNote("preprocess", {"orphans": "strict", **rules}))
    return path


def write_cells_of(
    path: Path, cell_ids: Sequence[str], chains: pd.DataFrame | None = None, *, sample: str = "s1"
) -> Path:
    """Write a cells file with these cells; without chains as of a sample without receptors."""
    rng = np.random.default_rng(1)
    counts = sp.csr_matrix(rng.poisson(0.5, (len(cell_ids), 20)).astype(np.int32))
    used = make_chain_rows([]) if chains is None else chains
    classes = summarise_cells(used, np.array(cell_ids, dtype=object)).drop(columns="doublet_suspect")
    clones = assign_clones(used).reindex(classes.index)
    obs = classes.assign(
        sample_id=sample,
        donor="d1",
        total_counts=np.asarray(counts.sum(axis=1)).ravel().astype(np.int64),
        n_genes_by_counts=np.diff(counts.indptr).astype(np.int32),
        pct_counts_mt=np.float32(1),
        is_t_cell=True,
        t_cell_evidence="genes",
        other_lineage="",
        doublet_suspect=False,
        doublet_evidence="",
        clone_id=clones["clone_id"],
        clone_size=clones["clone_size"].fillna(0).astype(np.int32),
    )
    genes = [f"GENE{number}" for number in range(20)]
    var = pd.DataFrame({"gene_ids": "", "gene_name_raw": genes}, index=genes)
    with write_cells(path, var) as writer:
        writer.append_counts(counts)
        writer.finish(obs, note=StepNote("preprocess"))
    return path
