"""The phrases that the realiser learns to write by: our own prose, or a user's.

Invariant: a phrase in hand has only slots that claims of its kind can fill, and neither digits nor names.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from itertools import product
from typing import TYPE_CHECKING, Any, Final, get_args

from tcellflow.errors import InputError
from tcellflow.language.realising.rows import KINDS, SLOTS
from tcellflow.language.template import Register

if TYPE_CHECKING:
    from collections.abc import Iterable

PHRASES: Final = "phrases.toml"
_TOKEN: Final = re.compile(r"\[[a-z]+\]|\w[\w'-]*|[^\w\s]")
_CHOICE: Final = re.compile(r"\{([^{}]*)\}")
_SLOT: Final = re.compile(r"\[([a-z]+)\]")
_CAPITALS: Final = re.compile(r"\b[A-Z][\w-]*[A-Z]\w*")
_KEYS: Final = frozenset({"says", "text", "items", "registers"})
_MOST_CHOICES: Final = 500
_MAY_STAND_ALONE: Final = frozenset({"marker_present", "contradiction+"})  # where there are no other cells
_LEAD: Final = frozenset({"subject", "name", "names", "count"})


@dataclass(frozen=True)
class Phrase:
    """One way to say claims of one kind.

    Parameters
    ----------
    says
        Kind of the claims.
    texts
        The sentence with every choice made, each as words and slots.
    items
        Words and slots of each of several claims; empty where the sentence says one.
    registers
        Where it may stand.
    """

    says: str
    texts: tuple[tuple[str, ...], ...]
    items: tuple[str, ...]
    registers: frozenset[str]

    @property
    def slots(self) -> frozenset[str]:
        """Names of the slots of one claim."""
        return frozenset(w[1:-1] for w in (*self.texts[0], *self.items) if w.startswith("[")) - {"items"}


def split_words(text: str) -> tuple[str, ...]:
    """Split a text into words, marks and slots."""
    return tuple(_TOKEN.findall(text))


def parse_phrases(text: str, *, where: object) -> tuple[Phrase, ...]:
    """Parse and check phrases.

    Parameters
    ----------
    text
        TOML with a list ``phrase`` of tables ``says``, ``text`` and, if wanted, ``items``, ``registers``.
    where
        Named in errors.

    Raises
    ------
    InputError
        If it is no such file, or any phrase is wrong; all faults are named.
    """
    mend = "see 'train language' in the documentation for what a phrase may hold"
    try:
        found = tomllib.loads(text).get("phrase")
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"the phrases are no TOML: {error}", where=where, mend=mend) from error
    if not isinstance(found, list) or not found:
        raise InputError("there is no list of [[phrase]]", where=where, mend=mend)
    faults: list[str] = []
    phrases = []
    for number, entry in enumerate(found, 1):
        wrong = _find_faults(entry)
        faults += [f"phrase {number}: {fault}" for fault in wrong]
        if not wrong:
            phrases.append(_make(entry))
    if faults:
        raise InputError("; ".join(faults[:10]), where=where, mend=mend)
    return tuple(phrases)


def read_packaged() -> str:
    """Read the packaged file of phrases."""
    return files("tcellflow.data").joinpath(PHRASES).read_text(encoding="utf-8")


def list_unsaid(phrases: Iterable[Phrase]) -> list[str]:
    """List the kinds of claims that some register has no sentence for, whatever the claim leaves open."""
    alone = [phrase for phrase in phrases if not phrase.items]
    unsaid = []
    for kind, slots in SLOTS.items():
        sure = slots - {"expected"} if kind in _MAY_STAND_ALONE else slots
        own = [phrase for phrase in alone if phrase.says == kind and phrase.slots <= sure]
        if set(get_args(Register)) - {register for phrase in own for register in phrase.registers}:
            unsaid.append(kind)
    return unsaid


def list_words(phrases: Iterable[Phrase]) -> set[str]:
    """List the words and marks of phrases, slots left out."""
    words = {"and", ",", "."}
    for phrase in phrases:
        words.update(w for text in (*phrase.texts, phrase.items) for w in text if not w.startswith("["))
    return words


def _find_faults(entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return ["it is no table"]
    says, text, items = entry.get("says"), entry.get("text"), entry.get("items", "")
    faults = [f"unknown key '{key}'" for key in sorted(set(entry) - _KEYS)]
    if says not in KINDS:
        return [*faults, f"says {says!r}; claims are {', '.join(KINDS)}"]
    if not isinstance(text, str) or not isinstance(items, str) or not text.endswith("."):
        return [*faults, "text is no sentence that ends with a full stop"]
    if len(_expand(text)) > _MOST_CHOICES:
        return [*faults, f"more than {_MOST_CHOICES} choices"]
    registers = entry.get("registers", [])
    if not isinstance(registers, list) or set(registers) - set(get_args(Register)):
        faults.append(f"registers are some of {', '.join(get_args(Register))}")
    return faults + _find_wrong_words(str(says), text, items)


def _find_wrong_words(says: str, text: str, items: str) -> list[str]:
    faults = []
    plain = _SLOT.sub(" ", f"{text} {items}")
    odd = re.findall(r"[^\w\s.,;:()'{}|-]|[\d_]", plain)
    if odd:
        faults.append(f"{odd[0]!r} stands in its words: numbers are slots, and marks are . , ; : ( )")
    faults += [f"{word!r} looks like a gene: names are slots" for word in _CAPITALS.findall(plain)[:1]]
    slots, of_items = _SLOT.findall(text), _SLOT.findall(items)
    if bool(items) != (slots == ["items"]):
        faults.append("with items the text has the one slot [items], and none without")
    own = of_items if items else slots
    wrong = sorted({slot for slot in own if slot not in SLOTS[says]})
    faults += [f"no [{slot}]: claims of this kind have {', '.join(sorted(SLOTS[says]))}" for slot in wrong]
    if not _LEAD & set(own):
        faults.append("it does not say what it is about: [subject], [name], [names] or [count]")
    if len(set(own)) < len(own):
        faults.append("a slot stands twice")
    if any("." in one[:-1] for one in _expand(text)):
        faults.append("it is more than one sentence")
    return faults


def _make(entry: dict[str, Any]) -> Phrase:
    texts = tuple(split_words(one) for one in _expand(entry["text"]))
    registers = frozenset(entry.get("registers") or get_args(Register))
    texts = tuple((text[0].lower(), *text[1:]) for text in texts)  # spelling gives a sentence its capital
    return Phrase(entry["says"], texts, split_words(entry.get("items", "")), registers)


def _expand(text: str) -> list[str]:
    """Give a text with every choice made."""
    parts = _CHOICE.split(text)
    choices = [part.split("|") if i % 2 else [part] for i, part in enumerate(parts)]
    return ["".join(chosen) for chosen in product(*choices)]
