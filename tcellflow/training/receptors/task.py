"""The receptor encoder's task and losses: noised views, a teacher's neighbours, and hidden residues.

Invariant: validation sees junctions that training never sees, noised the same way each time. The losses are
means, so their size does not grow with the batch.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from tcellflow.errors import InputError
from tcellflow.models.receptors import Encoding, ReceptorEncoder, to_unit
from tcellflow.training.receptors.batches import BatchMaker, View
from tcellflow.training.receptors.distance import DistanceTeacher
from tcellflow.training.receptors.germline import build_germline_tables
from tcellflow.training.receptors.noise import NOT_ASKED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tcellflow.receptors.encoding.tokens import ReceptorVocabulary
    from tcellflow.training.receptors.corpus import Corpus
    from tcellflow.training.receptors.options import ReceptorTaskOptions

_VALIDATION_BATCHES: Final = 4
_CHUNKS: Final = 4  # chains are sorted by length and run in so many parts, each padded to its own longest


class ReceptorTask:
    """Network, losses and validation of the receptor encoder, as the training loop asks for them.

    Parameters
    ----------
    learn
        What is learnt from.
    validate
        What the network is judged by.
    vocabulary
        Names the encoder knows.
    options
        Network and losses.

    Raises
    ------
    InputError
        If no receptor is left for validation.
    """

    def __init__(
        self, learn: Corpus, validate: Corpus, vocabulary: ReceptorVocabulary, options: ReceptorTaskOptions
    ) -> None:
        self.options = options
        self.network = build_encoder(vocabulary, options)
        self._batches = BatchMaker(learn, options.batch_size, options.mix, options.noise, options.seed)
        self._teacher = DistanceTeacher(
            learn, build_germline_tables(vocabulary), options.teacher, options.seed
        )
        kept = sum(map(len, (validate.alphas, validate.betas, validate.pair_betas)))
        if not kept:
            raise InputError(
                "the corpus is too small: none of its junctions is kept back for validation",
                where="receptor tables",
                mend="give some thousands of receptors",
            )
        self._validation = BatchMaker(
            validate, min(options.batch_size, kept), options.mix, options.noise, options.seed
        )
        sizes = {name: len(getattr(learn, name)) for name in ("alphas", "betas", "pair_alphas", "pair_betas")}
        self.fingerprint: Mapping[str, Any] = {**asdict(options), "corpus": sizes}

    def measure_loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the loss of a step's batch.

        Parameters
        ----------
        step
            Number of the step, from 0.

        Returns
        -------
        tuple
            The loss, and its parts ``contrast``, ``teacher`` and ``residue``, in nats.
        """
        return self._measure(self._batches, step)

    def validate(self) -> dict[str, float]:
        """Judge the network by receptors of the validation split.

        Returns
        -------
        dict
            ``loss`` and its parts, means over batches that are always the same.
        """
        measured = [self._measure(self._validation, batch) for batch in range(_VALIDATION_BATCHES)]
        names = {"loss": [loss for loss, _ in measured]}
        for name in measured[0][1]:
            names[name] = [parts[name] for _, parts in measured]
        return {name: float(torch.stack(values).mean().detach()) for name, values in names.items()}

    def _measure(self, batches: BatchMaker, number: int) -> tuple[Tensor, dict[str, Tensor]]:
        options = self.options
        clean, noised = batches.draw(number)
        one, other = (encode_view(self.network, view, batches.size) for view in (clean, noised))
        parts = {
            "contrast": contrast(one.vectors, other.vectors, options.temperature),
            "teacher": self._teacher.measure_loss(clean, one.vectors),
            "residue": functional.cross_entropy(other.residue_logits, other.residues),
        }
        loss = (
            options.contrast_weight * parts["contrast"]
            + options.teacher_weight * parts["teacher"]
            + options.residue_weight * parts["residue"]
        )
        return loss, {name: value.detach() for name, value in parts.items()}


def build_encoder(vocabulary: ReceptorVocabulary, options: ReceptorTaskOptions) -> ReceptorEncoder:
    """Build a receptor encoder with random weights for its training task.

    Parameters
    ----------
    vocabulary
        Names it knows.
    options
        Its shape and the seed of its weights.

    Returns
    -------
    ReceptorEncoder
        The network; torch's random state is left as it was.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(options.seed)
        return ReceptorEncoder(options.network, build_germline_tables(vocabulary))


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
    """Encode one view of receptors in the training task.

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
        is_asked = targets != NOT_ASKED
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
    """Give the task's contrastive loss: tell each receptor's other view among the batch (InfoNCE, both ways).

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
