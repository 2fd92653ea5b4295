"""Words, slots and marks as numbers, and tokens as a text.

Invariant: the words of the vocabulary hold no gene, type or number; whatever names something is copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, get_args

from tcellflow.language.realising.rows import SLOTS
from tcellflow.language.template import Register

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tcellflow.language.realising.rows import Row

PAD, EOS, OTHER, NAME_END, STOP = "<pad>", "<eos>", "<other>", "[/name]", "."
_MARKS: Final = (PAD, *(f"<{register}>" for register in get_args(Register)), EOS, OTHER, NAME_END)
_NAMES: Final = frozenset({"name", "names"})
_TIGHT_BEFORE, _TIGHT_AFTER = frozenset(".,;:)"), frozenset("(")


@dataclass(frozen=True)
class TokenSet:
    """The tokens of a network, in the order of its numbers.

    Parameters
    ----------
    tokens
        Marks, slots as ``[kind.slot]``, and words.
    """

    tokens: tuple[str, ...]

    @cached_property
    def place(self) -> dict[str, int]:
        """Number of each token."""
        return {token: i for i, token in enumerate(self.tokens)}

    @cached_property
    def slots(self) -> dict[int, tuple[str, str]]:
        """Number of each slot to its kind of claim and the slot; a name is one slot in both its forms."""
        found = {}
        for i, token in enumerate(self.tokens):
            if token.startswith("[") and token != NAME_END:
                kind, _, slot = token[1:-1].partition(".")
                found[i] = (kind, slot)
        return found

    @cached_property
    def words(self) -> tuple[int, ...]:
        """Numbers of plain words and punctuation."""
        return tuple(
            i for i, token in enumerate(self.tokens) if not token.startswith(("[", "<")) and token != STOP
        )

    def find(self, word: str) -> int:
        """Give the number of a word; that of `OTHER` for one that the vocabulary lacks."""
        return self.place.get(word, self.place[OTHER])

    def find_in_name(self, word: str) -> int:
        """Give the number of a word of a name."""
        return self.place.get(word, self.place.get(f"<{word}>", self.place[OTHER]))


def make_tokens(words: Iterable[str], name_words: Iterable[str]) -> TokenSet:
    """Make the token set of these words, and of words of names, which stand in names alone.

    Parameters
    ----------
    words
        Of phrases.
    name_words
        Of the names of types.
    """
    slots = sorted(
        f"[{kind}.{'name' if slot in _NAMES else slot}]"
        for kind, of_kind in SLOTS.items()
        for slot in of_kind
    )
    plain = sorted(set(words))
    names = sorted(set(name_words) - set(plain))
    return TokenSet((*_MARKS, *dict.fromkeys(slots), *plain, *(f"<{word}>" for word in names)))


def spell(pieces: Sequence[tuple[str, bool]]) -> str:
    """Join the pieces of one sentence.

    Parameters
    ----------
    pieces
        Words and copied parts, each with whether its first letter may be made a capital.
    """
    text = ""
    for piece, _ in pieces:
        tight = not text or piece[:1] in _TIGHT_BEFORE or text[-1:] in _TIGHT_AFTER
        text += piece if tight else f" {piece}"
    if pieces and pieces[0][1]:
        text = text[:1].upper() + text[1:]
    return text


def spell_slot(row: Row, slot: str) -> tuple[str, bool]:
    """Give what fills a slot, and whether it may begin with a capital where a sentence begins."""
    return row.fields[slot], slot in {"sure", "count"}
