"""All that can be chosen when a states bundle is trained, with the defaults; free of torch and numpy.

Invariant: every default stands here alone; the command line and the recipes take theirs from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from tcellflow.training.options import NOT_STATED, LoopOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

Architecture = Literal["axes", "seed"]
SplitUnit = Literal["random", "clone", "donor", "cohort"]
AXES_MEMBERS: Final = 5
# What --quick asks for, by the names of the command's parameters; docs/training-states.md has its price.
QUICK: Final[Mapping[str, int]] = MappingProxyType(
    {"seeds": 3, "steps": 300, "distil_steps": 400, "validate_every": 50}
)


@dataclass(frozen=True)
class BatchOptions:
    """What is in a batch.

    Parameters
    ----------
    t_cells
        T cells.
    strange
        Cells that are no T cells: of other kinds, shuffled, ambient.
    cohort_power
        A cohort of n cells is drawn n to this power times as often as one of a single cell.
    label_power
        The same for the labels within a cohort.
    silver_weight
        Weight of a teacher's label in the loss.
    receptors_alone
        Labelled cells of cohorts without expression that come beside the T cells, as a share of these.
    """

    t_cells: int = 128
    strange: int = 48
    cohort_power: float = 0.5
    label_power: float = 0.25
    silver_weight: float = 0.3
    receptors_alone: float = 0.1


@dataclass(frozen=True)
class StateNoise:
    """Strength of the noise.

    Parameters
    ----------
    thinned
        Share of cells that lose molecules.
    least_depth
        Smallest part of its molecules that such a cell keeps.
    contaminated
        Share of cells with ambient molecules.
    most_ambient
        Largest part of ambient molecules, of the cell's own.
    fewer_genes
        Share of cells of which fewer genes are measured: those of another cohort, or a random part.
    panel_sums
        Share of cells normalised by the sum of the panel's genes instead of all genes.
    library
        Standard deviation of the log of the library size.
    chemistry
        Standard deviation of the log of each gene's efficiency, drawn anew for every batch.
    chain_dropped
        Chance of each chain to go missing.
    segments_dropped
        Chance of a cell's chains to lose their V and J genes.
    expression_dropped
        Chance of a cell with a receptor to lose its expression.
    """

    thinned: float = 0.5
    least_depth: float = 0.15
    contaminated: float = 0.3
    most_ambient: float = 0.15
    fewer_genes: float = 0.5
    panel_sums: float = 0.1
    library: float = 0.15
    chemistry: float = 0.3
    chain_dropped: float = 0.4
    segments_dropped: float = 0.3
    expression_dropped: float = 0.05


@dataclass(frozen=True)
class StateTaskOptions:
    """What a member is and what it is trained for.

    Parameters
    ----------
    width, latent, dropout
        Shape, as in `AxesConfig`.
    ridge_weight
        Weight of the squared weights from genes straight to the axes.
    label_noise
        Share of labels taken to be wrong.
    cycle_weight, strange_weight, teacher_weight, consistency_weight
        Weights of the losses beside that of the labels.
    batch
        What is in a batch.
    noise
        Strength of the noise.
    seed
        Seed of weights and batches.
    """

    width: int = 256
    latent: int = 128
    dropout: float = 0.3
    ridge_weight: float = 0.03
    label_noise: float = 0.1
    cycle_weight: float = 0.3
    strange_weight: float = 0.5
    teacher_weight: float = 0.3
    consistency_weight: float = 0.0
    batch: BatchOptions = field(default_factory=BatchOptions)
    noise: StateNoise = field(default_factory=StateNoise)
    seed: int = 0


@dataclass(frozen=True)
class SeedMember:
    """Settings of one member of the seed network.

    Parameters
    ----------
    name
        As the classifier names it.
    seed
        Of weights and batches.
    width, heads, dropout
        Shape, as in `SeedConfig`.
    weight_decay, learning_rate
        Of the optimiser.
    batch
        Cells of a batch.
    """

    name: str
    seed: int
    width: int = 512
    heads: int = 4
    dropout: float = 0.30
    weight_decay: float = 0.02
    learning_rate: float = 2e-4
    batch: int = 256


SEED_MEMBERS: Final = (
    SeedMember("m1_h512", 42),
    SeedMember("m2_h512_s2", 999),
    SeedMember("m3_h384", 123, width=384),
    SeedMember("m4_8heads", 777, heads=8),
    SeedMember("m5_lowdrop", 2024, dropout=0.25, weight_decay=0.03),
    SeedMember("m6_highdrop", 31415, dropout=0.35, weight_decay=0.015),
    SeedMember("m7_lr3e4", 5555, learning_rate=3e-4),
    SeedMember("m8_bigbatch", 8888, learning_rate=3e-4, batch=512),
)


@dataclass(frozen=True)
class TrainStatesOptions:
    """What to train on, how, and where the result goes.

    Parameters
    ----------
    manifest
        YAML file of cohorts.
    output
        Folder of checkpoints, metrics and bundle.
    architecture
        ``axes``, or ``seed``: the network of the multimodal T-cell classifier with its eight members and
        their settings. Of the options below, those of members, teacher, task and steps are for axes.
    split
        What stays together between learning and judging.
    members
        Networks. Each of the axes keeps another share of the units back, 5 by default; of the seed's
        eight the first so many are trained, by default all.
    hold_out
        Cohorts that nobody learns from.
    receptors
        Receptor encoder, as `find_encoder` takes it, whose vectors of the cohorts' chains are learnt from
        beside expression; None = expression alone.
    n_genes
        Genes of the panel.
    teacher
        Bundle whose genes come first in the panel and whose latent vector is learnt beside the labels;
        None = none.
    task
        Network and losses.
    loop
        Steps, device and checkpoints of a member.
    distil_steps
        Steps of the network that is distilled from several members.
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
    output: Path = Path("states")
    architecture: Architecture = "axes"
    split: SplitUnit = "donor"
    members: int | None = None
    hold_out: frozenset[str] = frozenset()
    receptors: str | None = None
    n_genes: int = 3_400
    teacher: str | None = "states-linear"
    task: StateTaskOptions = field(default_factory=StateTaskOptions)
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            steps=800, warm_up_steps=50, weight_decay=0.05, validate_every=100, is_mixed_precision=False
        )
    )
    distil_steps: int = 1_000
    evaluation: Path | None = None
    name: str | None = None
    version: str = "1"
    licence: str = NOT_STATED
    resume: bool = False
    force: bool = False

    @property
    def n_members(self) -> int:
        """Networks that are trained."""
        if self.members is None:
            return len(SEED_MEMBERS) if self.architecture == "seed" else AXES_MEMBERS
        return self.members
