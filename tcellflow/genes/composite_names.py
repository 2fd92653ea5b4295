"""Gene names that hold more than a name: Ensembl id and symbol joined, or a symbol with transcript and probe.

Invariant: names are taken apart only where most of them mean nothing as they stand and most of the parts do,
so that a gene with an odd name of its own keeps it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tcellflow.genes.reference import GeneReference

_ENSEMBL_ID: Final = re.compile(r"ENSG\d{11}(?:\.\d+)?")
_SEPARATORS: Final = ("|", "--", "_", ":", ";", ",", " ", "/", "(")
_PLACES: Final = (0, 1, -1)
_AROUND: Final = "|_:;,/()[]- \t"
_MOST: Final = 0.5
_SAMPLE: Final = 2000


def take_apart(
    names: Sequence[str], ids: Sequence[str], reference: GeneReference
) -> tuple[list[str], list[str]] | None:
    """Take composite gene names apart: find the ids and symbols inside them.

    Parameters
    ----------
    names, ids
        Names without prefixes ("" = missing), and Ensembl ids ("" = none).
    reference
        What is a gene.

    Returns
    -------
    names, ids : list of str
        The parts; None where names are what they seem.
    """
    unknown = [name for name, own_id in zip(names, ids, strict=True) if name and not own_id]
    sample = unknown[:: max(1, len(unknown) // _SAMPLE)]
    if len(unknown) <= _MOST * len(names) or _share(sample, reference) > _MOST:
        return None
    if sum(_ENSEMBL_ID.search(name) is not None for name in sample) > _MOST * len(sample):
        return _take_ids(names, ids, reference)
    best = max(
        ((sign, place) for sign in _SEPARATORS for place in _PLACES),
        key=lambda how: _share([_part(name, *how) for name in sample], reference),
    )
    if _share([_part(name, *best) for name in sample], reference) <= _MOST:
        return None
    return [_part(name, *best) or name for name in names], list(ids)


def _take_ids(
    names: Sequence[str], ids: Sequence[str], reference: GeneReference
) -> tuple[list[str], list[str]]:
    found_names, found_ids = list(names), list(ids)
    for row, name in enumerate(names):
        match = _ENSEMBL_ID.search(name)
        if match is None:
            continue
        found_ids[row] = found_ids[row] or match.group().partition(".")[0]
        rest = (name[: match.start()] + name[match.end() :]).strip(_AROUND)
        found_names[row] = rest if _is_known(rest, reference) else ""
    return found_names, found_ids


def _part(name: str, sign: str, place: int) -> str:
    parts = name.split(sign)
    return parts[place].strip(_AROUND) if len(parts) > 1 else ""


def _share(names: Sequence[str], reference: GeneReference) -> float:
    """Give the share of distinct known genes: "NM" of NM_000732 is an alias, but not of all of them."""
    return sum(_is_known(name, reference) for name in set(names)) / len(names) if names else 1.0


def _is_known(name: str, reference: GeneReference) -> bool:
    return bool(name) and (name in reference.approved or bool(reference.candidates_of(name)))
