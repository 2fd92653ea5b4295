"""The manifest of labelled sets whose groups of cells are put into words.

Invariant: a manifest in hand names only files that exist; every fault of one is told at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tcellflow.language.ontology import read_ontology
from tcellflow.training.cohorts.manifest import EntryReader, read_entries
from tcellflow.training.options import NOT_STATED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_KEYS: Final = ("name", "counts", "slot", "label", "terms", "licence", "source")


@dataclass(frozen=True)
class LanguageEntry:
    """One set as the manifest describes it.

    Parameters
    ----------
    name
        Distinct name.
    counts
        Expression file.
    slot
        Where the matrix lies in an .h5ad file; None = where counts are expected.
    label
        obs column of labels.
    terms
        Label to its Cell Ontology id; labels without one only make groups.
    licence, source
        Words for the card.
    """

    name: str
    counts: Path
    slot: str | None
    label: str
    terms: Mapping[str, str]
    licence: str
    source: str


def read_language_manifest(path: Path) -> tuple[LanguageEntry, ...]:
    """Read a manifest of labelled sets.

    Parameters
    ----------
    path
        YAML file with a list ``sets``; paths in it are relative to it.

    Returns
    -------
    tuple of LanguageEntry
        The sets in its order.

    Raises
    ------
    InputError
        If it cannot be read, or anything in it is wrong; all faults are named.
    """
    return read_entries(path, "sets", _parse_entry)


def _parse_entry(reader: EntryReader) -> LanguageEntry:
    reader.check_keys(_KEYS)
    counts, label = reader.take_path("counts"), reader.take_text("label")
    reader.check(counts is not None, "it has no counts")
    reader.check(label is not None, "it has no column 'label'")
    return LanguageEntry(
        name=reader.name,
        counts=counts or reader.folder,
        slot=reader.take_text("slot"),
        label=label or "",
        terms=_take_terms(reader),
        licence=reader.take_text("licence") or NOT_STATED,
        source=reader.take_text("source") or NOT_STATED,
    )


def _take_terms(reader: EntryReader) -> dict[str, str]:
    found = reader.found.get("terms") or {}
    reader.check(isinstance(found, dict), "terms is no mapping of labels to Cell Ontology ids")
    terms = {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}
    known = read_ontology().terms
    unknown = sorted({term for term in terms.values() if term not in known})
    reader.check(not unknown, f"no terms of the Cell Ontology: {', '.join(unknown[:5])}")
    return terms
