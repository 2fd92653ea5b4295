"""``tcellflow describe``: declarations of describe and its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tcellflow.cli import console
from tcellflow.cli.describe.options import Cells, Chains, Groupby, Predictions
from tcellflow.cli.describe.run import run
from tcellflow.cli.options import Force, FoundInObs, Layer, Output, Prefix
from tcellflow.io.files.pipes import without_pipes

describe_app = typer.Typer(
    help="Text about cells in which every sentence can be checked, and types told in words.",
    no_args_is_help=True,
)
describe_app.command("run", short_help="Describe the groups of a sample.")(run)


@describe_app.command("annotate", short_help="Tell the type of every cell among candidates.")
def annotate(
    cells: Cells,
    *,
    candidates: Annotated[
        str,
        typer.Option(
            "--candidates",
            help="cl: the packaged immune panel; or a table with a column label (see the docs).",
        ),
    ] = "cl",
    smooth: Annotated[
        int,
        typer.Option("--smooth", min=0, max=200, help="Average over this many similar cells (0: none)."),
    ] = 20,
    support: Annotated[
        str | None,
        typer.Option(
            "--support",
            help="Labelled cells to learn from: a column of obs, a table with cell_id, or a file of cells.",
            show_default=False,
        ),
    ] = None,
    support_column: Annotated[
        str, typer.Option("--support-column", help="Column of the labels where --support is a file.")
    ] = "label",
    h5ad: FoundInObs = False,
    layer: Layer = None,
    output: Output = Path(),
    prefix: Prefix = "sample",
    force: Force = False,
) -> None:
    """Tell the type of every cell among candidates that are named in words, none seen in training."""
    from tcellflow.steps.describe.options import AnnotateOptions

    is_file = support is not None and (Path(support).exists() or Path(support).suffix != "")
    options = AnnotateOptions(
        cells=cells,
        output=output,
        prefix=prefix,
        candidates=None if candidates == "cl" else Path(candidates),
        smooth=smooth,
        support=Path(support) if support is not None and is_file else None,
        support_column=support_column if is_file else support,
        layer=layer,
        h5ad=h5ad,
        force=force,
    )
    options.check()
    from tcellflow.steps.describe import annotate as step

    with without_pipes(options) as given, console.show_progress("annotate") as progress:
        step.annotate(given, progress=progress)


@describe_app.command("verify", short_help="Check every sentence of a text against the cells.")
def verify(
    text: Annotated[Path, typer.Argument(help="Text or Markdown, anybody's.", show_default=False)],
    *,
    data: Annotated[Path, typer.Option("--data", help="The cells that it is about.", show_default=False)],
    predictions: Predictions = None,
    chains: Chains = None,
    groupby: Groupby = None,
    layer: Layer = None,
    output: Output = Path(),
    prefix: Prefix = "sample",
    force: Force = False,
) -> None:
    """Read a text, whoever wrote it, and check each sentence against the cells; writes verdicts.parquet."""
    from tcellflow.steps.describe.options import VerifyOptions

    options = VerifyOptions(
        text=text,
        cells=data,
        output=output,
        prefix=prefix,
        predictions=predictions,
        chains=chains,
        groupby=groupby,
        layer=layer,
        force=force,
    )
    options.check()
    from tcellflow.steps.describe import verify as step

    with without_pipes(options) as given, console.show_progress("verify") as progress:
        step.verify(given, progress=progress)


@describe_app.command("search", short_help="Rank cells or groups by a free text.")
def search(
    cells: Cells,
    text: Annotated[str, typer.Argument(help="Which cells are looked for.", show_default=False)],
    *,
    groupby: Annotated[
        str | None,
        typer.Option("--groupby", help="Rank the groups of this column of obs.", show_default=False),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Most units listed.")] = 50,
    layer: Layer = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the table here instead of to stdout.", show_default=False),
    ] = None,
    force: Force = False,
) -> None:
    """Rank cells or groups by a free text; what is not understood is named."""
    from tcellflow.steps.describe.options import SearchOptions

    options = SearchOptions(
        text=text, cells=cells, groupby=groupby, top=top, layer=layer, output=output, force=force
    )
    options.check()
    from tcellflow.steps.describe import search as step

    with without_pipes(options) as given, console.show_progress("search") as progress:
        found = step.search(given, progress=progress)
    if output is None:
        typer.echo(found, nl=False)


@describe_app.command("generate", short_help="Draw pseudo-cells that fit a text.")
def generate(
    *,
    text: Annotated[str, typer.Option("--text", help="Which cells are wanted.", show_default=False)],
    n: Annotated[int, typer.Option("-n", min=1, max=1_000_000, help="Number of cells.")] = 500,
    seed: Annotated[int, typer.Option("--seed", help="Of the draws.")] = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .h5ad file.")] = Path("pseudo.h5ad"),
    force: Force = False,
) -> None:
    """Draw pseudo-cells from the profiles of the types that a text means; they are flagged as synthetic."""
    from tcellflow.steps.describe.options import GenerateOptions

    options = GenerateOptions(text=text, output=output, n=n, seed=seed, force=force)
    options.check()
    from tcellflow.steps.describe import generate as step

    with console.show_progress("generate") as progress:
        step.generate(options, progress=progress)


@describe_app.command("eval", short_help="Measure describe on labelled cells.")
def evaluate(
    cells: Cells,
    *,
    truth: Annotated[str, typer.Option("--truth", help="obs column of the true labels.", show_default=False)],
    task: Annotated[
        Literal["text", "annotation", "pseudo-cells"], typer.Option("--task", help="What is measured.")
    ] = "annotation",
    candidates: Annotated[
        Path | None,
        typer.Option(
            "--candidates", help="Table that tells the labels (default: by words).", show_default=False
        ),
    ] = None,
    layer: Layer = None,
    output: Output = Path(),
    prefix: Prefix = "sample",
    force: Force = False,
) -> None:
    """Measure describe on labelled cells; controls and ceilings stand beside every figure."""
    from tcellflow.steps.describe.options import EvaluateOptions

    options = EvaluateOptions(
        cells=cells,
        output=output,
        prefix=prefix,
        truth=truth,
        task=task,
        candidates=candidates,
        layer=layer,
        force=force,
    )
    options.check()
    from tcellflow.steps.describe import evaluation as step

    with without_pipes(options) as given, console.show_progress("eval") as progress:
        step.evaluate(given, progress=progress)
