"""The receptor vectors of cells, joined block by block from the table of distinct receptors.

Invariant: vectors of all cells are never in memory together; a cell without a chain gets NaN, and a
key that the table lacks is an error.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tcellflow.contracts.tables import EMBEDDINGS
from tcellflow.errors import InputError
from tcellflow.io.tables.parquet import read_table_pieces
from tcellflow.io.tables.vector_scratch import VectorScratch
from tcellflow.vocabulary import EmbeddingKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.io.bundles.reliability import ReceptorInput

    Keys = NDArray[np.object_]
    Vectors = NDArray[np.float32]

_PIECE_ROWS: Final = 16_384
_NULL = "null"  # what embed-tcr writes for an encoder without a bundle


@dataclass(frozen=True)
class ReceptorVectors:
    """Vectors of B cells; made by `open_receptor_vectors`.

    Parameters
    ----------
    scratch
        The distinct vectors that the cells need.
    tra, trb
        Row of each cell's alpha and beta vector, shape (B,); -1 = missing.
    """

    scratch: VectorScratch
    tra: NDArray[np.intp]
    trb: NDArray[np.intp]

    def take(self, first: int, n_cells: int) -> tuple[Vectors, Vectors]:
        """Read the vectors of consecutive cells.

        Returns
        -------
        tuple of ndarray
            Alpha and beta vectors, shape (n_cells, D) each, float32; NaN where missing.
        """
        rows = slice(first, first + n_cells)
        return self.scratch.gather(self.tra[rows]), self.scratch.gather(self.trb[rows])


@contextmanager
def open_receptor_vectors(
    path: Path, wanted: ReceptorInput, tra: Keys, trb: Keys, *, folder: Path
) -> Iterator[ReceptorVectors]:
    """Open the receptor vectors of cells, read block by block.

    Parameters
    ----------
    path
        Embeddings table of embed-tcr.
    wanted
        What the bundle takes.
    tra, trb
        Key of each cell's alpha and beta vector, shape (B,); None = missing.
    folder
        Where there is room for the vectors while they are in use.

    Yields
    ------
    ReceptorVectors
        Rows in the order of the keys.

    Raises
    ------
    InputError
        If the table is of another encoder than the bundle's, or lacks a key.
    ContractError
        If the table breaks its contract.
    """
    with VectorScratch(folder, wanted.dimension) as scratch:
        row_of = _copy_vectors(path, wanted, {*tra, *trb} - {None}, scratch)
        yield ReceptorVectors(
            scratch, _find_rows(tra, row_of, where=path), _find_rows(trb, row_of, where=path)
        )


def _check_encoder(metadata: dict[bytes, bytes], wanted: ReceptorInput, *, where: Path) -> None:
    about = {
        key: metadata.get(key.encode(), _NULL.encode()).decode()
        for key in ("backend", "bundle_name", "bundle_sha256", "dimension")
    }
    same = (
        wanted.encoder in {about["backend"], about["bundle_name"]}
        and (wanted.encoder_sha256 or _NULL) == about["bundle_sha256"]
        and str(wanted.dimension) == about["dimension"]
    )
    if not same:
        bundle = "" if about["bundle_name"] == _NULL else f", bundle {about['bundle_name']}"
        raise InputError(
            f"the vectors were made by another encoder ({about['backend']}{bundle}, {about['dimension']} "
            f"wide) than the bundle learnt from ({wanted.encoder}, {wanted.dimension} wide)",
            where=where,
            mend=f"run tcellflow embed-tcr with --backend {wanted.encoder} and the version of it that the "
            "bundle names, or leave --embeddings out to predict from expression alone",
        )


def _copy_vectors(
    path: Path, wanted: ReceptorInput, keys: set[str], scratch: VectorScratch
) -> dict[str, int]:
    """Copy the vectors of some keys into the scratch; gives the row of each key."""
    row_of: dict[str, int] = {}
    known = pa.array(sorted(keys), pa.string())
    for piece in read_table_pieces(path, EMBEDDINGS, _PIECE_ROWS):
        _check_encoder(piece.schema.metadata or {}, wanted, where=path)
        is_chain = pc.not_equal(piece["kind"], str(EmbeddingKind.PAIR))
        chosen = piece.filter(pc.and_(is_chain, pc.is_in(piece["emb_id"], value_set=known)))
        for key in chosen["emb_id"].to_pylist():
            row_of[key] = len(row_of)
        scratch.append(pc.list_flatten(chosen["vector"]).to_numpy().reshape(-1, scratch.dimension))
    return row_of


def _find_rows(keys: Keys, row_of: dict[str, int], *, where: Path) -> NDArray[np.intp]:
    missing = [key for key in keys if key is not None and key not in row_of]
    if missing:
        raise InputError(
            f"{len(missing):,} cells name a vector that is not in the embeddings table (first: {missing[0]})",
            where=where,
            mend="give the embeddings and receptors tables of the same embed-tcr run",
        )
    rows = (-1 if key is None else row_of[key] for key in keys)
    return np.fromiter(rows, np.intp, len(keys))
