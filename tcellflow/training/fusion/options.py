"""What `train fusion` is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tcellflow.training.fusion.task import FusionTaskOptions
from tcellflow.training.loop import LoopOptions

if TYPE_CHECKING:
    from pathlib import Path

    from tcellflow.models.fusion_tokens import MixerKind
    from tcellflow.training.fusion.basis import GeneOrder

Architecture = Literal["fusion", "scfusionttt"]
SplitUnit = Literal["column", "cell", "donor", "set"]


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
        always has tokens, which with ``none`` do not meet.
    order
        Order in which genes are cut into patches.
    patch_genes
        Genes of a patch.
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
    name, version
        Of the bundle.
    resume
        Whether to go on from the folder's checkpoints.
    force
        Whether an earlier run in the folder may be replaced.
    """

    manifest: Path
    output: Path
    architecture: Architecture = "fusion"
    split: SplitUnit = "cell"
    hold_out: frozenset[str] = frozenset()
    n_genes: int = 4_000
    mixer: MixerKind = "none"
    order: GeneOrder = "genome"
    patch_genes: int = 40
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
    name: str = "fusion"
    version: str = "1"
    resume: bool = False
    force: bool = False
