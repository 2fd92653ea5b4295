"""The report's words: what each term means, and how numbers and values are written.

Invariant: a share is written with its denominator beside it, and never rounds to 0 % or 100 %
unless it is exactly that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tcellflow.receptors.contigs import REASON_MEANINGS
from tcellflow.vocabulary import AbstainReason, ChainPairing, Evidence, Function, Lineage

if TYPE_CHECKING:
    from tcellflow.provenance import JsonValue

NOTHING: Final = "\u2013"
EMPTY: Final[tuple[JsonValue, ...]] = (None, [], {}, "")  # values without anything to tell
_LIST_SHOWN: Final = 8
_TEXT_SHOWN: Final = 300

EVIDENCE_MEANINGS: Final[dict[Evidence, str]] = {
    Evidence.GATED: "learnt from cells sorted or gated by surface proteins",
    Evidence.AUTHOR: "learnt from the labels of a study's authors",
    Evidence.MARKER: "learnt from marker genes, not from labelled cells",
    Evidence.TEACHER: "learnt from another model's labels: silver, a hint",
}
STRONG_EVIDENCE: Final = frozenset({Evidence.GATED, Evidence.AUTHOR})

ABSTAIN_MEANINGS: Final[dict[AbstainReason, str]] = {
    AbstainReason.LOW_CONFIDENCE: "the call was not sure enough for the chosen risk",
    AbstainReason.OOD: "unlike the cells the model was trained on (another cell type, damaged or ambient)",
    AbstainReason.NOT_T_CELL: "the T-cell gate found no sign of a T cell, or signs against one",
    AbstainReason.DOUBLET: "signs of two cells under one barcode",
    AbstainReason.COVERAGE: "too few of the model's genes were measured",
}
ABSTAIN_WORDS: Final[dict[AbstainReason, str]] = {
    AbstainReason.LOW_CONFIDENCE: "low confidence",
    AbstainReason.OOD: "out of distribution",
    AbstainReason.NOT_T_CELL: "not a T cell",
    AbstainReason.DOUBLET: "doublet",
    AbstainReason.COVERAGE: "gene coverage",
}
PAIRING_MEANINGS: Final[dict[ChainPairing, str]] = {
    ChainPairing.SINGLE_PAIR: "one VJ chain (alpha or gamma) and one VDJ chain (beta or delta)",
    ChainPairing.ORPHAN_VJ: "alpha (or gamma) only",
    ChainPairing.ORPHAN_VDJ: "beta (or delta) only",
    ChainPairing.EXTRA_VJ: "a pair plus a second alpha (or gamma): often real, dual-alpha T cells exist",
    ChainPairing.EXTRA_VDJ: "a pair plus a second beta (or delta): rarely real, often two cells",
    ChainPairing.TWO_FULL_CHAINS: "two of each: suspected doublet",
    ChainPairing.AMBIGUOUS: "chains that do not belong together, such as alpha with delta",
    ChainPairing.MULTICHAIN: "more than two chains of one kind: suspected doublet",
    ChainPairing.NO_IR: "no usable receptor chain",
}
LINEAGE_WORDS: Final[dict[Lineage, str]] = {
    Lineage.CD4: "CD4",
    Lineage.CD8: "CD8",
    Lineage.TREG: "Treg",
    Lineage.GAMMA_DELTA: "gamma-delta",
    Lineage.INNATE_LIKE: "innate-like (MAIT, NKT)",
    Lineage.UNRESOLVED: "unresolved",
}
_DROP_WORDS: Final[dict[str, str]] = {reason.value: words for reason, words in REASON_MEANINGS.items()}
FUNCTION_WORDS: Final[dict[Function, str]] = {value: value.replace("_", " ") for value in Function} | {
    Function.TH_EFFECTOR: "helper effector",
    Function.EXHAUSTED_PROGENITOR: "exhausted, progenitor",
    Function.EXHAUSTED_TERMINAL: "exhausted, terminal",
}


# What immunologists call proteins that tables name by their genes.
_PROTEIN_WORDS: Final = {
    "B3GAT1": "CD57",
    "CD274": "PD-L1",
    "CD3E": "CD3",
    "CD8A": "CD8",
    "CR2": "CD21",
    "CXCR3": "CD183",
    "ENTPD1": "CD39",
    "FCGR3A": "CD16",
    "HAVCR2": "TIM-3",
    "HLA-A|HLA-B|HLA-C": "HLA-ABC",
    "HLA-DRA": "HLA-DR",
    "IL2RA": "CD25",
    "IL3RA": "CD123",
    "IL7R": "CD127",
    "ITGAE": "CD103",
    "ITGAM": "CD11b",
    "ITGAX": "CD11c",
    "KLRB1": "CD161",
    "KLRK1": "NKG2D",
    "LAMP1": "CD107a",
    "MS4A1": "CD20",
    "NCAM1": "CD56",
    "PDCD1": "PD-1",
    "PECAM1": "CD31",
    "PTPRC": "CD45",
    "PTPRC:RA": "CD45RA",
    "PTPRC:RO": "CD45RO",
    "SELL": "CD62L",
    "SIGLEC1": "CD169",
    "TNFRSF4": "OX40",
    "TNFRSF9": "4-1BB",
    "TRAC|TRBC1|TRBC2": "TCR alpha-beta",
    "TRDC|TRGC1|TRGC2": "TCR gamma-delta",
}


def name_protein(target: str) -> str:
    """Name a protein as the report does: as immunologists call it, else by its genes."""
    return _PROTEIN_WORDS.get(target, target.replace("|", "/"))


def write_count(number: int | None) -> str:
    """Write a count in the report's wording.

    Parameters
    ----------
    number
        The count, or None where it is not known.

    Returns
    -------
    str
        With thousands separators, or a dash.
    """
    return NOTHING if number is None else f"{number:,}"


def write_share(part: int | None, whole: int | None) -> str:
    """Write a share as percent, in the report's wording.

    Parameters
    ----------
    part, whole
        Counts; the share is part of whole.

    Returns
    -------
    str
        One decimal; "<0.1 %" and ">99.9 %" instead of a rounding to nothing or everything; a dash
        where either count is unknown or the whole is 0.
    """
    if part is None or not whole:
        return NOTHING
    if part == 0:
        return "0 %"
    if part == whole:
        return "100 %"
    percent = 100 * part / whole
    if percent < 0.1:
        return "<0.1 %"
    if 99.9 < percent < 100:
        return ">99.9 %"
    return f"{percent:.1f} %"


def write_part(part: int | None, whole: int | None, unit: str) -> str:
    """Write a share together with its denominator, in the report's wording.

    Parameters
    ----------
    part, whole
        Counts.
    unit
        What is counted, plural.

    Returns
    -------
    str
        E.g. "45.2 % of 1,137 T cells"; "of no T cells" where the whole is 0.
    """
    if part is None or whole is None:
        return ""
    return f"{write_share(part, whole)} of {whole:,} {unit}" if whole else f"there are no {unit}"


def write_interval(low: float | None, high: float | None) -> str:
    """Write an interval of a share as percent, in the report's wording; a dash where it is not known."""
    return NOTHING if low is None or high is None else f"{100 * low:.1f}\u2013{100 * high:.1f} %"


def write_decimal(number: float | None, places: int = 2) -> str:
    """Write a number between fixed decimals, in the report's wording.

    Parameters
    ----------
    number
        The number, or None.
    places
        Decimals.

    Returns
    -------
    str
        The number, or a dash.
    """
    return NOTHING if number is None or number != number else f"{number:.{places}f}"  # noqa: PLR0124 - NaN


def write_name(key: str) -> str:
    """Turn a key of the files into the report's wording.

    Parameters
    ----------
    key
        E.g. ``not_a_cell``.

    Returns
    -------
    str
        E.g. ``not a cell``.
    """
    return key.replace("_", " ").strip()


def write_reason(key: str) -> str:
    """Say in the report's wording why a cell or contig was left out.

    Parameters
    ----------
    key
        The reason as the files name it, e.g. ``not_a_cell``.

    Returns
    -------
    str
        What it means; the key in words where its meaning is not known here.
    """
    return _DROP_WORDS.get(key) or write_name(key)


_INPUT_WORDS: Final = {
    "gex": "expression",
    "tra": "alpha chain",
    "trb": "beta chain",
    "adt": "proteins",
}


def write_inputs(key: str) -> str:
    """Say in the report's wording which data a call used.

    Parameters
    ----------
    key
        E.g. ``gex+trb``.

    Returns
    -------
    str
        E.g. "expression, beta chain"; "expression alone" for a single input.
    """
    parts = [_INPUT_WORDS.get(part, part) for part in key.split("+")]
    return f"{parts[0]} alone" if len(parts) == 1 else ", ".join(parts)


def write_plural(number: int, one: str, many: str) -> str:
    """Write a count with the fitting noun, in the report's wording.

    Parameters
    ----------
    number
        The count.
    one, many
        Singular and plural.

    Returns
    -------
    str
        E.g. "1 clone", "1,020 clones".
    """
    return f"{number:,} {one if number == 1 else many}"


def write_value(value: JsonValue) -> str:
    """Write one JSON value in the report's wording, the way a person reads it.

    Returns
    -------
    str
        Text of bounded length: thousands separators, yes/no, "none", the head of long lists.
    """
    if value in EMPTY:
        return "not set" if value is None else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, list):
        head = ", ".join(write_value(entry) for entry in value[:_LIST_SHOWN])
        rest = len(value) - _LIST_SHOWN
        return f"{head} and {rest:,} more" if rest > 0 else head
    text = str(value)
    return text if len(text) <= _TEXT_SHOWN else text[:_TEXT_SHOWN] + "…"
