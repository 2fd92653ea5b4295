"""How the loop trains any network; free of torch, so that the command line takes its defaults from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

NOT_STATED: Final = "not stated"  # a licence that nobody named
Device = Literal["cpu", "cuda", "auto"]


@dataclass(frozen=True)
class LoopOptions:
    """How a network is trained.

    Parameters
    ----------
    steps
        Steps of the whole run; the learning rate falls to zero over them.
    learning_rate
        Its highest value.
    warm_up_steps
        Steps over which it rises.
    weight_decay
        Decay of matrices; vectors such as biases are not decayed.
    clip_norm
        Longest gradient.
    validate_every
        Steps between validations, each of which writes metrics and a checkpoint.
    patience
        Validations without a lower loss after which training stops; None = never.
    seed
        Seed of the network's dropout; batches have their own.
    device
        ``cpu``, ``cuda``, or ``auto``: the GPU where torch can use one.
    is_mixed_precision
        Whether products are rounded to bfloat16.
    """

    steps: int
    learning_rate: float = 1e-3
    warm_up_steps: int = 200
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    validate_every: int = 500
    patience: int | None = None
    seed: int = 0
    device: Device = "auto"
    is_mixed_precision: bool = True
