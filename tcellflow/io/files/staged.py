"""Names of files that are being written: the final one, something unique, and an ending."""

from __future__ import annotations

import re
import secrets
from typing import Final

PART: Final = ".part"
# How what `make_ending` gives is found again; runs of older versions left the ending alone.
ENDING: Final = rf"(?:\.[0-9a-f]{{8}})?{re.escape(PART)}"


def make_ending() -> str:
    """Make an ending for names of staged files that no other run has."""
    return f".{secrets.token_hex(4)}{PART}"


def final_name(name: str) -> str:
    """Give the name that a staged file will have."""
    return re.sub(rf"{ENDING}$", "", name)
