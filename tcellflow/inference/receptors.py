"""Receptor encoders: receptor chains in, vectors out.

Invariant: a chain's vector depends on its locus, junction, V and J gene alone, never on its
neighbours in the batch, their order, the thread count or the process (`PYTHONHASHSEED` included).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from tcellflow.errors import OptionsError
from tcellflow.inference.kmers import KmerCounter
from tcellflow.vocabulary import Locus

if TYPE_CHECKING:
    import numpy.typing as npt

    Strings = npt.NDArray[np.object_]
    Indices = npt.NDArray[np.intp]
    Vectors = npt.NDArray[np.float32]

BACKENDS: Final = ("kmer",)
_BLOCK_ROWS = 1024  # 4 MiB of k-mer counts: larger blocks leave the cache and are slower


@dataclass(frozen=True)
class ChainSequences:
    """What an encoder may know of chains: parallel arrays of B strings.

    Parameters
    ----------
    locus
        (B,) AIRR loci.
    junction_aa
        (B,) junctions with both anchors, upper-case letters of the 20 amino acids.
    v_call, j_call
        (B,) IMGT gene names without allele; None = unknown.
    """

    locus: Strings
    junction_aa: Strings
    v_call: Strings
    j_call: Strings

    def __len__(self) -> int:
        return len(self.locus)

    def take(self, rows: Indices | slice) -> ChainSequences:
        """Select chains.

        Parameters
        ----------
        rows
            (N,) row numbers, or a slice.

        Returns
        -------
        ChainSequences
            N chains in the order asked for.
        """
        return ChainSequences(self.locus[rows], self.junction_aa[rows], self.v_call[rows], self.j_call[rows])

    def lengths(self) -> Indices:
        """Count the residues of each junction.

        Returns
        -------
        numpy.ndarray
            (B,) residues, anchors included.
        """
        return np.fromiter(map(len, self.junction_aa), np.intp, len(self))


@dataclass(frozen=True)
class EncoderBundle:
    """The bundle behind a learned encoder.

    Parameters
    ----------
    name
        Bundle name.
    sha256
        Digest of the bundle, 64 hexadecimal characters.
    """

    name: str
    sha256: str


class ReceptorEncoder(Protocol):
    """The seam every receptor encoder fits: chains and pairs in, vectors of one width out.

    Attributes
    ----------
    name
        Backend name as given to ``--backend``.
    dimension
        Width D of chain and pair vectors.
    pooling
        How residues become one vector.
    max_length
        Longest junction in residues; longer ones are cut in the middle (`cut_middle`).
    loci
        Loci it can embed.
    bundle
        The trained bundle, None for an encoder without weights.
    """

    name: str
    dimension: int
    pooling: str
    max_length: int
    loci: frozenset[Locus]
    bundle: EncoderBundle | None

    def embed_chains(self, chains: ChainSequences) -> Vectors:
        """Embed single chains.

        Parameters
        ----------
        chains
            B chains of covered loci.

        Returns
        -------
        numpy.ndarray
            (B, D) float32, each row of unit length.
        """

    def embed_pairs(self, alphas: ChainSequences, betas: ChainSequences) -> Vectors:
        """Embed alpha-beta pairs.

        Parameters
        ----------
        alphas, betas
            B chains each; row i of both is one cell's receptor.

        Returns
        -------
        numpy.ndarray
            (B, D) float32, each row of unit length.
        """


class KmerEncoder:
    """The encoder without a model: signed hashed 1-3-mers of the junction beside V and J one-hot.

    The first `BUCKETS` columns hold k-mer counts, hashed per locus so that a pair is the sum of
    its chains and both stay readable; the others are one slot per gene and one for "unknown" per
    segment.

    Parameters
    ----------
    max_length
        Longest junction in residues that is read whole.
    """

    name = "kmer"
    pooling = "sum"
    loci = frozenset({Locus.TRA, Locus.TRB})
    bundle: EncoderBundle | None = None
    BUCKETS: Final = 512  # 1,024 or 8,192 gain less than 0.005 AUROC on VDJdb pairs and widen every file
    # Shares of the squared length for junction, V and J. Among six splits these gave the best
    # nearest-neighbour AUROC over epitopes of VDJdb, for beta chains and for pairs alike.
    _SHARES: Final = (0.6, 0.3, 0.1)

    def __init__(self, *, max_length: int = 40) -> None:
        self.max_length = max_length
        self._gene_slots = _read_gene_slots(self.BUCKETS)
        self.dimension = self.BUCKETS + sum(map(len, self._gene_slots.values()))
        self._counter = KmerCounter(sorted(self.loci), self.BUCKETS)

    def embed_chains(self, chains: ChainSequences) -> Vectors:
        """Embed single chains.

        Parameters
        ----------
        chains
            B chains of TRA and TRB.

        Returns
        -------
        numpy.ndarray
            (B, D) float32, each row of unit length.

        Raises
        ------
        InputError
            If a locus is not covered or a junction holds other letters than amino acids.
        """
        vectors = np.empty((len(chains), self.dimension), np.float32)
        for start in range(0, len(chains), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            vectors[rows] = self._embed_block(chains.take(rows))
        return vectors

    def embed_pairs(self, alphas: ChainSequences, betas: ChainSequences) -> Vectors:
        """Embed alpha-beta pairs as the sum of both chains, brought back to unit length.

        Parameters
        ----------
        alphas, betas
            B chains each; row i of both is one cell's receptor.

        Returns
        -------
        numpy.ndarray
            (B, D) float32, each row of unit length.

        Raises
        ------
        InputError
            If a locus is not covered or a junction holds other letters than amino acids.
        """
        vectors = np.empty((len(alphas), self.dimension), np.float32)
        for start in range(0, len(alphas), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            both = self._embed_block(alphas.take(rows)) + self._embed_block(betas.take(rows))
            vectors[rows] = both / np.sqrt(np.square(both).sum(axis=1, keepdims=True))
        return vectors

    def _embed_block(self, chains: ChainSequences) -> npt.NDArray[np.float64]:
        junctions = [cut_middle(junction, self.max_length) for junction in chains.junction_aa]
        counts = self._counter.count(chains.locus.tolist(), junctions)  # (B, buckets)
        vectors = np.zeros((len(chains), self.dimension))
        # whole numbers add up exactly, so the norm cannot depend on the order of summation
        norms = np.sqrt(np.maximum(np.square(counts).sum(axis=1, keepdims=True), 1))
        vectors[:, : self.BUCKETS] = counts * (np.sqrt(self._SHARES[0]) / norms)
        every = np.arange(len(chains))
        for segment, share, calls in zip("VJ", self._SHARES[1:], (chains.v_call, chains.j_call), strict=True):
            vectors[every, self._slots_of(chains.locus, segment, calls)] = np.sqrt(share)
        return vectors

    def _slots_of(self, loci: Strings, segment: str, calls: Strings) -> Indices:
        slots = {locus: self._gene_slots[locus + segment] for locus in self.loci}
        return np.fromiter(
            (slots[locus].get(gene, slots[locus][None]) for locus, gene in zip(loci, calls, strict=True)),
            np.intp,
            len(calls),
        )


def _read_gene_slots(first: int) -> dict[str, dict[str | None, int]]:
    # The order of this file is the layout of the vectors: any change makes another backend.
    text = files("tcellflow").joinpath("data/kmer_gene_slots.json").read_text("utf-8")
    slots: dict[str, dict[str | None, int]] = {}
    for segment, genes in json.loads(text).items():
        # the unknown gene has the first slot of its segment
        slots[segment] = {gene: first + number for number, gene in enumerate([None, *genes])}
        first += len(genes) + 1
    return slots


def cut_middle(junction: str, max_length: int) -> str:
    """Cut a junction in its middle, so that both germline ends stay.

    Parameters
    ----------
    junction
        Amino acids.
    max_length
        Residues to keep.

    Returns
    -------
    str
        The junction, at most `max_length` residues; of an odd number one more of the start.
    """
    if len(junction) <= max_length:
        return junction
    tail = max_length // 2
    return junction[: max_length - tail] + junction[len(junction) - tail :]


def choose_encoder(backend: str) -> ReceptorEncoder:
    """Make the encoder of a backend.

    Parameters
    ----------
    backend
        One of `BACKENDS`.

    Returns
    -------
    ReceptorEncoder
        Ready to embed.

    Raises
    ------
    OptionsError
        If there is no such backend.
    """
    if backend == "kmer":
        return KmerEncoder()
    raise OptionsError(
        f"there is no receptor backend {backend!r}",
        where="--backend",
        mend="choose one of: " + ", ".join(BACKENDS),
    )
