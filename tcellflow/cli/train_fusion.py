"""The command ``train fusion``; it needs the extra ``[train]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tcellflow.cli import console
from tcellflow.cli.train import (
    BundleVersion,
    Device,
    Evaluation,
    Force,
    LearningRate,
    Name,
    Resume,
    ValidateEvery,
    check_libraries,
)


def fusion(
    *,
    manifest: Annotated[
        Path, typer.Option("--manifest", help="YAML file of CITE-seq sets: counts, antibodies, labels.")
    ],
    architecture: Annotated[
        Literal["fusion", "scfusionttt"],
        typer.Option(
            "--architecture", help="fusion, or scfusionttt: the published design and its three stages."
        ),
    ] = "fusion",
    split: Annotated[
        Literal["column", "cell", "donor", "set"],
        typer.Option("--split", help="What stays together between learning and validation."),
    ] = "cell",
    hold_out: Annotated[
        list[str] | None, typer.Option("--hold-out", help="Set that nobody learns from; may be repeated.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of checkpoints, metrics.jsonl and bundle.")
    ] = Path("fusion"),
    name: Name = "fusion",
    bundle_version: BundleVersion = "1",
    evaluation: Evaluation = None,
    genes: Annotated[int, typer.Option("--genes", min=10, help="Genes of the panel.")] = 4_000,
    mixer: Annotated[
        Literal["ttt", "ttt-set", "attention", "none"] | None,
        typer.Option(
            "--mixer",
            help="How tokens of genes and proteins meet. Without it the published design has ttt, and fusion "
            "no tokens.",
        ),
    ] = None,
    order: Annotated[
        Literal["genome", "reverse", "shuffle", "input"],
        typer.Option("--order", help="Order in which genes are cut into patches."),
    ] = "genome",
    patch_genes: Annotated[
        int | None,
        typer.Option("--patch-genes", min=1, help="Genes of a patch (40; 10 in the published design)."),
    ] = None,
    members: Annotated[
        int, typer.Option("--members", min=1, help="Networks whose mean is learnt; 1 = labels alone.")
    ] = 5,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of a member, or of a stage.")] = 800,
    distil_steps: Annotated[
        int, typer.Option("--distil-steps", min=1, help="Steps of the network that learns from the members.")
    ] = 2_500,
    batch_size: Annotated[int, typer.Option("--batch-size", min=2, help="Labelled cells in a batch.")] = 128,
    learning_rate: LearningRate = 2e-3,
    components: Annotated[int, typer.Option("--components", min=1, help="Principal components.")] = 32,
    width: Annotated[int, typer.Option("--width", min=2, help="Width of the hidden layer.")] = 384,
    validate_every: ValidateEvery = 100,
    patience: Annotated[
        int | None,
        typer.Option("--patience", min=1, help="Stop a network after so many validations without a gain."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of fold, weights and batches.")] = 0,
    device: Device = "auto",
    resume: Resume = False,
    force: Force = False,
) -> None:
    """Train a fusion bundle from CITE-seq sets, with labels or without.

    A run that was stopped goes on with --resume and ends as if it had not been.
    """
    check_libraries("torch", "onnx", "onnxscript", command="train")
    from tcellflow.training.fusion.batches import FusionBatchOptions
    from tcellflow.training.fusion.options import TrainFusionOptions
    from tcellflow.training.fusion.task import FusionTaskOptions
    from tcellflow.training.fusion.train import train_fusion
    from tcellflow.training.loop import LoopOptions

    is_published = architecture == "scfusionttt"
    options = TrainFusionOptions(
        manifest=manifest,
        output=output,
        architecture=architecture,
        split=split,
        hold_out=frozenset(hold_out or ()),
        n_genes=genes,
        mixer=mixer or ("ttt" if is_published else "none"),
        order=order,
        patch_genes=patch_genes or (10 if is_published else 40),
        members=members,
        task=FusionTaskOptions(
            components=components,
            width=width,
            batch=FusionBatchOptions(labelled=batch_size, others=batch_size),
            seed=seed,
        ),
        loop=LoopOptions(
            steps=steps,
            learning_rate=learning_rate,
            warm_up_steps=min(50, steps),
            weight_decay=0.01,
            validate_every=validate_every,
            patience=patience,
            seed=seed,
            device=device,
            is_mixed_precision=False,
        ),
        distil_steps=distil_steps,
        evaluation=evaluation,
        name=name,
        version=bundle_version,
        resume=resume,
        force=force,
    )
    with console.show_progress("training") as on_step:
        train_fusion(options, on_step=on_step)
