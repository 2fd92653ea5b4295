"""The options of ``train language``; free of torch, so that the command line takes its defaults from here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tcellflow.training.options import NOT_STATED, LoopOptions


@dataclass(frozen=True)
class PlanOptions:
    """Which groups of cells plans are made of.

    Parameters
    ----------
    drawings
        Times that the cells of a set are drawn into groups anew.
    groups
        Groups of a drawing.
    least, most
        Cells of a group.
    mixed
        Share of groups that hold cells of two labels, so that markers contradict the type.
    fold
        Share of cells, and of groups made of them alone, that judge and are not learnt from.
    genes
        Genes of the network's panel: those that vary most between groups.
    """

    drawings: int = 10
    groups: int = 60
    least: int = 12
    most: int = 250
    mixed: float = 0.15
    fold: float = 0.1
    genes: int = 2_000


@dataclass(frozen=True)
class LanguageTaskOptions:
    """What the network is and what it is trained for.

    Parameters
    ----------
    width, decoder_layers, dropout
        Shape, as in `LanguageConfig`.
    batch
        Plans of a step.
    pointer_weight, contrast_weight
        Weights of the losses beside that of the next token.
    sees_cells
        Share of plans shown with their expression; the others are told from claims alone.
    seed
        Of weights, plans and texts.
    """

    width: int = 128
    decoder_layers: int = 3
    dropout: float = 0.1
    batch: int = 16
    pointer_weight: float = 1.0
    contrast_weight: float = 0.2
    sees_cells: float = 0.8
    seed: int = 0


@dataclass(frozen=True)
class TrainLanguageOptions:
    """What to train on, how, and where the result goes.

    Parameters
    ----------
    manifest
        YAML file of sets with labels.
    output
        Folder of checkpoints, metrics and bundle.
    phrases
        TOML file of phrases; None = the packaged ones.
    hold_out
        Sets that nobody learns from and that judge the bundle.
    plans
        Which groups are described.
    task
        Shape and losses.
    loop
        Steps, device and checkpoints.
    evaluation
        Markdown file with results to put on the card.
    name, version, licence
        Of the bundle; without a name it is called as its folder.
    resume
        Whether to go on from the folder's checkpoints.
    force
        Whether an earlier run in the folder may be replaced.
    """

    manifest: Path
    output: Path = Path("language")
    phrases: Path | None = None
    hold_out: frozenset[str] = frozenset()
    plans: PlanOptions = field(default_factory=PlanOptions)
    task: LanguageTaskOptions = field(default_factory=LanguageTaskOptions)
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            steps=2_000,
            learning_rate=2e-3,
            weight_decay=0.01,
            warm_up_steps=150,
            validate_every=200,
            is_mixed_precision=False,
        )
    )
    evaluation: Path | None = None
    name: str | None = None
    version: str = "1"
    licence: str = NOT_STATED
    resume: bool = False
    force: bool = False
