"""Vectors of distinct chains and pairs, in the order of the embeddings table.

Invariant: the network sees each distinct chain once, however many pairs it is in; its features are on
disk, so memory does not grow with the number of chains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.receptors.encoding.sequences import ChainSequences
from tcellflow.receptors.encoding.vectors import pair_vectors
from tcellflow.vocabulary import EmbeddingKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from tcellflow.inference.receptors.encoder import ChainEncoder
    from tcellflow.io.tables.vector_scratch import VectorScratch
    from tcellflow.receptors.encoding.distinct import DistinctReceptors

    Indices = npt.NDArray[np.intp]
    Vectors = npt.NDArray[np.float32]

PIECE_ROWS: Final = 16_384  # 45 MB of k-mer vectors at a time
_SEQUENCE_COLUMNS: Final = ("locus", "junction_aa", "v_call", "j_call")


@dataclass(frozen=True)
class DistinctVectors:
    """Vectors of N distinct pairs and chains: first all pairs, then the alphas, then the betas.

    Made by `embed_distinct`.

    Parameters
    ----------
    emb_id, kind
        (N,) keys and `EmbeddingKind` of the rows; sorted by kind and key.
    alphas, betas
        (P,) rows of each pair's chains among the chains.
    features
        (C, D) features of the chains, on disk.
    scales_chains
        Whether a chain's vector is its features at unit length.
    """

    emb_id: npt.NDArray[np.object_]
    kind: npt.NDArray[np.object_]
    alphas: Indices
    betas: Indices
    features: VectorScratch
    scales_chains: bool

    def __len__(self) -> int:
        return len(self.emb_id)

    @property
    def dimension(self) -> int:
        """Width D."""
        return self.features.dimension

    def take(self, rows: Indices) -> Vectors:
        """Compute the vectors of rows.

        Parameters
        ----------
        rows
            (M,) row numbers; negative = missing.

        Returns
        -------
        numpy.ndarray
            (M, D) float32, NaN where missing.
        """
        n_pairs = len(self.alphas)
        vectors = np.full((len(rows), self.dimension), np.nan, np.float32)
        is_pair = (rows >= 0) & (rows < n_pairs)
        alphas, betas = (self.features.gather(side[rows[is_pair]]) for side in (self.alphas, self.betas))
        vectors[is_pair] = pair_vectors(alphas, betas)
        is_chain = rows >= n_pairs
        chains = self.features.gather(rows[is_chain] - n_pairs)
        # a pair with an absent chain is the other chain at unit length
        vectors[is_chain] = pair_vectors(chains, np.zeros_like(chains)) if self.scales_chains else chains
        return vectors

    def pieces(self) -> Iterator[tuple[slice, Vectors]]:
        """Compute all vectors piece by piece.

        Yields
        ------
        tuple
            Rows, at most `PIECE_ROWS`, and their vectors.
        """
        for rows in _pieces(len(self)):
            yield slice(int(rows[0]), int(rows[-1]) + 1), self.take(rows)

    def rows_of(self, kind: EmbeddingKind) -> slice:
        """Find the rows of one kind."""
        rows = np.flatnonzero(self.kind == str(kind))
        return slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)


def embed_distinct(
    encoder: ChainEncoder,
    distinct: DistinctReceptors,
    scratch: VectorScratch,
    *,
    progress: Callable[[int, int], None],
) -> DistinctVectors:
    """Compute the vectors of all distinct chains.

    Parameters
    ----------
    encoder
        Any encoder.
    distinct
        Distinct chains and pairs.
    scratch
        An empty one, of the encoder's width.
    progress
        Called with (done, total) distinct chains.

    Returns
    -------
    DistinctVectors
        Valid as long as the scratch is open.
    """
    chains = ChainSequences(*(distinct.chains[name].to_numpy(dtype=object) for name in _SEQUENCE_COLUMNS))
    for rows in _pieces(len(chains)):
        scratch.append(encoder.embed_chains(chains.take(rows)))
        progress(int(rows[-1]) + 1, len(chains))
    pairs = distinct.pairs
    kinds = np.full(len(pairs), str(EmbeddingKind.PAIR), dtype=object)
    return DistinctVectors(
        emb_id=np.concatenate([pairs["emb_id"].to_numpy(object), distinct.chains["emb_id"].to_numpy(object)]),
        kind=np.concatenate([kinds, distinct.chains["kind"].to_numpy(object)]),
        alphas=pairs["tra"].to_numpy(np.intp),
        betas=pairs["trb"].to_numpy(np.intp),
        features=scratch,
        scales_chains=encoder.scales_chains,
    )


def _pieces(n_rows: int) -> Iterator[Indices]:
    for first in range(0, n_rows, PIECE_ROWS):
        yield np.arange(first, min(first + PIECE_ROWS, n_rows))
