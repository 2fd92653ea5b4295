"""The receptor corpus: tables of chains and pairs, streamed into compact tokens.

Invariant: what is left out stays out. With `CorpusOptions.is_label_free`, no junction that bears an
epitope label, alone or within a pair, is in a corpus; a source that is excluded gives no row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tcellflow.errors import InputError
from tcellflow.receptors.encoding.keys import MAX_JUNCTION_LENGTH, MIN_JUNCTION_LENGTH
from tcellflow.receptors.encoding.sequences import RESIDUES, ChainSequences
from tcellflow.receptors.encoding.tokens import PADDING, ReceptorVocabulary
from tcellflow.training.receptors.tables import lacks_column, open_receptor_table
from tcellflow.vocabulary import Locus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from tcellflow.training.receptors.options import CorpusOptions

_JUNCTION: Final = f"^[{RESIDUES}]{{{MIN_JUNCTION_LENGTH},{MAX_JUNCTION_LENGTH}}}$"
# One junction of this many is kept for validation, the same ones in every run.
_VALIDATION_ONE_OF: Final = 256
_MAY_BE_ABSENT: Final = ("has_epitope_label", "source")


@dataclass(frozen=True)
class TokenChains:
    """N chains as compact tokens, about 40 bytes each.

    Parameters
    ----------
    locus
        (N,) uint8 numbers of the loci.
    residues
        (N, L) uint8 tokens, padded with 0.
    v_call, j_call
        (N,) uint8 numbers of the genes.
    """

    locus: npt.NDArray[np.uint8]
    residues: npt.NDArray[np.uint8]
    v_call: npt.NDArray[np.uint8]
    j_call: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.locus)

    def take(self, rows: npt.NDArray[Any]) -> TokenChains:
        """Select chains.

        Parameters
        ----------
        rows
            Row numbers, or a mask.

        Returns
        -------
        TokenChains
            The chains in the order asked for.
        """
        return TokenChains(self.locus[rows], self.residues[rows], self.v_call[rows], self.j_call[rows])


@dataclass(frozen=True)
class Corpus:
    """Chains and pairs to learn from.

    Parameters
    ----------
    alphas, betas
        Single chains.
    pair_alphas, pair_betas
        The chains of P pairs; row i of both is one cell's receptor.
    """

    alphas: TokenChains
    betas: TokenChains
    pair_alphas: TokenChains
    pair_betas: TokenChains


@dataclass
class CorpusTally:
    """What was read and what was left out, for the card.

    Parameters
    ----------
    kept
        Table and source to rows.
    left_out
        Reason to rows; the first that applies.
    """

    kept: dict[str, dict[str, int]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)


def read_corpus(options: CorpusOptions, vocabulary: ReceptorVocabulary) -> tuple[Corpus, Corpus, CorpusTally]:
    """Read the receptor corpus in blocks of rows; of each block only the tokens are kept.

    Returns
    -------
    tuple
        Corpus to learn from, corpus to validate with (one junction of 256, the same in every run),
        and the tally of rows.

    Raises
    ------
    InputError
        If a table is unreadable or lacks a column, a source to be left out is in none of them, or
        nothing is left.
    """
    reader = _Reader(options, vocabulary)
    singles = [block for path in options.chains for block in reader.read_chains(path)]
    pairs = [block for path in options.pairs for block in reader.read_pairs(path)]
    unknown = sorted(options.excluded_sources - reader.sources)
    if unknown:
        raise InputError(
            f"no row has the source {unknown[0]!r} that was to be left out",
            where="--exclude-source",
            mend=f"give one of {', '.join(sorted(reader.sources))}",
        )
    chains = _concatenate(singles)
    alphas, betas = (_concatenate([pair[arm] for pair in pairs]) for arm in (0, 1))
    if not len(chains) and not len(alphas):
        raise InputError("no chain is left to learn from", where=options.chains[0], mend="leave out less")
    locus_of = {name: number for number, name in enumerate(vocabulary.loci)}
    is_validation, pair_is_validation = _is_for_validation(chains), _is_for_validation(betas)
    split = [
        Corpus(
            alphas=chains.take(is_in & (chains.locus == locus_of[Locus.TRA])),
            betas=chains.take(is_in & (chains.locus == locus_of[Locus.TRB])),
            pair_alphas=alphas.take(pair_is_in),
            pair_betas=betas.take(pair_is_in),
        )
        for is_in, pair_is_in in ((~is_validation, ~pair_is_validation), (is_validation, pair_is_validation))
    ]
    return split[0], split[1], reader.tally


class _Reader:
    def __init__(self, options: CorpusOptions, vocabulary: ReceptorVocabulary) -> None:
        self._options = options
        self._vocabulary = vocabulary
        self._withheld = _read_junctions(options.withheld)
        self.sources: set[str] = set()
        self.tally = CorpusTally()

    def read_chains(self, path: Path) -> Iterator[TokenChains]:
        for block in self._kept_blocks(path, ["locus", "junction_aa", "v_call", "j_call"], ["junction_aa"]):
            is_covered = pc.is_in(block["locus"], pa.array(self._vocabulary.loci))
            yield self._tokenise(self._drop(block, is_covered, "locus without encoder"), "")

    def read_pairs(self, path: Path) -> Iterator[tuple[TokenChains, TokenChains]]:
        names = [f"{name}_{arm}" for arm in ("tra", "trb") for name in ("junction_aa", "v_call", "j_call")]
        for block in self._kept_blocks(path, names, ["junction_aa_tra", "junction_aa_trb"]):
            yield self._tokenise(block, "_tra"), self._tokenise(block, "_trb")

    def _kept_blocks(self, path: Path, needed: list[str], junctions: list[str]) -> Iterator[pa.RecordBatch]:
        with open_receptor_table(path, needed) as table:
            present = [name for name in _MAY_BE_ABSENT if name in table.columns]
            for rows in table.blocks([*needed, *present]):
                block = self._keep(rows, junctions)
                self._count(path.name, block)
                yield block

    def _keep(self, block: pa.RecordBatch, junctions: list[str]) -> pa.RecordBatch:
        present = block.schema.names
        if "source" in present:
            self.sources.update(filter(None, pc.unique(block["source"]).to_pylist()))
            excluded = pa.array(sorted(self._options.excluded_sources), pa.string())
            block = self._drop(block, pc.invert(pc.is_in(block["source"], excluded)), "excluded source")
        if "has_epitope_label" in present and self._options.is_label_free:
            block = self._drop(block, pc.invert(block["has_epitope_label"]), "epitope label")
        for name in junctions:
            block = self._drop(block, pc.match_substring_regex(block[name], _JUNCTION), "junction")
            block = self._drop(block, pc.invert(pc.is_in(block[name], self._withheld)), "withheld junction")
        return block

    def _drop(self, block: pa.RecordBatch, is_kept: pa.Array, reason: str) -> pa.RecordBatch:
        kept = block.filter(is_kept)  # null is not kept
        dropped = block.num_rows - kept.num_rows
        if dropped:
            self.tally.left_out[reason] = self.tally.left_out.get(reason, 0) + dropped
        return kept

    def _count(self, name: str, block: pa.RecordBatch) -> None:
        counts = self.tally.kept.setdefault(name, {})
        if "source" not in block.schema.names:
            counts["(not stated)"] = counts.get("(not stated)", 0) + block.num_rows
            return
        for item in pc.value_counts(block["source"]).to_pylist():
            counts[str(item["values"])] = counts.get(str(item["values"]), 0) + item["counts"]

    def _tokenise(self, block: pa.RecordBatch, ending: str) -> TokenChains:
        if ending:
            locus = np.full(block.num_rows, f"TR{ending[-1].upper()}", object)
        else:
            locus = _strings(block["locus"])
        tokens = self._vocabulary.tokenise(
            ChainSequences(
                locus, *(_strings(block[name + ending]) for name in ("junction_aa", "v_call", "j_call"))
            )
        )
        residues = np.full((block.num_rows, MAX_JUNCTION_LENGTH), PADDING, np.uint8)
        residues[:, : tokens["residues"].shape[1]] = tokens["residues"]
        narrow = {name: tokens[name].astype(np.uint8) for name in ("locus", "v_call", "j_call")}
        return TokenChains(residues=residues, **narrow)


def _read_junctions(paths: tuple[Path, ...]) -> pa.Array:
    found: set[str | None] = set()
    for path in paths:
        with open_receptor_table(path, []) as table:
            names = [name for name in table.columns if name.startswith("junction_aa")]
            if not names:
                raise lacks_column(path, "junction_aa")
            for block in table.blocks(names):
                for column in block.columns:
                    found.update(pc.unique(column).to_pylist())
    return pa.array(sorted(filter(None, found)), pa.string())


def _strings(column: pa.Array) -> npt.NDArray[np.object_]:
    return np.array(column.to_pylist(), dtype=object)


def _concatenate(blocks: list[TokenChains]) -> TokenChains:
    if not blocks:
        empty = np.empty(0, np.uint8)
        return TokenChains(empty, np.empty((0, MAX_JUNCTION_LENGTH), np.uint8), empty, empty)
    return TokenChains(
        *(
            np.concatenate([getattr(block, name) for block in blocks])
            for name in ("locus", "residues", "v_call", "j_call")
        )
    )


def _is_for_validation(chains: TokenChains) -> npt.NDArray[np.bool_]:
    """Choose by the junction alone, so that a junction of several rows is on one side."""
    mixed = np.zeros(len(chains), np.uint32)
    for column in range(chains.residues.shape[1]):
        mixed = (mixed ^ chains.residues[:, column]) * np.uint32(16_777_619)  # FNV-1a
    is_chosen: npt.NDArray[np.bool_] = (mixed >> 16) % _VALIDATION_ONE_OF == 0
    return is_chosen
