"""How a step tells how far it is.

Invariant: progress is a plain callable, so that a step neither knows nor imports what shows it.
"""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]


def quiet(_done: int, _total: int) -> None:
    """Show no progress."""
