"""Gene names of any age and kind harmonised to approved HGNC symbols.

Invariant: no gene is lost and none is guessed. Every input gene goes to exactly one output gene;
what stays ambiguous or unknown keeps its name and is counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from tcellflow.errors import InputError
from tcellflow.genes.composite_names import take_apart
from tcellflow.genes.reference import ENSEMBL_ID, GeneReference, is_clone_name, read_gene_reference
from tcellflow.genes.species import PREFIX_LETTERS, check_human, strip_genome_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.provenance import JsonValue

_ENSEMBL_ID_LENGTH: Final = 15
_N_EXAMPLES: Final = 20
_MARKS: Final = frozenset("-.")
_MISSING_NAMES: Final = frozenset({"", "nan", "NaN", "None", "<NA>"})


class Outcome(StrEnum):
    """What became of one gene name."""

    KEPT = "kept"
    RENAMED = "renamed"
    BLOCKED = "target_present"
    AMBIGUOUS = "ambiguous"
    NO_SYMBOL = "no_symbol"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class NameTally:
    """How many genes met one outcome, and a few of them.

    Parameters
    ----------
    count
        Number of genes.
    examples
        Up to 20 of them, in input order, such as ``MARCH1 -> MARCHF1``.
    """

    count: int
    examples: tuple[str, ...]

    def as_dict(self) -> dict[str, JsonValue]:
        """Give the tally as JSON-ready data, ``count`` and ``examples``."""
        return {"count": self.count, "examples": list(self.examples)}


@dataclass(frozen=True)
class GeneReport:
    """What harmonising did to the genes of one matrix.

    Parameters
    ----------
    n_input, n_output
        Genes before and after summing.
    n_prefixed
        Names that lost a genome prefix such as ``GRCh38_``.
    n_composite
        Names of which an Ensembl id or a symbol inside was read: ``CD3D|NM_000732.4|Reference_end``.
    kept
        Approved symbols, and ids that gave one.
    renamed
        Older names, aliases and mangled names with exactly one meaning.
    target_present
        Older names left alone because their symbol is a gene of this matrix already.
    ambiguous
        Older names with several meanings, left alone.
    no_symbol
        Genes that have no approved symbol and go by a clone or by their Ensembl id
        (``AL627309.1``), left alone.
    unknown
        Other names the gene table does not know, left alone.
    merged
        Symbols whose several rows (different Ensembl ids) are summed.
    """

    n_input: int
    n_output: int
    n_prefixed: int
    n_composite: int
    kept: NameTally
    renamed: NameTally
    target_present: NameTally
    ambiguous: NameTally
    no_symbol: NameTally
    unknown: NameTally
    merged: NameTally

    def as_dict(self) -> dict[str, JsonValue]:
        """Give the report as JSON-ready data: three counts, and one tally per outcome."""
        numbers: dict[str, JsonValue] = {
            "n_input": self.n_input,
            "n_output": self.n_output,
            "n_prefixed": self.n_prefixed,
        }
        if self.n_composite:
            numbers["n_composite"] = self.n_composite
        tallies = {name: getattr(self, name).as_dict() for name in (*Outcome, "merged")}
        return {**numbers, **tallies}


@dataclass(frozen=True)
class HarmonisedGenes:
    """The genes of a matrix under their approved symbols.

    Parameters
    ----------
    symbols
        Symbol of each output gene, all different, in order of first occurrence; shape (G,).
    ensembl_ids
        Ensembl id without version of each output gene; empty where the file gives none.
    raw_names
        Name of each output gene as the file spelt it (the first, where several are summed).
    column_map
        Output gene of each input gene, shape (input genes,), int64.
    report
        Counts and examples for the quality-control file.
    """

    symbols: NDArray[np.object_]
    ensembl_ids: NDArray[np.object_]
    raw_names: NDArray[np.object_]
    column_map: NDArray[np.int64]
    report: GeneReport

    def merge_columns(self, block: sparse.csr_matrix) -> sparse.csr_matrix:
        """Sum the columns of a block (cells, input genes) that belong to one gene.

        Returns
        -------
        csr_matrix
            Shape (cells, G); the block itself where no gene is summed.
        """
        if self.symbols.size == self.column_map.size:
            return block
        columns = self.column_map[block.indices].astype(block.indices.dtype)
        # copies, because summing duplicates works in place
        merged = sparse.csr_matrix(
            (block.data.copy(), columns, block.indptr.copy()), shape=(block.shape[0], self.symbols.size)
        )
        merged.sum_duplicates()
        return merged


@dataclass(frozen=True)
class _Draft:
    """The genes while they are being named, as parallel lists (36,601 objects would take 0.1 s)."""

    raw: list[str]
    names: list[str]
    ids: list[str]
    symbols: list[str]
    outcomes: list[Outcome]
    candidates: dict[int, tuple[str, ...]]

    def describe(self, row: int) -> str:
        outcome = self.outcomes[row]
        if outcome is Outcome.RENAMED:
            return f"{self.raw[row]} -> {self.symbols[row]}"
        if outcome in {Outcome.BLOCKED, Outcome.AMBIGUOUS}:
            return f"{self.raw[row]} ({', '.join(self.candidates[row])})"
        return self.raw[row]


def harmonise_genes(
    ids: Sequence[str] | NDArray[np.object_],
    names: Sequence[str] | NDArray[np.object_],
    *,
    where: object = "gene names",
) -> HarmonisedGenes:
    """Harmonise the genes of a matrix: give them their approved symbols.

    The Ensembl id decides where there is one and the table names it; otherwise an approved symbol
    stays, and an older name is replaced where it has exactly one meaning that is not a gene of the
    matrix already. Names that several Ensembl ids share are summed.

    Parameters
    ----------
    ids
        Gene ids (Ensembl, with or without version); other ids are ignored, "" where unknown.
    names
        Gene names; may be empty or repeat the id.
    where
        Named in errors as the place.

    Returns
    -------
    HarmonisedGenes
        Symbols, ids, the map of columns and the report.

    Raises
    ------
    InputError
        If the genes are not human, an Ensembl id is repeated, a name is repeated without ids to
        tell the genes apart, or a gene has neither name nor id.

    Notes
    -----
    Symbols and ids: Ensembl release 109; older names: HGNC and NCBI Gene (see
    ``data/PROVENANCE.toml``).
    """
    raw_names = [str(name).strip() for name in names]
    raw_ids = [str(gene_id).strip() for gene_id in ids]
    if len(raw_ids) != len(raw_names):
        raise InputError(
            f"there are {len(raw_ids)} gene ids but {len(raw_names)} gene names",
            where=where,
            mend="give one id (or an empty string) per gene",
        )
    check_human(raw_ids, raw_names, where=where)
    reference = read_gene_reference()
    clean_names, ensembl_ids = _clean(raw_names, raw_ids)
    apart = take_apart(clean_names, ensembl_ids, reference)
    if apart is not None:
        clean_names, ensembl_ids = apart
    _undo_unique_marks(clean_names, ensembl_ids, reference)
    if apart is None or len(set(raw_names)) < len(raw_names):
        _check_distinct(clean_names, ensembl_ids, where=where)
    draft = _propose(raw_names, clean_names, ensembl_ids, reference)
    _settle(draft)
    n_prefixed = sum(raw[:1] in PREFIX_LETTERS and strip_genome_prefix(raw) != raw for raw in raw_names)
    return _collect(draft, n_prefixed, n_composite=0 if apart is None else len(raw_names))


def _clean(raw_names: list[str], raw_ids: list[str]) -> tuple[list[str], list[str]]:
    """Give names without prefix ("" if missing) and Ensembl ids without version ("" if none)."""
    names = [strip_genome_prefix(name) if name[:1] in PREFIX_LETTERS else name for name in raw_names]
    ids = [_read_ensembl_id(strip_genome_prefix(gene_id)) for gene_id in raw_ids]
    for row, name in enumerate(names):
        if name in _MISSING_NAMES:
            names[row] = ""
        elif name.startswith("ENSG") and (own_id := _read_ensembl_id(name)):
            names[row] = ""
            ids[row] = ids[row] or own_id
    return names, ids


def _read_ensembl_id(text: str) -> str:
    if not text.startswith("ENSG"):
        return ""
    if len(text) == _ENSEMBL_ID_LENGTH and text[4:].isdigit():
        return text
    match = ENSEMBL_ID.fullmatch(text)
    return match[1] + (match[2] or "") if match else ""


def _undo_unique_marks(names: list[str], ids: list[str], reference: GeneReference) -> None:
    """Give rows that scanpy or R renamed to be unique (TBCE-1, TBCE.1) their name back, in place.

    Their Ensembl ids tell them apart, so the matrix then reads the same whether it comes from
    Cell Ranger (TBCE twice) or from an h5ad file.
    """
    approved = reference.approved
    marked = [
        row for row, name in enumerate(names) if ids[row] and name[-2:-1] in _MARKS and name not in approved
    ]
    names_with_id = {name for name, gene_id in zip(names, ids, strict=True) if gene_id} if marked else set()
    for row in marked:
        base, digit = names[row][:-2], names[row][-1]
        if digit.isdigit() and base in approved and base in names_with_id:
            names[row] = base


def _check_distinct(names: list[str], ids: list[str], *, where: object) -> None:
    without_id = [
        (row, name) for row, (name, gene_id) in enumerate(zip(names, ids, strict=True)) if not gene_id
    ]
    nameless = [row for row, name in without_id if not name]
    if nameless:
        raise InputError(
            f"gene {nameless[0] + 1} of {len(names)} has neither a name nor an Ensembl id",
            where=where,
            mend="name every gene by a symbol or an Ensembl id",
        )
    repeated = [gene_id for gene_id, count in Counter(ids).items() if count > 1 and gene_id]
    what = "Ensembl ids"
    if not repeated and without_id:
        count_of = Counter(names)
        repeated = list(dict.fromkeys(name for _, name in without_id if count_of[name] > 1))
        what = "gene names without Ensembl ids to tell them apart"
    if repeated:
        raise InputError(
            f"{len(repeated)} {what} are repeated (e.g. {', '.join(repeated[:_N_EXAMPLES])})",
            where=where,
            mend="give each gene once, or with its own Ensembl id; a spreadsheet may have turned "
            "different names into one date (1-Mar)",
        )


def _propose(raw: list[str], names: list[str], ids: list[str], reference: GeneReference) -> _Draft:
    """Say what each gene would be called if no other gene of the matrix objected."""
    draft = _Draft(raw, names, ids, names.copy(), [Outcome.KEPT] * len(names), {})
    for row, (name, gene_id) in enumerate(zip(names, ids, strict=True)):
        by_id = reference.symbol_of(gene_id) if gene_id else ""
        if not name:
            draft.symbols[row] = by_id or gene_id
            draft.outcomes[row] = Outcome.KEPT if by_id else Outcome.NO_SYMBOL
            continue
        if by_id == name or (not by_id and name in reference.approved):
            continue
        candidates = (by_id,) if by_id else reference.candidates_of(name)
        if not candidates:
            draft.outcomes[row] = Outcome.NO_SYMBOL if gene_id or is_clone_name(name) else Outcome.UNKNOWN
            continue
        draft.candidates[row] = candidates
        draft.outcomes[row] = Outcome.RENAMED if len(candidates) == 1 else Outcome.AMBIGUOUS
        if len(candidates) == 1:
            draft.symbols[row] = candidates[0]
    return draft


def _settle(draft: _Draft) -> None:
    """Take back renamings onto a symbol that another gene holds or is to get, in place.

    A gene that keeps its own name may thereby hold a symbol promised to a third gene, hence the
    repetition; each round takes back at least one renaming, so it ends.
    """
    renamed = [row for row in draft.candidates if draft.outcomes[row] is Outcome.RENAMED]
    while True:
        held = Counter(draft.symbols)
        blocked = [row for row in renamed if held[draft.symbols[row]] > 1]
        if not blocked:
            return
        for row in blocked:
            draft.symbols[row] = draft.names[row]
            draft.outcomes[row] = Outcome.BLOCKED
        renamed = [row for row in renamed if draft.outcomes[row] is Outcome.RENAMED]


def _collect(draft: _Draft, n_prefixed: int, *, n_composite: int) -> HarmonisedGenes:
    column_of = {symbol: column for column, symbol in enumerate(dict.fromkeys(draft.symbols))}
    column_map = np.fromiter(map(column_of.__getitem__, draft.symbols), np.int64, count=len(draft.symbols))
    firsts = np.unique(column_map, return_index=True)[1]
    report = GeneReport(
        n_input=len(draft.symbols),
        n_output=len(column_of),
        n_prefixed=n_prefixed,
        n_composite=n_composite,
        merged=_tally_merged(draft, column_map),
        **_tally_outcomes(draft),
    )
    return HarmonisedGenes(
        symbols=np.array(list(column_of), dtype=object),
        ensembl_ids=np.array([draft.ids[row].removesuffix("_PAR_Y") for row in firsts], dtype=object),
        raw_names=np.array([draft.raw[row] for row in firsts], dtype=object),
        column_map=column_map,
        report=report,
    )


def _tally_merged(draft: _Draft, column_map: NDArray[np.int64]) -> NameTally:
    repeated = np.flatnonzero(np.bincount(column_map) > 1)
    examples = []
    for column in repeated[:_N_EXAMPLES]:
        rows = np.flatnonzero(column_map == column)
        members = ", ".join(draft.ids[row] or draft.raw[row] for row in rows)
        examples.append(f"{draft.symbols[rows[0]]} ({members})")
    return NameTally(int(repeated.size), tuple(examples))


def _tally_outcomes(draft: _Draft) -> dict[str, NameTally]:
    rows_of: dict[Outcome, list[int]] = {outcome: [] for outcome in Outcome}
    for row, outcome in enumerate(draft.outcomes):
        rows_of[outcome].append(row)
    return {
        outcome.value: NameTally(len(rows), tuple(draft.describe(row) for row in rows[:_N_EXAMPLES]))
        for outcome, rows in rows_of.items()
    }
