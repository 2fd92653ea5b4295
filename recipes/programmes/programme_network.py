"""A network with programmes as inputs and as targets, taught by the lessons of the linear model.

It is the row (b) of the evaluation, and is not packaged: one hidden layer over the same features, which calls
the state and, from few molecules and lost genes, the programmes that the same cell shows with all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tcellflow.states.axes import STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from recipes.programmes.lessons import Lessons

HIDDEN, DROPOUT = 64, 0.3
STEPS, BATCH, RATE, DECAY = 1_200, 256, 2e-3, 10.0
MOST_LOST = 0.6  # of a cell's genes, beside those that the lessons lack
SMOOTHING = 0.05  # of labels
OF_PROGRAMMES = 0.5  # weight of the programmes' loss
MEMBERS = 2


@dataclass(frozen=True)
class ProgrammeNetwork:
    """Members that were taught, the spread of their inputs, and their classes."""

    members: Sequence[nn.Module]
    scale: NDArray[np.float32]
    states: tuple[str, ...]

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give probabilities in the order of `State`, shape (B, 7); 0 for states without a class."""
        with torch.no_grad():
            x = torch.from_numpy(features / self.scale)
            logs = torch.stack([
                functional.log_softmax(member(x)[:, : len(self.states)], dim=1) for member in self.members
            ]).mean(dim=0)  # fmt: skip
            found = functional.softmax(logs, dim=1).numpy().astype(np.float64)
        full = np.zeros((len(features), len(STATES)))
        full[:, [STATES.index(s) for s in self.states]] = found
        return full


def teach_network(lessons: Lessons, *, seed: int = 0) -> ProgrammeNetwork:
    """Teach the members."""
    scale = np.maximum(lessons.features.std(axis=0), 0.05).astype(np.float32)
    names = tuple(str(s) for s in STATES if (lessons.truth == s).any())
    x = torch.from_numpy(lessons.features / scale)
    state = torch.tensor([names.index(s) for s in lessons.truth])
    running = torch.from_numpy(lessons.running)
    chance = torch.from_numpy(lessons.weights)
    members = []
    for member in range(MEMBERS):
        torch.manual_seed(1_000 * seed + member)
        members.append(_teach_member(x, state, running, chance, lessons.genes.size, len(names)))
    return ProgrammeNetwork(members, scale, names)


def _teach_member(
    x: torch.Tensor,
    state: torch.Tensor,
    running: torch.Tensor,
    chance: torch.Tensor,
    n_genes: int,
    n_states: int,
) -> nn.Module:
    net = nn.Sequential(
        nn.Linear(x.shape[1], HIDDEN),
        nn.GELU(),
        nn.Dropout(DROPOUT),
        nn.Linear(HIDDEN, n_states + running.shape[1]),
    )
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        rows = torch.multinomial(chance, BATCH, replacement=True)
        kept = torch.ones(BATCH, x.shape[1])
        kept[:, :n_genes] = (torch.rand(BATCH, n_genes) > MOST_LOST * torch.rand(BATCH, 1)).float()
        out = net(x[rows] * kept)
        target = running[rows]
        known = torch.isfinite(target)
        of_programmes = functional.binary_cross_entropy_with_logits(
            out[:, n_states:][known], target[known].clamp(0, 1)
        )
        loss = functional.cross_entropy(out[:, :n_states], state[rows], label_smoothing=SMOOTHING)
        optimiser.zero_grad()
        (loss + OF_PROGRAMMES * of_programmes).backward()
        optimiser.step()
        schedule.step()
    return net.eval()
