"""`train states --architecture seed`: up to eight members of the seed network, the best of them averaged.

Invariant: members, and how many of them, are chosen by macro-F1 on the validation cells, which none of
them learnt from and which are not test cells.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch.nn import functional

from tcellflow.errors import InputError
from tcellflow.evaluation.classification import macro_f1
from tcellflow.models.configurations import SeedConfig
from tcellflow.models.seed import SeedEnsemble, SeedNetwork, split_receptors
from tcellflow.states.axes import FUNCTIONS, LINEAGES, STATES
from tcellflow.training.loop import OnStep, train
from tcellflow.training.states.cells import StateCells, measure_scales
from tcellflow.training.states.options import SEED_MEMBERS, SeedMember
from tcellflow.training.states.predictions import collapse, predict_cells, show_tensors
from tcellflow.vocabulary import Evidence, Function, Lineage, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from tcellflow.training.options import LoopOptions

EPOCHS: Final = 70
_PATIENCE: Final = 12
_WARM_UP: Final = 0.05  # of all steps
_LABEL_SMOOTHING: Final = 0.03
_SIZES: Final = (3, 5)  # of the ensembles that are compared with all members
# One joint cell for each resting state; the network does not tell lineages and kinds of memory.
_CELL_OF: Final = {
    State.EFFECTOR: (Lineage.UNRESOLVED, Function.EFFECTOR),
    State.EXHAUSTED: (Lineage.UNRESOLVED, Function.EXHAUSTED_TERMINAL),
    State.MEMORY: (Lineage.UNRESOLVED, Function.CENTRAL_MEMORY),
    State.NAIVE: (Lineage.UNRESOLVED, Function.NAIVE),
    State.TH_EFFECTOR: (Lineage.CD4, Function.TH_EFFECTOR),
    State.TREG: (Lineage.TREG, Function.REGULATORY),
}


class SeedTask:
    """Network, loss and validation of one member.

    Parameters
    ----------
    cells
        All cells.
    learn, validation
        Rows with a known state that are learnt from, and that judge.
    member
        Its settings.
    """

    def __init__(
        self, cells: StateCells, learn: NDArray[np.intp], validation: NDArray[np.intp], member: SeedMember
    ) -> None:
        self.member = member
        self._cells, self._learn, self._validation = cells, learn, validation
        mean, scale = measure_scales(cells.take(learn))
        config = SeedConfig(
            genes=len(mean),
            chain=SeedConfig.chain if cells.receptors is None else cells.receptors.dimension,
            width=member.width,
            heads=member.heads,
            dropout=member.dropout,
        )
        with torch.random.fork_rng([]):
            torch.manual_seed(member.seed)
            self.network = SeedNetwork(config, torch.from_numpy(mean), torch.from_numpy(scale))
        self._truth = np.array([STATES.index(State(state)) for state in cells.truth.state[learn]])
        self._weights = torch.from_numpy(balance_states(self._truth))
        self.fingerprint: Mapping[str, Any] = {
            **asdict(member),
            "cells": len(learn),
            "counts": float(cells.counts.sum()),
            "receptors": None if cells.receptors is None else cells.receptors.fingerprint(),
        }

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every cell is seen once."""
        return -(-len(self._learn) // self.member.batch)

    def measure_loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the loss of a step's batch.

        Parameters
        ----------
        step
            Number of the step, from 0.

        Returns
        -------
        tuple
            The loss, and its named parts.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng((self.member.seed, epoch)).permutation(len(self._learn))
        chosen = order[place * self.member.batch : (place + 1) * self.member.batch]
        device = self.network.mean.device
        expression, present, receptors = show_tensors(self._cells, self._learn[chosen], device)
        known = split_receptors(self.network.config, receptors)
        logits: Tensor = self.network(expression, present, known)[0]
        truth = torch.from_numpy(self._truth[chosen]).to(device)
        loss = functional.cross_entropy(
            logits.float(), truth, self._weights.to(device), label_smoothing=_LABEL_SMOOTHING
        )
        return loss, {"states": loss.detach()}

    def validate(self) -> dict[str, float]:
        """Judge the network by the cells of the validation fold.

        Returns
        -------
        dict
            ``macro_f1`` over their states and ``loss`` = 1 - that.
        """
        score = judge_ensemble([self.network], self._cells, self._validation)
        return {"loss": 1 - score, "macro_f1": score}


def train_seed(
    cells: StateCells,
    folds: NDArray[np.int64],
    folder: Path,
    loop: LoopOptions,
    n_members: int,
    *,
    resume: bool,
    on_step: OnStep | None = None,
) -> tuple[SeedEnsemble, list[dict[str, Any]]]:
    """Train the members of the seed network, and choose among them by cells of the first fold.

    Parameters
    ----------
    cells
        All cells; those with expression and a state that is not a teacher's guess count.
    folds
        Fold of each cell; fold 0 is for validation.
    folder
        Where checkpoints and metrics go.
    loop
        Device and precision; steps, rates and patience are the classifier's own.
    n_members
        How many of `SEED_MEMBERS` are trained, the first ones.
    resume
        Whether to go on from the folder's checkpoints.
    on_step
        Called with (steps done, steps in all).

    Returns
    -------
    tuple
        The ensemble, and settings and score of every member, the best first.

    Raises
    ------
    InputError
        If no labelled cell is left to learn from or to judge by.
    """
    truth = cells.truth
    known = truth.is_t & (truth.state != "") & (truth.evidence != Evidence.TEACHER) & cells.has_expression
    learn, validation = np.flatnonzero(known & (folds != 0)), np.flatnonzero(known & (folds == 0))
    if not len(learn) or not len(validation):
        raise InputError(
            f"{len(learn)} labelled cells are left to learn from, {len(validation)} to judge by",
            where="cohorts",
            mend="give more labelled cells, or split by a smaller unit",
        )
    scored: list[tuple[float, SeedNetwork, SeedMember]] = []
    for number, member in enumerate(SEED_MEMBERS[:n_members], 1):
        task = SeedTask(cells, learn, validation, member)
        steps = EPOCHS * task.steps_per_epoch
        own = replace(
            loop,
            steps=steps,
            learning_rate=member.learning_rate,
            warm_up_steps=max(1, int(_WARM_UP * steps)),
            weight_decay=member.weight_decay,
            validate_every=task.steps_per_epoch,
            patience=_PATIENCE,
            seed=member.seed,
        )
        train(task, folder / f"member-{number}", own, resume=resume, on_step=on_step)
        network = task.network.cpu()
        scored.append((judge_ensemble([network], cells, validation), network, member))
    return _choose_members(scored, cells, validation)


def _choose_members(
    scored: Sequence[tuple[float, SeedNetwork, SeedMember]], cells: StateCells, validation: NDArray[np.intp]
) -> tuple[SeedEnsemble, list[dict[str, Any]]]:
    """Average the best 3, the best 5 or all, whichever the validation cells favour; the fewest of equals."""
    ranked = sorted(scored, key=lambda entry: -entry[0])
    score_of = {
        size: judge_ensemble([network for _, network, _ in ranked[:size]], cells, validation)
        for size in (*(size for size in _SIZES if size < len(ranked)), len(ranked))
    }
    best = max(score_of, key=lambda size: (score_of[size], -size))
    chosen = [network for _, network, _ in ranked[:best]]
    scores = [
        {"member": asdict(member), "macro_f1": round(score, 4), "is_kept": place < best}
        for place, (score, _, member) in enumerate(ranked)
    ]
    return SeedEnsemble(chosen, joint_cells(), has_receptors=cells.receptors is not None), scores


def balance_states(truth: NDArray[np.int_]) -> NDArray[np.float32]:
    """Give the weights with which all states count the same for the seed network.

    Parameters
    ----------
    truth
        (B,) place of each cell's state in `STATES`.

    Returns
    -------
    ndarray
        Shape (K,), float32. A state that no cell has weighs nothing: through label smoothing it would draw
        every cell to itself.
    """
    counts = np.bincount(truth, minlength=len(STATES))
    is_there = counts > 0
    weights = np.where(is_there, len(truth) / (is_there.sum() * np.maximum(counts, 1)), 0)
    return weights.astype(np.float32)


def judge_ensemble(networks: Sequence[SeedNetwork], cells: StateCells, rows: NDArray[np.intp]) -> float:
    """Give the macro-F1 of an ensemble of seed networks.

    Parameters
    ----------
    networks
        Its members.
    cells
        All cells.
    rows
        Those with a true state that judge.

    Returns
    -------
    float
        0 to 1.
    """
    ensemble = SeedEnsemble(list(networks), joint_cells(), has_receptors=cells.receptors is not None)
    joint, cycle, _ = predict_cells(ensemble, cells, rows)
    called = np.array(STATES, dtype=object)[collapse(joint, cycle).argmax(axis=1)]
    return macro_f1(cells.truth.state[rows], called)


def joint_cells() -> tuple[int, ...]:
    """Give the joint cell of each state of the seed network.

    Returns
    -------
    tuple of int
        Number of the joint cell; -1 for Proliferating.
    """
    cells = []
    for state in STATES:
        axes = _CELL_OF.get(state)
        if axes is None:
            cells.append(-1)
            continue
        cells.append(LINEAGES.index(axes[0]) * len(FUNCTIONS) + FUNCTIONS.index(axes[1]))
    return tuple(cells)
