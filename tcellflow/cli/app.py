"""The entry point: commands, logging, caches, and the one place where errors become exits."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from tcellflow import __version__
from tcellflow.cli import analyse, bundle, console, describe, evaluate, limits, messages, run, train
from tcellflow.cli.former_names import accept_former_names
from tcellflow.errors import ExitCode, TcellflowError
from tcellflow.vocabulary import STEPS

if TYPE_CHECKING:
    from types import FrameType


class _StepOrder(TyperGroup):
    """Commands in the order in which steps run, then the others."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """List the steps first."""
        others = [name for name in super().list_commands(ctx) if name not in STEPS]
        return [*STEPS, *others]


app = typer.Typer(
    name="tcellflow",
    cls=_StepOrder,
    help="From one sample's single-cell files to T-cell states, receptor tables and a report.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,  # plain help: importing what draws the boxes takes three times as long
)
analyse.register(app)
run.register(app)
app.add_typer(describe.describe_app, name="describe")
app.add_typer(bundle.bundle_app, name="bundle")
app.add_typer(train.train_app, name="train")
app.command("evaluate", short_help="Judge a states bundle by labelled cells.")(evaluate.evaluate)

# Writable caches are not a given in containers: a read-only root and no HOME are normal there.
_CACHE_VARIABLES = {
    "NUMBA_CACHE_DIR": "numba",
    "MPLCONFIGDIR": "matplotlib",
    "XDG_CACHE_HOME": "",
    "HF_HOME": "huggingface",
}


class _Terminated(BaseException):
    """SIGTERM, SIGHUP or SIGXCPU, raised so that staged outputs are removed on the way out."""


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        typer.echo(f"tcellflow {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """From one sample's single-cell files to T-cell states, receptor tables and a report."""
    if context.invoked_subcommand != "bundle":
        limits.check_address_space()


def _point_caches() -> None:
    base: Path | None = None
    for variable, name in _CACHE_VARIABLES.items():
        current = os.environ.get(variable)
        if current and os.access(current, os.W_OK):
            continue
        base = base or _writable_cache()
        os.environ[variable] = str(base / name)


def _writable_cache() -> Path:
    home = os.environ.get("HOME", "")
    candidates = [Path(home) / ".cache"] if home else []
    candidates += [Path(tempfile.gettempdir() if _has_temporary_folder() else "."), Path.cwd()]
    for folder in candidates:
        if folder.is_dir() and os.access(folder, os.W_OK):
            return folder / f"tcellflow-{os.getuid()}" if folder.name != ".cache" else folder / "tcellflow"
    return Path.cwd()


def _has_temporary_folder() -> bool:
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        return False
    return True


def _raise_terminated(_signal: int, _frame: FrameType | None) -> None:
    raise _Terminated


def main() -> None:
    """Run the command line and exit with a documented code."""
    console.open_streams()
    if _sizes_pools_first():
        limits.size_pools(None)
    _point_caches()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup asks for a run that outlives its terminal
            signal.signal(number, _raise_terminated)
    sys.exit(int(_run()))


def _run() -> ExitCode | int:
    console.set_up_logging()
    try:
        command = typer.main.get_command(app)
        messages.add_options(command)
        accept_former_names(command)
        command(standalone_mode=True)
    except SystemExit as done:
        # typer turns usage errors into 2 and Ctrl-C into a silent 130 by itself
        if done.code == ExitCode.INTERRUPTED:
            return _explain(KeyboardInterrupt())
        return done.code if isinstance(done.code, int) else ExitCode.OK
    except BaseException as error:  # noqa: BLE001 - the one place where errors become exit codes
        code = _explain(error)
        if code == ExitCode.OUTPUT:
            # HDF5 crashes when it frees a file that a full disk did not take whole, so the frames
            # that hold it are never freed
            console.flush_streams()
            os._exit(code)
        return code
    return ExitCode.OK


def _sizes_pools_first() -> bool:
    """Whether no option says how many threads are wanted: an option's own number comes before limits."""
    return not any(argument.partition("=")[0] == "--threads" for argument in sys.argv)


def _explain(error: BaseException) -> ExitCode:
    limit = limits.explain_limit(error)
    if limit is not None:
        error.__traceback__ = None  # frees what the frames hold, so that the message can be printed
        gc.collect()
        console.print_line(limit[0])
        return limit[1]
    if isinstance(error, TcellflowError):
        if console.SETTINGS.debug:
            traceback.print_exception(error)
        console.print_error(error)
        return error.exit_code
    if isinstance(error, (KeyboardInterrupt, _Terminated)):
        was_terminated = isinstance(error, _Terminated)
        verb = "terminated" if was_terminated else "interrupted"
        console.print_line(f"{verb}; no half-written output was left behind")
        return ExitCode.TERMINATED if was_terminated else ExitCode.INTERRUPTED
    console.print_line("".join(traceback.format_exception(error)).rstrip("\n"))
    console.print_line(
        "bug: tcellflow met a case it does not know; please report the lines above with your command"
    )
    return ExitCode.BUG
