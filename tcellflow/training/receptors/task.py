"""The receptor encoder's task: noised views, a teacher's neighbours, and hidden residues.

Invariant: validation sees junctions that training never sees, noised the same way each time.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from tcellflow.errors import InputError
from tcellflow.models.receptors import ReceptorEncoder
from tcellflow.training.receptors.batches import BatchMaker
from tcellflow.training.receptors.distance import DistanceTeacher
from tcellflow.training.receptors.germline import build_germline_tables
from tcellflow.training.receptors.loss import contrast, encode_view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from tcellflow.receptors.encoding.tokens import ReceptorVocabulary
    from tcellflow.training.receptors.corpus import Corpus
    from tcellflow.training.receptors.options import ReceptorTaskOptions

_VALIDATION_BATCHES = 4


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
        If too few receptors are kept back to judge by.
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
        self._kept_back = BatchMaker(
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
        """Judge the network by receptors that were kept back.

        Returns
        -------
        dict
            ``loss`` and its parts, means over batches that are always the same.
        """
        measured = [self._measure(self._kept_back, batch) for batch in range(_VALIDATION_BATCHES)]
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
    """Build an encoder with random weights.

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
