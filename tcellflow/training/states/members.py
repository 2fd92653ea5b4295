"""Training the members of a states bundle, and the one network distilled from them.

Invariant: what is said of a cell here is said by a member that had not learnt from it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from tcellflow.models.axes import AxesNetwork, stack_members
from tcellflow.models.exported_states import Calibration
from tcellflow.training.loop import train
from tcellflow.training.states.calibration import KeptBack, fit_calibration
from tcellflow.training.states.cells import measure_scales
from tcellflow.training.states.distil import DistilTask
from tcellflow.training.states.figures import Learnt
from tcellflow.training.states.seed import train_seed
from tcellflow.training.states.splits import split_folds
from tcellflow.training.states.task import StateTask, predict_cells
from tcellflow.vocabulary import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tcellflow.models.exported_states import StateNetwork
    from tcellflow.training.states.cells import StateCells
    from tcellflow.training.states.options import TrainStatesOptions

    Progress = Callable[[int, int], None]
    Floats = NDArray[np.float32]

_LOG = logging.getLogger(__name__)
_FOLDS_OF_ONE: Final = 5  # a single member keeps a fifth back


def train_members(
    cells: StateCells, names: Sequence[str], options: TrainStatesOptions, on_step: Progress | None
) -> Learnt:
    """Train members of the axes network; each keeps another fold back.

    Parameters
    ----------
    cells
        All cells.
    names
        Of their cohorts.
    options
        The run.
    on_step
        Called with (steps done, steps in all).

    Returns
    -------
    Learnt
        The members and what they said of the cells they kept back.
    """
    n_folds = options.n_members if options.n_members > 1 else _FOLDS_OF_ONE
    folds = split_folds(cells, options.split, n_folds, options.task.seed)
    scales = measure_scales(cells)  # one for all, so that they can be one graph; no label is in it
    networks, said = [], []
    for member in range(options.n_members):
        kept = np.flatnonzero((folds == member) & cells.has_expression)
        task = StateTask(
            cells.take(np.flatnonzero(folds != member)),
            cells.take(kept),
            replace(options.task, seed=options.task.seed + member),
            scales,
        )
        loop = replace(options.loop, seed=options.loop.seed + member)
        _LOG.info(
            "member %d is judged by %s", member + 1,
            ", ".join(names[number] for number in np.unique(cells.cohort[kept])),
        )  # fmt: skip
        folder = options.output / f"member-{member + 1}"
        train(task, folder, loop, resume=options.resume, on_step=on_step)
        networks.append(task.network.cpu())
        said.append((kept, *predict_cells(task.network, cells, kept)))
    kept, *logits = (np.concatenate(parts) for parts in zip(*said, strict=True))
    return _gather(stack_members(networks), cells, kept, logits)


def train_seed_members(
    cells: StateCells, options: TrainStatesOptions, on_step: Progress | None
) -> tuple[Learnt, list[dict[str, Any]]]:
    """Train the members of the seed network; all keep the same fold back, by which they are chosen.

    Parameters
    ----------
    cells
        All cells.
    options
        The run.
    on_step
        Called with (steps done, steps in all).

    Returns
    -------
    tuple
        The ensemble and what it said of the cells kept back; settings and score of every member.
    """
    folds = split_folds(cells, options.split, _FOLDS_OF_ONE, options.task.seed)
    ensemble, scores = train_seed(
        cells, folds, options.output, options.loop, options.n_members, resume=options.resume, on_step=on_step
    )
    kept = np.flatnonzero((folds == 0) & cells.has_expression)
    return _gather(ensemble, cells, kept, predict_cells(ensemble, cells, kept)), scores


def distil(
    cells: StateCells, learnt: Learnt, options: TrainStatesOptions, on_step: Progress | None
) -> tuple[StateNetwork, Calibration]:
    """Give one network; its answers are calibrated because those it learnt from were.

    Parameters
    ----------
    cells
        All cells.
    learnt
        The members.
    options
        The run.
    on_step
        Called with (steps done, steps in all).

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
    ensemble: StateNetwork, cells: StateCells, kept: NDArray[np.intp], logits: Sequence[Floats]
) -> Learnt:
    """Calibrate by the cells kept back whose state somebody but a teacher told."""
    joint, cycle, strange = logits
    truth = cells.truth
    has_state = truth.is_t[kept] & (truth.state[kept] != "") & (truth.evidence[kept] != Evidence.TEACHER)
    kept_back = KeptBack(
        joint[has_state],
        cycle[has_state],
        truth.state[kept][has_state],
        truth.cycle[kept][has_state],
        cells.cohort[kept][has_state],
    )
    is_t = truth.is_t[kept]
    return Learnt(
        ensemble,
        fit_calibration(kept_back),
        kept_back,
        strange[is_t].astype(np.float64),
        strange[~is_t].astype(np.float64),
    )
