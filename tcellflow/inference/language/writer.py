"""A language bundle at work: plans in, sentences out, all names and numbers copied from the plans.

Invariant: the same plans in the same order give the same sentences on the same machine; a sentence that is
given back is finished, and every claim it says is named beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import BundleError, InputError
from tcellflow.inference.language.memory import LanguagePanel, stack_memory
from tcellflow.inference.session import open_session
from tcellflow.io.bundles.language import LanguageDetails, read_language_genes, read_tokens
from tcellflow.language.realising.draft import Draft
from tcellflow.language.realising.phrases import parse_phrases
from tcellflow.language.realising.rows import make_rows, tell_numbers
from tcellflow.language.realising.tokens import TokenSet
from tcellflow.language.template import choose_claims

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.inference.session import Device
    from tcellflow.io.bundles.folders import Bundle
    from tcellflow.language.claims import Claim
    from tcellflow.language.facts import SampleFacts
    from tcellflow.language.realising.phrases import Phrase
    from tcellflow.language.realising.rows import Row
    from tcellflow.language.template import Register, Sentence

    MakeDraft = Callable[[Sequence[Row], TokenSet, Sequence[Phrase]], Draft]

_AT_ONCE: Final = 32  # texts that are written side by side
_IMPOSSIBLE: Final = -np.inf


class NeuralWriter:
    """Writes with a bundle.

    Parameters
    ----------
    bundle
        Of the task "language".
    device
        As of `open_session`.

    Raises
    ------
    BundleError
        If the bundle is of another task, or a part of it is broken.
    OptionsError
        As `open_session`.
    """

    def __init__(self, bundle: Bundle, *, device: Device = "cpu") -> None:
        details = bundle.description.details
        if not isinstance(details, LanguageDetails):
            raise BundleError(
                f"the bundle's task is '{bundle.description.task}' instead of 'language'",
                where=bundle.folder,
                mend="choose a bundle of this task; 'tcellflow bundle list' shows them",
            )
        self._details = details
        self.panel = LanguagePanel(*read_language_genes(bundle.folder, details.genes))
        self.tokens = TokenSet(read_tokens(bundle.folder, details.tokens))
        self._phrases = _read_phrases(bundle.folder / details.phrases)
        self._encoder = open_session(bundle.model_path, threads=1, device=device)
        self._decoder = open_session(bundle.folder / details.decoder, threads=1, device=device)

    def write(
        self, facts: SampleFacts, plans: Sequence[tuple[int, Sequence[Claim]]], register: Register
    ) -> list[list[Sentence]]:
        """Put plans into sentences.

        Parameters
        ----------
        facts
            Of the sample, for the expression of its groups.
        plans
            Number of the unit, and what may be said of it, most important first.
        register
            How much is said.
        """
        last = len(facts.units) - 1
        genes = list(facts.evidence.place)
        told = []
        for unit, claims in plans:
            expression = facts.evidence.measure_expression(-1 if unit == last else unit)
            rows = make_rows(choose_claims(claims, register))[: self._details.most_rows]
            told.append((rows, self.panel.standardise(genes, expression)))
        return [draft.sentences for draft in self.write_rows(told, register)]

    def write_rows(
        self,
        plans: Sequence[tuple[Sequence[Row], NDArray[np.float32]]],
        register: Register,
        draft: MakeDraft = Draft,
    ) -> list[Draft]:
        """Put plans into words: their rows, and the group's expression as `LanguagePanel` standardises it.

        Parameters
        ----------
        plans
            Rows and expression of each group.
        register
            How much is said.
        draft
            What may be written; a measurement may ask what happens if anything may.
        """
        written: list[Draft] = []
        for first in range(0, len(plans), _AT_ONCE):
            written += self._write_block(plans[first : first + _AT_ONCE], register, draft)
        return written

    def try_model(self) -> None:
        """Run both graphs once, on a plan without rows."""
        empty = np.zeros((2, len(self.panel.symbols)), dtype=np.float32)
        self.write_rows([((), empty)], "short")

    def _write_block(
        self,
        plans: Sequence[tuple[Sequence[Row], NDArray[np.float32]]],
        register: Register,
        draft: MakeDraft,
    ) -> list[Draft]:
        told = [tell_numbers(rows, self.panel.place) for rows, _ in plans]
        phrases = [phrase for phrase in self._phrases if register in phrase.registers]
        drafts = [draft(rows, self.tokens, phrases) for rows, _ in plans]
        memory = self._encoder.run(stack_memory([vector for _, vector in plans], told))
        size = self._details.width // self._details.heads
        past: NDArray[np.float32] = np.zeros(
            (self._details.layers, 2, len(plans), self._details.heads, 0, size), dtype=np.float32
        )
        tokens = np.full((len(plans), 1), self.tokens.place[f"<{register}>"], dtype=np.int64)
        filled = np.zeros((len(plans), 1), dtype=np.int64)
        for _ in range(self._details.longest):
            out = self._decoder.run({"tokens": tokens, "rows": filled, "past": past, **memory})
            past = out["grown"]
            for i, one in enumerate(drafts):
                if not one.is_done:
                    tokens[i, 0], filled[i, 0] = _take_step(one, out["scores"][i, -1], out["pointed"][i, -1])
            if all(one.is_done for one in drafts):
                break
        return drafts


def _read_phrases(path: Path) -> tuple[Phrase, ...]:
    try:
        return parse_phrases(path.read_text(encoding="utf-8"), where=path)
    except (InputError, UnicodeDecodeError) as error:
        raise BundleError(
            f"the phrases are broken: {error}",
            where=path,
            mend="fetch the bundle again, or have its maker mend it",
        ) from error


def _take_step(draft: Draft, scores: NDArray[np.float32], pointed: NDArray[np.float32]) -> tuple[int, int]:
    """Write the likeliest token that is allowed, with the likeliest row; both as the decoder reads them."""
    token = int(np.where(draft.allow(), scores, _IMPOSSIBLE).argmax())
    fitting = draft.allow_rows(token)
    row = None
    if fitting.any():
        row = int(np.where(fitting, pointed[: len(fitting)], _IMPOSSIBLE).argmax())
    said = draft.push(token, row)
    return token, 0 if said is None else said + 1
