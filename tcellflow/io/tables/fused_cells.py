"""What fuse says of single cells, for at most so many of them, without the rest of its table.

Invariant: memory is bounded by the rows asked for, not by the size of the file; what was not measured is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tcellflow.contracts.fused import FUSED
from tcellflow.io.tables.parquet import read_table_pieces

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_PIECE_ROWS: Final = 16_384
_DENOISED: Final = "denoised_"
_IMPUTED: Final = "imputed_"
_FOREGROUND: Final = "foreground_"
_SPREADS: Final = ("denoised_sd_", "imputed_sd_")


@dataclass(frozen=True)
class FusedCells:
    """What fuse says of some cells of a sample.

    Parameters
    ----------
    n_cells
        Cells in the table; B of them, at equal steps, are here.
    samples
        Names of their samples, rising.
    cell_ids
        Object array of str (B,), in file order.
    vectors
        float32 (B, D); NaN where nothing was measured.
    w_rna
        float32 (B,): weight of expression, 0-1; NaN where nothing was measured.
    labels
        Object array (B,) of str or None: the bundle's most probable label; None where it abstained, too.
    clusters
        int32 (B,): group of near vectors, the largest 0; -1 where none is told.
    places
        float32 (B, 2): place on the map of fused vectors, 0-1; NaN where none is told.
    is_measured
        Whether `levels` were measured; else expression alone tells them.
    proteins
        Names of the P proteins.
    levels
        float32 (B, P): log1p counts above background where measured, else as expression tells them.
    expected
        float32 (B, P): the level that expression tells of a measured protein; without columns where none was.
    foreground
        float32 (B, P): probability that a measured protein is above its background; without columns where
        none was.
    """

    n_cells: int
    samples: tuple[str, ...]
    cell_ids: NDArray[np.object_]
    vectors: NDArray[np.float32]
    w_rna: NDArray[np.float32]
    labels: NDArray[np.object_]
    clusters: NDArray[np.int32]
    places: NDArray[np.float32]
    is_measured: bool
    proteins: tuple[str, ...]
    levels: NDArray[np.float32]
    expected: NDArray[np.float32]
    foreground: NDArray[np.float32]


def read_fused(path: Path, *most_cells: int) -> FusedCells:
    """Read what fuse says of at most so many cells, taken at equal steps; of several numbers, all such cells.

    Raises
    ------
    InputError
        If the file is absent or not Parquet.
    ContractError
        If it breaks its contract.
    """
    with path.open("rb") as file:
        n_cells = pq.read_metadata(file).num_rows
    steps = [np.linspace(0, max(n_cells - 1, 0), min(n_cells, most)).round() for most in most_cells]
    rows = np.unique(np.concatenate(steps)).astype(np.intp)
    pieces, start = [], 0
    samples: set[str] = set()
    for piece in read_table_pieces(path, FUSED, _PIECE_ROWS):
        samples |= set(piece.column("sample_id").unique().to_pylist())
        inside = rows[(rows >= start) & (rows < start + piece.num_rows)] - start
        pieces.append(piece.take(pa.array(inside)))
        start += piece.num_rows
    return _gather(pa.concat_tables(pieces), n_cells, tuple(sorted(samples)))


def _gather(table: pa.Table, n_cells: int, samples: tuple[str, ...]) -> FusedCells:
    names = [name for name in table.column_names if not name.startswith(_SPREADS)]
    measured = [name.removeprefix(_DENOISED) for name in names if name.startswith(_DENOISED)]
    imputed = [name.removeprefix(_IMPUTED) for name in names if name.startswith(_IMPUTED)]
    proteins = measured or imputed
    levels = _stack(table, _DENOISED if measured else _IMPUTED, proteins)
    clusters = _stack(table, "", ["cluster"])[:, 0]
    labels = np.array(table.column("label").to_pylist(), object)
    labels[[value is not False for value in table.column("label_abstained").to_pylist()]] = None
    return FusedCells(
        n_cells=n_cells,
        samples=samples,
        cell_ids=table.column("cell_id").to_numpy(),
        vectors=_read_vectors(table.column("x_fused").combine_chunks()),
        w_rna=table.column("w_rna").to_numpy().astype(np.float32),
        labels=labels,
        clusters=np.where(np.isfinite(clusters), clusters, -1).astype(np.int32),
        places=_stack(table, "umap_", ["1", "2"]),
        is_measured=bool(measured),
        proteins=tuple(proteins),
        levels=levels,
        expected=_stack(table, _IMPUTED, measured),
        foreground=_stack(table, _FOREGROUND, measured),
    )


def _stack(table: pa.Table, family: str, proteins: list[str]) -> NDArray[np.float32]:
    """Give a family of columns as one array; a protein without a column is NaN."""
    stacked = np.full((table.num_rows, len(proteins)), np.nan, np.float32)
    for number, protein in enumerate(proteins):
        name = f"{family}{protein}"
        if name in table.column_names:
            stacked[:, number] = table.column(name).to_numpy()  # null becomes NaN
    return stacked


def _read_vectors(column: pa.Array) -> NDArray[np.float32]:
    width = column.type.list_size
    vectors = np.full((len(column), width), np.nan, np.float32)
    is_there = np.asarray(column.is_valid())
    vectors[is_there] = np.asarray(column.drop_null().flatten(), np.float32).reshape(-1, width)
    return vectors
