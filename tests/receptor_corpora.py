"""Small receptor corpora made on the spot: random junctions with real genes, as Parquet tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

GENES = {
    "TRA": (("TRAV27", "TRAV12-2", "TRAV38-2/DV8"), ("TRAJ42", "TRAJ33")),
    "TRB": (("TRBV19", "TRBV20-1", "TRBV6-5"), ("TRBJ2-7", "TRBJ1-1")),
}


def make_chains(number, locus, seed, source="here"):
    """Give columns of random chains."""
    random = np.random.default_rng(seed)
    v, j = GENES[locus]
    junctions = [
        "CA" + "".join(random.choice(list("ADEGKLNPQRSTVY"), random.integers(5, 12))) + "YF"
        for _ in range(number)
    ]
    return {
        "locus": [locus] * number,
        "junction_aa": junctions,
        "v_call": random.choice([*v, None], number).tolist(),
        "j_call": random.choice(j, number).tolist(),
        "source": [source] * number,
        "has_epitope_label": [False] * number,
    }


def write_table(path: Path, *parts: dict) -> Path:
    """Write columns, stacked, with dictionaries as the real corpus has them."""
    table = pa.concat_tables([pa.table(part) for part in parts])
    for name in ("v_call", "source"):
        if name in table.column_names:
            place = table.column_names.index(name)
            table = table.set_column(place, name, table[name].dictionary_encode())
    pq.write_table(table, path)
    return path


def make_pairs(number, seed, source="here"):
    """Give columns of random pairs."""
    arms = [(make_chains(number, locus, seed + k), ending) for k, (locus, ending) in enumerate(ARMS)]
    columns = {
        f"{name}_{ending}": arm[name] for arm, ending in arms for name in ("junction_aa", "v_call", "j_call")
    }
    return {**columns, "source": [source] * number, "has_epitope_label": [False] * number}


ARMS = (("TRA", "tra"), ("TRB", "trb"))
