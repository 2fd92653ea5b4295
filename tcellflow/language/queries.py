"""Free text to constraints on cells: types, programmes, genes; and what was not understood."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tcellflow.language.concepts import understand_types

if TYPE_CHECKING:
    from collections.abc import Container

_PROGRAMMES: Final = (
    (r"exhaust\w*|dysfunctional", "exhaustion_core"),
    (r"cytotoxic\w*|killer", "cytotoxic"),
    (r"prolifer\w*|cycling|dividing", "cycling"),
    (r"interferon\w*", "ifn_response"),
    (r"stressed|stress|heat[- ]shock", "stress_heat_shock"),
    (r"activated|activation", "activation"),
    (r"tissue[- ]resident|resident", "resident_memory"),
    (r"naive|stem-like", "naive_stemness"),
)
_TYPE_FOLLOWS: Final = re.compile(r"\s*[+-]?\s*(?:(?:T|B|NK)\b|mono|progen|cell|memory|naive)")
_LACKS: Final = re.compile(
    r"\b(?:not|no|without|lacks?|lacking|negative for|absent|low)\b[^.;]*?$|\bnon\W*$", re.IGNORECASE
)
_EMPTY: Final = frozenset(
    {"high", "higher", "highly", "strong", "positive", "negative", "low", "without", "lacking", "lacks"}
    | {"lack", "no", "not", "but"}
)


@dataclass(frozen=True)
class Query:
    """What a text asks for.

    Parameters
    ----------
    types
        Types of the panel that fit; None where the text names none.
    programmes
        Programmes that should run.
    genes, absent
        Genes that should and should not be there.
    used
        Constraints understood, in words.
    rest
        Words not understood.
    """

    types: frozenset[str] | None
    programmes: tuple[str, ...]
    genes: tuple[str, ...]
    absent: tuple[str, ...]
    used: tuple[str, ...]
    rest: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was understood."""
        return not (self.types or self.programmes or self.genes or self.absent)


def read_query(text: str, genes: Container[str]) -> Query:
    """Read a free text; `genes` are the symbols that count as genes."""
    there: list[str] = []
    absent: list[str] = []
    remaining = text
    for hit in re.finditer(r"(?<![\w-])([A-Z][A-Z0-9]{1,9}(?:-[A-Z0-9]+)*)([+-](?!\w))?", text):
        symbol, mark = hit.group(1), hit.group(2)
        follows = re.match(
            r"\s*[+-]?\s*(?:T|B|NK)\b|\s*[+-]?\s*(?:mono|progen|cell|memory|naive)", text[hit.end(1) :]
        )
        is_type_word = re.fullmatch(r"CD(?:4|8|3|14|16|19|34|56)", symbol) is not None
        if symbol not in genes or (is_type_word and follows and mark != "-"):
            continue
        clause = re.split(r",|\bbut\b|\band\b(?=\s+(?:high|express))", text[: hit.start()])[-1]
        is_absent = mark == "-" or _LACKS.search(clause) is not None
        (absent if is_absent else there).append(symbol)
        remaining = remaining.replace(hit.group(), " " * len(hit.group()), 1)
    understood = understand_types(remaining)
    programmes = []
    rest = [word for word in understood.rest if word not in _EMPTY]
    for pattern, name in _PROGRAMMES:
        if re.search(rf"\b(?:{pattern})\b", remaining, re.IGNORECASE):
            programmes.append(name)
            rest = [word for word in rest if re.fullmatch(pattern, word, re.IGNORECASE) is None]
    used = [
        *understood.used,
        *(f"programme {p}" for p in programmes if understood.types is None or p == "cycling"),
    ]
    used += [f"{gene}+" for gene in there] + [f"{gene}-" for gene in absent]
    return Query(
        understood.types,
        tuple(programmes),
        tuple(dict.fromkeys(there)),
        tuple(dict.fromkeys(absent)),
        tuple(used),
        tuple(dict.fromkeys(rest)),
    )
