"""The encoder without a model: hashed k-mers of the junction beside V and J genes.

Invariant: the layout of the vectors is that of a packaged file, and bucket and sign of a k-mer depend on
its locus and letters alone, in every process (`PYTHONHASHSEED` included), so vectors of any release
compare.
"""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import InputError
from tcellflow.receptors.encoding.sequences import RESIDUES, cut_middle
from tcellflow.vocabulary import Locus, ReceptorBackend

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tcellflow.io.bundles.folders import Bundle
    from tcellflow.receptors.encoding.sequences import ChainSequences, Indices, Strings

    Vectors = npt.NDArray[np.float32]

_PERSON: Final = b"tcellflow-kmer-1"
_OFFSETS: Final = {1: 0, 2: 20, 3: 420}
_WORDS: Final = 8420  # 20 + 400 + 8,000 words of one, two and three residues
_BLOCK_ROWS: Final = 1024  # 4 MiB of k-mer counts: larger blocks leave the cache and are slower


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

    name = str(ReceptorBackend.KMER)
    pooling = "sum"
    loci = frozenset({Locus.TRA, Locus.TRB})
    bundle: Bundle | None = None
    scales_chains = False  # their length is 1 already
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


class KmerCounter:
    """Counts the 1-3-mers of junctions into signed hash buckets.

    Parameters
    ----------
    loci
        Loci with a hash of their own.
    n_buckets
        Buckets that all loci share.

    Notes
    -----
    ``h = int(blake2b(word, digest_size=8, salt=locus, person="tcellflow-kmer-1"), little-endian)``;
    the lowest bit of h is the sign (1 = minus), ``(h >> 1) % n_buckets`` the bucket. Feature hashing
    after Weinberger et al. 2009 (doi:10.1145/1553374.1553516): the signs keep inner products unbiased
    where words collide.
    """

    def __init__(self, loci: Sequence[Locus], n_buckets: int) -> None:
        self.n_buckets = n_buckets
        self._locus_numbers = {str(locus): number for number, locus in enumerate(loci)}
        hashes = _hash_words(loci)
        self._buckets = ((hashes >> np.uint64(1)) % np.uint64(n_buckets)).astype(np.int64)
        self._signs = 1.0 - 2.0 * (hashes & np.uint64(1)).astype(np.float64)

    def count(self, loci: Sequence[str], junctions: Sequence[str]) -> npt.NDArray[np.float64]:
        """Count the signed k-mers of each junction.

        Parameters
        ----------
        loci
            B loci among those given at the start.
        junctions
            B junctions of one or more residues.

        Returns
        -------
        numpy.ndarray
            (B, n_buckets) float64 holding whole numbers.

        Raises
        ------
        InputError
            If a locus is not covered or a junction holds other letters than the 20 amino acids.
        """
        codes, lengths = _encode_residues(junctions)
        words_before = self._number_loci(loci)[:, None] * _WORDS
        rows = np.arange(len(junctions))[:, None]
        places: list[npt.NDArray[np.int64]] = []
        signs: list[npt.NDArray[np.float64]] = []
        number = np.zeros_like(codes)
        for k, offset in _OFFSETS.items():
            starts = max(codes.shape[1] - k + 1, 0)
            number = number[:, :starts] * 20 + codes[:, k - 1 :]  # (B, starts): k letters to the base 20
            inside = np.arange(starts) <= lengths[:, None] - k
            words = (number + words_before + offset)[inside]
            places.append(np.broadcast_to(rows, inside.shape)[inside] * self.n_buckets + self._buckets[words])
            signs.append(self._signs[words])
        flat = np.bincount(
            np.concatenate(places), np.concatenate(signs), minlength=len(junctions) * self.n_buckets
        )
        return flat.astype(np.float64, copy=False).reshape(len(junctions), self.n_buckets)

    def _number_loci(self, loci: Sequence[str]) -> npt.NDArray[np.int64]:
        try:
            return np.fromiter((self._locus_numbers[locus] for locus in loci), np.int64, len(loci))
        except KeyError as error:
            raise InputError(
                f"the locus {error} is not covered by the k-mer encoder",
                where="column 'locus'",
                mend="give only chains of " + ", ".join(self._locus_numbers),
            ) from error


def _hash_words(loci: Sequence[Locus]) -> npt.NDArray[np.uint64]:
    # the order of words that reading k residues as a number to the base 20 gives
    words = ["".join(letters) for k in _OFFSETS for letters in product(RESIDUES, repeat=k)]
    digests = [
        hashlib.blake2b(word.encode(), digest_size=8, salt=locus.encode(), person=_PERSON).digest()
        for locus in loci
        for word in words
    ]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def _code_letters() -> npt.NDArray[np.int64]:
    codes = np.full(256, -1, np.int64)
    codes[np.frombuffer(RESIDUES.encode(), np.uint8)] = np.arange(20)
    return codes


_CODE_OF_LETTER: Final = _code_letters()


def _encode_residues(
    junctions: Sequence[str],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    # "replace" turns any letter beyond ASCII into "?", which is refused below like other wrong letters
    letters = np.array([junction.encode("ascii", "replace") for junction in junctions], dtype=np.bytes_)
    width = letters.dtype.itemsize
    codes = _CODE_OF_LETTER[letters.view(np.uint8).reshape(len(junctions), width)]  # (B, longest)
    lengths = np.fromiter(map(len, junctions), np.int64, len(junctions))
    wrong = ((codes < 0) & (np.arange(width) < lengths[:, None])).any(axis=1)
    if wrong.any():
        raise InputError(
            f"the junction {junctions[int(wrong.argmax())]!r} holds other letters than the 20 amino acids",
            where="column 'junction_aa'",
            mend="leave chains with such junctions out",
        )
    return codes, lengths
