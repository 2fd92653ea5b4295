"""What puts the plans of all groups into sentences: fixed sentences, a bundle, or a language model.

Invariant: whoever writes is given claims, and what is written counts for nothing before it was read back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tcellflow.errors import OptionsError
from tcellflow.inference.language.writer import NeuralWriter
from tcellflow.io.bundles.folders import find_bundle, read_bundle
from tcellflow.language.foreign import take_sentences, write_prompt
from tcellflow.language.template import realise

if TYPE_CHECKING:
    from tcellflow.language.claims import Claim
    from tcellflow.language.facts import SampleFacts
    from tcellflow.language.foreign import Speak
    from tcellflow.language.template import Register, Sentence
    from tcellflow.provenance import JsonValue
    from tcellflow.vocabulary import Realiser

Plans = Sequence[tuple[int, "Sequence[Claim]"]]  # number of the unit, and what may be said of it
Write = Callable[["SampleFacts", Plans, "Register"], "list[list[Sentence]]"]


def choose_writer(realiser: Realiser, bundle: str, speak: Speak | None) -> tuple[Write, dict[str, JsonValue]]:
    """Choose what writes, and what the provenance says of its bundle; nothing without one.

    Parameters
    ----------
    realiser
        As asked for.
    bundle
        Name or folder of the bundle of ``neural``.
    speak
        Language model of ``llm``.

    Raises
    ------
    BundleError
        If the bundle is not there, is broken or is of another task.
    OptionsError
        If no language model was handed over for ``llm``, or one for another realiser.
    """
    if (realiser == "llm") != (speak is not None):
        raise OptionsError(
            "the realiser llm and a language model go together", where="describe", mend="give both or neither"
        )
    if realiser == "neural":
        found = read_bundle(find_bundle(bundle))
        return NeuralWriter(found).write, found.note()
    return (write_by_template if speak is None else write_by_model(speak)), {}


def write_by_template(facts: SampleFacts, plans: Plans, register: Register) -> list[list[Sentence]]:  # noqa: ARG001 (as all writers)
    """Write fixed sentences."""
    return [realise(claims, register) for _, claims in plans]


def write_by_model(speak: Speak) -> Write:
    """Make a writer of a language model."""

    def write(facts: SampleFacts, plans: Plans, register: Register) -> list[list[Sentence]]:  # noqa: ARG001
        return [take_sentences(speak(write_prompt(claims, register)), claims) for _, claims in plans]

    return write
