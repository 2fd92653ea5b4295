"""Batches of cells: every cohort and every label is heard, however few its cells.

Invariant: a batch depends on the seed and the step's number alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import torch

from tcellflow.training.state_noise import (
    NoisedCells,
    StateNoise,
    draw_ambient,
    measure_ambient,
    noise_cells,
    shuffle_genes,
)
from tcellflow.vocabulary import Evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.training.state_cells import StateCells

_UNLABELLED_WEIGHT: Final = 0.3  # of a cohort's cells whose labels say nothing
_SYNTHETIC: Final = 0.5  # share of the strange cells that are made up, half shuffled, half ambient


@dataclass(frozen=True)
class BatchOptions:
    """What is in a batch.

    Parameters
    ----------
    t_cells
        T cells.
    strange
        Cells that are no T cells: of other kinds, shuffled, ambient.
    cohort_power
        A cohort of n cells is drawn n to this power times as often as one of a single cell.
    label_power
        The same for the labels within a cohort.
    silver_weight
        Weight of a teacher's label in the loss.
    """

    t_cells: int = 128
    strange: int = 48
    cohort_power: float = 0.5
    label_power: float = 0.25
    silver_weight: float = 0.3


class StateBatch(NamedTuple):
    """B cells, T cells first.

    Parameters
    ----------
    expression, present
        (B, G).
    receptors
        (B, 2D + 2), or None.
    joint
        (T, 54) bool: what the T cells can be.
    cycle
        (T, 1) 1 cycling, 0 resting, -1 not known.
    weight
        (T, 1) of the labels.
    is_strange
        (B, 1) 1 for cells that are no T cells.
    taught
        (T, K) the teacher's latent vectors, NaN rows where it says nothing; None without a teacher.
    """

    expression: torch.Tensor
    present: torch.Tensor
    receptors: torch.Tensor | None
    joint: torch.Tensor
    cycle: torch.Tensor
    weight: torch.Tensor
    is_strange: torch.Tensor
    taught: torch.Tensor | None

    def to(self, device: torch.device) -> StateBatch:
        """Move the batch.

        Parameters
        ----------
        device
            Where to.

        Returns
        -------
        StateBatch
            The same numbers there.
        """
        parts: list[Any] = [None if part is None else part.to(device) for part in self]
        return StateBatch(*parts)


class StateBatches:
    """Draws batches.

    Parameters
    ----------
    cells
        What is learnt from.
    options
        What is in a batch.
    noise
        Its strength.
    seed
        Of all chance.
    """

    def __init__(self, cells: StateCells, options: BatchOptions, noise: StateNoise, seed: int) -> None:
        self.cells = cells
        self.options = options
        self.noise = noise
        self._seed = seed
        self._ambient = measure_ambient(cells)
        self._groups, self._chances = _group(cells, np.flatnonzero(cells.truth.is_t), options)
        self._foreign, self._foreign_chances = _group(cells, np.flatnonzero(~cells.truth.is_t), options)

    def draw(self, step: int) -> StateBatch:
        """Draw the batch of a step.

        Parameters
        ----------
        step
            Its number.

        Returns
        -------
        StateBatch
            Noised cells.
        """
        rng = np.random.default_rng((self._seed, step))
        rows = _draw(self._groups, self._chances, self.options.t_cells, rng)
        shown = [noise_cells(self.cells, rows, self._ambient, self.noise, rng)]
        if self.options.strange:
            shown += self._draw_strange(rows, rng)
        expression, present = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*shown, strict=True))
        truth = self.cells.truth
        is_silver = truth.evidence[rows] == Evidence.TEACHER
        is_strange = torch.zeros(len(expression), 1)
        is_strange[len(rows) :] = 1
        return StateBatch(
            expression,
            present,
            self._draw_receptors(rows, len(expression), present, expression, rng),
            torch.from_numpy(truth.joint[rows]),
            torch.from_numpy(truth.cycle[rows].astype(np.float32))[:, None],
            torch.from_numpy(np.where(is_silver, self.options.silver_weight, 1.0).astype(np.float32))[
                :, None
            ],
            is_strange,
            None if self.cells.taught is None else torch.from_numpy(self.cells.taught[rows]),
        )

    def draw_again(self, step: int) -> NoisedCells:
        """Give the T cells of a step's batch under other noise.

        Parameters
        ----------
        step
            Its number.

        Returns
        -------
        NoisedCells
            The same cells in the same order.
        """
        rows = _draw(
            self._groups, self._chances, self.options.t_cells, np.random.default_rng((self._seed, step))
        )
        rng = np.random.default_rng((self._seed, step, 1))
        return noise_cells(self.cells, rows, self._ambient, self.noise, rng)

    def _draw_strange(self, t_rows: NDArray[np.intp], rng: np.random.Generator) -> list[NoisedCells]:
        n = self.options.strange
        made = n if not self._foreign else int(n * _SYNTHETIC)
        shuffled = rng.choice(t_rows, made // 2)
        everyone = np.arange(len(self.cells), dtype=np.intp)
        parts = [
            shuffle_genes(noise_cells(self.cells, shuffled, self._ambient, self.noise, rng), rng),
            draw_ambient(self.cells, rng.choice(everyone, made - made // 2), self._ambient, rng),
        ]
        if made < n:
            rows = _draw(self._foreign, self._foreign_chances, n - made, rng)
            parts.append(noise_cells(self.cells, rows, self._ambient, self.noise, rng))
        return parts

    def _draw_receptors(
        self,
        rows: NDArray[np.intp],
        n_cells: int,
        present: torch.Tensor,
        expression: torch.Tensor,
        rng: np.random.Generator,
    ) -> torch.Tensor | None:
        """Give the chains of the T cells, some hidden; of cells with a chain some lose their expression."""
        if self.cells.receptors is None:
            return None
        block = self.cells.receptors.take(rows)
        arrays = block.as_inputs(block.tra.shape[1])
        kept = (rng.random((len(rows), 2)) >= self.noise.chain_dropped).astype(np.float32)
        has = np.concatenate([arrays["has_tra"], arrays["has_trb"]], axis=1) * kept
        table = np.concatenate([arrays["tra"] * has[:, :1], arrays["trb"] * has[:, 1:], has], axis=1)
        blind = np.flatnonzero(has.any(axis=1) & (rng.random(len(rows)) < self.noise.expression_dropped))
        present[blind] = 0
        expression[blind] = 0
        whole = np.zeros((n_cells, table.shape[1]), np.float32)
        whole[: len(rows)] = table
        return torch.from_numpy(whole)


def _group(
    cells: StateCells, rows: NDArray[np.intp], options: BatchOptions
) -> tuple[list[NDArray[np.intp]], NDArray[np.float64]]:
    """Group cells by cohort and what is known of them; give each group's chance."""
    truth = cells.truth
    groups: dict[tuple[int, bytes], list[int]] = {}
    for row in rows:
        known = (
            truth.joint[row].tobytes() + bytes([int(truth.cycle[row] == 1)]) + str(truth.kind[row]).encode()
        )
        groups.setdefault((int(cells.cohort[row]), known), []).append(int(row))
    of_cohort = np.array([cohort for cohort, _ in groups])
    sizes = np.array([len(members) for members in groups.values()], dtype=np.float64)
    is_open = np.array(
        [truth.is_t[m[0]] and truth.state[m[0]] == "" for m in groups.values()], dtype=np.float64
    )
    chances = sizes**options.label_power * np.where(is_open > 0, _UNLABELLED_WEIGHT, 1.0)
    for cohort in np.unique(of_cohort):
        inside = of_cohort == cohort
        has_labels = (inside & (is_open == 0)).any()
        heard = sizes[inside].sum() ** options.cohort_power * (1.0 if has_labels else _UNLABELLED_WEIGHT)
        chances[inside] *= heard / chances[inside].sum()
    return [np.array(members) for members in groups.values()], chances / max(chances.sum(), 1e-300)


def _draw(
    groups: list[NDArray[np.intp]], chances: NDArray[np.float64], n: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    chosen = rng.choice(len(groups), n, p=chances)
    return np.array([groups[group][rng.integers(len(groups[group]))] for group in chosen])
