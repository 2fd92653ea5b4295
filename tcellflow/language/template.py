"""The deterministic realiser: claims to sentences, the same claims to the same words.

Invariant: a sentence says its claims and nothing else, so that whoever reads it back finds the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tcellflow.language.claims import Claim, ClaimType
from tcellflow.states.programme_names import name_programme

if TYPE_CHECKING:
    from collections.abc import Sequence

Register = Literal["short", "clinical", "full"]
_SHORT = frozenset(
    {ClaimType.SIZE, ClaimType.IDENTITY, ClaimType.STATE, ClaimType.PROGRAMME, ClaimType.CONTRADICTION}
)
_CLINICAL = frozenset(ClaimType) - {ClaimType.QUALITY, ClaimType.UNCERTAINTY, ClaimType.LINEAGE}


@dataclass(frozen=True)
class Sentence:
    """One sentence with the claims it says."""

    text: str
    claims: tuple[Claim, ...]


def choose_claims(claims: Sequence[Claim], register: Register) -> list[Claim]:
    """Choose the claims that a register says, in their order."""
    wanted = {"short": _SHORT, "clinical": _CLINICAL, "full": frozenset(ClaimType)}[register]
    return [claim for claim in claims if claim.type in wanted]


def realise(claims: Sequence[Claim], register: Register = "full") -> list[Sentence]:
    """Put claims into sentences, in their order."""
    return [Sentence(_say(claim), (claim,)) for claim in choose_claims(claims, register)]


def _say(claim: Claim) -> str:  # noqa: C901, PLR0911 (one sentence per kind of claim)
    value = claim.value if claim.value is not None else 0.0
    match claim.type:
        case ClaimType.SIZE:
            cells = "cell" if value == 1 else "cells"
            return f"The group holds {value:.0f} {cells}, {claim.pct or 0:.1f} % of the sample."
        case ClaimType.IDENTITY:
            return f"By type they fit {claim.subject} ({claim.subject_id}) with a probability of {value:.2f}."
        case ClaimType.UNCERTAINTY:
            return f"The type {claim.subject} ({claim.subject_id}) fits with a probability of {value:.2f}."
        case ClaimType.STATE:
            return f"The state {claim.subject} is called for {value:.1f} % of them."
        case ClaimType.LINEAGE:
            return f"The lineage {claim.subject} is called for {value:.1f} % of them."
        case ClaimType.PROGRAMME:
            return f"The {name_programme(claim.subject)} programme runs in {value:.1f} % of them."
        case ClaimType.PROTEIN:
            return f"The protein {claim.subject} has a median of {value:.2f}."
        case ClaimType.RECEPTOR:
            return _say_receptor(claim, value)
        case ClaimType.DONORS:
            return f"They come from {value:.0f} donor{'' if value == 1 else 's'}."
        case ClaimType.QUALITY:
            return f"The median cell shows {value:.0f} {claim.subject}."
        case _:
            return _say_gene(claim)


def _say_receptor(claim: Claim, value: float) -> str:
    if claim.text is not None:
        return f"The {claim.subject.removeprefix('junction ')} junction is {claim.text}."
    if claim.subject == "paired":
        return f"A paired receptor is known of {value:.1f} % of them."
    return f"The segment {claim.subject} is used by {value:.1f} % of them."


def _say_gene(claim: Claim) -> str:
    start = "Against the type, " if claim.type is ClaimType.CONTRADICTION else ""
    if claim.polarity == "+":
        beside = "" if claim.expected is None else f" ({claim.expected:.1f} % elsewhere)"
        return f"{start}{claim.subject} is detected in {claim.pct or 0:.1f} % of them{beside}."
    beside = "" if claim.expected is None else f", where {claim.expected:.1f} % were expected"
    return f"{start}{claim.subject} is absent: seen in {claim.pct or 0:.1f} % of them{beside}."
