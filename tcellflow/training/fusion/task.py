"""The task of a fusion network: classes, proteins that are not shown, and, with tokens, masked genes.

Invariant: a label pulls probability towards what it allows; validation sees the validation fold alone,
always whole.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor

from tcellflow.models.configurations import FusionConfig
from tcellflow.models.fusion import FusionNetwork
from tcellflow.training.fusion.batches import FusionBatches, show_cells

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tcellflow.models.fusion import FusionBasis, FusionOutput
    from tcellflow.training.fusion.batches import FusionBatch
    from tcellflow.training.fusion.cells import FusionCells
    from tcellflow.training.fusion.options import FusionTaskOptions

_AT_ONCE: Final = 512
_MOST_CHECKED: Final = 3_000
_TEMPERATURES: Final = (0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3)


class FusionTask:
    """Network, loss and validation.

    Parameters
    ----------
    cells
        All cells.
    basis
        Axes and patches.
    options
        Shape, weights and seed.
    soft
        A teacher's probabilities (B, K) of all cells, learnt instead of labels; None = labels.
    start
        Weights to begin with, of an earlier stage; None = random ones.
    """

    def __init__(
        self,
        cells: FusionCells,
        basis: FusionBasis,
        options: FusionTaskOptions,
        soft: NDArray[np.float32] | None = None,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.options = options
        self._cells, self._soft = cells, soft
        self.network = build_network(cells, basis, options)
        if start is not None:
            self.network.load_state_dict(start)
        if options.learns_only:
            for name, value in self.network.named_parameters():
                value.requires_grad_(name.startswith(options.learns_only))
        learn = np.flatnonzero(cells.fold == 0)
        taught = learn if soft is not None else learn[cells.has_label[learn]]
        self._kept = np.flatnonzero(cells.fold == 1)[:_MOST_CHECKED]
        masks_genes = options.tokens is not None and options.gene_weight > 0
        self._batches = FusionBatches(
            cells, learn, taught, options.batch, options.seed + 1, masks_genes=masks_genes
        )
        self.fingerprint: Mapping[str, Any] = {
            **asdict(options),
            "cells": len(cells),
            "counts": float(cells.counts.sum()),
            "labels": int(cells.allowed.sum()),
            "fold": int(np.flatnonzero(cells.fold).sum()),
            "soft": None if soft is None else float(np.abs(soft).sum()),
            "start": None if start is None else float(sum(v.double().abs().sum() for v in start.values())),
        }

    def measure_loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the loss of a step's batch, and its named parts."""
        batch = self._batches.draw(step)
        device = next(self.network.parameters()).device
        out: FusionOutput = self.network(*(part.to(device) for part in batch.view))
        parts = self._measure_parts(batch, out)
        weights = {
            "classes": self.options.class_weight,
            "proteins": self.options.protein_weight,
            "genes": self.options.gene_weight,
        }
        loss = torch.stack([weights[name] * value for name, value in parts.items()]).sum()
        return loss, {name: value.detach() for name, value in parts.items()}

    def _measure_parts(self, batch: FusionBatch, out: FusionOutput) -> dict[str, Tensor]:
        device = out.latent.device
        parts = {}
        if out.logits.shape[1]:
            target = self._soft if self._soft is not None else self._cells.allowed.astype(np.float32)
            parts["classes"] = measure_classes(
                out.logits, torch.from_numpy(target[batch.rows]).to(device), self.options.smoothing,
                is_soft=self._soft is not None,
            )  # fmt: skip
        levels = torch.from_numpy(self._cells.levels[batch.rows]).to(device)
        parts["proteins"] = measure_proteins(
            out, levels, batch.hidden_proteins.to(device), is_squared=self.options.is_squared
        )
        if out.genes is not None and batch.hidden_genes is not None:
            genes = torch.from_numpy(self._cells.standardise(batch.rows)).to(device)
            hidden = batch.hidden_genes.to(device)
            error = (out.genes - genes).square() * hidden
            parts["genes"] = error.sum() / hidden.sum().clamp(min=1)
        return parts

    def validate(self) -> dict[str, float]:
        """Judge by the validation fold, shown whole and without either modality.

        Returns
        -------
        dict
            ``loss``: surprise at labels, mean of the views that were learnt, and a tenth of the error of the
            proteins if they were; accuracies. The surprise is that at the best temperature, for the network
            is calibrated afterwards: confidence alone must not choose the weights.
        """
        views = self.options.batch.views
        figures: dict[str, float] = {}
        rows = self._kept
        labelled = self._cells.has_label[rows]
        truth = self._cells.allowed[rows]
        losses = []
        for name, has_adt in (("whole", True), ("rna", False)):
            out = predict(self.network, self._cells, rows, has_adt=has_adt)
            if labelled.any() and out.logits.shape[1]:
                chosen = out.logits[labelled].argmax(1)
                figures[f"accuracy_{name}"] = float(truth[labelled][np.arange(len(chosen)), chosen].mean())
                if has_adt or views.without_adt:
                    losses.append(_measure_surprise(out.logits[labelled], truth[labelled]))
            if not has_adt:
                measured = self._cells.measured[rows]
                error = np.square(out.protein_mean - self._cells.levels[rows])[measured]
                figures["protein_error"] = float(error.mean()) if error.size else 0.0
        figures["loss"] = float(np.mean(losses)) if losses else 0.0
        if self.options.protein_weight:
            figures["loss"] += 0.1 * figures["protein_error"] if losses else figures["protein_error"]
        return figures


def build_network(cells: FusionCells, basis: FusionBasis, options: FusionTaskOptions) -> FusionNetwork:
    """Build a network with random weights; torch's random state is left as it was."""
    config = FusionConfig(
        genes=cells.counts.shape[1],
        proteins=cells.proteins.shape[1],
        classes=cells.allowed.shape[1],
        components=options.components,
        width=options.width,
        latent=options.latent,
        dropout=options.dropout,
        is_normalised=options.is_normalised,
        tokens=options.tokens,
    )
    with torch.random.fork_rng([]):
        torch.manual_seed(options.seed)
        return FusionNetwork(config, basis)


def measure_classes(logits: Tensor, target: Tensor, smoothing: float, *, is_soft: bool) -> Tensor:
    """Give the mean surprise at labels.

    Parameters
    ----------
    logits
        (B, K).
    target
        (B, K): classes that each label allows, all 0 without a label, or a teacher's probabilities.
    smoothing
        Share that is spread over all classes.
    is_soft
        Whether the target is a teacher's.
    """
    log_p = logits.float().log_softmax(-1)
    if is_soft:
        return -(target * log_p).sum(-1).mean()
    has_label = target.amax(-1) > 0
    hidden = log_p.masked_fill(target == 0, -1e9).logsumexp(-1)
    surprise = -(1 - smoothing) * hidden - smoothing * log_p.mean(-1)
    return (surprise * has_label).sum() / has_label.sum().clamp(min=1)


def measure_proteins(out: FusionOutput, levels: Tensor, hidden: Tensor, *, is_squared: bool) -> Tensor:
    """Give the mean Gaussian surprise, or squared error, at proteins that are not shown, both (B, P)."""
    spread = out.protein_log_variance.float()
    error = (levels - out.protein_mean.float()).square()
    surprise = error if is_squared else 0.5 * (spread + error * torch.exp(-spread))
    return (surprise * hidden).sum() / hidden.sum().clamp(min=1)


@dataclass(frozen=True)
class Predicted:
    """What a network says of cells: latent (B, D), logits (B, K), proteins (B, P) and weights (B, 2)."""

    latent: NDArray[np.float32]
    logits: NDArray[np.float32]
    protein_mean: NDArray[np.float32]
    protein_log_variance: NDArray[np.float32]
    weights: NDArray[np.float32]


def predict(
    network: FusionNetwork,
    cells: FusionCells,
    rows: NDArray[np.intp],
    *,
    has_rna: bool = True,
    has_adt: bool = True,
) -> Predicted:
    """Predict cells as they are, or without a modality.

    Parameters
    ----------
    network
        Trained; it is put into evaluation mode.
    cells
        All cells.
    rows
        Which.
    has_rna, has_adt
        What is shown.
    """
    network.eval()
    device = next(network.parameters()).device
    found: list[list[NDArray[np.float32]]] = []
    with torch.no_grad():
        for start in range(0, max(len(rows), 1), _AT_ONCE):
            view = show_cells(cells, rows[start : start + _AT_ONCE], has_rna=has_rna, has_adt=has_adt)
            out = network(*(part.to(device) for part in view))
            found.append([part.float().cpu().numpy() for part in out[:5]])
    return Predicted(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _measure_surprise(logits: NDArray[np.float32], allowed: NDArray[np.bool_]) -> float:
    target = torch.from_numpy(allowed.astype(np.float32))
    scaled = (torch.from_numpy(logits / np.float32(t)) for t in _TEMPERATURES)
    return min(float(measure_classes(one, target, 0.0, is_soft=False)) for one in scaled)
