"""The chains table: laid out as its contract wants it, and those of several samples read as one.

Invariant: a table holds the contract's columns in its order, even without rows. Of several, no cell comes
from two files, every key belongs to its sequence, and the order of files and rows is lost on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from tcellflow.contracts.tables import CHAINS
from tcellflow.errors import InputError, OptionsError
from tcellflow.io.tables.parquet import read_table, read_table_note
from tcellflow.receptors.encoding.distinct import check_keys

if TYPE_CHECKING:
    from pathlib import Path

    from tcellflow.receptors.clonotypes import DualChains, Orphans

_CELL: Final = ["sample_id", "cell_id"]
_COLUMNS: Final = [
    *_CELL,
    "donor",
    "arm",
    "rank",
    "locus",
    "junction_aa",
    "junction",
    "v_call",
    "j_call",
    "emb_id",
]


def build_chain_table(chains: pd.DataFrame, *, sample_id: str) -> pa.Table:
    """Lay out ranked chains with their donor as the chains table, one row each, in the order given."""
    schema = CHAINS.schema()
    columns = {
        **{name: chains[name] for name in chains.columns},
        "sample_id": np.full(len(chains), sample_id),
    }
    arrays = [
        pa.array(np.asarray(columns[field.name]), type=field.type, from_pandas=True) for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


@dataclass(frozen=True)
class ChainFiles:
    """What several chains files hold together.

    Parameters
    ----------
    chains
        Columns of the chains table that tell receptors apart, sorted by sample, cell, arm and rank.
    orphans
        How preprocess assigned clones to cells with one chain.
    dual_chains
        How it assigned them to cells with two chains of an arm.
    """

    chains: pd.DataFrame
    orphans: Orphans
    dual_chains: DualChains


def read_chain_files(paths: tuple[Path, ...]) -> ChainFiles:
    """Read and check one or more files of the chains table.

    Raises
    ------
    InputError
        If a file cannot be read, a cell occurs in two of them, or their clones follow two rules.
    ContractError
        If a file breaks its contract or holds a key that is not its sequence's.
    OptionsError
        If no file is given.
    """
    if not paths:
        raise OptionsError(
            "no chains file was given", where="CHAINS", mend="name the chains.parquet that preprocess wrote"
        )
    parts = []
    for path in paths:
        part = read_table(path, CHAINS, _COLUMNS).to_pandas()
        check_keys(part, where=path)
        parts.append(part.assign(file=str(path)))
    chains = pd.concat(parts).sort_values([*_CELL, "arm", "rank"], ignore_index=True)
    _check_distinct(chains)
    orphans: Orphans = "rescue" if _read_rule(paths, "orphans", "strict") == "rescue" else "strict"
    dual: DualChains = "any" if _read_rule(paths, "dual_chains", "primary") == "any" else "primary"
    return ChainFiles(chains.drop(columns="file"), orphans, dual)


def _check_distinct(chains: pd.DataFrame) -> None:
    files = chains[[*_CELL, "file"]].drop_duplicates()
    twice = files[files.duplicated(_CELL, keep=False)]
    if len(twice):
        sample, cell, _ = twice.iloc[0]
        raise InputError(
            f"{len(twice[_CELL].drop_duplicates())} cells occur in more than one file "
            f"(first: {cell!r} of sample {sample!r})",
            where=", ".join(sorted(twice["file"].unique())),
            mend="give each sample once, with a --prefix of its own in preprocess",
        )


def _read_rule(paths: tuple[Path, ...], option: str, default: str) -> str:
    """Read the rule by which preprocess assigned clones, the same in all files."""
    notes = [read_table_note(path).get("options") for path in paths]
    found = {str(note.get(option, default)) for note in notes if isinstance(note, dict)}
    if len(found) > 1:
        name = "--" + option.replace("_", "-")
        raise InputError(
            f"some chains files were made with {name} {default} and some with "
            f"{', '.join(sorted(found - {default}))}",
            where=", ".join(map(str, paths)),
            mend=f"run preprocess with the same {name} for all samples",
        )
    return next(iter(found), default)
