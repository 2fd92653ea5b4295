"""JSON of others: the standard's, of a depth and with numbers that any program reads.

Invariant: what is read can be written again: no NaN, no infinite number, no half of a surrogate pair.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


class NotJsonError(ValueError):
    """A text is no JSON, or JSON that no other program would read."""


def parse_json(text: str | bytes) -> Any:
    """Parse a JSON text.

    Raises
    ------
    ValueError
        A `NotJsonError`: if it is none, is nested too deeply, or holds NaN, endless numbers or halves of
        characters.
    """
    try:
        content = json.loads(text, parse_constant=_refuse_constant, parse_float=_parse_float)
        check_texts(content, text)
    except RecursionError as error:
        message = "it is nested too deeply"
        raise NotJsonError(message) from error
    except ValueError as error:  # of syntax, of encoding, of a number with thousands of digits
        raise NotJsonError(str(error)) from error
    return content


def check_texts(content: Any, text: str | bytes) -> None:
    r"""Refuse halves of surrogate pairs, which JSON can write as ``\ud800`` and nothing else can.

    Raises
    ------
    ValueError
        A `NotJsonError`, if there is one.
    """
    escape = b"\\ud" if isinstance(text, bytes) else "\\ud"
    if escape not in text.lower():  # type: ignore[operator]
        return
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        message = "it holds half of a character (a lone surrogate)"
        raise NotJsonError(message) from error


def _refuse_constant(word: str) -> NoReturn:
    message = f"it holds {word}, which is no JSON"
    raise NotJsonError(message)


def _parse_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        message = f"it holds a number beyond all bounds: {text[:40]}"
        raise NotJsonError(message)
    return value
