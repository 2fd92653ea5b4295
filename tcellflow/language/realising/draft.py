"""A text in the making: what may be written next, so that it is made of phrases and says what its plan holds.

Invariant: each sentence is a whole phrase whose slots are filled from rows of its kind, a row is said once,
only names of the plan's types are spelled, and the end waits for the rows that must be said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.language.realising.rows import list_required
from tcellflow.language.realising.tokens import EOS, NAME_END, STOP, spell, spell_slot
from tcellflow.language.template import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tcellflow.language.realising.phrases import Phrase
    from tcellflow.language.realising.rows import Row
    from tcellflow.language.realising.tokens import TokenSet

_NAMES: Final = frozenset({"name", "names"})
_MOST_LISTED: Final = 6


@dataclass(frozen=True)
class _Path:
    """A place in one choice of a phrase, with the row that it speaks of, if that is settled."""

    phrase: Phrase
    text: tuple[str, ...]
    at: int = 0
    item: int | None = None  # place within an item of a list
    listed: int = 0
    is_last: bool = False
    row: int | None = None


class Draft:
    """One text in the making.

    Parameters
    ----------
    rows
        Of its plan.
    tokens
        Of the network.
    phrases
        Of the register.
    """

    def __init__(self, rows: Sequence[Row], tokens: TokenSet, phrases: Sequence[Phrase]) -> None:
        self._rows = tuple(rows)
        self._tokens = tokens
        kinds = {row.kind for row in rows}
        self._phrases = [phrase for phrase in phrases if phrase.says in kinds]
        self._required = set(list_required(rows))
        self._used: set[int] = set()
        self._name: list[tuple[tuple[str, ...], int, _Path]] | None = None  # words left, row, what comes then
        self._pieces: list[tuple[str, bool]] = []
        self._said: list[int] = []  # rows of the sentence
        self._paths = self._begin()
        self.sentences: list[Sentence] = []
        self.is_done = False

    def allow(self) -> NDArray[np.bool_]:
        """Say which tokens may come next, (V,)."""
        place = self._tokens.place
        allowed = np.zeros(len(place), dtype=bool)
        if self._name is not None:
            for words, _, _ in self._name:
                allowed[self._tokens.find_in_name(words[0]) if words else place[NAME_END]] = True
            return allowed
        for path in self._paths:
            for symbol, _ in self._continue(path):
                allowed[self._find(path, symbol)] = True
        if not self._pieces and (not self._paths or (self.sentences and not self._required)):
            allowed[place[EOS]] = True
        return allowed

    def allow_rows(self, token: int) -> NDArray[np.bool_]:
        """Say which rows may fill a slot, (R,); none for words, and for names, which are spelled."""
        allowed = np.zeros(len(self._rows), dtype=bool)
        if token in self._tokens.slots and self._tokens.slots[token][1] != "name":
            for path in self._paths:
                if any(self._find(path, symbol) == token for symbol, _ in self._continue(path)):
                    allowed[self._list_rows(path)] = True
        return allowed

    def push(self, token: int, row: int | None = None) -> int | None:
        """Write a token that is allowed, with the row that fills it; the row that it tells is given back.

        Raises
        ------
        ValueError
            If it is a slot and no row is given.
        """
        if token == self._tokens.place[EOS]:
            self.is_done = True
            return None
        if self._name is not None:
            return self._push_name(token)
        taken = [
            (path, symbol, after)
            for path in self._paths
            for symbol, after in self._continue(path)
            if self._find(path, symbol) == token
        ]
        if token not in self._tokens.slots:
            self._paths = [after for _, _, after in taken]
            self._pieces.append((self._tokens.tokens[token], True))
            if self._tokens.tokens[token] == STOP:
                self._close()
            return None
        if self._tokens.slots[token][1] == "name":
            self._name = [
                (tuple(self._rows[i].fields[symbol[1:-1]].split()), i, after)
                for path, symbol, after in taken
                for i in self._list_rows(path)
            ]
            return None
        if row is None:
            message = f"the slot {self._tokens.tokens[token]} needs a row"
            raise ValueError(message)
        self._pieces.append(spell_slot(self._rows[row], self._tokens.slots[token][1]))
        self._settle(row, [after for path, _, after in taken if row in self._list_rows(path)])
        return row

    def _push_name(self, token: int) -> int | None:
        walked = self._name or []
        if token == self._tokens.place[NAME_END]:
            ended = [(row, after) for words, row, after in walked if not words]
            row = ended[0][0]
            self._name = None
            self._settle(row, [after for own, after in ended if own == row])
            return row
        fitting = [one for one in walked if one[0] and self._tokens.find_in_name(one[0][0]) == token]
        word = fitting[0][0][0]
        self._pieces.append((word, not self._pieces))
        self._name = [(words[1:], row, after) for words, row, after in fitting if words[0] == word]
        return None

    def _settle(self, row: int, paths: Sequence[_Path]) -> None:
        self._used.add(row)
        if row not in self._said:
            self._said.append(row)
        self._paths = [replace(path, row=row) for path in paths]

    def _close(self) -> None:
        claims = tuple(self._rows[i].claim for i in self._said)
        self.sentences.append(Sentence(spell(self._pieces), claims))
        self._required -= set(self._said)
        self._pieces, self._said = [], []
        self._paths = self._begin()

    def _begin(self) -> list[_Path]:
        """Give the beginnings of all phrases that rows are left for."""
        return [
            _Path(phrase, text)
            for phrase in self._phrases
            if len(self._list_left(phrase)) >= (2 if phrase.items else 1)
            for text in phrase.texts
        ]

    def _continue(self, path: _Path) -> Iterator[tuple[str, _Path]]:
        """Give each word or slot that may come next, with the place behind it."""
        items = path.phrase.items
        if path.item is None and path.text[path.at] == "[items]":
            path = replace(path, item=0)
        if path.item is None:
            yield path.text[path.at], replace(path, at=path.at + 1)
        elif path.item < len(items):
            yield items[path.item], replace(path, item=path.item + 1)
        elif path.is_last:
            yield path.text[path.at + 1], replace(path, at=path.at + 2, item=None)
        else:
            left = len(self._list_left(path.phrase))
            another = replace(path, item=0, row=None, listed=path.listed + 1)
            if left > 1 and path.listed + 2 < _MOST_LISTED:
                yield ",", another
            if left:
                yield "and", replace(another, is_last=True)

    def _find(self, path: _Path, symbol: str) -> int:
        if not symbol.startswith("["):
            return self._tokens.find(symbol)
        slot = "name" if symbol[1:-1] in _NAMES else symbol[1:-1]
        return self._tokens.place[f"[{path.phrase.says}.{slot}]"]

    def _list_rows(self, path: _Path) -> list[int]:
        return self._list_left(path.phrase) if path.row is None else [path.row]

    def _list_left(self, phrase: Phrase) -> list[int]:
        """List the rows that were not said and that a phrase has all slots for."""
        return [
            i
            for i, row in enumerate(self._rows)
            if i not in self._used and row.kind == phrase.says and phrase.slots <= set(row.fields)
        ]
