"""All that can be chosen when a fusion bundle is trained, with the defaults; free of torch and numpy.

Invariant: every default stands here alone; the command line and the recipes take theirs from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tcellflow.training.options import NOT_STATED, LoopOptions

if TYPE_CHECKING:
    from tcellflow.models.configurations import MixerKind, TokenConfig

Architecture = Literal["fusion", "scfusionttt"]
SplitUnit = Literal["column", "cell", "donor", "set"]
GeneOrder = Literal["genome", "reverse", "shuffle", "input"]


@dataclass(frozen=True)
class ViewOptions:
    """How cells are shown.

    Parameters
    ----------
    whole
        Share of the cells that are shown as they are, but for genes that are masked to be told.
    without_adt, without_rna
        Share of the other cells that are shown without proteins, or without genes.
    sub_panel
        Share of them that show a random part of their proteins.
    sub_genes
        Share of them that show a random part of the genes, or those of another set.
    thinned
        Share of them whose counts are thinned.
    narrow
        Share of them whose depth is that of the panel's genes alone, as in a file that holds no others.
    masked
        Share of the genes (with tokens) and proteins that are masked to be told.
    """

    whole: float = 0.5
    without_adt: float = 0.4
    without_rna: float = 0.2
    sub_panel: float = 0.3
    sub_genes: float = 0.3
    thinned: float = 0.3
    narrow: float = 0.5
    masked: float = 0.15


@dataclass(frozen=True)
class FusionBatchOptions:
    """What is in a batch.

    Parameters
    ----------
    labelled, others
        Cells drawn among those with labels, and among all.
    set_power
        A set of n cells is drawn n to this power times as often as one of a single cell.
    views
        How they are shown.
    """

    labelled: int = 128
    others: int = 128
    set_power: float = 0.5
    views: ViewOptions = field(default_factory=ViewOptions)


@dataclass(frozen=True)
class FusionTaskOptions:
    """What a network is and what it is trained for.

    Parameters
    ----------
    components, width, latent, dropout, is_normalised, tokens
        Shape, as in `FusionConfig`.
    smoothing
        Share of a label's weight that is spread over all classes.
    class_weight, protein_weight, gene_weight
        Weights of the losses.
    is_squared
        Whether the proteins' loss is the squared error, without a variance.
    learns_only
        Beginnings of the names of the weights that learn; none = all.
    batch
        What is in a batch.
    is_pretrained
        Whether the published design tells masked genes and proteins before it learns labels.
    seed
        Of weights and batches.
    """

    components: int = 32
    width: int = 384
    latent: int = 64
    dropout: float = 0.1
    is_normalised: bool = False
    tokens: TokenConfig | None = None
    smoothing: float = 0.05
    class_weight: float = 1.0
    protein_weight: float = 0.3
    gene_weight: float = 0.7
    is_squared: bool = False
    learns_only: tuple[str, ...] = ()
    batch: FusionBatchOptions = field(default_factory=FusionBatchOptions)
    is_pretrained: bool = True
    seed: int = 0


@dataclass(frozen=True)
class TrainFusionOptions:
    """What to train on, how, and where the result goes.

    Parameters
    ----------
    manifest
        YAML file of CITE-seq sets.
    output
        Folder of checkpoints, metrics and bundle.
    architecture
        ``fusion``, or ``scfusionttt``: the published design and its three stages.
    split
        What stays together between learning and validation.
    hold_out
        Sets that nobody learns from and that judge the bundle.
    n_genes
        Genes of the panel.
    mixer
        How the tokens of the branch meet, ``none`` for a network without tokens; the published design
        always has tokens, which with ``none`` do not meet. None = what is usual for the architecture.
    order
        Order in which genes are cut into patches.
    patch_genes
        Genes of a patch; None = what is usual for the architecture.
    members
        Plain networks whose mean teaches the one that is kept; 1 = no teacher.
    task
        Shape and losses.
    loop
        Steps, device and checkpoints of a member, or of a stage.
    distil_steps
        Steps of the network that is kept.
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
    output: Path = Path("fusion")
    architecture: Architecture = "fusion"
    split: SplitUnit = "cell"
    hold_out: frozenset[str] = frozenset()
    n_genes: int = 4_000
    mixer: MixerKind | None = None
    order: GeneOrder = "genome"
    patch_genes: int | None = None
    members: int = 5
    task: FusionTaskOptions = field(default_factory=FusionTaskOptions)
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            steps=800,
            learning_rate=2e-3,
            weight_decay=0.01,
            warm_up_steps=50,
            validate_every=100,
            is_mixed_precision=False,
        )
    )
    distil_steps: int = 2_500
    evaluation: Path | None = None
    name: str | None = None
    version: str = "1"
    licence: str = NOT_STATED
    resume: bool = False
    force: bool = False

    @property
    def is_published(self) -> bool:
        """Whether the published design is trained."""
        return self.architecture == "scfusionttt"

    @property
    def mixer_kind(self) -> MixerKind:
        """How tokens meet."""
        if self.mixer is None:
            return "ttt" if self.is_published else "none"
        return self.mixer

    @property
    def genes_per_patch(self) -> int:
        """Genes of a patch."""
        if self.patch_genes is None:
            return 10 if self.is_published else 40
        return self.patch_genes
