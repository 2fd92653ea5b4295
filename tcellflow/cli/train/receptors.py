"""The command ``train receptors``; it needs the extra ``[train]``."""

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
from tcellflow.training.receptors.options import QUICK, CorpusOptions, TrainReceptorsOptions

_DEFAULT = TrainReceptorsOptions(CorpusOptions(chains=()))
QUICK_WORDS = "{steps} steps of {batch_size} receptors".format(**QUICK)


def receptors(
    *,
    chains: Annotated[
        list[Path],
        typer.Option(
            "--chains",
            help="Parquet table of single chains: locus, junction_aa, v_call, j_call, and where known source "
            "and has_epitope_label; may be repeated.",
        ),
    ],
    pairs: Annotated[
        list[Path] | None,
        typer.Option(
            "--pairs", help="Parquet table of pairs: junction_aa_tra ... j_call_trb; may be repeated."
        ),
    ] = None,
    withhold: Annotated[
        list[Path] | None,
        typer.Option(
            "--withhold",
            help="Parquet table whose junctions must not be learnt (labelled receptors); may be repeated.",
        ),
    ] = None,
    exclude_source: Annotated[
        list[str] | None,
        typer.Option("--exclude-source", help="Leave out the rows of this source; may be repeated."),
    ] = None,
    keep_labelled: Annotated[
        bool,
        typer.Option(
            "--keep-labelled", help="Learn from receptors with known epitopes too (not their labels)."
        ),
    ] = not _DEFAULT.corpus.is_label_free,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of checkpoint, metrics.jsonl and bundle.")
    ] = _DEFAULT.output,
    name: Name = _DEFAULT.name,
    bundle_version: BundleVersion = _DEFAULT.version,
    licence: BundleLicence = _DEFAULT.licence,
    licences: Annotated[
        Path | None, typer.Option("--licences", help='TOML file of licences for the card: "source" = "MIT".')
    ] = None,
    evaluation: Evaluation = None,
    quick: Annotated[  # noqa: ARG001 - its callback answers
        bool,
        typer.Option(
            "--quick",
            help="Minutes instead of half an hour: " + QUICK_WORDS + ", unless told otherwise.",
            callback=prefer(QUICK),
            is_eager=True,
        ),
    ] = False,
    steps: Annotated[
        int, typer.Option("--training-steps", min=0, help="Steps; 0 writes a bundle with random weights.")
    ] = _DEFAULT.loop.steps,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=2, help="Receptors told apart in one step.")
    ] = _DEFAULT.task.batch_size,
    learning_rate: LearningRate = _DEFAULT.loop.learning_rate,
    temperature: Annotated[
        float, typer.Option("--temperature", min=1e-3, help="Of the contrast.")
    ] = _DEFAULT.task.temperature,
    contrast_weight: Annotated[
        float, typer.Option("--contrast-weight", min=0, help="Weight of telling noised receptors apart.")
    ] = _DEFAULT.task.contrast_weight,
    teacher_weight: Annotated[
        float, typer.Option("--teacher-weight", min=0, help="Weight of neighbours by alignment.")
    ] = _DEFAULT.task.teacher_weight,
    residue_weight: Annotated[
        float, typer.Option("--residue-weight", min=0, help="Weight of guessing hidden residues.")
    ] = _DEFAULT.task.residue_weight,
    width: Annotated[
        int, typer.Option("--width", min=4, help="Width of the network; a multiple of 4.")
    ] = _DEFAULT.task.network.width,
    layers: Annotated[
        int, typer.Option("--layers", min=1, help="Layers of the network.")
    ] = _DEFAULT.task.network.layers,
    dimension: Annotated[
        int, typer.Option("--dimension", min=2, help="Numbers in a vector.")
    ] = _DEFAULT.task.network.dimension,
    validate_every: ValidateEvery = _DEFAULT.loop.validate_every,
    patience: Annotated[
        int | None,
        typer.Option("--patience", min=1, help="Stop after so many validations without a lower loss."),
    ] = _DEFAULT.loop.patience,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of weights and batches.")
    ] = _DEFAULT.task.seed,
    device: Device = _DEFAULT.loop.device,
    full_precision: Annotated[
        bool, typer.Option("--full-precision", help="Do not round products to bfloat16.")
    ] = not _DEFAULT.loop.is_mixed_precision,
    resume: Resume = False,
    force: Force = False,
) -> None:
    """Train the receptor encoder behind embed-tcr, and write it as a bundle.

    It learns to tell two noised views of a receptor from all others, without labels. Receptors with
    known epitopes are left out unless --keep-labelled is given, so that the bundle can be judged by
    them. A run that was stopped goes on with --resume and ends as if it had not been.
    """
    check_libraries("torch", "onnx", "onnxscript", command="train")
    from tcellflow.training.receptors.options import CorpusOptions, TrainReceptorsOptions
    from tcellflow.training.receptors.train import train_receptors

    options = TrainReceptorsOptions(
        corpus=CorpusOptions(
            chains=tuple(chains),
            pairs=tuple(pairs or ()),
            withheld=tuple(withhold or ()),
            excluded_sources=frozenset(exclude_source or ()),
            is_label_free=not keep_labelled,
        ),
        output=output,
        task=replace(
            _DEFAULT.task,
            network=replace(
                _DEFAULT.task.network,
                width=width,
                layers=layers,
                feed_forward=4 * width,
                dimension=dimension,
            ),
            batch_size=batch_size,
            temperature=temperature,
            contrast_weight=contrast_weight,
            teacher_weight=teacher_weight,
            residue_weight=residue_weight,
            seed=seed,
        ),
        loop=replace(
            _DEFAULT.loop,
            steps=steps,
            learning_rate=learning_rate,
            validate_every=validate_every,
            patience=patience,
            seed=seed,
            device=device,
            is_mixed_precision=not full_precision,
        ),
        licences=licences,
        evaluation=evaluation,
        name=name,
        version=bundle_version,
        licence=licence,
        resume=resume,
        force=force,
    )
    with show_training(options.output) as on_step:
        tell_bundle(train_receptors(options, on_step=on_step))
