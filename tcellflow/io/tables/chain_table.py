"""The chains table: ranked chains as the contract wants them.

Invariant: the table holds the contract's columns in its order and nothing else; zero chains give a
valid table with zero rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tcellflow.contracts.tables import CHAINS

if TYPE_CHECKING:
    import pandas as pd


def build_chain_table(chains: pd.DataFrame, *, sample_id: str) -> pa.Table:
    """Lay out chosen chains as the chains table.

    Parameters
    ----------
    chains
        ``ChosenChains.chains``: ranked chains with donor.
    sample_id
        Sample of all chains.

    Returns
    -------
    pyarrow.Table
        One row per chain, in the order given, by the contract ``chains/1``.
    """
    schema = CHAINS.schema()
    columns = {
        **{name: chains[name] for name in chains.columns},
        "sample_id": np.full(len(chains), sample_id),
    }
    arrays = [
        pa.array(np.asarray(columns[field.name]), type=field.type, from_pandas=True) for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
