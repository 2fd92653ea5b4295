"""``tcellflow predict``: declarations that build the options of the step."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tcellflow.cli import console
from tcellflow.cli.options import (
    Bundle,
    CorrectPriors,
    Device,
    EffectorBy,
    EffectorMemoryAs,
    Ensemble,
    EvidenceGenes,
    Force,
    GuardCsv,
    MuData,
    Output,
    PoolLineage,
    Prefix,
    SetCoverage,
    TargetRisk,
    Threads,
    Vote,
    understand_effector_by,
)
from tcellflow.io.files.pipes import without_pipes


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
    fused: Annotated[
        Path | None,
        typer.Option("--fused", help="fused.parquet of fuse, to be put into the copy of the cells."),
    ] = None,
    bundle: Bundle = "states",
    ensemble: Ensemble = False,
    output: Output = Path(),
    prefix: Prefix = "sample",
    device: Device = "auto",
    threads: Threads = None,
    target_risk: TargetRisk = None,
    effector_by: EffectorBy = None,
    em_as: EffectorMemoryAs = None,
    correct_priors: CorrectPriors = False,
    pool_lineage: PoolLineage = False,
    vote: Vote = False,  # noqa: ARG001 - its callback refuses it
    set_coverage: SetCoverage = None,
    genes: EvidenceGenes = 0,
    guard_csv: GuardCsv = False,
    h5ad: Annotated[
        bool, typer.Option("--h5ad/--no-h5ad", help="Write the copy of the cells with the calls.")
    ] = True,
    mudata: MuData = False,
    chains: Annotated[
        Path | None,
        typer.Option("--chains", help="chains.parquet of preprocess, for --mudata."),
    ] = None,
    force: Force = False,
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
        fused=fused,
        bundle=bundle,
        ensemble=ensemble,
        device=device,
        threads=threads,
        effector_by=understand_effector_by(effector_by, em_as),
        calls=CallOptions(
            target_risk=target_risk,
            set_coverage=set_coverage,
            correct_priors=correct_priors,
            pool_lineage=pool_lineage,
        ),
        evidence_genes=genes,
        guard_csv=guard_csv,
        h5ad=h5ad,
        mudata=mudata,
        chains=chains,
        force=force,
    )
    options.check()
    from tcellflow.steps import predict as step  # heavy, hence behind the check

    with without_pipes(options) as given, console.show_progress("predict") as progress:
        paths = step.predict(given, progress=progress)
    console.tell_outputs(paths, prefix)
