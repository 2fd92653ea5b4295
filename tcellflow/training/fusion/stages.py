"""Which networks are trained one after another: plain members and their pupil, or the published stages.

Invariant: no network ever sees a label of the validation fold; a teacher's answers to those cells are
not learnt either.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.models.configurations import FusionKind, MixerKind, TokenConfig
from tcellflow.training.fusion.options import FusionBatchOptions, ViewOptions
from tcellflow.training.fusion.task import FusionTask, predict
from tcellflow.training.loop import train

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from tcellflow.models.fusion import FusionBasis, FusionNetwork
    from tcellflow.training.fusion.cells import FusionCells
    from tcellflow.training.fusion.options import TrainFusionOptions
    from tcellflow.training.options import LoopOptions

    Progress = Callable[[int, int], None]

_COMPONENTS: Final = (12, 16, 8, 14, 10)  # of the members in turn; as good alone, and of different errors
_UNGATED: Final = ("plain.of_", "plain.norm", "plain.to_latent", "classify")  # all that answers but the gate
_FUSION_OF: Final[dict[MixerKind, FusionKind]] = {
    "ttt": "hand-over", "ttt-set": "hand-over", "attention": "attention", "none": "add",
}  # fmt: skip
_WHOLE: Final = ViewOptions(1, 0, 0, 0, 0, 0, 0, 0)
_WITHOUT_ADT: Final = replace(_WHOLE, whole=0, without_adt=1)


def train_fusion_networks(
    cells: FusionCells, basis: FusionBasis, options: TrainFusionOptions, on_step: Progress | None
) -> FusionNetwork:
    """Train members, then the network that says what their mean says of whole cells, whatever it is shown.

    Parameters
    ----------
    cells
        All cells.
    basis
        Axes and patches.
    options
        The run.
    on_step
        Called with (steps done, steps in all) of each network.

    Returns
    -------
    FusionNetwork
        The one that is kept, with a token branch if the mixer is not ``none``.
    """
    tokens = None
    if options.mixer_kind != "none":
        shape = options.task.tokens or TokenConfig()
        tokens = replace(shape, mixer=options.mixer_kind, fusion=_FUSION_OF[options.mixer_kind])
    has_classes = bool(cells.allowed.any())
    soft = None
    if options.members > 1 and has_classes:
        answers = []
        for member in range(options.members):
            task = FusionTask(
                cells,
                basis,
                replace(
                    options.task,
                    components=min(_COMPONENTS[member % len(_COMPONENTS)], basis.loadings.shape[1]),
                    tokens=None,
                    protein_weight=0,
                    # on few labels a gate fits noise: without, a member is right .01 more often
                    learns_only=_UNGATED,
                    # a teacher is asked about whole cells alone, and does best if it has seen nothing else
                    batch=replace(options.task.batch, others=0, views=_WHOLE),
                    seed=options.task.seed + member,
                ),
            )
            loop = replace(options.loop, weight_decay=0, seed=options.loop.seed + member)
            _train(task, options, f"member-{member + 1}", on_step, loop)
            answers.append(_softmax(predict(task.network, cells, np.arange(len(cells))).logits))
        soft = np.mean(answers, axis=0).astype(np.float32)
    own = replace(
        options.task,
        components=min(options.task.components, basis.loadings.shape[1]),
        tokens=tokens,
        seed=options.task.seed + options.members,
    )
    task = FusionTask(cells, basis, own, soft)
    steps = options.loop.steps if soft is None else options.distil_steps
    _train(task, options, "network", on_step, replace(options.loop, steps=steps, seed=own.seed))
    return task.network.cpu()


def train_published_stages(
    cells: FusionCells, basis: FusionBasis, options: TrainFusionOptions, on_step: Progress | None
) -> FusionNetwork:
    """Train the published design: masked pre-training, fine-tuning on labels, and guessing what RNA lacks.

    Parameters
    ----------
    cells
        All cells.
    basis
        Patches; its axes are not used.
    options
        The run.
    on_step
        Called with (steps done, steps in all) of each stage.

    Returns
    -------
    FusionNetwork
        After the third stage; after the first where there are no labels.

    Notes
    -----
    arXiv 2410.13257. Stage 1 tells masked genes and proteins (0.7 and 0.3 of the squared errors), in
    place, and is left out if the task is not pre-trained; stage 2 has the labels alone; stage 3 freezes all
    but the guess of the encoded proteins.
    """
    shape = options.task.tokens or TokenConfig(width=128, heads=2, decoder_blocks=1)
    tokens = replace(shape, mixer=options.mixer_kind, fusion=_FUSION_OF[options.mixer_kind], guesses_adt=True)
    size = options.task.batch.labelled
    masked = replace(_WHOLE, whole=0, masked=options.task.batch.views.masked)
    base = replace(options.task, components=0, tokens=tokens, is_squared=True)
    stages = [
        replace(
            base, class_weight=0, protein_weight=0.3, gene_weight=0.7,
            batch=FusionBatchOptions(0, size, views=masked),
        ),
        replace(
            base, class_weight=1, protein_weight=0, gene_weight=0,
            batch=FusionBatchOptions(size, 0, views=_WHOLE),
        ),
        replace(
            base, class_weight=1, protein_weight=0, gene_weight=0, learns_only=("tokens.guess",),
            batch=FusionBatchOptions(size, 0, views=_WITHOUT_ADT),
        ),
    ]  # fmt: skip

    wanted = list(enumerate(stages, 1))
    if not cells.allowed.any():
        wanted = wanted[:1]
    elif not options.task.is_pretrained:
        wanted = wanted[1:]
    start: Mapping[str, Tensor] | None = None
    for number, stage in wanted:
        task = FusionTask(cells, basis, stage, start=start)
        _train(task, options, f"stage-{number}", on_step, options.loop)
        start = task.network.cpu().state_dict()
    return task.network


def _train(
    task: FusionTask, options: TrainFusionOptions, folder: str, on_step: Progress | None, loop: LoopOptions
) -> None:
    train(task, options.output / folder, loop, resume=options.resume, on_step=on_step)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
