"""Antibody counts inside AnnData and MuData files: an obsm table, or a modality of its own.

Invariant: only whole numbers of at least zero are taken as counts; a table of other values is
left out, and a log line says so.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import sparse

from tcellflow.cells.counts import are_counts
from tcellflow.errors import InputError
from tcellflow.io.files.hdf5 import find_group
from tcellflow.io.h5ad.elements import read_element, read_index
from tcellflow.io.matrices.h5ad_blocks import read_slot_blocks
from tcellflow.io.matrices.h5ad_features import read_features
from tcellflow.io.matrices.h5ad_slots import choose_slot
from tcellflow.io.matrices.source import AntibodyCounts
from tcellflow.proteins.names import AntibodyKind, find_kind

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray

_LOG = logging.getLogger(__name__)
# Keys in the order of preference: those that promise counts come first.
_OBSM_KEYS: Final = (
    "adt_counts",
    "protein_counts",
    "protein",
    "proteins",
    "adt",
    "prot",
    "antibody",
    "antibody_capture",
    "protein_expression",
)
_HASHTAG_KEYS: Final = ("hto_counts", "hto", "hashtags", "hashtag")


def read_obsm_antibodies(
    root: h5py.Group, cell_ids: NDArray[np.object_], *, where: object
) -> AntibodyCounts | None:
    """Read the counts of antibodies and sample hashtags from obsm of an h5ad file.

    Returns
    -------
    AntibodyCounts or None
        None without such a table, or where none holds counts under names.

    Raises
    ------
    InputError
        If a table cannot be read.
    """
    antibodies = _read_first(root, _OBSM_KEYS, where=where)
    hashtags = _read_first(root, _HASHTAG_KEYS, where=where)
    if hashtags is not None and any(find_kind(name) is not AntibodyKind.HASHTAG for name in hashtags[0]):
        _LOG.warning("%s: obsm holds hashtags under unknown names, which are left out", where)
        hashtags = None
    found = [table for table in (antibodies, hashtags) if table is not None]
    if not found:
        return None
    names = tuple(name for table_names, _ in found for name in table_names)
    counts = sparse.csr_matrix(sparse.hstack([counts for _, counts in found], format="csr"))
    return AntibodyCounts(names, cell_ids, counts)


def _read_first(
    root: h5py.Group, keys: tuple[str, ...], *, where: object
) -> tuple[tuple[str, ...], sparse.csr_matrix] | None:
    """Read the first table under one of these keys that holds counts under names."""
    obsm = find_group(root, "obsm", where=where) or {}
    by_name = {key.lower(): key for key in obsm}
    for key in [by_name[name] for name in keys if name in by_name]:
        place = f"obsm/{key}"
        table = read_element(obsm, key, where=where)
        names = _names_of(table, root, key, where=where)
        if names is None:
            _LOG.warning("%s: %s has no antibody names and is left out", where, place)
            continue
        counts = _as_counts(table)
        if counts is None:
            _LOG.warning("%s: %s holds values that are no counts and is left out", where, place)
            continue
        return names, counts
    return None


def _names_of(table: Any, root: h5py.Group, key: str, *, where: object) -> tuple[str, ...] | None:
    if isinstance(table, pd.DataFrame):
        return tuple(map(str, table.columns))
    uns = find_group(root, "uns", where=where) or {}
    for place in (f"{key}_names", "protein_names"):
        if place in uns:
            names = np.asarray(read_element(uns, place, where=where)).ravel()
            if np.ndim(table) == 2 and len(names) == table.shape[1]:
                return tuple(map(str, names))
    return None


def _as_counts(table: Any) -> sparse.csr_matrix | None:
    if hasattr(table, "tocsr"):
        matrix = sparse.csr_matrix(table.tocsr())
    else:
        try:
            matrix = sparse.csr_matrix(np.asarray(table, dtype=np.float64))
        except (TypeError, ValueError):
            return None
    return sparse.csr_matrix(matrix, dtype=np.int32) if bool(are_counts(matrix.data).all()) else None


def read_modality_antibodies(root: h5py.Group, *, where: object) -> AntibodyCounts | None:
    """Read the antibody modality of a MuData file.

    Returns
    -------
    AntibodyCounts or None
        None where it holds no counts. Its cells may differ from those of other modalities.

    Raises
    ------
    InputError
        If it is damaged.
    """
    cell_ids = read_index(root["obs"], where=where)
    slot = choose_slot(root, None, n_cells=len(cell_ids), where=where)
    var = root["raw/var"] if slot.is_raw else root["var"]
    names = read_features(var, where=where).names
    if slot.shape != (len(cell_ids), len(names)):
        raise InputError(
            f"{slot.address} has the shape {slot.shape}, but there are {len(cell_ids):,} cells "
            f"and {len(names):,} antibodies",
            where=where,
            mend="the file is damaged; export it anew",
        )
    blocks = list(read_slot_blocks(root.file, slot, n_rows=1 << 16, where=where))
    whole = sparse.vstack(blocks, format="csr") if blocks else sparse.csr_matrix(slot.shape)
    counts = _as_counts(whole)
    if counts is None:
        _LOG.warning("%s: %s holds values that are no counts and is left out", where, slot.address)
        return None
    return AntibodyCounts(tuple(names), cell_ids, counts)
