"""How vendors and labs write antibody names: decorations, isotype controls, hashtags, clones.

Invariant: cleaning takes off what says how the antibody was made or measured and keeps what it
binds; CD45RA and CD45RO, or CD3 and CD31, never become the same name.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


class AntibodyKind(StrEnum):
    """What an antibody-derived tag stands for."""

    PROTEIN = "protein"
    ISOTYPE = "isotype"
    HASHTAG = "hashtag"


_GREEK: Final = str.maketrans(
    {
        "\N{GREEK SMALL LETTER ALPHA}": "a",
        "\N{GREEK SMALL LETTER BETA}": "b",
        "\N{GREEK SMALL LETTER GAMMA}": "g",
        "\N{GREEK SMALL LETTER DELTA}": "d",
        "\N{GREEK SMALL LETTER EPSILON}": "e",
        "\N{GREEK SMALL LETTER KAPPA}": "k",
        "\N{GREEK SMALL LETTER LAMDA}": "l",
    }
)
_GREEK_WORDS: Final = re.compile(r"alpha|beta|gamma|delta|epsilon|kappa|lambda")
_PREFIXES: Final = re.compile(
    r"(?:(?:adt|ab|prot|protein|cite|citeseq|totalseq[abcd]?)[_\-. :]+"
    r"|anti[-_ ](?:(?:human|mouse|rat|hu)(?:/(?:human|mouse|rat))*[-_ ]+)?"
    r"|(?:hu|hums|humsrt|hurt)[._](?=\S)"  # TotalSeq: Hu.CD3_UCHT1, HuMs.CD44
    r"|[abcd]?\d{4}[_\-. ]+|human[_\-. ]+)",
    re.IGNORECASE,
)
_SUFFIXES: Final = re.compile(
    r"[_\-. ]+(?:totalseq[ -_]?[abcd]?|total[abcd]|ts[abcd]|prot|adt|protein|pabo|antibody|mab|[abcd]\d{4}"
    r"|recombinant|[acgtn]{8,})$",  # the tag's own sequence: CITE-seq-Count writes CD3-CTCATTGTAACTCCT
    re.IGNORECASE,
)
# R makes repeated names unique by .1, pandas and scanpy by -1, panels number clones so (CD4-1, CD4-2): no CD
# number ends so.
_UNIQUE_CD: Final = re.compile(r"(CD\d+[A-Za-z]{0,2})[._-]\d")
# BD AbSeq: CD103:BER-ACT8|ITGAE|AHS0001|pAbO
_ABSEQ: Final = re.compile(r"(?P<name>[^|]+)\|(?P<gene>[^|]+)\|[A-Z]+\d+\|pAbO", re.IGNORECASE)
_HASHTAG: Final = re.compile(
    r"hash[-_. ]?tag|^hash[-_. ]?\d+$"
    r"|(?:^|[^a-z])hto[-_ ]?\d*(?:$|[^a-z])|cell[-_ ]?hash|sample[-_ ]?tag|^cmo\d+|^ht\d+$"
    r"|(?:^|[^0-9a-z])[abc]?02(?:5[1-9]|6[0-5])(?:$|[^0-9])",  # TotalSeq tags 0251-0265
    re.IGNORECASE,
)
_ISOTYPE_WORD: Final = re.compile(
    r"iso(?:type)?[-_. ]*(?:control|ctrl|ig|$)|isotype|(?:^|[-_. ])(?:control|ctrl)(?:$|[-_. ])|[-_. ]iso$"
    r"|(?:^|[-_. ])neg(?:ative)?[-_. ]?(?:control|ctrl)"
    r"|mopc[-_. ]?(?:21|173)|mpc[-_. ]?11|rtk\d{4}|htk888",  # clones of the usual controls
    re.IGNORECASE,
)
# Mouse subclasses 2a, 2b and 2c do not occur in man, and a bare IgG1 in a panel is the mouse control.
_ISOTYPE_NAME: Final = re.compile(
    r"(?:(?:mouse|rat|ms|rt|m|r|arm(?:enian)?[-_. ]?ham(?:ster)?|hamster)[-_. ]*ig[gma](?:[123][abc]?)?"
    r"|igg(?:1|2[abc])|igg(?:1|2[abc])?[-_. ](?:mouse|rat|hamster))(?:[-_. ,]*(?:k|l|kappa|lambda))?",
    re.IGNORECASE,
)
_SEPARATORS: Final = re.compile(r"[._:\s-]+")
_MIN_NAME: Final = 3
# The longest names of panels have about 60 letters. What is longer is no name: it is left as it is, for the
# expressions above take time with the square of the length.
_MAX_NAME: Final = 300


def find_kind(name: str) -> AntibodyKind:
    """Tell by an antibody's name whether it is a protein (the default), isotype control or hashtag."""
    if len(name) > _MAX_NAME:
        return AntibodyKind.PROTEIN
    if _HASHTAG.search(name):
        return AntibodyKind.HASHTAG
    plain = clean_name(name).translate(_GREEK)
    is_isotype = _ISOTYPE_WORD.search(plain) or _ISOTYPE_NAME.fullmatch(plain)
    return AntibodyKind.ISOTYPE if is_isotype else AntibodyKind.PROTEIN


def clean_name(name: str) -> str:
    """Take technical decorations off an antibody name.

    Parameters
    ----------
    name
        For example ``CD3_TotalSeqC``, ``anti-human CD19``, ``ADT_CD4``, ``A0034_CD3`` or ``CD3.1``.

    Returns
    -------
    str
        For example ``CD3``; the name itself where there is nothing to take off.
    """
    if len(name) > _MAX_NAME:
        return name
    text = unicodedata.normalize("NFKC", name).strip()
    abseq = _ABSEQ.fullmatch(text)
    if abseq is not None:
        text = abseq["name"]
    before = ""
    while text != before:
        before = text
        text = _SUFFIXES.sub("", _PREFIXES.sub("", text, count=1) if _PREFIXES.match(text) else text).strip()
    unique = _UNIQUE_CD.fullmatch(text)
    cleaned = unique[1] if unique else text
    return cleaned or name


def name_key(name: str) -> str:
    """Give the key of an antibody name: the spelling under which it is looked up.

    Returns
    -------
    str
        Lower-case letters and digits only; Greek letters and their names as one Latin letter.
    """
    text = unicodedata.normalize("NFKC", name).translate(_GREEK).lower()
    text = _GREEK_WORDS.sub(lambda match: match[0][0], text)
    return re.sub(r"[^a-z0-9]", "", text).replace("cd45r0", "cd45ro")  # the digit for the letter


def name_variants(name: str) -> Iterator[str]:
    """Give the variants of an antibody name, the most telling first.

    Yields
    ------
    str
        The cleaned name; without and within brackets (``PD-1 (CD279)``); without trailing words,
        which are clones (``CD58.1C3``, ``CD8b.2ST8.5H7``).
    """
    cleaned = clean_name(name)
    yield cleaned
    if len(name) > _MAX_NAME:
        return
    abseq = _ABSEQ.fullmatch(name.strip())
    if abseq is not None:
        yield abseq["gene"]
    outside, bracket, rest = cleaned.partition("(")
    if bracket:
        yield outside.strip()
        yield from (part.strip() for part in re.split(r"[,/]", rest.rstrip(" )")))
    trimmed = outside.strip()
    while (parts := list(_SEPARATORS.finditer(trimmed))) and parts[-1].start() >= _MIN_NAME:
        trimmed = trimmed[: parts[-1].start()]
        yield trimmed
