"""The types that cells may be called: all of the panel, or a user's own list.

Invariant: every candidate has something to be told by (types of the panel, or markers); labels are distinct.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tcellflow.errors import InputError
from tcellflow.language.concepts import name_types
from tcellflow.language.naming.likeness import Likeness
from tcellflow.language.ontology import read_ontology
from tcellflow.language.panel import read_panel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST: Final = 200  # characters of a label
MOST: Final = 2_000
_ID: Final = re.compile(r"CL:\d{7}")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Candidate:
    """One type that cells may be called.

    Parameters
    ----------
    label
        As it is written into the table.
    cl_id
        Its Cell Ontology id; None where it has none.
    types
        Types of the panel that it stands for; empty where its markers alone tell it.
    positive, negative
        Markers that the user gives.
    """

    label: str
    cl_id: str | None
    types: frozenset[str]
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()


def list_panel() -> tuple[Candidate, ...]:
    """Give every type of the packaged panel as a candidate."""
    return tuple(Candidate(kind.label, kind.cl_id, frozenset({kind.cl_id})) for kind in read_panel())


def make_candidates(rows: Sequence[Mapping[str, str]], where: object) -> tuple[Candidate, ...]:
    """Make candidates of rows ``label`` with optional ``cl_id, definition, positive, negative, markers``.

    Raises
    ------
    InputError
        If there is no row or label, a label is repeated, too long or holds control characters, an id is not
        live in the Cell Ontology, or nothing tells a candidate.
    """
    if not rows or "label" not in rows[0]:
        raise InputError(
            "there is no column 'label' with rows", where=where, mend="give one candidate per row"
        )
    if len(rows) > MOST:
        raise InputError(f"{len(rows)} candidates are more than {MOST}", where=where, mend="give fewer")
    found: dict[str, Candidate] = {}
    for number, row in enumerate(rows, 2):
        made = _make(row, f"{where}, line {number}")
        if made.label in found:
            raise InputError(
                f"the label {made.label!r} is given twice", where=f"{where}, line {number}",
                mend="join the rows, or name them differently",
            )  # fmt: skip
        found[made.label] = made
    return tuple(found.values())


def name_candidates(labels: Sequence[str], where: object) -> tuple[Candidate, ...]:
    """Make candidates of the labels of cells; one whose words mean nothing is to be learnt from its cells.

    Raises
    ------
    InputError
        If there is no label or too many, or one is too long or holds control characters.
    """
    if not 0 < len(labels) <= MOST:
        raise InputError(
            f"{len(labels)} labels of cells are given, of 1 to {MOST}", where=where,
            mend="name a column in which some cells have the label of their type",
        )  # fmt: skip
    ontology = read_ontology()
    for label in labels:
        _check_label(label, where)
    found = [(label, name_types(label)) for label in labels]
    return tuple(Candidate(label, ontology.find(label) or name_term(types), types) for label, types in found)


def name_term(types: frozenset[str]) -> str | None:
    """Give the term of the ontology under which just these types of the panel lie; None without one."""
    if not types:
        return None
    ontology = read_ontology()
    every = {kind.cl_id for kind in read_panel()}
    shared = frozenset.intersection(*(ontology.above(t) for t in types))
    exact = [t for t in shared if {k for k in every if t in ontology.above(k)} == types]
    return max(exact, key=lambda t: (len(ontology.above(t)), t), default=None)


def _check_label(label: str, where: object) -> None:
    if not label or len(label) > LONGEST or _CONTROL.search(label):
        raise InputError(
            f"the label {label[:40]!r} is empty, too long ({LONGEST}) or holds control characters",
            where=where,
            mend="give a short name",
        )


def _make(row: Mapping[str, str], where: str) -> Candidate:
    cell = {key: (value or "").strip() for key, value in row.items() if key is not None}
    label, cl_id = cell["label"], cell.get("cl_id", "") or None
    _check_label(label, where)
    ontology = read_ontology()
    if cl_id is not None and (not _ID.fullmatch(cl_id) or cl_id not in ontology.terms):
        raise InputError(
            f"{cl_id[:40]!r} is no live term of the Cell Ontology",
            where=where,
            mend="give CL: and seven digits",
        )
    positive = _genes(cell.get("positive", "") or cell.get("markers", ""))
    negative = _genes(cell.get("negative", ""))
    types = name_types(label, cl_id)
    if not types and cell.get("definition"):
        types = name_types(cell["definition"][:2_000])
    if not types and not positive:
        raise InputError(
            f"nothing tells the candidate {label!r}: its words mean no type, and it has no markers",
            where=where,
            mend=f"add a cl_id ({_suggest(label)}), a definition or positive markers",
        )
    term = cl_id or ontology.find(label) or name_term(types)
    return Candidate(label, term, types, positive, negative)


def _suggest(label: str) -> str:
    terms = read_ontology().terms
    likest = Likeness(terms.values()).rank(label, 3)
    return "likest: " + ", ".join(f"{terms[t].name} {t}" for t in likest) if likest else "CL:0000084, say"


def _genes(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in re.split(r"[,;|\s]+", text.upper()) if word))
