"""Names, ids and types of the features, from the var data frame of an AnnData file.

Invariant: Ensembl ids are known by their form, whichever column holds them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.io.h5ad.elements import read_index, read_names
from tcellflow.io.matrices.source import ANTIBODY_CAPTURE, GENE_EXPRESSION, FeatureTable

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray

_ENSEMBL: Final = re.compile(r"ENS[A-Z]{0,4}G\d{11}(\.\d+)?")
_ID_COLUMNS: Final = ("gene_ids", "gene_id", "ensembl_id", "ensembl_ids", "ensembl", "feature_id", "id")
_NAME_COLUMNS: Final = (
    "gene_symbols",
    "gene_symbol",
    "feature_name",
    "gene_name",
    "gene_names",
    "symbol",
    "name",
)
_TYPE_COLUMN: Final = "feature_types"  # "feature_type" of public atlases is the gene's biotype
_SAMPLE: Final = 50
# Words of other tools for the two types that tcellflow tells apart.
_TYPE_WORDS: Final = {
    "gene expression": GENE_EXPRESSION,
    "gex": GENE_EXPRESSION,
    "rna": GENE_EXPRESSION,
    "antibody capture": ANTIBODY_CAPTURE,
    "adt": ANTIBODY_CAPTURE,
    "protein": ANTIBODY_CAPTURE,
}


def read_features(group: h5py.Group, *, where: object) -> FeatureTable:
    """Read names, ids and types of the features of an h5ad file from var or raw/var.

    Returns
    -------
    FeatureTable
        Where the row names are Ensembl ids, names come from the first column of symbols, if any.

    Raises
    ------
    InputError
        If there are no row names.
    """
    index = read_index(group, where=where)
    n_ids = sum(_ENSEMBL.fullmatch(name) is not None for name in index[:_SAMPLE])
    n_numbers = sum(name.isdigit() for name in index[:_SAMPLE])
    if n_numbers * 2 > min(len(index), _SAMPLE):  # rows counted, or Entrez ids: columns tell more
        named = _first_column(group, _NAME_COLUMNS, len(index), where=where)
        own_ids = _first_column(group, _ID_COLUMNS, len(index), where=where)
        names = index if named is None else named
        ids = np.full(len(index), "", dtype=object) if own_ids is None else own_ids
        names = ids if named is None and own_ids is not None else names
    elif n_ids * 2 > min(len(index), _SAMPLE):
        found = _first_column(group, _NAME_COLUMNS, len(index), where=where)
        ids, names = index, index if found is None else np.where(found == "", index, found)
    else:
        found = _first_column(group, _ID_COLUMNS, len(index), where=where)
        ids, names = np.full(len(index), "", dtype=object) if found is None else found, index
    types = _first_column(group, (_TYPE_COLUMN,), len(index), where=where)
    if types is None:
        types = np.full(len(index), GENE_EXPRESSION, dtype=object)
    else:
        types = np.array([_TYPE_WORDS.get(word.lower(), word) for word in types], dtype=object)
    return FeatureTable(ids, names, types)


def _first_column(
    group: h5py.Group, names: tuple[str, ...], length: int, *, where: object
) -> NDArray[np.object_] | None:
    by_name = {name.lower(): name for name in group}
    for name in names:
        if name in by_name:
            values = read_names(group, by_name[name], where=where)
            if len(values) == length:
                return values
    return None
