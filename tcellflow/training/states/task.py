"""The task and losses of one member of the axes network: labels with open axes, cycling, a teacher.

Invariant: a label pulls probability towards everything it allows and says nothing about the rest;
validation sees only cells of the member's own fold.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tcellflow.evaluation.classification import macro_f1
from tcellflow.models.axes import AxesNetwork
from tcellflow.models.configurations import AxesConfig
from tcellflow.states.axes import STATES, possible_joint
from tcellflow.training.cohorts.truth import UNKNOWN_CYCLE
from tcellflow.training.states.batches import StateBatches
from tcellflow.training.states.cells import measure_scales
from tcellflow.training.states.predictions import collapse, predict_cells

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from tcellflow.models.axes import AxesLogits
    from tcellflow.training.states.batches import StateBatch
    from tcellflow.training.states.cells import StateCells
    from tcellflow.training.states.options import StateTaskOptions


_RESTING: Final = -6.0  # logit of cycling where nobody told what cycling is


class StateTask:
    """Network, losses and validation of one member.

    Parameters
    ----------
    learn, validation
        Cells that are learnt from, and that the member is judged by; the latter may be empty.
    options
        Network and losses.
    scales
        Mean and scale of each gene as `measure_scales` gives them, the same for members that are to be
        one network; those of `learn` if not given.
    """

    def __init__(
        self,
        learn: StateCells,
        validation: StateCells,
        options: StateTaskOptions,
        scales: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
    ) -> None:
        self.options = options
        self.network = build_network(learn, options, measure_scales(learn) if scales is None else scales)
        self._batches = StateBatches(learn, options.batch, options.noise, options.seed)
        self._validation = validation
        self.fingerprint: Mapping[str, Any] = {
            **asdict(options),
            "cells": len(learn),
            "counts": float(learn.counts.sum()),
            "kept_back": len(validation),
            "scales": float(self.network.mean.double().sum() + self.network.scale.double().sum()),
            "receptors": None if learn.receptors is None else learn.receptors.fingerprint(),
        }

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
        options = self.options
        batch = self._batches.draw(step).to(self.network.mean.device)
        logits: AxesLogits = self.network(batch.expression, batch.present, batch.receptors)
        t_cells = len(batch.joint)
        is_seen = batch.present.amax(dim=1, keepdim=True)
        # the head straight from the genes learns nothing where no gene is seen: only its bias could follow
        weights = (batch.weight, batch.weight * is_seen[:t_cells])
        parts = {
            "labels": torch.stack(
                [
                    measure_label_loss(head[0, :t_cells], batch.joint, weight, options.label_noise)
                    for head, weight in zip(logits.heads, weights, strict=True)
                ]
            ).sum(),
            "ridge": self.network.joint_of_genes.weight.square().sum(),
            "cycle": measure_cycle_loss(logits.cycle[0, :t_cells], batch.cycle),
            "strange": functional.binary_cross_entropy_with_logits(logits.ood[0], batch.is_ood, is_seen),
        }
        loss = (
            parts["labels"]
            + options.ridge_weight * parts["ridge"]
            + options.cycle_weight * parts["cycle"]
            + options.strange_weight * parts["strange"]
        )
        if logits.taught is not None and batch.taught is not None:
            parts["teacher"] = measure_teacher_loss(logits.taught[0, :t_cells], batch.taught)
            loss = loss + options.teacher_weight * parts["teacher"]
        if options.consistency_weight:
            parts["consistency"] = self._measure_consistency(step, logits.joint[0], batch)
            loss = loss + options.consistency_weight * parts["consistency"]
        return loss, {name: value.detach() for name, value in parts.items()}

    def _measure_consistency(self, step: int, joint: Tensor, batch: StateBatch) -> Tensor:
        """Compare with the same cells under other noise of their expression; they lead the batch."""
        expression, present = (
            torch.from_numpy(part).to(joint.device) for part in self._batches.draw_again(step)
        )
        first = slice(len(expression))
        chains = None if batch.receptors is None else batch.receptors[first]
        is_seen = batch.present[first].amax(dim=1).bool()
        other: AxesLogits = self.network(expression, present, chains)
        target = joint[first].detach().softmax(-1)
        answer = other.joint[0].log_softmax(-1)
        return functional.kl_div(answer[is_seen], target[is_seen], reduction="batchmean")

    def validate(self) -> dict[str, float]:
        """Judge the network by the cells of its validation fold.

        Returns
        -------
        dict
            ``macro_f1`` over their states, every cohort alike, and ``loss`` = 1 - that.
        """
        truth = self._validation.truth
        rows = np.flatnonzero(truth.is_t & (truth.state != ""))
        if not rows.size:
            return {"loss": 0.0, "macro_f1": 0.0}
        joint, cycling, _ = predict_cells(self.network, self._validation, rows)
        states = np.array(STATES, dtype=object)[collapse(joint, cycling).argmax(axis=1)]
        cohort = self._validation.cohort[rows]
        scores = [
            macro_f1(truth.state[rows][cohort == number], states[cohort == number])
            for number in np.unique(cohort)
        ]
        score = float(np.mean(scores))
        return {"loss": 1 - score, "macro_f1": score}


def build_network(
    learn: StateCells, options: StateTaskOptions, scales: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> AxesNetwork:
    """Build a member of the axes network with random weights for its task.

    Parameters
    ----------
    learn
        Cells that are learnt from.
    options
        Its shape and the seed of its weights.
    scales
        Mean and scale of each gene.

    Returns
    -------
    AxesNetwork
        The network; torch's random state is left as it was.
    """
    mean, scale = scales
    config = AxesConfig(
        genes=len(mean),
        width=options.width,
        latent=options.latent,
        dropout=options.dropout,
        receptor_dimension=0 if learn.receptors is None else learn.receptors.dimension,
        taught=0 if learn.taught is None else learn.taught.shape[1],
    )
    with torch.random.fork_rng([]):
        torch.manual_seed(options.seed)
        network = AxesNetwork(
            config, torch.from_numpy(mean), torch.from_numpy(scale), torch.from_numpy(possible_joint().copy())
        )
    if (learn.truth.cycle == UNKNOWN_CYCLE).all():
        # no label teaches this head, and random weights would call a third of the cells Proliferating
        with torch.no_grad():
            for name, value in network.cycle.named_parameters():
                value.fill_(_RESTING if name == "bias" else 0.0)
    return network


def measure_label_loss(joint: Tensor, allowed: Tensor, weight: Tensor, label_noise: float) -> Tensor:
    """Measure the task's loss of labels: how little probability lies on what they allow.

    Parameters
    ----------
    joint
        (T, 54) logits.
    allowed
        (T, 54) bool; cells that may be anything add nothing.
    weight
        (T, 1) of each label.
    label_noise
        Share of labels taken to be wrong: a wrong label costs no more than its log.

    Returns
    -------
    torch.Tensor
        Mean over the cells whose labels say something.
    """
    probabilities = joint.float().softmax(-1)
    possible = torch.from_numpy(possible_joint().copy()).to(joint.device)
    says = (allowed != possible).any(-1, keepdim=True).float()
    inside = (probabilities * allowed).sum(-1, keepdim=True)
    loss = -torch.log((1 - label_noise) * inside + label_noise / (len(STATES) - 1))
    weights = weight * says
    return (loss * weights).sum() / weights.sum().clamp(min=1)


def measure_cycle_loss(cycle: Tensor, truth: Tensor) -> Tensor:
    """Measure the task's loss of cycling over the cells of which it is known.

    Parameters
    ----------
    cycle
        (T, 1) logits.
    truth
        (T, 1) 1, 0, or -1 = not known.

    Returns
    -------
    torch.Tensor
        Mean; 0 if nothing is known.
    """
    known = (truth >= 0).float()
    loss = functional.binary_cross_entropy_with_logits(cycle.float(), truth.clamp(min=0), reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1)


def measure_teacher_loss(guess: Tensor, taught: Tensor) -> Tensor:
    """Measure the task's loss against a teacher: how far the guess of its latent vector is off.

    Parameters
    ----------
    guess
        (T, K).
    taught
        (T, K), NaN rows where the teacher says nothing.

    Returns
    -------
    torch.Tensor
        Mean squared error over the others, capped for far values; 0 if there are none.
    """
    known = (~taught.isnan()).float()
    error = functional.smooth_l1_loss(guess.float(), taught.nan_to_num(), reduction="none")
    return (error * known).sum() / known.sum().clamp(min=1)
