"""The options about messages, which stand before a command or after it: declared once, for all commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tcellflow.cli import console


def _be_quiet(wanted: bool) -> None:  # noqa: FBT001 - typer calls them so
    if wanted:
        console.be_quiet()


def _be_verbose(wanted: bool) -> None:  # noqa: FBT001
    if wanted:
        console.be_verbose()


def _be_debugged(wanted: bool) -> None:  # noqa: FBT001
    if wanted:
        console.SETTINGS.debug = True


def _keep_log(path: Path | None) -> None:
    if path is not None:
        console.keep_log(path)


def options(
    *,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            help="Only warnings and errors on stderr.",
            callback=_be_quiet,
            expose_value=False,
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Begin each line with the time and the memory used so far.",
            callback=_be_verbose,
            expose_value=False,
        ),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            help="Print the full traceback of every error.",
            callback=_be_debugged,
            expose_value=False,
        ),
    ] = False,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log",
            help="Add all messages to this file as well, with --quiet too.",
            callback=_keep_log,
            expose_value=False,
        ),
    ] = None,
) -> None:
    """Declare the options."""


def add_options(command: Any) -> None:
    """Add the options about messages to a command and to all commands below it.

    Parameters
    ----------
    command
        As ``typer.main.get_command`` gives it.
    """
    carrier = typer.Typer(add_completion=False)
    carrier.command()(options)
    _extend(command, typer.main.get_command(carrier).params)


def _extend(command: Any, params: list[Any]) -> None:
    command.params.extend(params)
    for below in getattr(command, "commands", {}).values():
        _extend(below, params)
