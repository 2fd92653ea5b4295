"""What harmonising did to the genes of a matrix, ready for the quality-control file.

Invariant: the outcomes together count every input gene once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tcellflow.provenance import JsonValue

N_EXAMPLES: Final = 20


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
        """Give the tally as JSON-ready data.

        Returns
        -------
        dict
            Keys ``count`` and ``examples``.
        """
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
    kept: NameTally
    renamed: NameTally
    target_present: NameTally
    ambiguous: NameTally
    no_symbol: NameTally
    unknown: NameTally
    merged: NameTally

    def as_dict(self) -> dict[str, JsonValue]:
        """Give the report as JSON-ready data.

        Returns
        -------
        dict
            Three counts, and one tally per outcome.
        """
        numbers: dict[str, JsonValue] = {
            "n_input": self.n_input,
            "n_output": self.n_output,
            "n_prefixed": self.n_prefixed,
        }
        tallies = {name: getattr(self, name).as_dict() for name in (*Outcome, "merged")}
        return {**numbers, **tallies}
