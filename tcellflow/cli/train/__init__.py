"""The training commands; they need the extra ``[train]``."""

from __future__ import annotations

import typer

from tcellflow.cli.train.fusion import fusion
from tcellflow.cli.train.language import language
from tcellflow.cli.train.receptors import receptors
from tcellflow.cli.train.states import states

train_app = typer.Typer(
    no_args_is_help=True,
    help="Train models and write them as bundles; needs torch: pip install '.[train]'.",
    rich_markup_mode=None,
)


@train_app.callback()
def _train() -> None:
    """Train models and write them as bundles; needs torch: pip install '.[train]'."""


train_app.command("receptors", short_help="Train the receptor encoder behind embed-tcr.")(receptors)
train_app.command("states", short_help="Train T-cell states from labelled cohorts.")(states)
train_app.command("fusion", short_help="Train the network behind fuse from CITE-seq sets.")(fusion)
train_app.command("language", short_help="Train the network that puts claims into words.")(language)
