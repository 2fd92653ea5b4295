"""The training commands; they need the extra ``[train]``."""

from __future__ import annotations

import typer

from tcellflow.cli import train_fusion, train_receptors, train_states

train_app = typer.Typer(
    no_args_is_help=True,
    help="Train models and write them as bundles; needs torch: pip install '.[train]'.",
    rich_markup_mode=None,
)


@train_app.callback()
def _train() -> None:
    """Train models and write them as bundles; needs torch: pip install '.[train]'."""


train_app.command("receptors", short_help="Train the receptor encoder behind embed-tcr.")(
    train_receptors.receptors
)
train_app.command("states", short_help="Train T-cell states from labelled cohorts.")(train_states.states)
train_app.command("fusion", short_help="Train networks that fuse expression and proteins (no step yet).")(
    train_fusion.fusion
)
