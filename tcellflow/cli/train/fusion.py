"""The command ``train fusion``; it needs the extra ``[train]``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tcellflow.cli.train.options import (
    BundleLicence,
    BundleVersion,
    Device,
    Evaluation,
    Force,
    LearningRate,
    Name,
    Resume,
    ValidateEvery,
    check_libraries,
    show_training,
    tell_bundle,
)
from tcellflow.models import configurations  # noqa: TC001 - typer reads it
from tcellflow.training.fusion.options import Architecture, GeneOrder, SplitUnit, TrainFusionOptions

_DEFAULT = TrainFusionOptions(manifest=Path())


def fusion(
    *,
    manifest: Annotated[
        Path, typer.Option("--manifest", help="YAML file of CITE-seq sets: counts, antibodies, labels.")
    ],
    architecture: Annotated[
        Architecture,
        typer.Option(
            "--architecture", help="fusion, or scfusionttt: the published design and its three stages."
        ),
    ] = _DEFAULT.architecture,
    split: Annotated[
        SplitUnit,
        typer.Option("--split", help="What stays together between learning and validation."),
    ] = _DEFAULT.split,
    hold_out: Annotated[
        list[str] | None, typer.Option("--hold-out", help="Set that nobody learns from; may be repeated.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of checkpoints, metrics.jsonl and bundle.")
    ] = _DEFAULT.output,
    name: Name = _DEFAULT.name,
    bundle_version: BundleVersion = _DEFAULT.version,
    licence: BundleLicence = _DEFAULT.licence,
    evaluation: Evaluation = None,
    genes: Annotated[
        int, typer.Option("--panel-genes", min=10, help="Genes of the panel.")
    ] = _DEFAULT.n_genes,
    mixer: Annotated[
        configurations.MixerKind | None,
        typer.Option(
            "--mixer",
            help="How tokens of genes and proteins meet. Without it the published design has ttt, and fusion "
            "no tokens.",
        ),
    ] = _DEFAULT.mixer,
    order: Annotated[
        GeneOrder, typer.Option("--order", help="Order in which genes are cut into patches.")
    ] = _DEFAULT.order,
    patch_genes: Annotated[
        int | None,
        typer.Option("--patch-genes", min=1, help="Genes of a patch (40; 10 in the published design)."),
    ] = _DEFAULT.patch_genes,
    members: Annotated[
        int, typer.Option("--members", min=1, help="Networks whose mean is learnt; 1 = labels alone.")
    ] = _DEFAULT.members,
    steps: Annotated[
        int, typer.Option("--training-steps", min=1, help="Steps of a member, or of a stage.")
    ] = _DEFAULT.loop.steps,
    distil_steps: Annotated[
        int, typer.Option("--distil-steps", min=1, help="Steps of the network that learns from the members.")
    ] = _DEFAULT.distil_steps,
    batch_size: Annotated[
        int,
        typer.Option("--batch-size", min=2, help="Labelled cells in a batch; as many of any kind join them."),
    ] = _DEFAULT.task.batch.labelled,
    learning_rate: LearningRate = _DEFAULT.loop.learning_rate,
    components: Annotated[
        int, typer.Option("--components", min=1, help="Principal components.")
    ] = _DEFAULT.task.components,
    width: Annotated[
        int, typer.Option("--width", min=2, help="Width of the hidden layer.")
    ] = _DEFAULT.task.width,
    validate_every: ValidateEvery = _DEFAULT.loop.validate_every,
    patience: Annotated[
        int | None,
        typer.Option("--patience", min=1, help="Stop a network after so many validations without a gain."),
    ] = _DEFAULT.loop.patience,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of fold, weights and batches.")
    ] = _DEFAULT.task.seed,
    device: Device = _DEFAULT.loop.device,
    resume: Resume = False,
    force: Force = False,
) -> None:
    """Train a fusion bundle from CITE-seq sets, with labels or without.

    The step fuse applies such a bundle to samples.
    A run that was stopped goes on with --resume and ends as if it had not been.
    """
    check_libraries("torch", "onnx", "onnxscript", command="train")
    from tcellflow.training.fusion.train import train_fusion

    options = TrainFusionOptions(
        manifest=manifest,
        output=output,
        architecture=architecture,
        split=split,
        hold_out=frozenset(hold_out or ()),
        n_genes=genes,
        mixer=mixer,
        order=order,
        patch_genes=patch_genes,
        members=members,
        task=replace(
            _DEFAULT.task,
            components=components,
            width=width,
            batch=replace(_DEFAULT.task.batch, labelled=batch_size, others=batch_size),
            seed=seed,
        ),
        loop=replace(
            _DEFAULT.loop,
            steps=steps,
            learning_rate=learning_rate,
            warm_up_steps=min(_DEFAULT.loop.warm_up_steps, steps),
            validate_every=validate_every,
            patience=patience,
            seed=seed,
            device=device,
        ),
        distil_steps=distil_steps,
        evaluation=evaluation,
        name=name,
        version=bundle_version,
        licence=licence,
        resume=resume,
        force=force,
    )
    with show_training(options.output) as on_step:
        tell_bundle(train_fusion(options, on_step=on_step))
