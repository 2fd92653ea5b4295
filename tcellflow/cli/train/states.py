"""The command ``train states``; it needs the extra ``[train]``."""

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
    prefer,
    show_training,
    tell_bundle,
)
from tcellflow.training.states.options import AXES_MEMBERS, QUICK, Architecture, SplitUnit, TrainStatesOptions

_DEFAULT = TrainStatesOptions(manifest=Path())
_NONE = "none"
QUICK_WORDS = "{seeds} members of {steps} steps, {distil_steps} to distil them".format(**QUICK)


def states(
    *,
    manifest: Annotated[
        Path, typer.Option("--manifest", help="YAML file of cohorts: counts, labels and what they mean.")
    ],
    quick: Annotated[  # noqa: ARG001 - its callback answers
        bool,
        typer.Option(
            "--quick",
            help="Minutes instead of a quarter of an hour: " + QUICK_WORDS + ", unless told otherwise.",
            callback=prefer(QUICK),
            is_eager=True,
        ),
    ] = False,
    architecture: Annotated[
        Architecture,
        typer.Option(
            "--architecture",
            help="axes, or seed: the multimodal T-cell classifier's network and eight members, which bring "
            "their own settings.",
        ),
    ] = _DEFAULT.architecture,
    split: Annotated[
        SplitUnit,
        typer.Option("--split", help="What stays together between learning and judging."),
    ] = _DEFAULT.split,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            min=1,
            help=f"Members ({AXES_MEMBERS}); each keeps another share of the units back. With --architecture "
            "seed: train the first so many of its eight.",
        ),
    ] = _DEFAULT.members,
    hold_out: Annotated[
        list[str] | None,
        typer.Option("--hold-out", help="Cohort that nobody learns from; may be repeated."),
    ] = None,
    receptors: Annotated[
        str,
        typer.Option(
            "--encoder",
            help="Learn from receptors too: a receptors bundle or backend, as for embed-tcr, or 'none'.",
        ),
    ] = _DEFAULT.receptors or _NONE,
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
    teacher: Annotated[
        str,
        typer.Option(
            "--teacher", help="Bundle whose genes and latent vector are learnt beside the labels, or 'none'."
        ),
    ] = _DEFAULT.teacher or _NONE,
    teacher_weight: Annotated[
        float, typer.Option("--teacher-weight", min=0, help="Weight of the teacher's latent vector.")
    ] = _DEFAULT.task.teacher_weight,
    steps: Annotated[
        int, typer.Option("--training-steps", min=1, help="Steps of a member.")
    ] = _DEFAULT.loop.steps,
    distil_steps: Annotated[
        int, typer.Option("--distil-steps", min=1, help="Steps of the network distilled from the members.")
    ] = _DEFAULT.distil_steps,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=2, help="T cells in a batch.")
    ] = _DEFAULT.task.batch.t_cells,
    learning_rate: LearningRate = _DEFAULT.loop.learning_rate,
    width: Annotated[
        int, typer.Option("--width", min=2, help="Width of the first layer.")
    ] = _DEFAULT.task.width,
    latent: Annotated[
        int, typer.Option("--latent", min=2, help="Width of the latent vector.")
    ] = _DEFAULT.task.latent,
    silver_weight: Annotated[
        float, typer.Option("--silver-weight", min=0, help="Weight of a teacher's label.")
    ] = _DEFAULT.task.batch.silver_weight,
    consistency_weight: Annotated[
        float,
        typer.Option(
            "--consistency-weight", min=0, help="Weight of saying the same of a cell under other noise."
        ),
    ] = _DEFAULT.task.consistency_weight,
    validate_every: ValidateEvery = _DEFAULT.loop.validate_every,
    patience: Annotated[
        int | None,
        typer.Option("--patience", min=1, help="Stop a member after so many validations without a gain."),
    ] = _DEFAULT.loop.patience,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of folds, weights and batches.")
    ] = _DEFAULT.task.seed,
    device: Device = _DEFAULT.loop.device,
    resume: Resume = False,
    force: Force = False,
) -> None:
    """Train a states bundle from labelled cohorts.

    Members are judged, and the bundle is calibrated, by cells that the judging member had not learnt
    from. Several members are kept as one ensemble, and distilled into one network. A run that was
    stopped goes on with --resume and ends as if it had not been.
    """
    check_libraries("torch", "onnx", "onnxscript", command="train")
    from tcellflow.training.states.train import train_states

    options = TrainStatesOptions(
        manifest=manifest,
        output=output,
        architecture=architecture,
        split=split,
        members=seeds,
        hold_out=frozenset(hold_out or ()),
        receptors=None if receptors == _NONE else receptors,
        n_genes=genes,
        teacher=None if teacher == _NONE else teacher,
        task=replace(
            _DEFAULT.task,
            width=width,
            latent=latent,
            teacher_weight=teacher_weight,
            consistency_weight=consistency_weight,
            batch=replace(
                _DEFAULT.task.batch,
                t_cells=batch_size,
                strange=max(1, batch_size * _DEFAULT.task.batch.strange // _DEFAULT.task.batch.t_cells),
                silver_weight=silver_weight,
            ),
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
        tell_bundle(train_states(options, on_step=on_step))
