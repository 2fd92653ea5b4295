"""The rows of a plan: what of each claim may be copied into a text, and what a network reads of it.

Invariant: whatever a slot is filled with comes from its row, in the one form that is given here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.language.claims import Claim, ClaimType
from tcellflow.states.programme_names import name_programme

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

SLOTS: Final[dict[str, frozenset[str]]] = {
    "size": frozenset({"count", "pct"}),
    "identity": frozenset({"name", "names", "id", "number", "sure"}),
    "uncertainty": frozenset({"name", "names", "id", "number", "sure"}),
    "state": frozenset({"subject", "pct"}),
    "lineage": frozenset({"subject", "pct"}),
    "programme": frozenset({"subject", "pct"}),
    "marker_present": frozenset({"subject", "pct", "expected"}),
    "marker_absent": frozenset({"subject", "pct", "expected"}),
    "contradiction+": frozenset({"subject", "pct", "expected"}),
    "contradiction-": frozenset({"subject", "pct", "expected"}),
    "protein": frozenset({"subject", "number"}),
    "segment": frozenset({"subject", "pct"}),
    "paired": frozenset({"count", "pct"}),
    "junction": frozenset({"subject", "text"}),
    "donors": frozenset({"count"}),
    "quality": frozenset({"count"}),
}
KINDS: Final = tuple(SLOTS)
N_NUMBERS: Final = 8
MOST_ROWS: Final = 64
_SURE: Final = ((0.95, "almost certainly"), (0.85, "very probably"), (0.7, "probably"), (0.0, "possibly"))
_STRONG: Final = 2.0  # nats of counter-evidence that must not be left out


@dataclass(frozen=True)
class Row:
    """A claim as a text may say it.

    Parameters
    ----------
    claim
        What it says.
    kind
        One of `KINDS`.
    fields
        Slot to what fills it.
    """

    claim: Claim
    kind: str
    fields: Mapping[str, str]


def make_rows(claims: Sequence[Claim]) -> list[Row]:
    """Make the rows of a plan; those beyond `MOST_ROWS`, the least important, are left out."""
    return [_make_row(claim) for claim in claims[:MOST_ROWS]]


def list_required(rows: Sequence[Row]) -> frozenset[int]:
    """List the rows that a text must say: the type, its best support, and the strongest counter-evidence."""
    required = {i for i, row in enumerate(rows) if row.kind == "identity"}
    required |= {min((i for i, row in enumerate(rows) if row.kind == "marker_present"), default=-1)}
    against = [i for i, row in enumerate(rows) if row.kind.startswith("contradiction")]
    strong = [i for i in against if abs(rows[i].claim.log_odds or 0.0) > _STRONG]
    required |= {max(strong, key=lambda i: abs(rows[i].claim.log_odds or 0.0), default=-1)}
    return frozenset(required - {-1})


@dataclass(frozen=True)
class Told:
    """What a network reads of R rows.

    Parameters
    ----------
    kinds
        Place among `KINDS` + 1, (R,).
    genes
        Place in the network's panel + 1, or 0 where the row is about none of it, (R,).
    numbers
        (R, `N_NUMBERS`).
    """

    kinds: NDArray[np.int64]
    genes: NDArray[np.int64]
    numbers: NDArray[np.float32]


def tell_numbers(rows: Sequence[Row], genes: Mapping[str, int]) -> Told:
    """Give what a network reads of rows.

    Parameters
    ----------
    rows
        Of one plan.
    genes
        Place of each gene of the network's panel.
    """
    kinds = np.array([KINDS.index(row.kind) + 1 for row in rows], dtype=np.int64)
    places = np.array([genes.get(row.claim.subject, -1) + 1 for row in rows], dtype=np.int64)
    numbers = np.zeros((len(rows), N_NUMBERS), dtype=np.float32)
    for i, row in enumerate(rows):
        claim = row.claim
        value = claim.value or 0.0
        numbers[i] = (
            (claim.pct or 0.0) / 100,
            (claim.expected or 0.0) / 100,
            claim.expected is not None,
            np.clip((claim.log_odds or 0.0) / 5, -2, 2),
            value / 100 if "pct" in row.fields else 0.0,
            value if "sure" in row.fields else 0.0,
            np.log1p(abs(value)) / 10,
            claim.confidence or 0.0,
        )
    return Told(kinds, places, numbers)


def _make_row(claim: Claim) -> Row:  # noqa: PLR0911 (one form per kind of claim)
    value = claim.value or 0.0
    match claim.type:
        case ClaimType.SIZE:
            cells = "cell" if value == 1 else "cells"
            return Row(claim, "size", {"count": f"{value:.0f} {cells}", "pct": _percent(claim.pct or 0.0)})
        case ClaimType.IDENTITY | ClaimType.UNCERTAINTY:
            sure = next(word for least, word in _SURE if value >= least)
            fields = {"name": claim.subject, "names": _put_in_plural(claim.subject)}
            fields |= {"id": claim.subject_id or "", "number": f"{value:.2f}", "sure": sure}
            return Row(claim, str(claim.type), fields)
        case ClaimType.STATE | ClaimType.LINEAGE | ClaimType.PROGRAMME:
            name = name_programme(claim.subject) if claim.type is ClaimType.PROGRAMME else claim.subject
            return Row(claim, str(claim.type), {"subject": name, "pct": _percent(value)})
        case ClaimType.PROTEIN:
            return Row(claim, "protein", {"subject": claim.subject, "number": f"{value:.2f}"})
        case ClaimType.DONORS:
            donors = "donor" if value == 1 else "donors"
            return Row(claim, "donors", {"count": f"{value:.0f} {donors}"})
        case ClaimType.QUALITY:
            return Row(claim, "quality", {"count": f"{value:.0f} {claim.subject}"})
        case ClaimType.RECEPTOR:
            return _make_receptor(claim, value)
        case _:
            return _make_gene(claim)


def _make_receptor(claim: Claim, value: float) -> Row:
    if claim.text is not None:
        subject = claim.subject.removeprefix("junction ")
        return Row(claim, "junction", {"subject": subject, "text": claim.text})
    if claim.subject == "paired":
        return Row(claim, "paired", {"count": "paired receptor", "pct": _percent(value)})
    return Row(claim, "segment", {"subject": claim.subject, "pct": _percent(value)})


def _make_gene(claim: Claim) -> Row:
    fields = {"subject": claim.subject, "pct": _percent(claim.pct or 0.0)}
    if claim.expected is not None:
        fields["expected"] = _percent(claim.expected)
    kind = str(claim.type)
    return Row(claim, kind + claim.polarity if claim.type is ClaimType.CONTRADICTION else kind, fields)


def _put_in_plural(name: str) -> str:
    return f"{name}s" if name[-1:].isalpha() and not name.endswith("s") else name


def _percent(value: float) -> str:
    return f"{value:.1f} %"
