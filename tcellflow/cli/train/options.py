"""What the training commands have in common: options, and the check that their libraries are there."""

from __future__ import annotations

import importlib.util
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tcellflow.cli import console
from tcellflow.errors import OptionsError, install_extra
from tcellflow.training import options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tcellflow.io.bundles.folders import Bundle


def _check_name(name: str | None) -> str | None:
    """Refuse a name that no bundle can have before anything is trained."""
    from tcellflow.io.bundles.description import plain_name

    if name is not None and name != plain_name(name):
        raise OptionsError(
            f"{name!r} is no name for a bundle",
            where="--name",
            mend=f"use lower-case letters, digits, dots and hyphens: {plain_name(name)}",
        )
    return name


Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        help="Name of the bundle (default: that of the folder).",
        show_default=False,
        callback=_check_name,
    ),
]
BundleLicence = Annotated[
    str, typer.Option("--licence", help="Licence under which you give the bundle away; for its card.")
]
BundleVersion = Annotated[str, typer.Option("--bundle-version", help="Version of the bundle.")]
Evaluation = Annotated[
    Path | None, typer.Option("--evaluation", help="Markdown with results to put on the card.")
]
LearningRate = Annotated[float, typer.Option("--learning-rate", min=0, help="Highest rate.")]
ValidateEvery = Annotated[
    int, typer.Option("--validate-every", min=1, help="Steps between validations and checkpoints.")
]
Device = Annotated[options.Device, typer.Option("--device", help="Where to train; auto takes a GPU.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the folder's checkpoints, if there are any.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier run in the folder.")]


def prefer(preset: Mapping[str, int]) -> Callable[[typer.Context, bool], bool]:
    """Make the callback of an option that gives other options other defaults; what is asked for wins.

    Parameters
    ----------
    preset
        Default of each of the command's parameters, by name. The option must be eager, or others are read
        before it.
    """

    def prefer_preset(context: typer.Context, wanted: bool) -> bool:  # noqa: FBT001 - typer calls it so
        if wanted:
            context.default_map = {**(context.default_map or {}), **preset}
        return wanted

    return prefer_preset


def check_libraries(*names: str, command: str) -> None:
    """Refuse a command whose libraries, modules of the extra ``[train]``, are not installed.

    Raises
    ------
    OptionsError
        If one is missing.
    """
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise OptionsError(
            f"{command} needs {' and '.join(missing)}, which is not installed",
            where=f"tcellflow {command}",
            mend=install_extra("train"),
        )


@contextmanager
def show_training(output: Path) -> Iterator[Callable[[int, int], None]]:
    """Show how far training is; of one that is stopped, say how it goes on.

    Parameters
    ----------
    output
        Folder of its checkpoints.

    Yields
    ------
    callable
        Called with (steps done, steps in all).
    """
    try:
        with console.show_progress("training", in_lines=True) as on_step:
            yield on_step
    except Exception:
        raise
    except BaseException:  # Ctrl-C, or a signal
        if any(output.rglob("*.pt")):
            console.LOG.warning("checkpoints stay in %s: the same command with --resume goes on", output)
        raise


def tell_bundle(bundle: Bundle) -> None:
    """Say where the trained bundle is."""
    console.LOG.info("bundle: %s", bundle.folder)
