"""A text in the making: what may be written next, so that all names and numbers are copied from its plan.

Invariant: a finished text names a row once, gives numbers beside their own row, spells only names of the
plan's types, and has said all rows that are required.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.language.realising.rows import list_required
from tcellflow.language.realising.tokens import EOS, NAME_END, STOP, spell, spell_slot
from tcellflow.language.template import Sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.language.realising.rows import Row
    from tcellflow.language.realising.tokens import TokenSet

_LEAD: Final = frozenset({"subject", "name", "count"})
_MOST_WORDS: Final = 14  # in a row, before something is copied
_MOST_ROWS: Final = 6  # that one sentence may say
_FORMS: Final = ("name", "names")


class Draft:
    """One text in the making.

    Parameters
    ----------
    rows
        Of its plan.
    tokens
        Of the network.
    """

    def __init__(self, rows: Sequence[Row], tokens: TokenSet) -> None:
        self._rows = tuple(rows)
        self._tokens = tokens
        self._required = set(list_required(rows))
        self._used: set[int] = set()
        self._active: int | None = None
        self._filled: set[str] = set()  # slots of the active row
        self._name: _Trie | None = None
        self._pieces: list[tuple[str, bool]] = []
        self._said: list[int] = []  # rows of the sentence
        self._plain_words = 0
        self._slots_of: dict[str, list[int]] = {}
        for token, (kind, _) in tokens.slots.items():
            self._slots_of.setdefault(kind, []).append(token)
        self.sentences: list[Sentence] = []
        self.is_done = False

    def allow(self) -> NDArray[np.bool_]:
        """Say which tokens may come next, (V,)."""
        place = self._tokens.place
        allowed = np.zeros(len(place), dtype=bool)
        if self._name is not None:
            allowed[[self._tokens.find_in_name(word) for word in self._name.next_words()]] = True
            allowed[place[NAME_END]] = self._name.row is not None
            return allowed
        open_rows = [row for i, row in enumerate(self._rows) if i not in self._used or i == self._active]
        for kind in {row.kind for row in open_rows}:
            for token in self._slots_of.get(kind, ()):
                allowed[token] = bool(self._list_rows(token))
        if not self._pieces and not self._required and self.sentences:
            allowed[place[EOS]] = True
        if self._plain_words < _MOST_WORDS and (self._pieces or len(self._used) < len(self._rows)):
            allowed[list(self._tokens.words)] = True
        if self._is_told() and self._said:
            allowed[place[STOP]] = True
        if not allowed.any():
            allowed[place[EOS]] = True
        return allowed

    def allow_rows(self, token: int) -> NDArray[np.bool_]:
        """Say which rows may fill a slot, (R,); none for words."""
        allowed = np.zeros(len(self._rows), dtype=bool)
        if token in self._tokens.slots and self._tokens.slots[token][1] != "name":
            allowed[self._list_rows(token)] = True
        return allowed

    def push(self, token: int, row: int | None = None) -> int | None:
        """Write a token, with the row that fills it; the row that is told by it is given back."""
        text = self._tokens.tokens[token]
        if text == EOS:
            self.is_done = True
        elif self._name is not None:
            return self._push_name(token, text)
        elif token in self._tokens.slots:
            return self._push_slot(token, row)
        else:
            self._pieces.append((text, True))
            self._plain_words += 1
            if text == STOP:
                self._close()
        return None

    def _push_slot(self, token: int, row: int | None) -> int | None:
        slot = self._tokens.slots[token][1]
        self._plain_words = 0
        if slot == "name":
            self._name = _Trie(
                (tuple(self._rows[i].fields[form].split()), i)
                for i in self._list_rows(token) for form in _FORMS
            )  # fmt: skip
            return None
        if row is None:
            message = f"the slot {self._tokens.tokens[token]} needs a row"
            raise ValueError(message)
        self._activate(row, slot)
        self._pieces.append(spell_slot(self._rows[row], slot))
        return row

    def _push_name(self, token: int, text: str) -> int | None:
        trie = self._name
        if trie is None:
            return None
        if text == NAME_END:
            self._name = None
            if trie.row is not None:
                self._activate(trie.row, "name")
            return trie.row
        word = next(word for word in trie.next_words() if self._tokens.find_in_name(word) == token)
        self._pieces.append((word, not self._pieces))
        trie.take(word)
        return None

    def _activate(self, row: int, slot: str) -> None:
        if row != self._active:
            self._active, self._filled = row, set()
        self._filled.add(slot)
        self._used.add(row)
        if row not in self._said:
            self._said.append(row)

    def _close(self) -> None:
        claims = tuple(self._rows[i].claim for i in self._said)
        self.sentences.append(Sentence(spell(self._pieces), claims))
        self._required -= set(self._said)
        self._pieces, self._said, self._active, self._plain_words = [], [], None, 0

    def _is_told(self) -> bool:
        """Say whether the active row, if any, has said what it is about."""
        return self._active is None or bool(_LEAD & self._filled)

    def _list_rows(self, token: int) -> list[int]:
        kind, slot = self._tokens.slots[token]
        found = []
        for i, row in enumerate(self._rows):
            if row.kind != kind or slot not in row.fields:
                continue
            is_own = i == self._active and slot not in self._filled
            if is_own or (i not in self._used and self._is_told() and len(self._said) < _MOST_ROWS):
                found.append(i)
        return found


class _Trie:
    """The names that may be spelled, as a walk through their words."""

    def __init__(self, names: object) -> None:
        self._names: list[tuple[tuple[str, ...], int]] = list(names)  # type: ignore[call-overload]

    def next_words(self) -> list[str]:
        return list(dict.fromkeys(words[0] for words, _ in self._names if words))

    @property
    def row(self) -> int | None:
        """Row whose name is spelled to its end."""
        return next((row for words, row in self._names if not words), None)

    def take(self, word: str) -> None:
        self._names = [(words[1:], row) for words, row in self._names if words and words[0] == word]
