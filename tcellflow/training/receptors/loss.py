"""What the receptor encoder is trained for: noised views of one receptor lie together, others apart.

Invariant: the losses are means, so their size does not grow with the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from tcellflow.models.receptors import Encoding, ReceptorEncoder, to_unit

if TYPE_CHECKING:
    from tcellflow.training.receptors.batches import View

_CHUNKS: Final = 4  # chains are sorted by length and run in so many parts, each padded to its own longest
_NOT_ASKED: Final = -100


class EncodedView(NamedTuple):
    """What the encoder says of a view.

    Parameters
    ----------
    vectors
        (R, D) unit vectors of the receptors.
    residue_logits
        (H, 20) for the residues that were hidden or exchanged.
    residues
        (H,) which residues they were.
    """

    vectors: Tensor
    residue_logits: Tensor
    residues: Tensor


def encode_view(network: ReceptorEncoder, view: View, receptors: int) -> EncodedView:
    """Encode one view.

    Parameters
    ----------
    network
        The encoder.
    view
        N chains of R receptors.
    receptors
        Their number R.

    Returns
    -------
    EncodedView
        Vectors and residue logits, in float32.
    """
    device = network.locus.weight.device
    chains = view.noised.chains
    lengths = (chains.residues != 0).sum(1)
    parts = torch.from_numpy(lengths).argsort(stable=True).chunk(_CHUNKS)
    features, logits, truth = [], [], []
    for rows in parts:
        longest = int(lengths[rows.numpy()].max())
        encoding = _encode_rows(network, view, rows, longest)
        targets = torch.from_numpy(view.noised.targets[rows.numpy(), :longest]).to(device)
        is_asked = targets != _NOT_ASKED
        features.append(encoding.features)
        logits.append(encoding.residue_logits[is_asked])
        truth.append(targets[is_asked])
    owner = torch.from_numpy(view.receptor)[torch.cat(parts)].to(device)
    every = torch.cat(features).float()
    summed = torch.zeros(receptors, every.shape[1], device=device).index_add(0, owner, every)
    return EncodedView(to_unit(summed), torch.cat(logits).float(), torch.cat(truth))


def _encode_rows(network: ReceptorEncoder, view: View, rows: Tensor, longest: int) -> Encoding:
    device = network.locus.weight.device
    chains = view.noised.chains.take(rows.numpy())
    locus, residues, v_call, j_call = (
        torch.from_numpy(array).to(device, torch.int64)
        for array in (chains.locus, chains.residues[:, :longest], chains.v_call, chains.j_call)
    )
    keep = torch.from_numpy(view.noised.keep_identity)[rows].to(device)
    encoding: Encoding = network(locus, residues, v_call, j_call, keep)
    return encoding


def contrast(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Tell each receptor's other view among those of the whole batch (InfoNCE, both ways).

    Parameters
    ----------
    first, second
        (R, D) unit vectors of both views.
    temperature
        Divides the cosines.

    Returns
    -------
    torch.Tensor
        Mean cross-entropy in nats.

    Notes
    -----
    Every other view of the batch is a negative, those of the same side too
    (van den Oord et al. 2018; Chen et al. 2020).
    """
    both = torch.cat([first, second])  # (2R, D)
    cosines = both @ both.T / temperature  # (2R, 2R)
    cosines = cosines.masked_fill(torch.eye(len(both), dtype=torch.bool, device=both.device), -torch.inf)
    half = len(first)
    partner = torch.arange(len(both), device=both.device).roll(half)
    return functional.cross_entropy(cosines, partner)
