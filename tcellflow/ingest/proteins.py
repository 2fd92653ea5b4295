"""A sample's antibody counts, wherever they are, on the rows of the expression matrix.

Invariant: counts are read from one place alone, and gene expression is never taken for a panel.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from tcellflow.cells.counts import check_counts_block
from tcellflow.errors import InputError, OptionsError
from tcellflow.io.files.kinds import check_is_file, is_hdf5, is_matrix_market
from tcellflow.io.matrices.antibody_tables import read_antibody_table
from tcellflow.io.matrices.opening import open_matrix
from tcellflow.io.matrices.source import AntibodyCounts, split_features
from tcellflow.proteins.panel import name_antibodies

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.cells.barcodes import BarcodeMap
    from tcellflow.ingest.barcode_matching import Matching
    from tcellflow.io.matrices.source import FeatureSplit, FeatureTable, MatrixSource

# The largest panels have some 300 antibodies, the smallest transcriptomes some 5,000 genes.
_MOST_ANTIBODIES: Final = 2000
_GENE_SHARE: Final = 0.5
# CITE-seq-Count ends its table with the reads that no antibody explains.
_NO_ANTIBODY: Final = "unmapped"


@dataclass(frozen=True)
class Proteins:
    """Antibody counts on the rows of the expression matrix.

    Parameters
    ----------
    names
        Antibody names as the file spells them, length P.
    counts
        int32 CSR, shape (cells, P); None where they are columns of the matrix and come by the block.
    has_adt
        Whether a cell was in the antibody file, shape (cells,).
    path
        The file they are in.
    place
        Where they were found, in words.
    barcodes
        How the antibody file's cells were matched; None where they share the matrix's rows.
    warnings
        What the user should know, as sentences.
    """

    names: tuple[str, ...]
    counts: sparse.csr_matrix | None
    has_adt: NDArray[np.bool_]
    path: Path
    place: str
    barcodes: BarcodeMap | None = None
    warnings: tuple[str, ...] = ()


def open_proteins(
    source: MatrixSource, features: FeatureSplit, adt: Path | None, matching: Matching
) -> Proteins | None:
    """Find the antibody counts (proteins) among a sample's inputs, on the rows of its matrix.

    Parameters
    ----------
    source
        The expression matrix.
    features
        Which of its columns are antibodies.
    adt
        Antibody counts beside the matrix; the matrix's own path means those inside it.
    matching
        How cell names are matched.

    Returns
    -------
    Proteins or None
        None where there are none.

    Raises
    ------
    InputError
        If the file is unreadable, holds no antibody counts or those of other cells.
    OptionsError
        If counts are inside the matrix as well as beside it.
    """
    inside = _proteins_inside(source, features.antibodies)
    if adt is None:
        return inside
    if adt.resolve() == source.path.resolve():
        if inside is None:
            raise InputError(
                "the file holds no antibody counts", where=adt, mend="leave --adt out, or name their own file"
            )
        return inside
    if inside is not None:
        raise OptionsError(
            f"antibody counts are in the expression file already ({len(inside.names)}, {inside.place})",
            where=adt,
            mend="leave --adt out, or give an expression file without antibodies",
        )
    found = _read_proteins(adt, source.barcodes)
    barcodes = matching.match(source.barcodes, found.cell_ids, adt)
    return _place(found, source, adt, adt.name, barcodes)


def has_antibodies(gex: Path | None, adt: Path | None, layer: str | None) -> bool:
    """Tell whether a sample's inputs hold antibody counts, of other antibodies than hashtags of samples.

    Parameters
    ----------
    gex, adt, layer
        As `open_sample` takes them.

    Raises
    ------
    InputError
        If the expression file is unreadable.
    """
    if adt is not None or gex is None:
        return adt is not None
    source = open_matrix(gex, slot=layer)
    found = _proteins_inside(source, split_features(source).antibodies)
    return found is not None and not name_antibodies(found.names, where=gex).is_hashtag.all()


def _proteins_inside(source: MatrixSource, columns: NDArray[np.bool_]) -> Proteins | None:
    if columns.any():
        names = _names_of_columns(source.features, np.flatnonzero(columns))
        has_adt = np.ones(len(source.barcodes), dtype=bool)
        return Proteins(names, None, has_adt, source.path, f"features of {source.kind}")
    found = source.read_antibodies()
    return None if found is None else _place(found, source, source.path, f"inside the {source.kind}", None)


def _names_of_columns(features: FeatureTable, columns: NDArray[np.intp]) -> tuple[str, ...]:
    """Name antibodies; those whose name is repeated go by their id, which Cell Ranger keeps distinct."""
    names, ids = features.names[columns], features.ids[columns]
    count_of = Counter(names)
    return tuple(
        str(own_id if count_of[name] > 1 and own_id else name)
        for name, own_id in zip(names, ids, strict=True)
    )


def _place(
    found: AntibodyCounts, source: MatrixSource, path: Path, place: str, barcodes: BarcodeMap | None
) -> Proteins:
    """Put antibody counts onto the rows of the matrix; cells without any get an empty row."""
    row_of = {name: row for row, name in enumerate(source.barcodes)}
    names = found.cell_ids if barcodes is None else [barcodes.names.get(name) for name in found.cell_ids]
    rows = np.array([row_of.get(name, -1) for name in names], dtype=np.int64)
    kept = np.flatnonzero(rows >= 0)
    moves = sparse.csr_matrix(
        (np.ones(len(kept), dtype=np.int32), (rows[kept], kept)), shape=(len(row_of), len(rows))
    )
    has_adt = np.zeros(len(row_of), dtype=bool)
    has_adt[rows[kept]] = True
    counts = sparse.csr_matrix(moves @ found.counts)
    warnings = () if barcodes is None else barcodes.warnings
    is_antibody = np.array([name.lower() != _NO_ANTIBODY for name in found.names], dtype=bool)
    if not is_antibody.all():
        counts = sparse.csr_matrix(counts[:, np.flatnonzero(is_antibody)])
        warnings += (f"{path.name}: '{_NO_ANTIBODY}' is no antibody and is left out",)
    kept_names = tuple(name for name in found.names if name.lower() != _NO_ANTIBODY)
    return Proteins(kept_names, counts, has_adt, path, place, barcodes, warnings)


def _read_proteins(path: Path, barcodes: NDArray[np.object_]) -> AntibodyCounts:
    if not path.is_dir():
        check_is_file(path)
        if not (is_hdf5(path) or is_matrix_market(path)):
            table = read_antibody_table(path, barcodes.tolist())
            _check_is_panel(table.names, (), path)
            return table
    source = open_matrix(path)
    antibodies = split_features(source).antibodies
    columns = np.flatnonzero(antibodies) if antibodies.any() else np.arange(len(source.features))
    names = _names_of_columns(source.features, columns)
    if not antibodies.any():
        _check_is_panel(names, source.features.ids, path)
    parts, row = [sparse.csr_matrix(np.zeros((0, len(columns)), dtype=np.int32))], 0
    for block in source.blocks():
        part = block[:, columns]
        check_counts_block(part, row, source.barcodes, names, path)
        parts.append(part.astype(np.int32))
        row += part.shape[0]
    return AntibodyCounts(names, source.barcodes, sparse.csr_matrix(sparse.vstack(parts, format="csr")))


def _check_is_panel(names: tuple[str, ...], ids: NDArray[np.object_] | tuple[str, ...], path: Path) -> None:
    n_ensembl = sum(str(own_id).startswith("ENSG") for own_id in ids)
    if len(names) <= _MOST_ANTIBODIES and n_ensembl <= _GENE_SHARE * len(names):
        return
    raise InputError(
        f"the file holds gene expression, not antibody counts: {len(names):,} features (first: "
        f"{', '.join(names[:3])})",
        where=path,
        mend="give the table of antibody counts with --adt, and gene expression with --gex",
    )
