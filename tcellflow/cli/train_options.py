"""What the training commands have in common: options, and the check that their libraries are there."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from tcellflow.errors import OptionsError
from tcellflow.training import options

Name = Annotated[str, typer.Option("--name", help="Name of the bundle.")]
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
            mend='pip install "tcellflow[train]"',
        )
