"""The type that a sentence says its cells are: not one that it compares them with, or names genes after."""

from __future__ import annotations

import re
from typing import Final

from tcellflow.language.concepts import understand_types
from tcellflow.language.ontology import read_ontology
from tcellflow.language.panel import read_panel

_NO_TYPE: Final = re.compile(
    r"(?:\b(?:not|no|never|neither|nor|non|exclud\w+|rul\w+ out|against)|n't)\W+"
    r"(?:(?:a|an|the|any|likely|really|typical|consistent with|compatible with|like)\W+)*$",
    re.IGNORECASE,
)
_OTHER_TYPE: Final = re.compile(
    r"\b(?:than|unlike|versus|vs|compared (?:with|to)|relative to|in contrast to"
    r"|rather than|instead of|as opposed to"
    r"|(?:markers?|genes?|transcripts?|features?|hallmarks?|signatures?) of"
    r"|from|between|not in|distinguish\w*|such as|and|, (?:just )?like|similar to|shared (?:with|by|among)"
    r"|contaminat\w+ (?:by|with|from|of)(?: [TB] (?:or|and|and/or))?)\W+(?:the |other |in |all |most )*$",
    re.IGNORECASE,
)
_ITS_GENES: Final = re.compile(
    r"\W*(?:genes?|markers?|antigens?|signatures?|transcripts?|specific|associated|receptors?|contaminat\w+|doublets?)\b",
    re.IGNORECASE,
)
_AS_ADJECTIVE: Final = re.compile(  # "T-cell co-receptors", but "T-cell cluster"
    r"(?<=-cell)(?:\s*\(|\s+(?!(?:cluster|population|group|subset|identity|fate|lineage|phenotype|type|state"
    r"|compartment|is|are|was|were|and|or|with|that|which|express\w*)\b)[a-z])",
    re.IGNORECASE,
)
_SHARE_OF_TYPE: Final = re.compile(
    r"(?:%|percent)\s+of (?:(?:all|the|these) )?(?:\w+ )?cells (?:are|were)\W+(?:\w+ )?$", re.IGNORECASE
)
_IN_GENERAL: Final = re.compile(
    r"\b(?:typical(?:ly)?|known (?:to|as|for)|previously|reported|literature|usually|in general)\b",
    re.IGNORECASE,
)
_NO_CELLS: Final = re.compile(
    r"\W*(?:identity|fate|cells?)?\W*(?:is|are|was|were)\W+(?:absent|missing|excluded"
    r"|unlikely|not (?:present|seen|found|detected|likely))",
    re.IGNORECASE,
)
_TYPE_PHRASE: Final = (
    r"(?<![\w-])(natural killer cells?|(?:(?:naive|na\u00efve|memory|effector"
    r"|central|cytotoxic|regulatory|helper|exhausted|resident"
    r"|activated|classical|non-classical|plasmacytoid|conventional|follicular|natural|killer|CD\d+\w?\+?"
    r"|CD\d+-positive|alpha-beta|gamma-delta|thymus-derived|positive|plasma|mature|dendritic),?\s+)*"
    r"(?:[TB]|NK|MAIT|plasma|dendritic)[ -](?:cells?|lymphocytes?)|(?:classical |non-classical |CD1[46]\+? )?"
    r"monocytes?|platelets?|thymocytes?|tregs?|mononuclear (?:cells?|leukocytes?)|leukocytes?|lymphocytes?)"
    r"(?!\w)"
)


def choose_type(text: str) -> tuple[str, frozenset[str], bool, str]:
    """Choose the type that the cells are said to be, or not to be; give the text without any type, too."""
    phrase, types, is_there = "", frozenset[str](), True
    is_of_all = _IN_GENERAL.search(text) is not None
    while (found := _find_type_phrase(text)) is not None:
        said, place = found
        text = f"{text[: place.start()]}{' ' * (place.end() - place.start())}{text[place.end() :]}"
        if place.end() - place.start() >= len("cells"):  # "most NK cells" stay most cells
            text = f"{text[: place.start()]}cells{text[place.start() + 5 :]}"
        before, behind = text[: place.start()], text[place.end() :]
        if _AS_ADJECTIVE.match(place.string, place.end()) or _SHARE_OF_TYPE.search(before):
            continue
        if phrase or is_of_all or _OTHER_TYPE.search(before[-30:]) or _ITS_GENES.match(behind):
            continue
        phrase, types = said, _list_types(said)
        is_there = not (_NO_TYPE.search(before[-40:]) or _NO_CELLS.match(behind))
    return phrase, types, is_there, text


def _find_type_phrase(text: str) -> tuple[str, re.Match[str]] | None:
    """Find the next type that is named, longest labels first."""
    for label in sorted((kind.label for kind in read_panel()), key=len, reverse=True):
        hit = re.search(rf"(?<![\w-]){re.escape(label)}s?(?!\w)", text, re.IGNORECASE)
        if hit is not None:
            return label, hit
    hit = re.search(_TYPE_PHRASE, text, re.IGNORECASE)
    return None if hit is None else (hit.group(1), hit)


def _list_types(phrase: str) -> frozenset[str]:
    own = frozenset(kind.cl_id for kind in read_panel() if kind.label == phrase)
    term = read_ontology().find(phrase)
    if not own and term is not None:
        own = frozenset(k.cl_id for k in read_panel() if term in read_ontology().above(k.cl_id))
    return own | (understand_types(phrase).types or frozenset())  # labels are used loosely, too
