"""Running a receptor encoder over many chains: batches of like length, piece by piece.

Invariant: every row is computed once, and the pieces follow the order of the rows given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from tcellflow.inference.receptors import ChainSequences, ReceptorEncoder

    Indices = npt.NDArray[np.intp]
    Vectors = npt.NDArray[np.float32]

PIECE_ROWS: Final = 16_384  # 45 MB of vectors at a time
BATCH_ROWS: Final = 256


def run_by_length(
    lengths: Indices, dimension: int, embed: Callable[[Indices], Vectors], *, batch_size: int
) -> Vectors:
    """Run an encoder over batches of like length and put the vectors back in place.

    Parameters
    ----------
    lengths
        (B,) residues of each input.
    dimension
        Width D of the vectors.
    embed
        Takes row numbers (N,) and gives their vectors (N, D).
    batch_size
        Rows per call.

    Returns
    -------
    numpy.ndarray
        (B, D) float32 in the order of `lengths`.
    """
    vectors = np.empty((len(lengths), dimension), np.float32)
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        vectors[rows] = embed(rows)
    return vectors


def embed_chains_in_pieces(encoder: ReceptorEncoder, chains: ChainSequences) -> Iterator[Vectors]:
    """Embed chains piece by piece.

    Parameters
    ----------
    encoder
        Any encoder.
    chains
        Distinct chains of covered loci.

    Yields
    ------
    numpy.ndarray
        (N, D) float32 of the next N <= `PIECE_ROWS` chains.
    """
    lengths = chains.lengths()
    for piece in _pieces(len(chains)):
        yield run_by_length(
            lengths[piece],
            encoder.dimension,
            lambda rows, piece=piece: encoder.embed_chains(chains.take(piece[rows])),  # type: ignore[misc]
            batch_size=BATCH_ROWS,
        )


def embed_pairs_in_pieces(
    encoder: ReceptorEncoder, chains: ChainSequences, alphas: Indices, betas: Indices
) -> Iterator[Vectors]:
    """Embed pairs piece by piece.

    Parameters
    ----------
    encoder
        Any encoder.
    chains
        Distinct chains of covered loci.
    alphas, betas
        (P,) row numbers of each pair's chains.

    Yields
    ------
    numpy.ndarray
        (N, D) float32 of the next N <= `PIECE_ROWS` pairs.
    """
    lengths = chains.lengths()
    for piece in _pieces(len(alphas)):
        first, second = alphas[piece], betas[piece]
        yield run_by_length(
            lengths[first] + lengths[second],
            encoder.dimension,
            lambda rows, first=first, second=second: encoder.embed_pairs(  # type: ignore[misc]
                chains.take(first[rows]), chains.take(second[rows])
            ),
            batch_size=BATCH_ROWS,
        )


def _pieces(n_rows: int) -> Iterator[Indices]:
    for first in range(0, n_rows, PIECE_ROWS):
        yield np.arange(first, min(first + PIECE_ROWS, n_rows))
