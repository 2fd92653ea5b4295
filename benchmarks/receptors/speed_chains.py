"""The chains that encoders are timed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from recipes.datasets.receptors import PLAIN, make_chains
from tcellflow.receptors.encoding.sequences import ChainSequences

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SEED = 0
STUDY = "TCREmbedding_unique_filt"


def read_chains(folder: Path, name: str) -> ChainSequences:
    """Read the alpha and beta chains of all cells of a set; of the corpus, distinct beta chains."""
    if name == "corpus":
        table = pd.read_parquet(
            folder / "tcr_corpus/trb_human.parquet", filters=[("source", "==", STUDY)]
        ).drop_duplicates("junction_aa")
        table = table[table["junction_aa"].str.fullmatch(PLAIN)].sample(frac=1, random_state=SEED)
        return make_chains(table, "TRB", "")
    if name == "screp_ards":
        table = pd.read_csv(folder / "screp_ards/filtered_contig_annotations.all8.csv.gz", dtype=str)
        table = table[table["productive"] == "True"].rename(
            columns={"cdr3": "junction_aa", "v_gene": "v_call", "j_gene": "j_call"}
        )
        parts = [(table[table["chain"] == locus], locus, "") for locus in ("TRA", "TRB")]
    else:
        cells = pd.read_parquet(folder / "tcr_adt_10x_dextramer_cd8/cells.parquet")
        parts = [
            (
                pd.DataFrame({"junction_aa": cells[f"{locus}_cdr3_aa"], "v_call": None, "j_call": None}),
                locus,
                "",
            )
            for locus in ("TRA", "TRB")
        ]
    return join_chains(
        [
            make_chains(rows[rows["junction_aa"].fillna("").str.fullmatch(PLAIN)], locus, ending)
            for rows, locus, ending in parts
        ]
    )


def join_chains(parts: list[ChainSequences]) -> ChainSequences:
    """Put chains one behind the other."""
    names = ("locus", "junction_aa", "v_call", "j_call")
    return ChainSequences(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def number_distinct(chains: ChainSequences) -> NDArray[np.int64]:
    """Give equal chains, and only these, the same number."""
    table = pd.DataFrame(vars(chains))
    return table.groupby(list(table.columns), dropna=False).ngroup().to_numpy()


def keep_distinct(chains: ChainSequences) -> ChainSequences:
    """Keep one of each chain, as embed-tcr does."""
    return chains.take(np.unique(number_distinct(chains), return_index=True)[1])


def save_chains(chains: ChainSequences, path: Path) -> Path:
    """Write chains for the processes that are timed."""
    pd.DataFrame(vars(chains)).to_parquet(path)
    return path


def load_chains(path: Path) -> ChainSequences:
    """Read what `save_chains` wrote."""
    table = pd.read_parquet(path).astype(object)
    table = table.where(table.notna(), None)
    return ChainSequences(*(table[name].to_numpy(object) for name in table))
