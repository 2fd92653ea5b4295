"""The analysis commands: declarations that build an options object and call one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


def register(app: typer.Typer) -> None:
    """Add the analysis commands in the order they run."""
