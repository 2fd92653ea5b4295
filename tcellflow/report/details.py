"""The small print of a run in words: matrix, gate, gene names, receptor names and barcodes.

Invariant: an entry without words of its own is shown under its key, never left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tcellflow.report.lookup import describe_value, flatten, look_up, read_count, read_texts
from tcellflow.report.wording import write_count, write_name

if TYPE_CHECKING:
    from tcellflow.provenance import JsonValue

_EXAMPLES_SHOWN: Final = 4
_EMPTY: Final[tuple[object, ...]] = (None, "", [], {})

_MATRIX: Final = {
    "format": "file",
    "place": "place in the file",
    "n_cells": "cells",
    "n_features": "genes and other features",
    "other_features": "features that are no genes",
    "library_size": "each cell is scaled to",
}
_EVIDENCE: Final = {
    "both": "T cells by expression and receptor",
    "genes": "T cells by expression alone",
    "receptor": "T cells by receptor alone",
    "against": "other cells: signs of another cell type",
    "none": "other cells: no sign of a T cell",
}
_DOUBLET_SIGNS: Final = {
    "multichain": "more than two receptor chains of one kind",
    "two_full_chains": "two full receptors",
    "t_with_b": "T-cell and B-cell genes",
    "t_with_myeloid": "T-cell and myeloid genes",
    "cd4_with_cd8": "CD4 with CD8",
    "receptor_with_b": "receptor in a cell with B-cell genes",
    "receptor_with_myeloid": "receptor in a cell with myeloid genes",
}
_GENES: Final = {
    "kept": "approved symbols",
    "renamed": "older names, renamed",
    "merged": "symbols on several rows, summed",
    "target_present": "older names, kept because their symbol is there too",
    "ambiguous": "older names of several genes, kept",
    "no_symbol": "genes without an approved symbol, kept",
    "unknown": "names that no table knows, kept",
}
# How precisely a V or J gene was understood, best first.
LEVELS: Final = {
    "allele": "allele",
    "gene": "gene",
    "family": "family only",
    "unknown": "unknown name",
    "contradicts_locus": "contradicts the locus, taken as unknown",
    "missing": "not given",
}
_PROTEINS: Final = {
    "place": "read from",
    "n_antibodies": "antibodies",
    "n_proteins": "of these, proteins",
    "n_with_gene": "proteins whose gene is known",
    "n_isotypes": "isotype controls",
    "n_hashtags": "sample hashtags",
    "n_unknown": "names that no table knows",
    "unknown": "these names",
    "cells_without_antibodies": "cells without antibody counts",
}
_BARCODES: Final = {
    "rule": "rule (expression, receptors)",
    "n_left": "cells with expression",
    "n_right": "cells with receptors",
    "n_shared": "cells with both",
    "fraction_left": "share of the cells with expression",
    "fraction_right": "share of the cells with receptors",
    "overlap": "overlap (the larger share)",
}
_NOT_EMBEDDABLE: Final = {
    "locus_without_encoder": "no vector: neither alpha nor beta",
    "letters_that_are_no_residues": "no vector: letters that are no residues",
    "anchors_missing": "no vector: CDR3 without its anchors",
    "too_short_or_too_long": "no vector: CDR3 too short or too long",
}


@dataclass(frozen=True)
class Facts:
    """A named group of names and values.

    Parameters
    ----------
    title
        Heading.
    rows
        Names and values.
    """

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LevelRow:
    """How many chains had their V and J gene understood at one level.

    Parameters
    ----------
    level
        The level in words.
    n_v, n_j
        Chains; None if not counted.
    """

    level: str
    n_v: int | None
    n_j: int | None


def tell_matrix(qc: JsonValue) -> Facts:
    """Tell what the expression file held.

    Parameters
    ----------
    qc
        Content of qc.json.

    Returns
    -------
    Facts
        Empty rows if the file does not say.
    """
    return Facts("The matrix", tuple(_name_rows(look_up(qc, "matrix"), _MATRIX)))


def tell_gate(qc: JsonValue) -> Facts:
    """Tell what the T-cell gate saw.

    Parameters
    ----------
    qc
        Content of qc.json.

    Returns
    -------
    Facts
        Evidence, other cell types and doublet signs, those that occur.
    """
    gate = look_up(qc, "gate")
    rows = _name_counts(look_up(gate, "evidence"), _EVIDENCE)
    others = look_up(gate, "other_lineages")
    rows += [(f"resemble: {write_name(name)}", value) for name, value in flatten(others)]
    signs = _name_counts(look_up(gate, "doublet_signs"), _DOUBLET_SIGNS)
    rows += [(f"doublet sign: {name}", value) for name, value in signs]
    known = {"t_cells", "doublet_suspects", "evidence", "other_lineages", "doublet_signs"}
    rest = {key: value for key, value in gate.items() if key not in known} if isinstance(gate, dict) else {}
    return Facts("T-cell gate", (*rows, *flatten(rest)))


def tell_genes(qc: JsonValue) -> Facts:
    """Tell how gene names were harmonised.

    Parameters
    ----------
    qc
        Content of qc.json.

    Returns
    -------
    Facts
        Counts with a few examples; outcomes without a gene are left out.
    """
    genes = look_up(qc, "genes")
    if not isinstance(genes, dict):
        return Facts("Gene names", ())
    before, after = read_count(genes, "n_input"), read_count(genes, "n_output")
    rows = []
    if before is not None and after is not None:
        rows.append(("genes", f"{before:,} in the file, {after:,} after summing"))
    for key, words in _GENES.items():
        count = read_count(genes, key, "count")
        if count:
            examples = read_texts(genes, key, "examples")[:_EXAMPLES_SHOWN]
            shown = f" (such as {', '.join(examples)})" if examples and key != "kept" else ""
            rows.append((words, write_count(count) + shown))
    rest = {key: value for key, value in genes.items() if key not in {*_GENES, "n_input", "n_output"}}
    return Facts("Gene names", (*rows, *flatten(rest)))


def tell_levels(receptors: JsonValue) -> tuple[LevelRow, ...]:
    """Tell how precisely V and J genes were understood.

    Parameters
    ----------
    receptors
        The part of qc.json about receptors.

    Returns
    -------
    tuple of LevelRow
        Levels that occur, best first.
    """
    v, j = look_up(receptors, "genes", "v"), look_up(receptors, "genes", "j")
    rows = [LevelRow(words, read_count(v, key), read_count(j, key)) for key, words in LEVELS.items()]
    return tuple(row for row in rows if row.n_v or row.n_j)


def tell_receptor_names(receptors: JsonValue) -> Facts:
    """Tell what else happened to gene names and junctions.

    Parameters
    ----------
    receptors
        The part of qc.json about receptors.

    Returns
    -------
    Facts
        Renamed and non-functional genes, restored anchors, chains without a vector.
    """
    rows = []
    for key, words in (
        ("renamed", "spelt differently, renamed"),
        ("not_functional", "not functional (IMGT)"),
    ):
        for segment in ("v", "j"):
            count = read_count(receptors, "genes", segment, key)
            if count:
                rows.append((f"{segment.upper()} genes {words}", write_count(count)))
    added = read_count(receptors, "junctions", "anchors_added")
    if added:
        rows.append(("CDR3 with anchors restored from the germline", write_count(added)))
    rows += _name_counts(look_up(receptors, "junctions", "not_embeddable"), _NOT_EMBEDDABLE)
    return Facts("Names and junctions (chains)", tuple(rows))


def tell_proteins(qc: JsonValue) -> Facts:
    """Tell what the antibody counts hold.

    Parameters
    ----------
    qc
        Content of qc.json.

    Returns
    -------
    Facts
        Empty rows without antibodies.
    """
    return Facts("Proteins", tuple(_name_rows(look_up(qc, "proteins"), _PROTEINS)))


def tell_barcodes(receptors: JsonValue) -> Facts:
    """Tell how the barcodes of receptors and expression were matched.

    Parameters
    ----------
    receptors
        The part of qc.json about receptors.

    Returns
    -------
    Facts
        Empty rows where only one of both was given.
    """
    return Facts("Matching of barcodes", tuple(_name_rows(look_up(receptors, "barcodes"), _BARCODES)))


def _name_rows(content: JsonValue, words: dict[str, str]) -> list[tuple[str, str]]:
    """Name the entries of an object in the order of the words; unknown ones follow under their key."""
    if not isinstance(content, dict):
        return []
    known = [(words[key], describe_value(content[key])) for key in words if content.get(key) not in _EMPTY]
    return known + flatten({key: value for key, value in content.items() if key not in words})


def _name_counts(content: JsonValue, words: dict[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in _name_rows(content, words) if value != "0"]
