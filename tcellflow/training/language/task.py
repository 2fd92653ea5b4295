"""The task of a language network: the next token, the row behind a slot, and whose words fit the cells.

Invariant: a step's batch depends on the seed and the step alone; validation sees
plans that are not learnt from.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from tcellflow.inference.language.memory import stack_memory
from tcellflow.language.realising.rows import KINDS, N_NUMBERS, tell_numbers
from tcellflow.language.template import Register
from tcellflow.models.configurations import LanguageConfig
from tcellflow.models.text_decoder import LanguageNetwork
from tcellflow.training.language.contrast import TermTexts, contrast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from tcellflow.inference.language.memory import LanguagePanel
    from tcellflow.language.realising.tokens import TokenSet
    from tcellflow.training.language.options import LanguageTaskOptions
    from tcellflow.training.language.plans import Plan
    from tcellflow.training.language.teacher import Lesson, Teacher

_REGISTERS: Final = get_args(Register)
_CHECKED: Final = 64  # plans of a validation batch
_MOST_CHECKED: Final = 256
_FAR: Final = -1e4


@dataclass(frozen=True)
class LanguageBatch:
    """Lessons side by side, padded with zeros.

    Parameters
    ----------
    memory
        Inputs of the encoder: genes, mask, kinds, row genes, numbers.
    tokens, filled
        (B, T) int64.
    """

    memory: tuple[Tensor, ...]
    tokens: Tensor
    filled: Tensor


class LanguageTask:
    """Network, loss and validation.

    Parameters
    ----------
    plans
        All plans.
    panel
        Genes of the network, and how they are standardised.
    teacher
        Puts plans into words.
    tokens
        Of the network.
    options
        Shape, weights and seed.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        panel: LanguagePanel,
        teacher: Teacher,
        tokens: TokenSet,
        options: LanguageTaskOptions,
    ) -> None:
        self.options = options
        self._teacher = teacher
        torch.manual_seed(options.seed)
        self.network = LanguageNetwork(
            LanguageConfig(
                genes=len(panel.symbols), kinds=len(KINDS), tokens=len(tokens.tokens), width=options.width,
                decoder_layers=options.decoder_layers, dropout=options.dropout, numbers=N_NUMBERS,
            )
        )  # fmt: skip
        self._learn = [plan for plan in plans if not plan.is_kept]
        self._kept = [plan for plan in plans if plan.is_kept][:_MOST_CHECKED]
        self._panel = panel
        self._vectors: dict[int, NDArray[np.float32]] = {}
        self._texts = TermTexts({plan.term for plan in plans if plan.term}, self.network.config.buckets)
        self.fingerprint: Mapping[str, Any] = {
            **asdict(options),
            "plans": len(plans),
            "rows": sum(len(plan.rows) for plan in plans),
            "expression": float(sum(float(plan.expression.sum()) for plan in plans)),
            "tokens": zlib.crc32(" ".join(tokens.tokens).encode()),
        }

    def measure_loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the loss of a step's batch, and its named parts."""
        rng = np.random.default_rng((self.options.seed, 1, step))
        chosen = [self._learn[i] for i in rng.integers(len(self._learn), size=self.options.batch)]
        lessons = [
            self._teacher.tell(self._teacher.vary(plan.rows, rng), _REGISTERS[int(rng.integers(3))], rng)
            for plan in chosen
        ]
        shown = rng.random(len(chosen)) < self.options.sees_cells
        parts = self._measure(chosen, lessons, shown, rng)
        weights = {
            "token": 1.0,
            "pointer": self.options.pointer_weight,
            "contrast": self.options.contrast_weight,
        }
        loss = torch.stack([weights[name] * value for name, value in parts.items()]).sum()
        return loss, {name: value.detach() for name, value in parts.items()}

    def validate(self) -> dict[str, float]:
        """Judge by kept plans: losses, and how often a group finds the words of its type."""
        figures = self.judge(self._kept[:_MOST_CHECKED])
        return {"loss": figures["token"] + figures["pointer"], **figures}

    def judge(self, plans: Sequence[Plan]) -> dict[str, float]:
        """Judge by plans that were not learnt from, each with one text.

        Returns
        -------
        dict
            ``groups``; ``token`` and ``pointer``: loss of the next token and of rows behind slots, in nats;
            ``type``: share of groups nearest to the words of their own type among those learnt.
        """
        found: dict[str, list[float]] = {"token": [], "pointer": []}
        for first in range(0, len(plans), _CHECKED):
            rng = np.random.default_rng((self.options.seed, 2, first))
            chosen = plans[first : first + _CHECKED]
            lessons = [
                self._teacher.tell(plan.rows, _REGISTERS[int(rng.integers(3))], rng) for plan in chosen
            ]
            with torch.no_grad():
                parts = self._measure(chosen, lessons, np.ones(len(chosen), bool), rng)
            for name, values in found.items():
                values.append(float(parts[name]))
        figures = {name: float(np.mean(values)) for name, values in found.items()}
        return {"groups": len(plans), **figures, "type": self._find_types(plans)}

    def compare(self, plans: Sequence[Plan], names: Sequence[str]) -> NDArray[np.float32]:
        """Compare plans with the words of types, (plans, types), the higher the better."""
        device = self._device
        words, starts = self._texts.join([self._texts.define(name) for name in names])
        with torch.no_grad():
            memory = self._stack(plans, [() for _ in plans], np.ones(len(plans), bool))
            queries, _, _ = self.network.encoder(*memory)
            scores = self.network.compare(queries, words.to(device), starts.to(device))
        return np.asarray(scores.cpu().numpy())

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _standardise(self, plan: Plan) -> NDArray[np.float32]:
        if id(plan) not in self._vectors:
            self._vectors[id(plan)] = self._panel.standardise(plan.symbols, plan.expression)
        return self._vectors[id(plan)]

    def _find_types(self, plans: Sequence[Plan]) -> float:
        known = [plan for plan in plans if plan.term]
        names = sorted({plan.term for plan in self._learn if plan.term})
        if not known or not names:
            return 0.0
        best = self.compare(known, names).argmax(axis=1)
        return float(np.mean([names[i] == plan.term for i, plan in zip(best, known, strict=True)]))

    def _measure(
        self,
        plans: Sequence[Plan],
        lessons: Sequence[Lesson],
        shown: NDArray[np.bool_],
        rng: np.random.Generator,
    ) -> dict[str, Tensor]:
        batch = self._collate(plans, lessons, shown)
        queries, memory, bias = self.network.encoder(*batch.memory)
        decoder = self.network.decoder
        tokens, filled = batch.tokens, batch.filled
        kept, start = decoder.keep(memory), self.network.start(len(tokens))
        scores, pointed, _ = decoder(tokens[:, :-1], filled[:, :-1], start, memory, kept, bias)
        parts = {"token": cross_entropy(scores.flatten(0, 1), tokens[:, 1:].flatten(), ignore_index=0)}
        absent = (batch.memory[2] == 0)[:, None, :]
        rows = filled[:, 1:].flatten()
        parts["pointer"] = cross_entropy(
            pointed.masked_fill(absent, _FAR).flatten(0, 1), rows - 1, ignore_index=-1
        )
        known = [i for i, plan in enumerate(plans) if plan.term and shown[i]]
        if len({plans[i].term for i in known}) > 1:
            parts["contrast"] = self._contrast(queries[known], [plans[i].term for i in known], rng)
        return parts

    def _contrast(self, queries: Tensor, terms: Sequence[str], rng: np.random.Generator) -> Tensor:
        """Compare groups with the words of all terms at hand."""
        names = sorted(set(terms))
        words, starts = self._texts.join([self._texts.draw(name, rng) for name in names])
        scores = self.network.compare(queries, words.to(queries.device), starts.to(queries.device))
        return contrast(scores, self._texts.relate(terms, names).to(scores.device))

    def _collate(
        self, plans: Sequence[Plan], lessons: Sequence[Lesson], shown: NDArray[np.bool_]
    ) -> LanguageBatch:
        longest = max(len(lesson.tokens) for lesson in lessons)
        tokens, filled = np.zeros((2, len(lessons), longest), dtype=np.int64)
        for i, lesson in enumerate(lessons):
            tokens[i, : len(lesson.tokens)] = lesson.tokens
            filled[i, : len(lesson.filled)] = lesson.filled
        memory = self._stack(plans, [lesson.rows for lesson in lessons], shown)
        return LanguageBatch(
            memory, torch.from_numpy(tokens).to(self._device), torch.from_numpy(filled).to(self._device)
        )

    def _stack(
        self, plans: Sequence[Plan], rows: Sequence[Sequence[Any]], shown: NDArray[np.bool_]
    ) -> tuple[Tensor, ...]:
        told = [tell_numbers(one, self._panel.place) for one in rows]
        vectors = [self._standardise(plan) for plan in plans]
        arrays = stack_memory(vectors, told)
        arrays["gene_mask"][~shown] = 0
        return tuple(torch.from_numpy(array).to(self._device) for array in arrays.values())
