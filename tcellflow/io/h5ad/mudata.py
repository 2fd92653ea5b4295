"""A MuData file (.h5mu) of one sample: expression, receptors and proteins as modalities of the same cells.

Invariant: expression is the annotated file, byte for byte of its matrices; a cell has the same name in every
modality; receptors are records as scirpy reads them, with the keys of the AIRR schema.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np
import pandas as pd

from tcellflow.io.h5ad.elements import mark_encoding, read_element, read_frame, write_element
from tcellflow.vocabulary import OBSM_ADT_COUNTS

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

GEX: Final = "gex"  # names of modalities as scirpy's documentation has them
AIRR: Final = "airr"
PROTEINS: Final = "prot"
_RECORD: Final = (
    "locus", "productive", "v_call", "d_call", "j_call", "c_call", "junction", "junction_aa", "umi_count",
    "consensus_count",
)  # fmt: skip
_CELL: Final = "cell_id"
# What scirpy's functions group cells by; it looks for such columns beside the receptors, too.
_OF_RECEPTORS: Final = (
    "sample_id", "donor", "has_tra", "has_trb", "chain_pairing", "receptor_type", "receptor_subtype",
    "clone_id", "clone_size", "state", "predicted_state", "state_confidence",
)  # fmt: skip
_MUDATA_VERSION: Final = "0.1.0"


def write_mudata(path: Path, annotated: Path, chains: pa.Table | None) -> None:
    """Write a MuData file.

    Parameters
    ----------
    path
        Staged path of the file.
    annotated
        Annotated cells file.
    chains
        Chains of its cells, in the order of their rank; None without receptors.

    Raises
    ------
    InputError
        If an entry of the annotated file cannot be read.
    """
    with h5py.File(annotated, "r", locking=False) as source, h5py.File(path, "w", locking=False) as file:
        obs = read_frame(source, "obs", where=annotated)
        file.attrs.update(
            {"encoding-type": "MuData", "encoding-version": _MUDATA_VERSION, "axis": np.int64(0)}
        )
        modalities = file.create_group("mod")
        source.copy(source["/"], modalities, GEX)
        parts = {GEX: (obs.index, read_frame(source, "var", where=annotated).index)}
        if OBSM_ADT_COUNTS in source["obsm"]:
            counts = read_element(source["obsm"], OBSM_ADT_COUNTS, where=annotated)
            parts[PROTEINS] = _write_proteins(modalities, counts)
        if chains is not None:
            parts[AIRR] = _write_receptors(modalities, chains, obs)
        modalities.attrs["mod-order"] = np.array(list(parts), dtype=h5py.string_dtype())
        _write_axis(
            file, "obs", obs[[c for c in _OF_RECEPTORS if c in obs]], {m: p[0] for m, p in parts.items()}
        )
        names = pd.Index([name for _, features in parts.values() for name in features], dtype=object)
        _write_axis(file, "var", pd.DataFrame(index=names), {m: p[1] for m, p in parts.items()})
        write_element(file, "uns", {})
        for mapping in ("obsp", "varp"):
            mark_encoding(file.create_group(mapping), "dict")


def _write_proteins(modalities: h5py.Group, counts: pd.DataFrame) -> tuple[pd.Index[Any], pd.Index[Any]]:
    import anndata as ad  # noqa: PLC0415 (takes a second)

    var = pd.DataFrame(index=counts.columns.astype(str))
    made = ad.AnnData(counts.to_numpy(dtype=np.float32), pd.DataFrame(index=counts.index.astype(str)), var)
    write_element(modalities, PROTEINS, made)
    return made.obs_names, made.var_names


def _write_receptors(
    modalities: h5py.Group, chains: pa.Table, obs: pd.DataFrame
) -> tuple[pd.Index[Any], pd.Index[Any]]:
    """Write the modality of receptors: the cells that have one, each with its chains."""
    import anndata as ad  # noqa: PLC0415 (takes a second)
    import awkward as ak  # noqa: PLC0415 (an extra)

    names = pd.Index(chains[_CELL].to_pandas())
    place = obs.index.get_indexer(names)
    rows = np.flatnonzero(place >= 0)
    rows = rows[np.argsort(place[rows], kind="stable")]
    cells, counts = np.unique(place[rows], return_counts=True)
    taken = chains.take(rows)
    records = ak.zip({field: ak.from_arrow(taken[field].combine_chunks()) for field in _RECORD})
    columns = [column for column in _OF_RECEPTORS if column in obs]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Support for Awkward Arrays is currently experimental")
        made = ad.AnnData(obs=obs[columns].iloc[cells], obsm={"airr": ak.unflatten(records, counts)})
        write_element(modalities, AIRR, made)
    return made.obs_names, made.var_names


def _write_axis(file: h5py.File, axis: str, frame: pd.DataFrame, names: dict[str, pd.Index[Any]]) -> None:
    """Write a joint axis: its table, and where each modality's names stand on it (from 1; 0 = not there)."""
    write_element(file, axis, frame)
    places, first = {}, 0
    for modality, own in names.items():
        if axis == "obs":
            found = own.get_indexer(frame.index) + 1
        else:  # features are put one after the other
            found = np.zeros(len(frame), dtype=np.int64)
            found[first : first + len(own)] = np.arange(len(own)) + 1
            first += len(own)
        places[modality] = found.astype(np.uint32)
    write_element(file, f"{axis}m", {modality: found > 0 for modality, found in places.items()})
    write_element(file, f"{axis}map", places)
