"""The task of one member of the axes network: labels with open axes, cycling, and strange cells.

Invariant: a label pulls probability towards everything it allows and says nothing about the rest;
validation sees only cells that were kept back.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch.nn import functional

from tcellflow.models.axes import AxesNetwork
from tcellflow.models.configurations import AxesConfig
from tcellflow.states.axes import STATES
from tcellflow.states.labels import possible_joint, resting_states
from tcellflow.training.states.batches import StateBatches
from tcellflow.training.states.cells import measure_scales
from tcellflow.training.states.losses import (
    measure_cycle_loss,
    measure_label_loss,
    measure_teacher_loss,
)
from tcellflow.training.states.noise import show_cells
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from tcellflow.models.axes import AxesLogits
    from tcellflow.models.exported_states import StateNetwork
    from tcellflow.training.states.batches import StateBatch
    from tcellflow.training.states.cells import StateCells
    from tcellflow.training.states.options import StateTaskOptions

_AT_ONCE: Final = 512


class StateTask:
    """Network, losses and validation of one member.

    Parameters
    ----------
    learn, kept_back
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
        kept_back: StateCells,
        options: StateTaskOptions,
        scales: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
    ) -> None:
        self.options = options
        self.network = build_network(learn, options, measure_scales(learn) if scales is None else scales)
        self._batches = StateBatches(learn, options.batch, options.noise, options.seed)
        self._kept_back = kept_back
        self.fingerprint: Mapping[str, Any] = {
            **asdict(options),
            "cells": len(learn),
            "counts": float(learn.counts.sum()),
            "kept_back": len(kept_back),
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
            "strange": functional.binary_cross_entropy_with_logits(
                logits.strange[0], batch.is_strange, is_seen
            ),
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
        said = other.joint[0].log_softmax(-1)
        return functional.kl_div(said[is_seen], target[is_seen], reduction="batchmean")

    def validate(self) -> dict[str, float]:
        """Judge the network by the cells that were kept back.

        Returns
        -------
        dict
            ``macro_f1`` over their states, every cohort alike, and ``loss`` = 1 - that.
        """
        truth = self._kept_back.truth
        rows = np.flatnonzero(truth.is_t & (truth.state != ""))
        if not rows.size:
            return {"loss": 0.0, "macro_f1": 0.0}
        joint, cycling, _ = predict_cells(self.network, self._kept_back, rows)
        states = np.array(STATES, dtype=object)[collapse(joint, cycling).argmax(axis=1)]
        cohort = self._kept_back.cohort[rows]
        scores = [
            macro_f1(truth.state[rows][cohort == number], states[cohort == number])
            for number in np.unique(cohort)
        ]
        score = float(np.mean(scores))
        return {"loss": 1 - score, "macro_f1": score}


def build_network(
    learn: StateCells, options: StateTaskOptions, scales: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> AxesNetwork:
    """Build a member with random weights.

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
        return AxesNetwork(
            config, torch.from_numpy(mean), torch.from_numpy(scale), torch.from_numpy(possible_joint().copy())
        )


def show_tensors(
    cells: StateCells, rows: NDArray[np.intp], device: torch.device
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Show cells as they are, receptors too, as they are shown where a bundle predicts.

    Parameters
    ----------
    cells
        All cells.
    rows
        Which.
    device
        Where to.

    Returns
    -------
    tuple
        What `AxesNetwork.forward` takes.
    """
    shown = show_cells(cells, rows)
    chains = None if cells.receptors is None else torch.from_numpy(cells.receptors.show(rows)).to(device)
    return torch.from_numpy(shown.expression).to(device), torch.from_numpy(shown.present).to(device), chains


def predict_cells(
    network: StateNetwork, cells: StateCells, rows: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Predict cells as they are.

    Parameters
    ----------
    network
        One member or several, of which the mean of the logits counts.
    cells
        All cells.
    rows
        Which.

    Returns
    -------
    tuple of ndarray
        Logits: joint (rows, 54), cycling (rows,) and strange (rows,).
    """
    network.eval()
    device = network.mean.device
    found: list[tuple[NDArray[np.float32], ...]] = []
    with torch.no_grad():
        for start in range(0, max(len(rows), 1), _AT_ONCE):
            logits = network(*show_tensors(cells, rows[start : start + _AT_ONCE], device))
            found.append(
                tuple(
                    network.summarise(part).cpu().numpy()
                    for part in (logits.joint, logits.cycle, logits.strange)
                )
            )
    joint, cycle, strange = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return joint, cycle[:, 0], strange[:, 0]


def collapse(joint: NDArray[np.floating], cycle: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give the probabilities of the seven states.

    Parameters
    ----------
    joint
        (B, 54) logits.
    cycle
        (B,) logits of cycling.

    Returns
    -------
    ndarray
        (B, 7), float64.
    """
    logits = joint.astype(np.float64)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    cycling = 1 / (1 + np.exp(-cycle.astype(np.float64)))[:, None]
    states: NDArray[np.float64] = (probabilities @ resting_states()) * (1 - cycling)
    states[:, [STATES.index(State.PROLIFERATING)]] += cycling
    return states


def macro_f1(truth: NDArray[np.object_], predicted: NDArray[np.object_]) -> float:
    """Give the mean F1 of the states that occur.

    Parameters
    ----------
    truth, predicted
        (B,) names.

    Returns
    -------
    float
        0 to 1.
    """
    scores = []
    for state in sorted(set(truth)):
        right = ((truth == state) & (predicted == state)).sum()
        scores.append(2 * right / ((truth == state).sum() + (predicted == state).sum()))
    return float(np.mean(scores))
