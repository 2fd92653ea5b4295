"""The command ``describe run``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tcellflow.cli import console
from tcellflow.cli.describe.options import Cells, Chains, Groupby, Predictions  # noqa: TC001 - typer reads it
from tcellflow.cli.options import Force, FoundInObs, Layer, Output, Prefix  # noqa: TC001 - typer reads it
from tcellflow.errors import OptionsError
from tcellflow.io.files.pipes import without_pipes
from tcellflow.vocabulary import LANGUAGE_BUNDLE, Realiser


def run(
    cells: Cells,
    *,
    predictions: Predictions = None,
    chains: Chains = None,
    programmes: Annotated[
        Path | None,
        typer.Option(
            "--programmes", help="programmes.parquet of the same cells (default: scored).", show_default=False
        ),
    ] = None,
    groupby: Groupby = None,
    register: Annotated[
        Literal["short", "clinical", "full"], typer.Option("--register", help="How much is said.")
    ] = "full",
    realiser: Annotated[
        Realiser, typer.Option("--realiser", help="What puts claims into words.")
    ] = "template",
    bundle: Annotated[
        str, typer.Option("--bundle", help="Bundle of --realiser neural: a name or a folder.")
    ] = LANGUAGE_BUNDLE,
    text_plm: Annotated[
        Path | None,
        typer.Option(
            "--text-plm", help="Local Hugging Face folder of a causal language model.", show_default=False
        ),
    ] = None,
    on_ungrounded: Annotated[
        Literal["drop", "fail"],
        typer.Option("--on-ungrounded", help="What becomes of a sentence that the cells do not support."),
    ] = "drop",
    h5ad: FoundInObs = False,
    layer: Layer = None,
    output: Output = Path(),
    prefix: Prefix = "sample",
    force: Force = False,
) -> None:
    """Describe states, clusters and expanded clones: claims, text, and every sentence read back."""
    from tcellflow.steps.describe.options import DescribeOptions

    _check_realiser(realiser, text_plm)
    options = DescribeOptions(
        cells=cells,
        output=output,
        prefix=prefix,
        predictions=predictions,
        chains=chains,
        programmes=programmes,
        groupby=groupby,
        register=register,
        realiser=realiser,
        bundle=bundle,
        on_ungrounded=on_ungrounded,
        layer=layer,
        h5ad=h5ad,
        force=force,
    )
    options.check()
    speak = None
    if text_plm is not None:
        from tcellflow.cli.train.options import check_libraries

        check_libraries("torch", "transformers", "safetensors", command="describe run --realiser llm")
        from tcellflow.training.language.causal_lm import open_causal_lm

        speak = open_causal_lm(text_plm)
    from tcellflow.steps import describe as step

    with without_pipes(options) as given, console.show_progress("describe") as progress:
        step.describe(given, speak=speak, progress=progress)


def _check_realiser(realiser: Realiser, text_plm: Path | None) -> None:
    if (realiser == "llm") != (text_plm is not None):
        raise OptionsError(
            "--realiser llm and --text-plm go together",
            where="--realiser, --text-plm",
            mend="name the folder of a language model with --text-plm, or leave both out",
        )
