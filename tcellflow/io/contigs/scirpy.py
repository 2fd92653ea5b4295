"""Receptors inside AnnData and MuData files: every generation of scirpy, and older habits.

Invariant: loci are read from their columns, never assumed from the slot, and stored ranks are not
trusted: chains are ranked anew.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np
import pandas as pd

from tcellflow.errors import InputError
from tcellflow.io.contigs.airr import collect_airr
from tcellflow.io.contigs.cell_tables import ChainSlot, read_slots
from tcellflow.io.contigs.screpertoire import collect_screpertoire, is_screpertoire_table
from tcellflow.io.contigs.tracer import (
    PAIR_LAYOUT,
    PAIR_SLOTS,
    TRACER_LAYOUT,
    TRACER_SLOTS,
    is_pair_table,
    is_tracer_table,
)
from tcellflow.io.files.hdf5 import open_hdf5
from tcellflow.io.files.json_text import NotJsonError, parse_json
from tcellflow.io.files.text_values import MISSING
from tcellflow.io.h5ad.elements import read_element, read_frame, read_index, read_names
from tcellflow.receptors.contigs import COUNT_COLUMNS, RawChains, join_raw_chains

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tcellflow.io.files.text_tables import TextTable

ARRAY_LAYOUT: Final = "scirpy AIRR array"
OBS_LAYOUT: Final = "scirpy cell annotation"
_ARRAY: Final = "airr"
_EXTRA_CHAINS: Final = "extra_chains"
_MODALITIES: Final = "mod"
_SLOT_PREFIXES: Final = ("IR_VJ_1", "IR_VJ_2", "IR_VDJ_1", "IR_VDJ_2")
_OBS_SLOTS: Final = tuple(
    ChainSlot(
        v_call=f"{prefix}_v_call",
        d_call=f"{prefix}_d_call",
        j_call=f"{prefix}_j_call",
        c_call=f"{prefix}_c_call",
        residues=f"{prefix}_junction_aa",
        nucleotides=f"{prefix}_junction",
        umi_count=f"{prefix}_umi_count",
        duplicate_count=f"{prefix}_duplicate_count",
        consensus_count=f"{prefix}_consensus_count",
        locus=f"{prefix}_locus",
    )
    for prefix in _SLOT_PREFIXES
)


def _old_slot(prefix: str, locus: str = "") -> ChainSlot:
    return ChainSlot(
        v_call=f"{prefix}_v_gene",
        d_call=f"{prefix}_d_gene",
        j_call=f"{prefix}_j_gene",
        c_call=f"{prefix}_c_gene",
        residues=f"{prefix}_cdr3",
        nucleotides=f"{prefix}_cdr3_nt",
        umi_count=f"{prefix}_expr",
        locus="" if locus else f"{prefix}_locus",
        fixed_locus=locus,
    )


_OLD_SLOTS: Final = tuple(_old_slot(prefix) for prefix in _SLOT_PREFIXES)
_OLDEST_SLOTS: Final = tuple(
    _old_slot(f"{locus}_{number}", locus) for locus in ("TRA", "TRB", "TRG", "TRD") for number in (1, 2)
)
_GENERATIONS: Final = (_OBS_SLOTS, _OLD_SLOTS, _OLDEST_SLOTS)
_FIELDS: Final = (
    "sequence_id",
    "locus",
    "v_call",
    "d_call",
    "j_call",
    "c_call",
    "junction_aa",
    "junction",
    "productive",
    "is_cell",
    "high_confidence",
    *COUNT_COLUMNS,
)


def is_scirpy_table(columns: frozenset[str]) -> bool:
    """Recognise scirpy's cell annotation of any generation, e.g. ``adata.obs`` saved as CSV."""
    return bool({slot.residues for slots in _GENERATIONS for slot in slots} & columns)


def read_scirpy_table(table: TextTable) -> RawChains:
    """Read scirpy's cell annotation from text.

    Parameters
    ----------
    table
        One row per cell; the first column names the cells.

    Returns
    -------
    RawChains
        One contig per filled slot, and the extra chains.

    Raises
    ------
    InputError
        If values are impossible.
    """
    frame = table.read({table.columns[0], _EXTRA_CHAINS, *_slot_columns(table.columns)})
    return _read_obs(frame, frame[table.columns[0]], where=table.path)


def read_scirpy_file(path: Path) -> RawChains:
    """Read receptors that scirpy keeps in an AnnData (.h5ad) or MuData (.h5mu) file.

    Raises
    ------
    InputError
        If it is damaged, holds no receptors, or needs the package awkward, which is not installed.
    """
    with open_hdf5(path) as file:
        groups = _list_groups(file)
        parts = {name: _read_array(group, path) for name, group in groups.items() if _has_array(group)}
        if not parts:  # columns that repeat the chains of an array are no further chains
            read = {name: _read_annotation(group, path) for name, group in groups.items()}
            parts = {name: found for name, found in read.items() if found is not None}
    if parts:
        return join_raw_chains([_of_modality(name, part) for name, part in parts.items()])
    raise InputError(
        "the file holds no receptors: neither obsm['airr'] nor obs columns such as IR_VJ_1_junction_aa, "
        "cdr3a or CTgene",
        where=path,
        mend="give the contig table of the V(D)J library instead, e.g. filtered_contig_annotations.csv",
    )


def list_receptor_places(file: h5py.File) -> list[str]:
    """List where an AnnData or MuData file keeps chains that `read_scirpy_file` would read, in words."""
    groups = _list_groups(file)
    arrays = [name for name, group in groups.items() if _has_array(group)]
    found = arrays or sorted(name for name, group in groups.items() if _recognise(group) is not None)
    within = "obsm['airr']" if arrays else "columns of obs"
    return [f"modality {name}" if name else within for name in found]


def read_sample_names(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read the samples that obs columns name, by cell and modality, indexed by cell; None = missing."""
    parts = []
    with open_hdf5(path) as file:
        groups = [file, *(group for name, group in _list_groups(file).items() if name)]
        for group in (group for group in groups if isinstance(group.get("obs"), h5py.Group)):
            found = [name for name in columns if name in group["obs"]]
            texts = {name: _as_texts(read_names(group["obs"], name, where=path)) for name in found}
            parts.append(
                pd.DataFrame(texts).set_axis(read_index(group["obs"], where=path)) if found else None
            )
    known = [part for part in parts if part is not None]
    return pd.concat(known).astype(object) if known else pd.DataFrame()


def _list_groups(file: h5py.File) -> dict[str, h5py.Group]:
    modalities = file.get(_MODALITIES)
    if not isinstance(modalities, h5py.Group):
        return {"": file}
    groups = {name: modalities.get(name) for name in sorted(modalities)}
    return {name: group for name, group in groups.items() if isinstance(group, h5py.Group)}


def _has_array(group: h5py.Group) -> bool:
    obsm = group.get("obsm")
    return isinstance(obsm, h5py.Group) and _ARRAY in obsm


def _of_modality(name: str, raw: RawChains) -> RawChains:
    """Tell contigs of several libraries of a cell apart, which Cell Ranger calls by the same names."""
    if not name:
        return raw
    names = [None if text is None else f"{name}/{text}" for text in raw.rows["sequence_id"]]
    return replace(raw, rows=raw.rows.assign(sequence_id=np.array(names, dtype=object)))


def _read_array(group: h5py.Group, path: Path) -> RawChains:
    if find_spec("awkward") is None:
        raise InputError(
            "the receptors are stored as an awkward array, and the package awkward is not installed",
            where=path,
            mend="pip install awkward, or export an AIRR table (scirpy.io.write_airr)",
        )
    import awkward as ak  # noqa: PLC0415 (an optional dependency)

    chains = read_element(group["obsm"], _ARRAY, where=path)
    n_chains = ak.to_numpy(ak.fill_none(ak.num(chains, axis=1), 0))
    flat = ak.flatten(chains, axis=1)
    columns: dict[str, Any] = {"cell_id": np.repeat(read_index(group["obs"], where=path), n_chains)}
    columns |= {name: _as_texts(ak.to_list(flat[name])) for name in _FIELDS if name in flat.fields}
    if "productive" not in columns:
        columns["productive"] = _as_texts([None] * int(n_chains.sum()))
    return collect_airr(pd.DataFrame(columns), layout=ARRAY_LAYOUT, where=path)


def _as_texts(values: Iterable[Any]) -> pd.Series:
    return pd.Series(
        [None if value is None or str(value) in MISSING else str(value) for value in values], dtype=object
    )


def _slot_columns(columns: Iterable[str]) -> set[str]:
    slots = (*(slot for slots in _GENERATIONS for slot in slots), *PAIR_SLOTS, *TRACER_SLOTS)
    return {name for slot in slots for name in slot.columns} & set(columns)


def _read_annotation(group: h5py.Group, path: Path) -> RawChains | None:
    """Read receptors from obs columns; None if there are none."""
    present = _recognise(group)
    if present is None:
        return None
    obs = read_frame(group, "obs", where=path)
    wanted = [
        name
        for name in obs.columns
        if name in _slot_columns(present) | {"CTgene", "CTaa", "CTnt", _EXTRA_CHAINS}
    ]
    frame = pd.DataFrame({name: _as_texts(obs[name].astype(object)) for name in wanted})
    names = pd.Series(obs.index.astype(str), dtype=object)
    if is_scirpy_table(present):
        return _read_obs(frame, names, where=path)
    if is_screpertoire_table(present):
        return collect_screpertoire(frame, names, where=path)
    slots, layout = (PAIR_SLOTS, PAIR_LAYOUT) if is_pair_table(present) else (TRACER_SLOTS, TRACER_LAYOUT)
    return read_slots(frame, slots, cell_ids=names, layout=layout, where=path, anchored="by content")


def _recognise(group: h5py.Group) -> frozenset[str] | None:
    """Give the names of obs columns where some of them hold chains; else None."""
    if not isinstance(group.get("obs"), h5py.Group):
        return None
    present = frozenset(group["obs"])
    recognised = (is_scirpy_table, is_pair_table, is_tracer_table, is_screpertoire_table)
    return present if any(is_layout(present) for is_layout in recognised) else None


def _read_obs(frame: pd.DataFrame, names: pd.Series, *, where: Path) -> RawChains:
    slots = next(slots for slots in _GENERATIONS if {slot.residues for slot in slots} & set(frame.columns))
    raw = read_slots(frame, slots, cell_ids=names, layout=OBS_LAYOUT, where=where, anchored=True)
    if _EXTRA_CHAINS not in frame:
        return raw
    extra = [
        {**chain, "cell_id": cell}
        for cell, text in zip(names, frame[_EXTRA_CHAINS], strict=True)
        if text is not None
        for chain in _decode(text, cell, where)
    ]
    if not extra:
        return raw
    columns = {name: _as_texts(chain.get(name) for chain in extra) for name in ("cell_id", *_FIELDS)}
    # slots hold productive chains only; of the extra ones some say that they are not
    columns["productive"] = columns["productive"].fillna("True")
    return join_raw_chains([raw, collect_airr(pd.DataFrame(columns), layout=OBS_LAYOUT, where=where)])


def _decode(text: str, cell: str, where: Path) -> list[dict[str, Any]]:
    try:
        chains = parse_json(text)
    except NotJsonError as error:
        raise InputError(
            f"the extra chains of cell {cell} are no JSON: {text[:60]!r}",
            where=where,
            mend="remove the column extra_chains, or write the file again with scirpy",
        ) from error
    return [chain for chain in chains if isinstance(chain, dict)] if isinstance(chains, list) else []
