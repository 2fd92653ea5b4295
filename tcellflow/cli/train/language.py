"""The command ``train language``; it needs the extra ``[train]``."""

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
from tcellflow.training.language.options import TrainLanguageOptions

_DEFAULT = TrainLanguageOptions(manifest=Path())


def language(
    *,
    manifest: Annotated[
        Path, typer.Option("--manifest", help="YAML file of labelled sets: counts, a column, its terms.")
    ],
    phrases: Annotated[
        Path | None,
        typer.Option("--phrases", help="TOML file of your own phrases (default: the packaged ones)."),
    ] = _DEFAULT.phrases,
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
    ] = _DEFAULT.plans.genes,
    drawings: Annotated[
        int, typer.Option("--drawings", min=2, help="Times that a set's cells are drawn into groups.")
    ] = _DEFAULT.plans.drawings,
    groups: Annotated[
        int, typer.Option("--groups", min=2, help="Groups of cells in a drawing.")
    ] = _DEFAULT.plans.groups,
    steps: Annotated[int, typer.Option("--training-steps", min=1, help="Steps.")] = _DEFAULT.loop.steps,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=2, help="Groups of cells in a step.")
    ] = _DEFAULT.task.batch,
    learning_rate: LearningRate = _DEFAULT.loop.learning_rate,
    width: Annotated[
        int, typer.Option("--width", min=8, help="Width of all vectors; a multiple of 4.")
    ] = _DEFAULT.task.width,
    validate_every: ValidateEvery = _DEFAULT.loop.validate_every,
    patience: Annotated[
        int | None,
        typer.Option("--patience", min=1, help="Stop after so many validations without a gain."),
    ] = _DEFAULT.loop.patience,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of groups, weights and texts.")
    ] = _DEFAULT.task.seed,
    device: Device = _DEFAULT.loop.device,
    resume: Resume = False,
    force: Force = False,
) -> None:
    """Train a language bundle from labelled sets and phrases.

    With it, describe run --realiser neural puts claims into words.
    A run that was stopped goes on with --resume and ends as if it had not been.
    """
    check_libraries("torch", "onnx", "onnxscript", command="train")
    from tcellflow.training.language.train import train_language

    options = TrainLanguageOptions(
        manifest=manifest,
        output=output,
        phrases=phrases,
        hold_out=frozenset(hold_out or ()),
        plans=replace(_DEFAULT.plans, genes=genes, drawings=drawings, groups=groups),
        task=replace(_DEFAULT.task, width=width, batch=batch_size, seed=seed),
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
        evaluation=evaluation,
        name=name,
        version=bundle_version,
        licence=licence,
        resume=resume,
        force=force,
    )
    with show_training(options.output) as on_step:
        tell_bundle(train_language(options, on_step=on_step))
