"""The command ``train states``; it needs the extra ``[train]``."""

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


def states(
    *,
    manifest: Annotated[
        Path, typer.Option("--manifest", help="YAML file of cohorts: counts, labels and what they mean.")
    ],
    architecture: Annotated[
        Literal["axes", "seed"],
        typer.Option(
            "--architecture",
            help="axes, or seed: the multimodal T-cell classifier's network and eight members, which bring "
            "their own settings.",
        ),
    ] = "axes",
    split: Annotated[
        Literal["random", "clone", "donor", "cohort"],
        typer.Option("--split", help="What stays together between learning and judging."),
    ] = "donor",
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            min=1,
            help="Members (5); each keeps another share of the units back. With --architecture seed: train "
            "the first so many of its eight.",
        ),
    ] = None,
    hold_out: Annotated[
        list[str] | None,
        typer.Option("--hold-out", help="Cohort that nobody learns from; may be repeated."),
    ] = None,
    receptors: Annotated[
        str,
        typer.Option(
            "--receptors",
            help="Learn from receptors too: a receptors bundle or backend, as for embed-tcr, or 'none'.",
        ),
    ] = "none",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of checkpoints, metrics.jsonl and bundle.")
    ] = Path("states"),
    name: Name = "states",
    bundle_version: BundleVersion = "1",
    evaluation: Evaluation = None,
    genes: Annotated[int, typer.Option("--genes", min=10, help="Genes of the panel.")] = 3_400,
    teacher: Annotated[
        str,
        typer.Option(
            "--teacher", help="Bundle whose genes and latent vector are learnt beside the labels, or 'none'."
        ),
    ] = "states-linear",
    teacher_weight: Annotated[
        float, typer.Option("--teacher-weight", min=0, help="Weight of the teacher's latent vector.")
    ] = 0.3,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of a member.")] = 800,
    distil_steps: Annotated[
        int, typer.Option("--distil-steps", min=1, help="Steps of the network distilled from the members.")
    ] = 1_000,
    batch_size: Annotated[int, typer.Option("--batch-size", min=2, help="T cells in a batch.")] = 128,
    learning_rate: LearningRate = 1e-3,
    width: Annotated[int, typer.Option("--width", min=2, help="Width of the first layer.")] = 256,
    latent: Annotated[int, typer.Option("--latent", min=2, help="Width of the latent vector.")] = 128,
    silver_weight: Annotated[
        float, typer.Option("--silver-weight", min=0, help="Weight of a teacher's label.")
    ] = 0.3,
    consistency_weight: Annotated[
        float,
        typer.Option(
            "--consistency-weight", min=0, help="Weight of saying the same of a cell under other noise."
        ),
    ] = 0.0,
    validate_every: ValidateEvery = 100,
    patience: Annotated[
        int | None,
        typer.Option("--patience", min=1, help="Stop a member after so many validations without a gain."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of folds, weights and batches.")] = 0,
    device: Device = "auto",
    resume: Resume = False,
    force: Force = False,
) -> None:
    """Train a states bundle from labelled cohorts.

    Members are judged, and the bundle is calibrated, by cells that the judging member had not learnt
    from. Several members are kept as one ensemble, and distilled into one network. A run that was
    stopped goes on with --resume and ends as if it had not been.
    """
    check_libraries("torch", "onnx", "onnxscript", command="train")
    from tcellflow.training.loop import LoopOptions
    from tcellflow.training.states.batches import BatchOptions
    from tcellflow.training.states.task import StateTaskOptions
    from tcellflow.training.states.train import TrainStatesOptions, train_states

    options = TrainStatesOptions(
        manifest=manifest,
        output=output,
        architecture=architecture,
        split=split,
        members=seeds,
        hold_out=frozenset(hold_out or ()),
        receptors=None if receptors == "none" else receptors,
        n_genes=genes,
        teacher=None if teacher == "none" else teacher,
        task=StateTaskOptions(
            width=width,
            latent=latent,
            teacher_weight=teacher_weight,
            consistency_weight=consistency_weight,
            batch=BatchOptions(
                t_cells=batch_size, strange=max(1, 3 * batch_size // 8), silver_weight=silver_weight
            ),
            seed=seed,
        ),
        loop=LoopOptions(
            steps=steps,
            learning_rate=learning_rate,
            warm_up_steps=min(50, steps),
            weight_decay=0.05,
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
        train_states(options, on_step=on_step)
