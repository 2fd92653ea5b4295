"""Taking fields out of ``bundle.json``, whatever the bundle's task.

Invariant: a fault is noted and reading goes on, so that all faults are told together.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHA256 = re.compile(r"[0-9a-f]{64}")


class FieldReader:
    """Takes fields out of a document and collects what is wrong instead of stopping.

    Parameters
    ----------
    document
        The JSON object.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.faults: list[str] = []

    def take(self, key: str, kind: type | tuple[type, ...], default: Any) -> Any:
        """Take one field.

        Parameters
        ----------
        key
            Its name.
        kind
            The type it must have; true and false are never numbers.
        default
            What is given instead of a missing or wrong field.

        Returns
        -------
        object
            The field's value.
        """
        value = self.document.get(key)
        if value is None:
            self.faults.append(f"'{key}' is missing")
            return default
        if not isinstance(value, kind) or isinstance(value, bool):
            self.faults.append(f"'{key}' is a {type(value).__name__}")
            return default
        return value

    def check(self, holds: bool, fault: str) -> None:  # noqa: FBT001 - reads as a sentence
        """Note a fault unless a condition holds.

        Parameters
        ----------
        holds
            The condition.
        fault
            What is wrong otherwise.
        """
        if not holds:
            self.faults.append(fault)


def is_sha256(value: object) -> bool:
    """Tell whether a value is a digest.

    Parameters
    ----------
    value
        Any JSON value.

    Returns
    -------
    bool
        True for 64 lower-case hexadecimal digits.
    """
    return isinstance(value, str) and bool(_SHA256.fullmatch(value))


def is_share(value: object) -> bool:
    """Tell whether a value is a share.

    Parameters
    ----------
    value
        Any JSON value.

    Returns
    -------
    bool
        True for a number within 0 and 1.
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
