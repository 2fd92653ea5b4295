"""``tcellflow fuse``: declarations that build the options of the step."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tcellflow.cli import console
from tcellflow.cli.options import (  # noqa: TC001 - typer reads annotations at run time
    Device,
    Force,
    Output,
    Prefix,
    Threads,
)
from tcellflow.io.files.pipes import without_pipes
from tcellflow.vocabulary import AdtNorm, FuseInputs  # noqa: TC001 - as above


def fuse(
    cells: Annotated[Path, typer.Argument(help="cells.h5ad that preprocess wrote.", show_default=False)],
    *,
    inputs: Annotated[
        FuseInputs,
        typer.Option("--inputs", help="What is used; the rest counts as not measured (auto: what there is)."),
    ] = "auto",
    bundle: Annotated[
        str,
        typer.Option(
            "--fusion-bundle", help="Name or folder of a fusion bundle; see 'tcellflow bundle list'."
        ),
    ] = "fusion",
    output: Output = Path(),
    prefix: Prefix = "sample",
    device: Device = "auto",
    threads: Threads = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            help="cells.h5ad of another sample: put the vectors into its space, without refitting.",
        ),
    ] = None,
    adt_norm: Annotated[
        AdtNorm,
        typer.Option(
            "--adt-norm",
            help="What is taken off antibody counts before they are compared: clr, nothing; mixture, the "
            "spread of the background; dsb, the background and what all antibodies of a cell share.",
        ),
    ] = "clr",
    refit: Annotated[
        bool,
        typer.Option(
            "--refit",
            help="Fit on this sample (or the reference) how genes tell its own proteins, for samples unlike "
            "those learnt from.",
        ),
    ] = False,
    clusters: Annotated[
        bool, typer.Option("--clusters/--no-clusters", help="Group cells with near vectors (Leiden).")
    ] = True,
    umap: Annotated[
        bool, typer.Option("--umap/--no-umap", help="Give cells places on a map of the vectors.")
    ] = True,
    resolution: Annotated[
        float, typer.Option("--resolution", min=0, help="Of the groups: more gives more of them.")
    ] = 1.0,
    h5ad: Annotated[
        bool, typer.Option("--h5ad/--no-h5ad", help="Write the copy of the cells with the vectors.")
    ] = True,
    force: Force = False,
) -> None:
    """Put expression and surface proteins of every cell into one vector, and tell proteins and labels."""
    from tcellflow.steps.options import FuseOptions

    options = FuseOptions(
        cells=cells,
        output=output,
        prefix=prefix,
        bundle=bundle,
        inputs=inputs,
        device=device,
        threads=threads,
        reference=reference,
        adt_norm=adt_norm,
        refit=refit,
        clusters=clusters,
        umap=umap,
        resolution=resolution,
        h5ad=h5ad,
        force=force,
    )
    options.check()
    from tcellflow.steps import fuse as step  # heavy, hence behind the check

    with without_pipes(options) as given, console.show_progress("fuse") as progress:
        paths = step.fuse(given, progress=progress)
    console.tell_outputs(paths, prefix)
