"""Batches of cells: every cohort and every label is heard, however few its cells.

Invariant: a batch depends on the seed and the step's number alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import torch

from tcellflow.states.axes import possible_joint
from tcellflow.training.cohorts.truth import UNKNOWN_CYCLE
from tcellflow.training.states.noise import (
    NoisedCells,
    draw_ambient,
    measure_ambient,
    noise_cells,
    shuffle_genes,
)
from tcellflow.vocabulary import Evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.training.states.cells import StateCells
    from tcellflow.training.states.options import BatchOptions, StateNoise

_UNLABELLED_WEIGHT: Final = 0.3  # of a cohort's cells whose labels say nothing
_SYNTHETIC: Final = (
    0.5  # share of the cells out of distribution that are made up, half shuffled, half ambient
)


class StateBatch(NamedTuple):
    """B cells, T cells first: those with expression, then those of receptors alone, which show no gene.

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
    is_ood
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
    is_ood: torch.Tensor
    taught: torch.Tensor | None

    def to(self, device: torch.device) -> StateBatch:
        """Move the batch."""
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
        truth, measured = cells.truth, cells.has_expression
        self._measured = np.flatnonzero(measured)
        self._groups, self._chances = _group(cells, np.flatnonzero(truth.is_t & measured), options)
        self._foreign, self._foreign_chances = _group(cells, np.flatnonzero(~truth.is_t & measured), options)
        self._alone, self._alone_chances = _group(cells, _find_receptors_alone(cells), options)

    def draw(self, step: int) -> StateBatch:
        """Draw the batch of a step."""
        rng = np.random.default_rng((self._seed, step))
        measured = _draw(self._groups, self._chances, self.options.t_cells, rng)
        noised = noise_cells(self.cells, measured, self._ambient, self.noise, rng)
        ood = self._draw_ood(measured, rng) if self.options.strange else []
        alone = self._draw_alone(rng)
        unseen = NoisedCells(*np.zeros((2, len(alone), noised.present.shape[1]), np.float32))
        shown = (noised, unseen, *ood)
        rows = np.concatenate([measured, alone])
        expression, present = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*shown, strict=True))
        truth = self.cells.truth
        is_silver = truth.evidence[rows] == Evidence.TEACHER
        is_ood = torch.zeros(len(expression), 1)
        is_ood[len(rows) :] = 1
        return StateBatch(
            expression,
            present,
            self._draw_receptors(rows, len(expression), present, expression, rng),
            torch.from_numpy(truth.joint[rows]),
            torch.from_numpy(truth.cycle[rows].astype(np.float32))[:, None],
            torch.from_numpy(np.where(is_silver, self.options.silver_weight, 1.0).astype(np.float32))[
                :, None
            ],
            is_ood,
            None if self.cells.taught is None else torch.from_numpy(self.cells.taught[rows]),
        )

    def draw_again(self, step: int) -> NoisedCells:
        """Give the T cells with expression of a step's batch under other noise.

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

    def _draw_ood(self, t_rows: NDArray[np.intp], rng: np.random.Generator) -> list[NoisedCells]:
        n = self.options.strange
        made = n if not self._foreign else int(n * _SYNTHETIC)
        shuffled = rng.choice(t_rows, made // 2)
        parts = [
            shuffle_genes(noise_cells(self.cells, shuffled, self._ambient, self.noise, rng), rng),
            draw_ambient(self.cells, rng.choice(self._measured, made - made // 2), self._ambient, rng),
        ]
        if made < n:
            rows = _draw(self._foreign, self._foreign_chances, n - made, rng)
            parts.append(noise_cells(self.cells, rows, self._ambient, self.noise, rng))
        return parts

    def _draw_alone(self, rng: np.random.Generator) -> NDArray[np.intp]:
        n = round(self.options.receptors_alone * self.options.t_cells)
        if not self._alone or n == 0:
            return np.empty(0, dtype=np.intp)
        return _draw(self._alone, self._alone_chances, n, rng)

    def _draw_receptors(
        self,
        rows: NDArray[np.intp],
        n_cells: int,
        present: torch.Tensor,
        expression: torch.Tensor,
        rng: np.random.Generator,
    ) -> torch.Tensor | None:
        """Give the chains of the T cells, some hidden; of cells with a chain some lose their expression."""
        chains = self.cells.receptors
        if chains is None:
            return None
        kept = rng.random((len(rows), 2)) >= self.noise.chain_dropped
        nameless = rng.random(len(rows)) < self.noise.segments_dropped
        # a cell without expression keeps a chain: of a cell that shows nothing only a prior can be learnt
        has = chains.is_there[rows]
        is_empty = ~self.cells.has_expression[rows] & ~(has & kept).any(axis=1)
        kept[is_empty] = True
        table = chains.show(rows, kept=kept, nameless=nameless)
        may_lose = (has & kept).any(axis=1)
        blind = np.flatnonzero(may_lose & (rng.random(len(rows)) < self.noise.expression_dropped))
        present[blind] = 0
        expression[blind] = 0
        whole = np.zeros((n_cells, table.shape[1]), np.float32)
        whole[: len(rows)] = table
        return torch.from_numpy(whole)


def _find_receptors_alone(cells: StateCells) -> NDArray[np.intp]:
    """Find the T cells of receptors alone whose labels say something; others teach nothing."""
    truth = cells.truth
    says = (truth.joint != possible_joint()).any(axis=1) | (truth.cycle != UNKNOWN_CYCLE)
    return np.flatnonzero(truth.is_t & says & ~cells.has_expression)


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
