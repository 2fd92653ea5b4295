"""Batches of cells as a network may meet them: whole, of one modality, of other panels, of less depth.

Invariant: a batch depends on the seed and the step's number alone; what a view hides is masked in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.training.fusion.cells import FusionCells
    from tcellflow.training.fusion.options import FusionBatchOptions

_LEAST_GENES: Final = 0.03  # of a panel that a view shows
_LEAST_DEPTH: Final = 0.15
_RARE: Final = 1e-6


class View(NamedTuple):
    """What the network is shown of B cells: genes and their mask (B, G), proteins and theirs (B, P)."""

    genes: torch.Tensor
    gene_mask: torch.Tensor
    proteins: torch.Tensor
    protein_mask: torch.Tensor


class FusionBatch(NamedTuple):
    """B cells.

    Parameters
    ----------
    rows
        Their numbers, shape (B,).
    view
        What is shown.
    hidden_genes
        (B, G) 1 for measured genes that are masked; None where nobody tells genes.
    hidden_proteins
        (B, P) 1 for measured proteins that are masked.
    """

    rows: NDArray[np.intp]
    view: View
    hidden_genes: torch.Tensor | None
    hidden_proteins: torch.Tensor


class FusionBatches:
    """Draws batches.

    Parameters
    ----------
    cells
        All cells.
    learn
        Numbers of the cells that are learnt from.
    taught
        Numbers of those that have a label or a teacher's answer.
    options
        What is in a batch.
    seed
        Of all chance.
    masks_genes
        Whether genes are masked to be told.
    """

    def __init__(
        self,
        cells: FusionCells,
        learn: NDArray[np.intp],
        taught: NDArray[np.intp],
        options: FusionBatchOptions,
        seed: int,
        *,
        masks_genes: bool,
    ) -> None:
        self._cells, self._options, self._seed = cells, options, seed
        self._masks_genes = masks_genes
        self._pools = [
            (rows, _weigh(cells, rows, options.set_power), count)
            for rows, count in ((taught, options.labelled), (learn, options.others))
            if rows.size and count
        ]

    def draw(self, step: int) -> FusionBatch:
        """Draw the batch of a step."""
        rng = np.random.default_rng((self._seed, step))
        rows = np.concatenate([rng.choice(pool, count, p=weight) for pool, weight, count in self._pools])
        cells, views = self._cells, self._options.views
        counts, library = cells.counts[rows].toarray(), cells.library[rows]
        is_partial = rng.random(len(rows)) >= views.whole
        is_thinned = np.flatnonzero((rng.random(len(rows)) < views.thinned) & is_partial)
        if is_thinned.size:
            depth = rng.uniform(_LEAST_DEPTH, 1, is_thinned.size)
            part = counts[is_thinned]
            at = part > 0
            part[at] = rng.binomial(
                np.rint(part[at]).astype(np.int64), np.broadcast_to(depth[:, None], at.shape)[at]
            )
            counts[is_thinned], library[is_thinned] = part, library[is_thinned] * depth
        genes = cells.standardise_counts(counts, np.maximum(library, 1), cells.set_of[rows])
        is_narrow = np.flatnonzero((rng.random(len(rows)) < views.narrow) & is_partial)
        if is_narrow.size:
            genes[is_narrow] = cells.standardise_panel(counts[is_narrow], cells.set_of[rows[is_narrow]])
        gene_mask, hidden = self._mask_genes(rows, is_partial, rng)
        protein_mask, hidden_proteins = self._mask_proteins(rows, is_partial, gene_mask, rng)
        view = View(
            torch.from_numpy(genes * gene_mask), torch.from_numpy(gene_mask),
            torch.from_numpy(cells.proteins[rows] * protein_mask), torch.from_numpy(protein_mask),
        )  # fmt: skip
        return FusionBatch(
            rows,
            view,
            None if hidden is None else torch.from_numpy(hidden),
            torch.from_numpy(hidden_proteins),
        )

    def _mask_genes(
        self, rows: NDArray[np.intp], is_partial: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        cells, views = self._cells, self._options.views
        mask = cells.present[cells.set_of[rows]].astype(np.float32)
        for row in np.flatnonzero((rng.random(len(rows)) < views.sub_genes) & is_partial):
            if rng.random() < 0.3:  # genes of another set
                mask[row] *= cells.present[rng.integers(len(cells.present))]
            else:
                mask[row] *= rng.random(mask.shape[1], dtype=np.float32) < rng.uniform(_LEAST_GENES, 1)
        hidden = None
        if self._masks_genes:
            hidden = mask * (rng.random(mask.shape, dtype=np.float32) < views.masked)
            mask -= hidden
        has_adt = cells.measured[rows].any(axis=1)
        is_without = (rng.random(len(rows)) < views.without_rna) & has_adt & is_partial
        mask[is_without] = 0
        if hidden is not None:
            hidden[is_without] = 0
        return mask, hidden

    def _mask_proteins(
        self,
        rows: NDArray[np.intp],
        is_partial: NDArray[np.bool_],
        gene_mask: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        cells, views = self._cells, self._options.views
        measured = cells.measured[rows].astype(np.float32)
        keep = np.where(is_partial, 1 - views.masked, 1).astype(np.float32)
        is_part = (rng.random(len(rows)) < views.sub_panel) & is_partial
        keep[is_part] = rng.uniform(0, 1, is_part.sum())
        has_rna = gene_mask.any(axis=1)
        shown = measured * (rng.random(measured.shape, dtype=np.float32) < keep[:, None])
        shown[(rng.random(len(rows)) < views.without_adt) & has_rna & is_partial] = 0
        empty = ~has_rna & ~shown.any(axis=1)
        shown[empty] = measured[empty]
        return shown, measured - shown


def show_cells(
    cells: FusionCells, rows: NDArray[np.intp], *, has_rna: bool = True, has_adt: bool = True
) -> View:
    """Show cells as they are, or without a modality.

    Parameters
    ----------
    cells
        All cells.
    rows
        Which.
    has_rna, has_adt
        What is shown.
    """
    gene_mask = cells.present[cells.set_of[rows]].astype(np.float32) * has_rna
    protein_mask = cells.measured[rows].astype(np.float32) * has_adt
    genes = cells.standardise(rows) * gene_mask
    return View(*map(torch.from_numpy, (genes, gene_mask, cells.proteins[rows] * protein_mask, protein_mask)))


def _weigh(cells: FusionCells, rows: NDArray[np.intp], power: float) -> NDArray[np.float64]:
    sizes = np.bincount(cells.set_of[rows], minlength=len(cells.present)).astype(np.float64)
    weight = np.maximum(sizes, _RARE)[cells.set_of[rows]] ** (power - 1)
    found: NDArray[np.float64] = weight / weight.sum()
    return found
