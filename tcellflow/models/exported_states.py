"""The axes network as it is shipped: calibrated probabilities of every axis and of the seven states.

Invariant: the states are the collapse of joint distribution and cycling, of each member and of their mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tcellflow.models.axes import N_FUNCTIONS, N_JOINT, N_LINEAGES

if TYPE_CHECKING:
    from tcellflow.models.axes import AxesLogits, AxesNetwork
    from tcellflow.models.seed import SeedEnsemble

    StateNetwork = AxesNetwork | SeedEnsemble


class Calibration(nn.Module):
    """Turns logits of members into calibrated probabilities.

    Parameters
    ----------
    temperature
        Divides the logits of the joint distribution, > 0.
    shift
        (54,) added to them afterwards.
    cycle_temperature, cycle_shift
        The same for cycling.
    """

    shift: Tensor

    def __init__(
        self, temperature: float, shift: Tensor, cycle_temperature: float = 1.0, cycle_shift: float = 0.0
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.cycle_temperature = cycle_temperature
        self.cycle_shift = cycle_shift
        self.register_buffer("shift", shift.float())

    def forward(self, logits: AxesLogits) -> tuple[Tensor, Tensor]:
        """Give probabilities of every member.

        Parameters
        ----------
        logits
            Of M members.

        Returns
        -------
        tuple of torch.Tensor
            (M, B, 54) joint and (M, B, 1) cycling.
        """
        joint = (logits.joint / self.temperature + self.shift).softmax(-1)
        return joint, torch.sigmoid(logits.cycle / self.cycle_temperature + self.cycle_shift)


class AxesInference(nn.Module):
    """The network as it is shipped: every tensor of a states bundle.

    Parameters
    ----------
    network
        One member, or an ensemble.
    calibration
        Of its logits.
    collapse
        (54, 7) which resting state each joint cell belongs to; no row for cycling.
    proliferating
        Place of Proliferating among the states.
    """

    to_state: Tensor
    to_lineage: Tensor
    to_function: Tensor
    cycling_only: Tensor

    def __init__(
        self, network: StateNetwork, calibration: Calibration, collapse: Tensor, proliferating: int
    ) -> None:
        super().__init__()
        self.network = network
        self.calibration = calibration
        self.n_members = network.config.members
        self.has_leader = network.has_leader
        one = torch.eye(N_JOINT).reshape(N_JOINT, N_LINEAGES, N_FUNCTIONS)
        self.register_buffer("to_state", collapse.float())
        self.register_buffer("to_lineage", one.sum(2))
        self.register_buffer("to_function", one.sum(1))
        only = torch.zeros(1, collapse.shape[1])
        only[0, proliferating] = 1
        self.register_buffer("cycling_only", only)

    def forward(
        self,
        expression: Tensor,
        present: Tensor,
        tra: Tensor | None = None,
        trb: Tensor | None = None,
        has_tra: Tensor | None = None,
        has_trb: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Judge B cells.

        Parameters
        ----------
        expression, present
            As in `AxesNetwork.forward`.
        tra, trb
            (B, D) chain vectors; None for expression alone.
        has_tra, has_trb
            (B, 1) masks.

        Returns
        -------
        tuple of torch.Tensor
            state_probabilities (B, 7), joint (B, 6, 9), p_lineage (B, 6), p_function (B, 9), p_cycling
            (B, 1), latent, ood_score (B, 1) and, of an ensemble, member_states (B, M, 7).
        """
        receptors = None
        if tra is not None and trb is not None and has_tra is not None and has_trb is not None:
            receptors = torch.cat([tra * has_tra, trb * has_trb, has_tra, has_trb], 1)
        logits = self.network(expression, present, receptors)
        joints, cyclings = self.calibration(logits)  # (M, B, 54), (M, B, 1)
        if self.has_leader:
            (joint, joints), (cycling, cyclings) = ((part[0], part[1:]) for part in (joints, cyclings))
        else:
            joint, cycling = joints.mean(0), cyclings.mean(0)
        outputs = (
            self._collapse(joint, cycling),
            joint.reshape(-1, N_LINEAGES, N_FUNCTIONS),
            joint @ self.to_lineage,
            joint @ self.to_function,
            cycling,
            logits.latent.mean(0),
            self.network.summarise(logits.ood),
        )
        if self.n_members == 1:
            return outputs
        return (*outputs, self._collapse(joints, cyclings).transpose(0, 1))

    def _collapse(self, joint: Tensor, cycling: Tensor) -> Tensor:
        return (joint @ self.to_state) * (1 - cycling) + cycling * self.cycling_only
