"""Receptor encoders with trained weights: the network of a bundle behind the tokeniser it was made for.

Invariant: a batch holds junctions of one length and at least two rows, so that neither padding nor the
routine for a single row reaches a chain's features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import BundleError, InputError
from tcellflow.inference.session import open_session
from tcellflow.receptors.encoding.bert_tokens import BERT_INPUTS, check_bert_vocabulary, tokenise_for_bert
from tcellflow.receptors.encoding.sequences import ChainSequences, cut_middle
from tcellflow.receptors.encoding.tokens import TOKEN_INPUTS, parse_vocabulary
from tcellflow.vocabulary import ReceptorBackend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from tcellflow.inference.session import Device
    from tcellflow.io.bundles.folders import Bundle
    from tcellflow.vocabulary import Locus

    Indices = npt.NDArray[np.intp]
    Tokens = npt.NDArray[np.int64]
    Vectors = npt.NDArray[np.float32]

BATCH_ROWS: Final = 256
# Junctions tried when a bundle is opened, in batches of two lengths.
_TRIALS: Final = (("CASSIRSSYEQYF", "CAGGGSQGNLIYF"), ("CSVGTGGTNEKLFF", "CASSPGQGAYEQYF"))

Tokenise = Callable[[ChainSequences], "dict[str, Tokens]"]


@dataclass(frozen=True)
class _Reader:
    """How a backend's chains become inputs, and which output are their features."""

    inputs: tuple[str, ...]
    output: str
    scales_chains: bool


_READERS: Final = {
    ReceptorBackend.NATIVE: _Reader(TOKEN_INPUTS, "features", scales_chains=True),
    ReceptorBackend.TCR_BERT: _Reader(BERT_INPUTS, "vector", scales_chains=False),
}


def _read_tokeniser(backend: ReceptorBackend, path: Path) -> tuple[Tokenise, tuple[str | None, str | None]]:
    """Read a bundle's vocabulary; gives also the V and J gene with the greatest numbers."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if backend == ReceptorBackend.NATIVE:
        vocabulary = parse_vocabulary(text, where=path)
        return vocabulary.tokenise, (vocabulary.v_calls[-1], vocabulary.j_calls[-1])
    check_bert_vocabulary(text, where=path)
    return tokenise_for_bert, (None, None)


class NetworkEncoder:
    """A receptors bundle, ready to embed.

    Parameters
    ----------
    bundle
        A verified bundle.
    threads
        CPU threads; those this process may use if not given.
    device
        ``cpu``, ``cuda`` or ``auto``.
    extra_loci
        Loci to embed beyond those the bundle learnt.

    Raises
    ------
    BundleError
        If the bundle is of another task, its vocabulary is wrong, or its network does not take and give
        what its description says.
    OptionsError
        If the device or onnxruntime is not there.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int | None = None,
        device: Device = "auto",
        extra_loci: frozenset[Locus] = frozenset(),
    ) -> None:
        details = bundle.receptors
        self.bundle: Bundle | None = bundle
        self.name = str(details.backend)
        self.dimension = details.dimension
        self.pooling = details.pooling
        self.max_length = details.max_length
        self.loci = details.loci | extra_loci
        self._reader = _READERS[details.backend]
        self.scales_chains = self._reader.scales_chains
        path = bundle.folder / details.vocabulary
        self._tokenise, self._last_genes = _read_tokeniser(details.backend, path)
        self._session = open_session(bundle.model_path, threads=threads, device=device)
        self._try(bundle)

    def embed_chains(self, chains: ChainSequences) -> Vectors:
        """Compute the features of chains.

        Parameters
        ----------
        chains
            B chains of covered loci.

        Returns
        -------
        numpy.ndarray
            (B, D) float32.

        Raises
        ------
        InputError
            If a locus is not covered or a junction holds other letters than amino acids.
        """
        uncovered = sorted(set(chains.locus) - self.loci)
        if uncovered:
            raise InputError(
                f"the encoder does not cover the locus {uncovered[0]!r}",
                where="receptor chains",
                mend=f"give chains of {', '.join(sorted(self.loci))}",
            )
        cut = [cut_middle(junction, self.max_length) for junction in chains.junction_aa]
        read = ChainSequences(chains.locus, np.array(cut, dtype=object), chains.v_call, chains.j_call)
        features = np.empty((len(chains), self.dimension), np.float32)
        batches = list(batch_by_length(read.lengths()))

        def run(rows: Indices) -> Vectors:
            at_least_two = rows if len(rows) > 1 else np.repeat(rows, 2)
            return self._run(read.take(at_least_two))[: len(rows)]

        for rows, found in zip(batches, self._session.spread(run, batches), strict=True):
            features[rows] = found
        return features

    def _run(self, chains: ChainSequences) -> Vectors:
        return self._session.run(self._tokenise(chains))[self._reader.output]

    def _try(self, bundle: Bundle) -> None:
        """Run the network once, so that a bundle that cannot work is refused before any chain is read."""
        faults = [
            f"it takes the input '{name}'" for name in {*self._session.input_names} - {*self._reader.inputs}
        ]
        faults += [
            f"it has no input '{name}'" for name in {*self._reader.inputs} - {*self._session.input_names}
        ]
        if self._reader.output not in self._session.output_names:
            faults.append(f"it has no output '{self._reader.output}'")
        if not faults:
            faults = self._find_faults_of_output()
        if faults:
            raise BundleError(
                f"the network does not fit the backend {self.name}: {'; '.join(sorted(faults))}",
                where=bundle.model_path,
                mend="fetch the bundle again, or have its maker mend it",
            )

    def _find_faults_of_output(self) -> list[str]:
        loci = np.resize(np.array(sorted(self.loci), dtype=object), 2)
        v_call, j_call = (np.full(2, gene, dtype=object) for gene in self._last_genes)
        for junctions in _TRIALS:
            trial = ChainSequences(loci, np.array(junctions, dtype=object), v_call, j_call)
            features = self._run(trial)
            if features.shape != (2, self.dimension):
                return [f"'{self._reader.output}' has the shape {features.shape} for 2 chains"]
            if not np.isfinite(features).all():
                return ["it gives numbers that are not finite"]
        return []


def batch_by_length(lengths: Indices) -> Iterator[Indices]:
    """Cut rows into batches of one length, as the network of a receptor encoder takes them.

    Parameters
    ----------
    lengths
        (B,) residues of each row.

    Yields
    ------
    numpy.ndarray
        (N,) row numbers, at most `BATCH_ROWS`, ascending; the shortest first.
    """
    order = np.argsort(lengths, kind="stable")
    borders = np.flatnonzero(np.diff(lengths[order])) + 1
    for rows in np.split(order, borders):
        for start in range(0, len(rows), BATCH_ROWS):
            yield rows[start : start + BATCH_ROWS]
