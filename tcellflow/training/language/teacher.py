"""The teacher: one of very many texts that say the rows of a plan, put together from phrases.

Invariant: every row is said once, in a sentence of a phrase of its kind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tcellflow.language.claims import ClaimType
from tcellflow.language.realising.tokens import EOS, NAME_END

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from tcellflow.language.realising.phrases import Phrase
    from tcellflow.language.realising.rows import Row
    from tcellflow.language.realising.tokens import TokenSet
    from tcellflow.language.template import Register

_TYPE: Final = (
    "identity",
    "uncertainty",
    "marker_present",
    "marker_absent",
    "contradiction+",
    "contradiction-",
)
_CALLED: Final = ("state", "lineage", "programme", "protein")
_RECEPTOR: Final = ("paired", "junction", "segment")
_WHOLE: Final = ("size", "donors", "quality")
# A register has an order of its own; one time in four another one is taken.
_ORDERS: Final[dict[str, tuple[str, ...]]] = {
    "full": ("size", *_TYPE[:2], *_CALLED, *_TYPE[2:], *_RECEPTOR, "donors", "quality"),
    "clinical": (*_TYPE, *_CALLED, *_RECEPTOR, *_WHOLE),
    "short": ("size", *_CALLED, *_TYPE, *_RECEPTOR, "donors", "quality"),
}
_OTHER_ORDER: Final = 0.25
_JOINED: Final = 0.6  # of the rows that a phrase can list, how often it does
_MOST_LISTED: Final = 4
_TURNED: Final = 0.04  # marker genes that speak against the type instead
_SHORTENED: Final = 0.3  # plans of which some rows are left out


@dataclass(frozen=True)
class Lesson:
    """A text to be learnt.

    Parameters
    ----------
    rows
        The plan that it says.
    tokens, filled
        Its tokens, the register before them and the end behind, and for each the row + 1 that filled it.
    """

    rows: tuple[Row, ...]
    tokens: tuple[int, ...]
    filled: tuple[int, ...]


class Teacher:
    """Puts plans into words.

    Parameters
    ----------
    phrases
        To put them into.
    tokens
        Of the network.
    """

    def __init__(self, phrases: Sequence[Phrase], tokens: TokenSet) -> None:
        self._tokens = tokens
        self._of_kind: dict[str, list[Phrase]] = {}
        for phrase in phrases:
            self._of_kind.setdefault(phrase.says, []).append(phrase)

    def vary(self, rows: Sequence[Row], rng: np.random.Generator) -> tuple[Row, ...]:
        """Vary a plan: some rows are left out, some genes are turned against the type."""
        kept = [row for row in rows if row.kind in self._of_kind]
        if rng.random() < _SHORTENED:
            share = rng.uniform(0.2, 0.9)
            kept = [row for row in kept if rng.random() < share or row.kind == "identity"]
        return tuple(_turn(row) if rng.random() < _TURNED else row for row in kept)

    def tell(self, rows: Sequence[Row], register: Register, rng: np.random.Generator) -> Lesson:
        """Put one plan into words."""
        place = self._tokens.place
        written = _Written([place[f"<{register}>"]], [0])
        names = list(_ORDERS)
        order = _ORDERS[str(rng.choice(names)) if rng.random() < _OTHER_ORDER else register]
        openers: list[str] = []
        spent: set[int] = set()
        for kind in order:
            left = [i for i, row in enumerate(rows) if row.kind == kind]
            while left:
                phrase = self._choose(kind, [rows[i] for i in left], register, spent, rng)
                n = int(rng.integers(2, min(_MOST_LISTED, len(left)) + 1)) if phrase.items else 1
                texts = [t for t in phrase.texts if t[0] not in openers[-2:]] or list(phrase.texts)
                text = texts[int(rng.integers(len(texts)))]
                openers.append(text[0])
                self._write(written, text, phrase.items, rows, left[:n])
                left = left[n:]
        written.add(place[EOS])
        return Lesson(tuple(rows), tuple(written.tokens), tuple(written.filled))

    def _choose(
        self, kind: str, rows: Sequence[Row], register: Register, spent: set[int], rng: np.random.Generator
    ) -> Phrase:
        fit = [
            phrase
            for phrase in self._of_kind[kind]
            if register in phrase.registers
            and (not phrase.items or len(rows) > 1)
            and all(phrase.slots <= set(row.fields) for row in rows[: _MOST_LISTED if phrase.items else 1])
        ]
        lists = [phrase for phrase in fit if phrase.items]
        wanted = lists if lists and rng.random() < _JOINED else [phrase for phrase in fit if not phrase.items]
        fresh = [phrase for phrase in wanted or fit if id(phrase) not in spent] or wanted or fit
        if not fresh:
            message = f"no phrase says {sorted(rows[0].fields)} of {kind}"
            raise ValueError(message)
        chosen = fresh[int(rng.integers(len(fresh)))]
        spent.add(id(chosen))
        return chosen

    def _write(
        self,
        written: _Written,
        text: Sequence[str],
        items: Sequence[str],
        rows: Sequence[Row],
        said: Sequence[int],
    ) -> None:
        for word in text:
            if word != "[items]":
                self._write_word(written, word, rows, said[0])
                continue
            for number, row in enumerate(said):
                if number:
                    is_last = number == len(said) - 1
                    written.add(self._tokens.find("and" if is_last else ","))
                for part in items:
                    self._write_word(written, part, rows, row)

    def _write_word(self, written: _Written, word: str, rows: Sequence[Row], row: int) -> None:
        if not word.startswith("["):
            written.add(self._tokens.find(word))
            return
        slot, kind = word[1:-1], rows[row].kind
        if slot in {"name", "names"}:
            written.add(self._tokens.place[f"[{kind}.name]"])
            for part in rows[row].fields[slot].split():
                written.add(self._tokens.find_in_name(part))
            written.add(self._tokens.place[NAME_END], row + 1)
        else:
            written.add(self._tokens.place[f"[{kind}.{slot}]"], row + 1)


@dataclass
class _Written:
    tokens: list[int]
    filled: list[int]

    def add(self, token: int, row: int = 0) -> None:
        self.tokens.append(token)
        self.filled.append(row)


def _turn(row: Row) -> Row:
    if row.kind not in {"marker_present", "marker_absent"}:
        return row
    claim = replace(row.claim, type=ClaimType.CONTRADICTION)
    return replace(row, claim=claim, kind=f"contradiction{claim.polarity}")
