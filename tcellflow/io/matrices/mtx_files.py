"""Which files make a matrix (mtx): those of Cell Ranger, STARsolo, kb, alevin-fry and Parse.

Invariant: names of files decide which way round the matrix lies; sizes are compared with both lists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import InputError
from tcellflow.io.files.text import read_lines
from tcellflow.io.matrices.source import GENE_EXPRESSION, FeatureTable

if TYPE_CHECKING:
    from pathlib import Path

_FIELD_SIGNS: Final = ("\t", ",", ";", " ")  # Cell Ranger writes tabs, hands write the others
_ZARR_NAMES: Final = ("zarr.json", ".zgroup", ".zattrs")
_INNER_NAMES: Final = (
    "filtered_feature_bc_matrix.h5",
    "filtered_feature_bc_matrix",
    "filtered_gene_bc_matrices",
)
_MEND: Final = "put matrix.mtx, barcodes.tsv and features.tsv of one sample into one folder"
# alevin-fry counts spliced molecules under the gene's id, the others under the id with these endings.
_UNSPLICED_ENDS: Final = ("-U", "-A")


@dataclass(frozen=True)
class _Naming:
    """How one program names its files; ``{prefix}`` is what stands before the name of the matrix."""

    matrix: re.Pattern[str]
    barcodes: tuple[str, ...]
    features: tuple[str, ...]
    cells_first: bool = False
    has_header: bool = False


_CELL_RANGER: Final = _Naming(
    re.compile(r"(?P<prefix>.*)matrix\.mtx(\.gz)?"),
    ("{prefix}barcodes.tsv",),
    ("{prefix}features.tsv", "{prefix}genes.tsv"),
)
# the special names first: "count_matrix.mtx" also ends like Cell Ranger's
_NAMINGS: Final = (
    _Naming(  # Parse Biosciences
        re.compile(r"(?P<prefix>)(DGE|count_matrix)\.mtx(\.gz)?"),
        ("cell_metadata.csv",),
        ("all_genes.csv", "genes.csv"),
        cells_first=True,
        has_header=True,
    ),
    _Naming(  # kallisto and bustools, by kb count
        re.compile(r"(?P<prefix>cells_x_\w+)\.mtx(\.gz)?"),
        ("{prefix}.barcodes.txt",),
        ("{prefix}.genes.txt",),
        cells_first=True,
    ),
    _Naming(  # alevin-fry
        re.compile(r"(?P<prefix>.*)quants_mat\.mtx(\.gz)?"),
        ("{prefix}quants_mat_rows.txt",),
        ("{prefix}quants_mat_cols.txt",),
        cells_first=True,
    ),
    _CELL_RANGER,
    _Naming(  # STARsolo with reads of several genes
        re.compile(r"(?P<prefix>)UniqueAndMult-\w+\.mtx(\.gz)?"), ("barcodes.tsv",), ("features.tsv",)
    ),
)


@dataclass(frozen=True)
class MtxFiles:
    """The files of one matrix.

    Parameters
    ----------
    matrix, barcodes, features
        Where they are.
    cells_first
        Whether the rows of the matrix are cells, not features.
    has_header
        Whether the lists are tables with commas and a line of column names.
    """

    matrix: Path
    barcodes: Path
    features: Path
    cells_first: bool
    has_header: bool

    def read_barcodes(self) -> list[str]:
        """Read the names of the cells."""
        if self.has_header:
            return [line.split(",")[0].strip('"') for line in read_lines(self.barcodes)[1:]]
        return [line.split("\t")[0].strip('"') for line in read_lines(self.barcodes)]

    def read_features(self) -> FeatureTable:
        """Read ids, names and types of the features.

        Raises
        ------
        InputError
            If spliced and unspliced molecules are counted apart.
        """
        lines = read_lines(self.features)[1 if self.has_header else 0 :]
        sign = next((sign for sign in _FIELD_SIGNS if lines and all(sign in line for line in lines)), "\t")
        # the type, which comes last, holds a space itself: "Gene Expression"
        n_splits = 2 if sign == " " else -1
        rows = [[field.strip('"') for field in line.split(sign, n_splits)] for line in lines]
        ids = [row[0] for row in rows]
        if all(any(name.endswith(end) for name in ids) for end in _UNSPLICED_ENDS) and self.cells_first:
            raise InputError(
                "the matrix counts spliced, unspliced and ambiguous molecules of each gene apart",
                where=self.features,
                mend="load it with pyroe.load_fry(..., output_format='scRNA') and save the result as .h5ad",
            )
        # a single column holds names, for want of ids
        names = [row[1] if len(row) > 1 else row[0] for row in rows]
        # what Parse and its like write behind the name is the genome
        has_types = not self.has_header
        types = [row[2] if len(row) > 2 and has_types else GENE_EXPRESSION for row in rows]
        if all(len(row) == 1 for row in rows):
            ids = [""] * len(rows)
        return FeatureTable(*(np.array(column, dtype=object) for column in (ids, names, types)))


def find_mtx_files(path: Path) -> MtxFiles:
    """Find the files of a matrix (mtx), in a folder or beside the matrix file.

    Raises
    ------
    InputError
        If there are several matrices or none, or its lists of cells and features are missing.
    """
    matrix = _find_matrix(path) if path.is_dir() else path
    naming, prefix = _CELL_RANGER, ""
    for candidate in _NAMINGS:
        found = candidate.matrix.fullmatch(matrix.name)
        if found:
            naming, prefix = candidate, found["prefix"]
            break
    folder = matrix.parent
    return MtxFiles(
        matrix,
        _find_beside(folder, prefix, naming.barcodes),
        _find_beside(folder, prefix, naming.features),
        naming.cells_first,
        naming.has_header,
    )


def _find_matrix(folder: Path) -> Path:
    names = sorted(item.name for item in folder.iterdir())
    for naming in _NAMINGS:
        found = [name for name in names if naming.matrix.fullmatch(name)]
        samples = {name.removesuffix(".gz") for name in found}
        if len(samples) == 1:
            return folder / found[0]
        if samples:
            raise InputError(
                f"the folder holds {len(samples)} matrices: {', '.join(sorted(samples)[:3])}",
                where=folder,
                mend="name the matrix file of one sample",
            )
    if any(name in names for name in _ZARR_NAMES):
        raise InputError("the folder is a Zarr store", where=folder, mend="save it as .h5ad")
    inner = next((name for name in _INNER_NAMES if name in names), "")
    raise InputError(
        "the folder holds no matrix.mtx or matrix.mtx.gz",
        where=folder,
        mend=f"name {folder / inner}" if inner else "name a 10x mtx folder, or the .h5 or .h5ad file itself",
    )


def _find_beside(folder: Path, prefix: str, names: tuple[str, ...]) -> Path:
    wanted = [name.format(prefix=prefix) for name in names]
    found = next(
        (path for n in wanted for end in ("", ".gz") if (path := folder / f"{n}{end}").is_file()), None
    )
    if found is None:
        raise InputError(
            f"{' and '.join(wanted)} are both missing (plain or .gz)"
            if len(wanted) > 1
            else f"{wanted[0]} is missing (plain or .gz)",
            where=folder,
            mend=_MEND,
        )
    return found
