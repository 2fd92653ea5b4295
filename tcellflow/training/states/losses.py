"""Losses of the axes network: of labels with open axes, of cycling, of a teacher's guess.

Invariant: what is not known of a cell adds nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from tcellflow.states.axes import STATES, possible_joint

if TYPE_CHECKING:
    from torch import Tensor


def measure_label_loss(joint: Tensor, allowed: Tensor, weight: Tensor, label_noise: float) -> Tensor:
    """Measure how little probability lies on what the labels allow.

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
    """Measure the loss of cycling over the cells of which it is known.

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
    """Measure how far the guess of a teacher's latent vector is off.

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
