"""Training the members of a states bundle, and the one network distilled from them.

Invariant: every answer here is that of a member for a cell it had not learnt from.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from tcellflow.models.axes import AxesNetwork, stack_members
from tcellflow.models.exported_states import Calibration
from tcellflow.training.loop import OnStep, train
from tcellflow.training.states.calibration import JudgedCells, fit_calibration
from tcellflow.training.states.cells import measure_scales
from tcellflow.training.states.distil import DistilTask
from tcellflow.training.states.figures import Learnt
from tcellflow.training.states.predictions import predict_cells
from tcellflow.training.states.seed import train_seed
from tcellflow.training.states.splits import split_folds
from tcellflow.training.states.task import StateTask
from tcellflow.vocabulary import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.models.exported_states import StateNetwork
    from tcellflow.training.states.cells import StateCells
    from tcellflow.training.states.options import TrainStatesOptions

    Floats = NDArray[np.float32]

_LOG = logging.getLogger(__name__)
_FOLDS_OF_ONE: Final = 5  # the validation fold of a single member is a fifth


def train_members(
    cells: StateCells, names: Sequence[str], options: TrainStatesOptions, on_step: OnStep | None
) -> Learnt:
    """Train members of the axes network; each has another validation fold.

    Returns
    -------
    Learnt
        The members, and their answers for the cells of their validation folds.
    """
    n_folds = options.n_members if options.n_members > 1 else _FOLDS_OF_ONE
    folds = split_folds(cells, options.split, n_folds, options.task.seed)
    scales = measure_scales(cells)  # one for all, so that they can be one graph; no label is in it
    networks, answers = [], []
    for member in range(options.n_members):
        rows = np.flatnonzero((folds == member) & cells.has_expression)
        task = StateTask(
            cells.take(np.flatnonzero(folds != member)),
            cells.take(rows),
            replace(options.task, seed=options.task.seed + member),
            scales,
        )
        loop = replace(options.loop, seed=options.loop.seed + member)
        _LOG.info(
            "member %d is judged by %s", member + 1,
            ", ".join(names[number] for number in np.unique(cells.cohort[rows])),
        )  # fmt: skip
        folder = options.output / f"member-{member + 1}"
        train(task, folder, loop, resume=options.resume, on_step=on_step)
        networks.append(task.network.cpu())
        answers.append((rows, *predict_cells(task.network, cells, rows)))
    rows, *logits = (np.concatenate(parts) for parts in zip(*answers, strict=True))
    return _gather(stack_members(networks), cells, rows, logits)


def train_seed_members(
    cells: StateCells, options: TrainStatesOptions, on_step: OnStep | None
) -> tuple[Learnt, list[dict[str, Any]]]:
    """Train the members of the seed network; all have the same validation fold, by which they are chosen.

    Returns
    -------
    tuple
        The ensemble, and its answers for the validation fold; settings and score of every member.
    """
    folds = split_folds(cells, options.split, _FOLDS_OF_ONE, options.task.seed)
    ensemble, scores = train_seed(
        cells, folds, options.output, options.loop, options.n_members, resume=options.resume, on_step=on_step
    )
    rows = np.flatnonzero((folds == 0) & cells.has_expression)
    return _gather(ensemble, cells, rows, predict_cells(ensemble, cells, rows)), scores


def distil(
    cells: StateCells, learnt: Learnt, options: TrainStatesOptions, on_step: OnStep | None
) -> tuple[StateNetwork, Calibration]:
    """Distil the members into one network; its answers are calibrated because those it learnt from were.

    Returns
    -------
    tuple
        Network and calibration; those of the members where there is one, or the seed's, which stay.
    """
    if options.n_members == 1 or not isinstance(learnt.ensemble, AxesNetwork):
        return learnt.ensemble, learnt.calibration
    task = DistilTask(cells, learnt.ensemble, learnt.calibration, replace(options.task, dropout=0.1))
    loop = replace(options.loop, steps=options.distil_steps, patience=None, weight_decay=0.01)
    train(task, options.output / "distilled", loop, resume=options.resume, on_step=on_step)
    return task.network.cpu(), Calibration(1.0, torch.zeros_like(learnt.calibration.shift))


def _gather(
    ensemble: StateNetwork, cells: StateCells, rows: NDArray[np.intp], logits: Sequence[Floats]
) -> Learnt:
    """Calibrate by those cells of the validation folds whose state somebody but a teacher told."""
    joint, cycle, ood = logits
    truth = cells.truth
    has_state = truth.is_t[rows] & (truth.state[rows] != "") & (truth.evidence[rows] != Evidence.TEACHER)
    judged = JudgedCells(
        joint[has_state],
        cycle[has_state],
        truth.state[rows][has_state],
        truth.cycle[rows][has_state],
        cells.cohort[rows][has_state],
    )
    is_t = truth.is_t[rows]
    return Learnt(
        ensemble,
        fit_calibration(judged),
        judged,
        ood[is_t].astype(np.float64),
        ood[~is_t].astype(np.float64),
    )
