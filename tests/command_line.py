"""The command line inside the test process: quick, with the exit codes of the real entry point.

Invariant: a run leaves logging and settings as they were, so that no test depends on another.
"""

from __future__ import annotations

import io
import logging
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest import mock

from tcellflow.cli import app, console


@dataclass(frozen=True)
class Outcome:
    """Exit code and texts of one command."""

    code: int
    stdout: str
    stderr: str


class _Exit(BaseException):
    def __init__(self, code: int) -> None:
        self.code = code


def _exit_at_once(code: int) -> None:
    raise _Exit(code)


def run_command(*arguments: object) -> Outcome:
    """Run ``tcellflow`` with these arguments."""
    logger = logging.getLogger("tcellflow")
    before = (logger.handlers, logger.level, logger.propagate)
    out, err = io.StringIO(), io.StringIO()
    try:
        with (
            mock.patch.object(sys, "argv", ["tcellflow", *map(str, arguments)]),
            # output errors end the process without cleaning up
            mock.patch("os._exit", _exit_at_once),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                code = int(app._run())
            except _Exit as ended:
                code = ended.code
    finally:
        logger.handlers, logger.level, logger.propagate = before
        console.SETTINGS.debug = False
    return Outcome(code, out.getvalue(), err.getvalue())
