"""What the commands of describe have in common: the files that they read, and the column of groups."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Cells = Annotated[Path, typer.Argument(help="Cells: cells.h5ad, or any expression file.", show_default=False)]
Predictions = Annotated[
    Path | None, typer.Option("--pred", help="predictions.parquet of the same cells.", show_default=False)
]
Chains = Annotated[
    Path | None, typer.Option("--tcr", help="chains.parquet of the same cells.", show_default=False)
]
Groupby = Annotated[
    str | None,
    typer.Option(
        "--groupby",
        help="obs column of the groups (default: states, clusters and expanded clones).",
        show_default=False,
    ),
]
