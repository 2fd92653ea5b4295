"""What a network predicts for cells as they are: its logits, and the seven states that they mean.

Invariant: cells are shown without noise, and the network is in evaluation mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from tcellflow.states.axes import STATES, resting_states
from tcellflow.training.states.noise import show_cells
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from tcellflow.models.exported_states import StateNetwork
    from tcellflow.training.states.cells import StateCells

_AT_ONCE: Final = 512


def show_tensors(
    cells: StateCells, rows: NDArray[np.intp], device: torch.device
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Show cells as tensors for predictions, receptors too, as they are shown where a bundle predicts.

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
    """Predict cells in training: a network's logits for cells as they are.

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
        Logits: joint (rows, 54), cycling (rows,) and out of distribution (rows,).
    """
    network.eval()
    device = network.mean.device
    found: list[tuple[NDArray[np.float32], ...]] = []
    with torch.no_grad():
        for start in range(0, max(len(rows), 1), _AT_ONCE):
            logits = network(*show_tensors(cells, rows[start : start + _AT_ONCE], device))
            found.append(
                tuple(
                    network.summarise(part).cpu().numpy() for part in (logits.joint, logits.cycle, logits.ood)
                )
            )
    joint, cycle, ood = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return joint, cycle[:, 0], ood[:, 0]


def collapse(joint: NDArray[np.floating], cycle: NDArray[np.floating]) -> NDArray[np.float64]:
    """Collapse a network's predictions to the probabilities of the seven states.

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
