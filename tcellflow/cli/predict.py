"""``tcellflow predict``: declarations that build the step's options; ``run`` shares some of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tcellflow.cli import console
from tcellflow.cli.limits import size_pools
from tcellflow.io.files.pipes import without_pipes

Bundle = Annotated[
    str, typer.Option("--bundle", help="Name or folder of a states bundle; see 'tcellflow bundle list'.")
]
Ensemble = Annotated[
    bool, typer.Option("--ensemble", help="Run the bundle's ensemble instead of the one model made from it.")
]
Device = Annotated[
    Literal["cpu", "cuda", "auto"],
    typer.Option("--device", help="Where to run the bundle's network; auto takes a usable GPU."),
]
TargetRisk = Annotated[
    float | None,
    typer.Option(
        "--target-risk", help="Accepted share of wrong calls, 0-1; less makes more cells Unresolved."
    ),
]
EffectorMemoryAs = Annotated[
    Literal["memory", "effector"], typer.Option("--em-as", help="Which state effector memory counts as.")
]
CorrectPriors = Annotated[
    bool,
    typer.Option(
        "--correct-priors",
        help="Estimate the sample's class shares and correct the probabilities; raw ones are kept beside.",
    ),
]
PoolLineage = Annotated[
    bool, typer.Option("--pool-lineage", help="Name the lineage of each cell's clone beside its own.")
]
Vote = Annotated[
    bool, typer.Option("--vote", help="Let groups of similar cells vote; the result stands beside the calls.")
]
SetCoverage = Annotated[
    float | None,
    typer.Option(
        "--set-coverage", help="List the states that cannot be ruled out, with this coverage, e.g. 0.9."
    ),
]
EvidenceGenes = Annotated[
    int,
    typer.Option(
        "--genes", min=0, max=50, help="List this many genes for and against each call (slow; 0: none)."
    ),
]


def predict(
    cells: Annotated[Path, typer.Argument(help="cells.h5ad that preprocess wrote.", show_default=False)],
    *,
    receptors: Annotated[
        Path | None,
        typer.Option(
            "--receptors", help="receptors.parquet of embed-tcr, for the clones (else those of the cells)."
        ),
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(
            "--embeddings", help="embeddings.parquet of the same run, for bundles that use receptors."
        ),
    ] = None,
    bundle: Bundle = "states",
    ensemble: Ensemble = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="Output folder.")] = Path(),
    prefix: Annotated[
        str, typer.Option("--prefix", help="Sample name: every file name starts with it.")
    ] = "sample",
    device: Device = "auto",
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            min=1,
            help="CPU threads (default: all that this process may use).",
            callback=size_pools,
        ),
    ] = None,
    target_risk: TargetRisk = None,
    em_as: EffectorMemoryAs = "memory",
    correct_priors: CorrectPriors = False,
    pool_lineage: PoolLineage = False,
    vote: Vote = False,
    set_coverage: SetCoverage = None,
    genes: EvidenceGenes = 0,
    h5ad: Annotated[
        bool, typer.Option("--h5ad/--no-h5ad", help="Write the copy of the cells with the calls.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace finished outputs.")] = False,
) -> None:
    """Predict the state of every cell with its probability, and pool the states of every clone."""
    from tcellflow.inference.states.options import CallOptions
    from tcellflow.steps.options import PredictOptions

    options = PredictOptions(
        cells=cells,
        output=output,
        prefix=prefix,
        receptors=receptors,
        embeddings=embeddings,
        bundle=bundle,
        ensemble=ensemble,
        device=device,
        threads=threads,
        effector_memory_as=em_as,
        calls=CallOptions(
            target_risk=target_risk,
            set_coverage=set_coverage,
            correct_priors=correct_priors,
            pool_lineage=pool_lineage,
            vote=vote,
        ),
        evidence_genes=genes,
        h5ad=h5ad,
        force=force,
    )
    options.check()
    from tcellflow.steps import predict as step  # heavy, hence behind the check

    with without_pipes(options) as given, console.show_progress("predict") as progress:
        step.predict(given, progress=progress)
