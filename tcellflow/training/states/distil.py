"""One network that says what the calibrated ensemble says, under the same noise.

Invariant: the student never sees a label; what it learns is the ensemble's answer to the same input. Half of
the inputs are mixtures of two cells, so that it follows the ensemble between the cells there are, too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from tcellflow.training.states.batches import StateBatch, StateBatches
from tcellflow.training.states.predictions import show_tensors
from tcellflow.training.states.task import build_network

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from tcellflow.models.axes import AxesNetwork
    from tcellflow.models.exported_states import Calibration
    from tcellflow.training.states.cells import StateCells
    from tcellflow.training.states.options import StateTaskOptions

_CHECKED_CELLS = 512
_MIXED = 0.5  # share of the inputs


@dataclass(frozen=True)
class _Answer:
    joint: Tensor  # (B, 54)
    cycling: Tensor  # (B, 1)
    ood: Tensor  # (B, 1)


class DistilTask:
    """Network, loss and validation of the student.

    Parameters
    ----------
    cells
        Cells it is shown.
    ensemble
        Whose answers it learns.
    calibration
        Of the ensemble's logits.
    options
        Shape, noise and seed.
    """

    def __init__(
        self, cells: StateCells, ensemble: AxesNetwork, calibration: Calibration, options: StateTaskOptions
    ) -> None:
        self.options = options
        scales = (ensemble.mean.cpu().numpy(), ensemble.scale.cpu().numpy())
        self.network = build_network(replace(cells, taught=None), options, scales)
        self._ensemble, self._calibration = ensemble.eval(), calibration
        self._cells = cells
        self._batches = StateBatches(cells, options.batch, options.noise, options.seed + 1)
        self.fingerprint: Mapping[str, Any] = {
            **asdict(options),
            "members": ensemble.config.members,
            "receptors": None if cells.receptors is None else cells.receptors.fingerprint(),
            "calibration": [calibration.temperature, *calibration.shift.tolist()],
            "cycle": [calibration.cycle_temperature, calibration.cycle_shift],
            "ensemble": float(sum(value.double().abs().sum() for value in ensemble.state_dict().values())),
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
        batch = self._batches.draw(step)
        rng = np.random.default_rng((self.options.seed, step, 2))
        batch = mix_cells(batch, _MIXED, rng).to(self.network.mean.device)
        return self._compare(batch.expression, batch.present, batch.receptors)

    def validate(self) -> dict[str, float]:
        """Compare student and ensemble on cells without noise.

        Returns
        -------
        dict
            ``loss`` and its parts.
        """
        measured = np.flatnonzero(self._cells.has_expression)
        places = torch.linspace(0, len(measured) - 1, min(_CHECKED_CELLS, len(measured))).long().numpy()
        shown = show_tensors(self._cells, measured[places], self.network.mean.device)
        loss, parts = self._compare(*shown)
        return {"loss": float(loss), **{name: float(value) for name, value in parts.items()}}

    def _compare(
        self, expression: Tensor, present: Tensor, receptors: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        answer = self._ask(expression, present, receptors)
        logits = self.network(expression, present, receptors)
        own = logits.joint[0].float().log_softmax(-1)
        parts = {
            "joint": functional.kl_div(own, answer.joint, reduction="batchmean"),
            "cycle": functional.binary_cross_entropy_with_logits(logits.cycle[0].float(), answer.cycling),
            "strange": functional.binary_cross_entropy_with_logits(logits.ood[0].float(), answer.ood),
        }
        loss = (
            parts["joint"]
            + self.options.cycle_weight * parts["cycle"]
            + self.options.strange_weight * parts["strange"]
        )
        return loss, {name: value.detach() for name, value in parts.items()}

    def _ask(self, expression: Tensor, present: Tensor, receptors: Tensor | None) -> _Answer:
        self._ensemble.to(expression.device)
        self._calibration.to(expression.device)
        with torch.no_grad(), torch.autocast(expression.device.type, enabled=False):
            logits = self._ensemble(expression, present, receptors)
            joint, cycling = self._calibration(logits)
        return _Answer(joint.mean(0), cycling.mean(0), torch.sigmoid(logits.ood.mean(0)))


def mix_cells(batch: StateBatch, share: float, rng: np.random.Generator) -> StateBatch:
    """Mix the expression of cells for distillation, pair by pair, in any proportion.

    Parameters
    ----------
    batch
        B cells.
    share
        Share of the cells that are mixed with another of the batch, 0 to 1.
    rng
        Source of chance.

    Returns
    -------
    StateBatch
        Of a mixed cell those genes count as measured that both cells measure; its receptors are its own.
    """
    n_cells = len(batch.expression)
    other = torch.from_numpy(rng.permutation(n_cells))
    is_mixed = torch.from_numpy(rng.random(n_cells) < share)[:, None]
    own_part = torch.from_numpy(rng.random(n_cells).astype(np.float32))[:, None]
    present = torch.where(is_mixed, batch.present * batch.present[other], batch.present)
    mixed = own_part * batch.expression + (1 - own_part) * batch.expression[other]
    return batch._replace(
        expression=torch.where(is_mixed, mixed * present, batch.expression), present=present
    )
