"""Text of a language model: what it is asked, and which claims its sentences say.

Invariant: the model is given claims, never the matrix, and what it writes counts for nothing before the
verifier has read it; its text is text and is never run.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from tcellflow.language.claims import ClaimType
from tcellflow.language.reading import split_sentences
from tcellflow.language.template import Sentence, realise
from tcellflow.states.programme_names import name_programme

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tcellflow.language.claims import Claim
    from tcellflow.language.template import Register

    Speak = Callable[[str], str]

_LONGEST: Final = 600  # letters of a sentence that is read at all
_RULES: Final = (
    "You describe a group of human immune cells for a biologist.\n"
    "Use only the facts below. Keep every gene name, type and number as it is written. Add nothing. "
    "Write one short sentence per fact, in plain English.\n\nFacts:\n"
)


def write_prompt(claims: Sequence[Claim], register: Register) -> str:
    """Write what a model is asked: rules, and each claim as a line of JSON with a sentence that is true."""
    lines = [
        json.dumps({"kind": str(s.claims[0].type), "fact": s.text}, ensure_ascii=False)
        for s in realise(claims, register)
    ]
    return _RULES + "\n".join(lines) + "\n\nDescription:\n"


def take_sentences(text: str, claims: Sequence[Claim]) -> list[Sentence]:
    """Take a model's text apart: its sentences, each with the claims whose subject it names."""
    plain = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    sentences = []
    for start, end in split_sentences(plain):
        said = " ".join(plain[start:end].split())[:_LONGEST]
        named = tuple(claim for claim in claims if _names(said, claim))
        sentences.append(Sentence(said, named))
    return sentences


def _names(text: str, claim: Claim) -> bool:
    spoken = name_programme(claim.subject) if claim.type is ClaimType.PROGRAMME else None
    names = [name for name in (claim.subject, claim.subject_id, claim.text, spoken) if name]
    return any(re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", text, re.IGNORECASE) for n in names)
