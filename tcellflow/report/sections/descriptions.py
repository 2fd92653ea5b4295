"""The descriptions: what describe says of each state and each expanded clone, sentence by sentence.

Invariant: every sentence is the one describe wrote; beside it stand the numbers it rests on. Nothing is
worded anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tcellflow.report.wording import write_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

_UNITS_SHOWN: Final = 20  # of one level
_GENES_SHOWN: Final = 8
# Levels in reading order; others, such as a column of the user, follow by name.
_LEVELS: Final = ("sample", "state", "clonotype", "cluster")
_LEVEL_WORDS: Final = {
    "sample": "The sample",
    "state": "States",
    "clonotype": "Expanded clones",
    "cluster": "Clusters",
}
_SOURCES: Final = {
    "measured": "counted in these cells",
    "panel": "a marker of the panel, counted in these cells",
    "model": "called by a model",
}
_KEY_TYPES: Final = {"marker_present": "has", "marker_absent": "lacks", "contradiction": "against its type"}


@dataclass(frozen=True)
class Sentence:
    """One sentence of a description.

    Parameters
    ----------
    text
        As describe wrote it.
    kinds
        What kind of claim it makes.
    source
        Where its number comes from.
    numbers
        What it rests on: names and values.
    verdict
        Of the check against the cells.
    """

    text: str
    kinds: str
    source: str
    numbers: tuple[tuple[str, str], ...]
    verdict: str


@dataclass(frozen=True)
class Described:
    """One group of cells in words.

    Parameters
    ----------
    unit
        Its name: a state, a clone's id ...
    level
        Kind of group.
    n_cells
        Cells in it.
    label, cl_id
        Its type and the type's Cell Ontology id; empty where describe abstained.
    is_backed_off
        Whether the type is one above those that fit.
    probability
        Of the type; None where none is known.
    key_genes
        Genes it has, lacks, and shows against its type, in this order; only those that occur.
    sentences
        The text; without claims it is one sentence with no evidence.
    grounding
        Share of sentences that the check supported, 0-1; None where none was checked.
    """

    unit: str
    level: str
    n_cells: int
    label: str
    cl_id: str
    is_backed_off: bool
    probability: float | None
    key_genes: tuple[tuple[str, tuple[str, ...]], ...]
    sentences: tuple[Sentence, ...]
    grounding: float | None


@dataclass(frozen=True)
class DescriptionGroup:
    """All described groups of one kind.

    Parameters
    ----------
    level, title
        Kind of group, and its heading.
    units
        The largest ones first, at most 20; states in their order.
    n_units
        How many there are.
    """

    level: str
    title: str
    units: tuple[Described, ...]
    n_units: int


def summarise_descriptions(
    descriptions: pa.Table | None, claims: pa.Table | None
) -> tuple[DescriptionGroup, ...]:
    """Gather for the report what describe says of groups of cells; empty where it did not run.

    Parameters
    ----------
    descriptions
        Table of the contract `DESCRIPTIONS`.
    claims
        Table of the contract `CLAIMS`: the evidence; None = sentences without it.
    """
    if descriptions is None:
        return ()
    evidence: dict[tuple[str, str], list[dict[str, object]]] = {}
    for claim in claims.to_pylist() if claims is not None else ():
        evidence.setdefault((claim["unit_level"], claim["unit_id"]), []).append(claim)
    by_level: dict[str, list[dict[str, object]]] = {}
    for row in descriptions.to_pylist():
        by_level.setdefault(row["unit_level"], []).append(row)
    groups = []
    for level in sorted(by_level, key=lambda name: (name not in _LEVELS, _place(name), name)):
        rows = by_level[level]
        if level != "state":
            rows = sorted(rows, key=lambda row: (-_whole(row["n_cells"]), str(row["unit_id"])))
        shown = tuple(
            _describe(row, evidence.get((level, str(row["unit_id"])), [])) for row in rows[:_UNITS_SHOWN]
        )
        title = _LEVEL_WORDS.get(level, f"By {write_name(level)}")
        groups.append(DescriptionGroup(level, title, shown, len(rows)))
    return tuple(groups)


def _place(level: str) -> int:
    return _LEVELS.index(level) if level in _LEVELS else 0


def _describe(row: Mapping[str, object], claims: list[dict[str, object]]) -> Described:
    return Described(
        unit=str(row["unit_id"]),
        level=str(row["unit_level"]),
        n_cells=_whole(row["n_cells"]),
        label=str(row["label"] or ""),
        cl_id=str(row["cl_id"] or ""),
        is_backed_off=row["status"] == "backed_off",
        probability=_number(row["probability"]),
        key_genes=_name_key_genes(claims),
        sentences=_split(str(row["text"]), claims),
        grounding=_number(row["grounding_precision"]),
    )


def _name_key_genes(claims: list[dict[str, object]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found: list[tuple[str, tuple[str, ...]]] = []
    for kind, words in _KEY_TYPES.items():
        # A marker that stands both among those there and among those against the type is told once.
        told = [
            f"{claim['subject']}{claim['polarity']}" if kind == "contradiction" else str(claim["subject"])
            for claim in claims
            if claim["type"] == kind and claim["sentence_id"] is not None
        ]
        if told:
            found.append((words, tuple(dict.fromkeys(told))[:_GENES_SHOWN]))
    return tuple(found)


def _split(text: str, claims: list[dict[str, object]]) -> tuple[Sentence, ...]:
    """Cut a text into its sentences by the places that claims name; what no claim names stays a sentence."""
    said = [c for c in claims if c["span_start"] is not None and c["span_end"] is not None]
    spans: dict[tuple[int, int], list[dict[str, object]]] = {}
    for claim in said:
        spans.setdefault((_whole(claim["span_start"]), _whole(claim["span_end"])), []).append(claim)
    sentences, reached = [], 0
    for (start, end), of_span in sorted(spans.items()):
        if start < reached or end > len(text):
            continue
        if between := text[reached:start].strip():
            sentences.append(Sentence(between, "", "", (), ""))
        sentences.append(_word(text[start:end], of_span))
        reached = end
    if rest := text[reached:].strip():
        sentences.append(Sentence(rest, "", "", (), ""))
    return tuple(sentences)


def _word(text: str, claims: list[dict[str, object]]) -> Sentence:
    first = claims[0]
    numbers = []
    for name, column, ending in (
        ("seen in", "pct_detected", " %"),
        ("expected", "expected_pct", " %"),
        ("log odds", "log_odds", ""),
        ("confidence", "confidence", ""),
    ):
        value = _number(first[column])
        if value is not None:
            numbers.append((name, f"{value:.1f}{ending}" if ending else f"{value:.2f}"))
    return Sentence(
        text=text,
        kinds=", ".join(dict.fromkeys(write_name(str(claim["type"])) for claim in claims)),
        source=_SOURCES.get(str(first["source"]), str(first["source"])),
        numbers=tuple(numbers),
        verdict=str(first["verdict"] or ""),
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _number(value: object) -> float | None:
    return value if isinstance(value, float) and value == value else None  # noqa: PLR0124 - NaN
