"""The training loop of every network: seeded, checkpointed, told in a metrics file.

Invariant: what happens at a step depends on the seed, the step and the state saved in a checkpoint
alone; a run that was killed and started again ends, on the CPU, with the same bits as one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import torch

from tcellflow.errors import InputError, OptionsError
from tcellflow.training.checkpoints import (
    CHECKPOINT_FILE,
    METRICS_FILE,
    read_checkpoint,
    write_checkpoint,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from torch import Tensor, nn

    from tcellflow.training.options import Device, LoopOptions

OnStep = Callable[[int, int], None]  # called with (steps done, steps in all)
_BETAS: Final = (0.9, 0.98)  # the usual choice for transformers with a warm-up


class Task(Protocol):
    """What the loop trains."""

    @property
    def network(self) -> nn.Module:
        """The network."""

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """What a checkpoint must have in common with the task."""

    def measure_loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the loss of a step's batch, which depends on the step's number alone.

        Parameters
        ----------
        step
            Number of the step, from 0.

        Returns
        -------
        tuple
            The loss, and its named parts for the metrics file.
        """

    def validate(self) -> dict[str, float]:
        """Judge the network on data it does not learn from.

        Returns
        -------
        dict
            Figures; ``loss`` among them, the lower the better.
        """


@dataclass
class _Progress:
    step: int = 0
    best_loss: float = math.inf
    validations_since_best: int = 0


def choose_device(device: Device) -> torch.device:
    """Choose the device on which the training loop runs.

    Parameters
    ----------
    device
        What the user asked for.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    OptionsError
        If the GPU was asked for and torch sees none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise OptionsError(
            "the GPU was asked for, but torch sees none",
            where="--device cuda",
            mend="use --device cpu, or install a CUDA build of torch on a machine with an NVIDIA GPU",
        )
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def train(
    task: Task,
    folder: Path,
    options: LoopOptions,
    *,
    resume: bool = False,
    on_step: OnStep | None = None,
) -> list[dict[str, Any]]:
    """Train any network in the loop, keeping the weights of its best validation.

    Parameters
    ----------
    task
        Network, losses and validation; its network holds the best weights afterwards.
    folder
        Where checkpoint and metrics file go.
    options
        How to train.
    resume
        Whether to go on from the folder's checkpoint, if it has one.
    on_step
        Called with (steps done, steps in all).

    Returns
    -------
    list of dict
        The lines of the metrics file, one per validation.

    Raises
    ------
    OptionsError
        If the GPU was asked for and there is none.
    InputError
        If the checkpoint is damaged or of other options or data.
    OutputError
        If the folder cannot be written.
    """
    loop = _Loop(task, folder, options)
    if resume and (folder / CHECKPOINT_FILE).exists():
        loop.restore()
    loop.run(on_step or (lambda _done, _total: None))
    return loop.history


class _Loop:
    def __init__(self, task: Task, folder: Path, options: LoopOptions) -> None:
        self.task = task
        self.options = options
        self.folder = folder
        self.device = choose_device(options.device)
        task.network.to(self.device)
        self.progress = _Progress()
        self.history: list[dict[str, Any]] = []
        self.best = _copy_state(task.network)
        self.optimiser = torch.optim.AdamW(
            _group_parameters(task.network, options.weight_decay), lr=options.learning_rate, betas=_BETAS
        )
        self.fingerprint = {**asdict(options), "task": dict(task.fingerprint)}
        self.random = torch.Generator().manual_seed(options.seed)

    def run(self, on_step: OnStep) -> None:
        steps, progress = self.options.steps, self.progress
        while progress.step < steps and not self._is_out_of_patience():
            parts = self._take_step()
            progress.step += 1
            on_step(progress.step, steps)
            if progress.step % self.options.validate_every == 0 or progress.step == steps:
                self._validate(parts)
                self._save()
        self.task.network.load_state_dict(self.best)

    def _take_step(self) -> dict[str, Tensor]:
        step = self.progress.step
        rate = _schedule(step, self.options)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.task.network.train()
        with self._seeded(), self._rounding():
            loss, parts = self.task.measure_loss(step)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.task.network.parameters(), self.options.clip_norm)
        self.optimiser.step()
        return {"loss": loss.detach(), **parts}

    def _seeded(self) -> AbstractContextManager[None]:
        """Give torch's own generator, which dropout uses, a seed of this step and no other's."""
        seed = int(torch.randint(2**62, (1,), generator=self.random).item())
        devices = [self.device] if self.device.type == "cuda" else []
        return _fork_random(seed, devices)

    def _rounding(self) -> AbstractContextManager[Any]:
        if not self.options.is_mixed_precision:
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def _validate(self, parts: Mapping[str, Tensor]) -> None:
        self.task.network.eval()
        with torch.no_grad():
            figures = self.task.validate()
        progress = self.progress
        line = {
            "step": progress.step,
            **{f"train_{name}": float(value) for name, value in parts.items()},
            **{f"validation_{name}": value for name, value in figures.items()},
        }
        if not all(math.isfinite(value) for value in line.values()):
            raise InputError(
                f"training diverged: a figure at step {progress.step} is not finite",
                where=self.folder / METRICS_FILE,
                mend="lower the learning rate, or look for strange values in the data",
            )
        self.history.append(line)
        progress.validations_since_best += 1
        if figures["loss"] < progress.best_loss:
            progress.best_loss, progress.validations_since_best = figures["loss"], 0
            self.best = _copy_state(self.task.network)

    def _is_out_of_patience(self) -> bool:
        patience = self.options.patience
        return patience is not None and self.progress.validations_since_best >= patience

    def _save(self) -> None:
        state = {
            "progress": asdict(self.progress),
            "network": self.task.network.state_dict(),
            "best": self.best,
            "optimiser": self.optimiser.state_dict(),
            "random": self.random.get_state(),
        }
        write_checkpoint(self.folder, state, self.fingerprint, self.history)

    def restore(self) -> None:
        state, self.history = read_checkpoint(self.folder, self.fingerprint, self.device)
        self.task.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.best = state["best"]
        self.random.set_state(state["random"].cpu())
        self.progress = _Progress(**state["progress"])


def _schedule(step: int, options: LoopOptions) -> float:
    """Warm up linearly, then fall along half a cosine."""
    if step < options.warm_up_steps:
        return options.learning_rate * (step + 1) / options.warm_up_steps
    share = (step - options.warm_up_steps) / max(options.steps - options.warm_up_steps, 1)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def _group_parameters(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    matrices = [value for value in network.parameters() if value.ndim > 1]
    vectors = [value for value in network.parameters() if value.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def _copy_state(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


@contextmanager
def _fork_random(seed: int, devices: list[torch.device]) -> Iterator[None]:
    """Seed torch inside a block and leave its state outside as it was."""
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield
