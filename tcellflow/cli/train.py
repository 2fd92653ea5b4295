"""The training commands; they need the extra ``[train]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tcellflow.cli import console
from tcellflow.errors import OptionsError

train_app = typer.Typer(
    no_args_is_help=True,
    help="Train models and write them as bundles; needs torch: pip install 'tcellflow[train]'.",
    rich_markup_mode=None,
)


Name = Annotated[str, typer.Option("--name", help="Name of the bundle.")]
BundleVersion = Annotated[str, typer.Option("--bundle-version", help="Version of the bundle.")]
Evaluation = Annotated[
    Path | None, typer.Option("--evaluation", help="Markdown with results to put on the card.")
]
LearningRate = Annotated[float, typer.Option("--learning-rate", min=0, help="Highest rate.")]
ValidateEvery = Annotated[
    int, typer.Option("--validate-every", min=1, help="Steps between validations and checkpoints.")
]
Device = Annotated[
    Literal["cpu", "cuda", "auto"], typer.Option("--device", help="Where to train; auto takes a GPU.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the folder's checkpoints, if there are any.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier run in the folder.")]


@train_app.callback()
def _train() -> None:
    """Train models and write them as bundles; needs torch: pip install 'tcellflow[train]'."""


def check_libraries(*names: str, command: str) -> None:
    """Refuse a command whose libraries are not installed.

    Parameters
    ----------
    *names
        Modules of the extra ``[train]``.
    command
        What needs them.

    Raises
    ------
    OptionsError
        If one is missing.
    """
    import importlib.util

    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise OptionsError(
            f"{command} needs {' and '.join(missing)}, which is not installed",
            where=f"tcellflow {command}",
            mend='pip install "tcellflow[train]"',
        )


@train_app.command("receptors", short_help="Train the receptor encoder behind embed-tcr.")
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
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of checkpoint, metrics.jsonl and bundle.")
    ] = Path("receptors"),
    name: Name = "receptors",
    bundle_version: BundleVersion = "1",
    licences: Annotated[
        Path | None, typer.Option("--licences", help='TOML file of licences for the card: "source" = "MIT".')
    ] = None,
    evaluation: Evaluation = None,
    steps: Annotated[
        int, typer.Option("--steps", min=0, help="Steps; 0 writes a bundle with random weights.")
    ] = 4_200,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=2, help="Receptors told apart in one step.")
    ] = 512,
    learning_rate: LearningRate = 2.5e-3,
    temperature: Annotated[float, typer.Option("--temperature", min=1e-3, help="Of the contrast.")] = 0.05,
    contrast_weight: Annotated[
        float, typer.Option("--contrast-weight", min=0, help="Weight of telling noised receptors apart.")
    ] = 1.0,
    teacher_weight: Annotated[
        float, typer.Option("--teacher-weight", min=0, help="Weight of neighbours by alignment.")
    ] = 1.0,
    residue_weight: Annotated[
        float, typer.Option("--residue-weight", min=0, help="Weight of guessing hidden residues.")
    ] = 0.2,
    width: Annotated[int, typer.Option("--width", min=4, help="Width of the network; a multiple of 4.")] = 64,
    layers: Annotated[int, typer.Option("--layers", min=1, help="Layers of the network.")] = 3,
    dimension: Annotated[int, typer.Option("--dimension", min=2, help="Numbers in a vector.")] = 128,
    validate_every: ValidateEvery = 250,
    patience: Annotated[
        int | None,
        typer.Option("--patience", min=1, help="Stop after so many validations without a lower loss."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of weights and batches.")] = 0,
    device: Device = "auto",
    full_precision: Annotated[
        bool, typer.Option("--full-precision", help="Do not round products to bfloat16.")
    ] = False,
    resume: Resume = False,
    force: Force = False,
) -> None:
    """Train the receptor encoder behind embed-tcr, and write it as a bundle.

    It learns to tell two noised views of a receptor from all others, without labels. Receptors with
    known epitopes are left out unless --keep-labelled is given, so that the bundle can be judged by
    them. A run that was stopped goes on with --resume and ends as if it had not been.
    """
    check_libraries("torch", "onnx", "onnxscript", command="train")
    from tcellflow.models.receptors import ReceptorEncoderConfig
    from tcellflow.training.loop import LoopOptions
    from tcellflow.training.receptors.corpus import CorpusOptions
    from tcellflow.training.receptors.task import ReceptorTaskOptions
    from tcellflow.training.receptors.train import TrainReceptorsOptions, train_receptors

    options = TrainReceptorsOptions(
        corpus=CorpusOptions(
            chains=tuple(chains),
            pairs=tuple(pairs or ()),
            withheld=tuple(withhold or ()),
            excluded_sources=frozenset(exclude_source or ()),
            is_label_free=not keep_labelled,
        ),
        output=output,
        task=ReceptorTaskOptions(
            network=ReceptorEncoderConfig(
                width=width, layers=layers, feed_forward=4 * width, dimension=dimension
            ),
            batch_size=batch_size,
            temperature=temperature,
            contrast_weight=contrast_weight,
            teacher_weight=teacher_weight,
            residue_weight=residue_weight,
            seed=seed,
        ),
        loop=LoopOptions(
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
        resume=resume,
        force=force,
    )
    with console.show_progress("training") as on_step:
        train_receptors(options, on_step=on_step)
