"""Names of V, D and J genes: from any spelling to IMGT's, never silently lost.

Invariant: every name given is answered with an IMGT gene, its family or "unknown", and each answer
carries the level it was reached at, so that the counts per level add up to the names given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from tcellflow.receptors.germline import family_of, load_genes, loci_of, rearranging_families

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

Segment = Literal["V", "D", "J"]

_LOCUS = re.compile(r"(?<![A-Z0-9])(TC?R[ABGD]|IG[HKL])", re.IGNORECASE)
_ALPHA_DELTA_V = re.compile(r"TC?RAV\d.*DV\d", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")
_SCORE = re.compile(r"\([^)]*\)")  # MiXCR: TRBV6-2*00(1234.5)
_LIST = re.compile(r"\s*[,;|]\s*(?:or\s+)?|\s+or\s+")
_SLASH_LIST = re.compile(r"/(?=TC?R[ABGD])")  # TRBV6-2/TRBV6-3
_SHORT_SLASH_LIST = re.compile(r"(TC?R[ABGD]V)(\d+-\d+)/(\d+-\d+)")  # TRBV6-2/6-3

# The longest name of a gene has 13 letters, lists of alternatives have some hundred. The library that knows
# synonyms tries every combination of spellings of the numbers in a name: time doubles with each further one.
_MAX_CALL: Final = 1000
_MAX_NAME: Final = 40
_MAX_NUMBERS: Final = 5


class CallLevel(StrEnum):
    """How precisely a gene name was understood."""

    ALLELE = "allele"
    GENE = "gene"
    FAMILY = "family"
    UNKNOWN = "unknown"
    CONTRADICTS_LOCUS = "contradicts_locus"
    MISSING = "missing"


@dataclass(frozen=True)
class Call:
    """A gene name as understood.

    Parameters
    ----------
    name
        IMGT gene or family; None = unknown or missing.
    level
        How precisely it was understood.
    is_renamed
        Whether the gene was spelt differently.
    """

    name: str | None
    level: CallLevel
    is_renamed: bool = False


@dataclass(frozen=True)
class StandardCalls:
    """Standard names of many contigs.

    Parameters
    ----------
    names
        (contigs,) IMGT gene or family; None = unknown or missing.
    levels
        (contigs,) `CallLevel` as text.
    renamed
        (contigs,) whether the spelling was changed.
    """

    names: npt.NDArray[np.object_]
    levels: npt.NDArray[np.object_]
    renamed: npt.NDArray[np.bool_]


@cache
def standardise_call(raw: str | None, segment: Segment) -> Call:
    """Standardise the name of one V, D or J segment, or a list of alternatives.

    Parameters
    ----------
    raw
        As the file spells it; None = missing.
    segment
        Segment the name should be of.

    Returns
    -------
    Call
        The gene; of several alternatives their common gene, else their family, else unknown. Names of more
        than 40 characters or 5 numbers are unknown, and so are lists of more than 1,000 characters.
    """
    if raw is None:
        return Call(None, CallLevel.MISSING)
    if len(raw) > _MAX_CALL:
        return Call(None, CallLevel.UNKNOWN)
    calls = [_standardise_one(name, segment) for name in _alternatives(raw)]
    names = {call.name for call in calls}
    if len(names) == 1:
        coarsest = max(calls, key=lambda call: list(CallLevel).index(call.level))
        level = coarsest.level
        if len(calls) > 1 and level is CallLevel.ALLELE:
            level = CallLevel.GENE  # several alleles: none is known
        return Call(coarsest.name, level, is_renamed=any(call.is_renamed for call in calls))
    families = {_family_or_none(name) for name in names}
    if len(families) == 1 and None not in families:
        return Call(families.pop(), CallLevel.FAMILY)
    return Call(None, CallLevel.UNKNOWN)


def _family_or_none(name: str | None) -> str | None:
    if name is None:
        return None
    return name if name in rearranging_families() and name not in load_genes() else family_of(name)


def _alternatives(raw: str) -> list[str]:
    parts = []
    for part in _LIST.split(_SCORE.sub("", raw).strip()):
        # IMGT/V-QUEST writes "Homsap TRAV8-4*01 F"
        words = [word for word in part.split() if _LOCUS.match(word)]
        name = words[0] if words else part
        short = _SHORT_SLASH_LIST.fullmatch(name)
        if short:
            parts += [short.group(1) + short.group(2), short.group(1) + short.group(3)]
        else:
            parts += _SLASH_LIST.split(name)
    return [part for part in parts if part] or [raw]


def _standardise_one(raw: str, segment: Segment) -> Call:
    name, _, allele = raw.upper().partition("*")
    gene = load_genes().get(name)
    if gene is not None:
        if gene.segment != segment:
            return Call(None, CallLevel.UNKNOWN)
        level = CallLevel.ALLELE if allele in gene.alleles else CallLevel.GENE
        return Call(name, level, is_renamed=not raw.startswith(name))
    found = _respell(name)
    if found is not None and load_genes()[found].segment == segment:
        guessed = _ambiguous_family(name, found)
        if guessed is not None:
            return Call(guessed, CallLevel.FAMILY)
        return Call(found, CallLevel.GENE, is_renamed=True)
    family = _family_or_none(name.replace("TCR", "TR", 1))
    if found is None and family is not None and family[3] == segment:
        return Call(family, CallLevel.FAMILY)
    return Call(None, CallLevel.UNKNOWN)


def _respell(name: str) -> str | None:
    """Ask tidytcells, which knows synonyms and common misspellings."""
    members = rearranging_families().get(name.replace("TCR", "TR", 1), ())
    if len(members) == 1:
        return members[0]
    if len(name) > _MAX_NAME or len(_NUMBER.findall(name)) > _MAX_NUMBERS:
        return None
    import tidytcells  # noqa: PLC0415 (0.2 s, and most files spell every name as IMGT does)

    found = tidytcells.tr.standardize(name, species="homosapiens", precision="gene", log_failures=False)
    return found if found in load_genes() else None


def _ambiguous_family(raw: str, found: str) -> str | None:
    """Undo a guess: tidytcells answers the family TRBV6 with its first member, TRBV6-1."""
    family = family_of(found)
    if family is None or len(rearranging_families()[family]) == 1:
        return None
    spelt = [int(number) for number in _NUMBER.findall(raw)]
    return family if spelt == [int(family[4:])] else None


def standardise_calls(
    raw: Sequence[str | None] | npt.NDArray[np.object_],
    loci: Sequence[str] | npt.NDArray[np.object_],
    segment: Segment,
) -> StandardCalls:
    """Standardise the V, D or J segments of many contigs, each distinct name once.

    Parameters
    ----------
    raw
        (contigs,) names as the file spells them; None = missing.
    loci
        (contigs,) AIRR loci; a gene of another locus becomes unknown.
    segment
        Segment the names should be of.

    Returns
    -------
    StandardCalls
        Names and levels in the order given.
    """
    found: dict[tuple[str | None, str], Call] = {}
    names = np.empty(len(raw), dtype=object)
    levels = np.empty(len(raw), dtype=object)
    renamed = np.zeros(len(raw), dtype=bool)
    for row, key in enumerate(zip(raw, loci, strict=True)):
        call = found.get(key)
        if call is None:
            call = found[key] = _within_locus(key[0], key[1], segment)
        names[row], levels[row], renamed[row] = call.name, call.level.value, call.is_renamed
    return StandardCalls(names, levels, renamed)


def _within_locus(raw: str | None, locus: str, segment: Segment) -> Call:
    call = standardise_call(raw, segment)
    if call.name is not None:
        return call if locus in loci_of(call.name) else Call(None, CallLevel.CONTRADICTS_LOCUS)
    if raw is not None and len(raw) <= _MAX_CALL:
        named = {match.upper().replace("TCR", "TR") for match in _LOCUS.findall(raw)}
        if named and locus not in named and not _ALPHA_DELTA_V.search(raw):
            return Call(None, CallLevel.CONTRADICTS_LOCUS)
    return call


def infer_locus(v_call: str | None, d_call: str | None, j_call: str | None, c_call: str | None) -> str | None:
    """Tell the locus of a contig from its gene segments.

    Parameters
    ----------
    v_call, d_call, j_call, c_call
        Names as the file spells them; None = missing.

    Returns
    -------
    str or None
        The locus all names agree on. V genes that serve both alpha and delta chains
        (``TRAV29/DV5``) have no say. None where nothing is known or the names contradict each other.
    """
    loci: set[str] = set()
    for name in (v_call, d_call, j_call, c_call):
        if name is not None and len(name) <= _MAX_CALL and not _ALPHA_DELTA_V.search(name):
            loci.update(match.upper().replace("TCR", "TR") for match in _LOCUS.findall(name))
    return loci.pop() if len(loci) == 1 else None
